"""A place where somebody runs a sweep: its journal, its requests, its dangers. The runner in it is the real one."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sweeper.aws.lease import Lease
from sweeper.core import events as ev
from sweeper.core.chain import Chain, Job, fold
from sweeper.core.model import Sweep
from sweeper.core.ports import Journal, TrainingApi
from sweeper.core.request import Staged, fingerprint
from sweeper.core.watch import News
from sweeper.errors import LockHeldError, SweeperError
from sweeper.record.locks import held, held_to_close
from sweeper.run.debts import Closer
from sweeper.run.ending import Ending
from sweeper.run.registry import Owed
from sweeper.run.release import Running
from sweeper.run.runner import Runner
from sweeper.run.world import Guard, Inbox, Logs, World
from sweeper.simulation.danger import Crash, Danger, DyingApi, DyingClock, DyingJournal, Requests
from sweeper.simulation.drawn import SCOPE, SECRET
from sweeper.simulation.invariants import Ledger, check
from sweeper.testing.journals import MemoryJournal
from sweeper.testing.twin import Call, Twin

MOST_RUNS = 16
"""Invocations in which a sweep must have ended; the last of them were quiet."""
UNREADABLE = 0.3
"""How often a watchdog finds the journal damaged and has the registry's names alone."""
SOURCE, OUTPUT = "s3://simulated/source", "s3://simulated/output"


def staged(config: Mapping[str, Any]) -> Staged:
    """Where a simulated job reads and writes: a fixed place to which nothing was ever uploaded."""
    return Staged(SOURCE, {channel: f"{SOURCE}/{channel}" for channel in config["job"].get("inputs") or {}}, OUTPUT)


class Listener:
    """The Progress port: keeps what was said, and when."""

    def __init__(self, now: Callable[[], float] = lambda: 0.0) -> None:
        self._now = now
        self.told: list[tuple[float, str]] = []

    @property
    def lines(self) -> list[str]:
        """What was said, in order."""
        return [line for _, line in self.told]

    def event(self, event: ev.Event, chain: Chain) -> None:
        """An event, as text."""
        self.say(repr(event))

    def watching(self, name: str, description: Mapping[str, Any]) -> None:
        """Nothing."""

    def say(self, line: str) -> None:
        """A line."""
        self.told.append((self._now(), line))


class LogPosition:
    """The log of a simulated job, read on from where it was left by this invocation."""

    def __init__(self, twin: Twin) -> None:
        self._twin = twin
        self._read: dict[str, int] = {}

    def news(self, job: Job) -> News:
        """The points that were printed since the last look."""
        points = self._twin.printed_by(job.name)[self._read.get(job.name, 0) :]
        self._read[job.name] = self._read.get(job.name, 0) + len(points)
        return News(len(points), points)


@dataclass
class Host:
    """One place. `rivals`: others run the same sweep under the same name, so not every job of it is this one's."""

    sweep: Sweep
    owner: str
    twin: Twin
    danger: Danger
    rng: random.Random
    runner: type[Runner] = Runner
    api_of: Callable[[Twin], TrainingApi] = lambda twin: twin
    journal: Journal = field(default_factory=MemoryJournal)
    inbox: Requests = field(default_factory=Requests)
    folder: Path | None = None
    """Where its locks are; None where nobody else could want them."""
    lease: Callable[[], Lease] | None = None
    lease_is_anothers: Callable[[], bool] = lambda: False
    rivals: bool = False
    abandoned: bool = False
    """Nobody comes back after the first death."""
    runs: int = 0
    refused: int = 0
    ending: Ending | None = None
    over: bool = False
    sent: list[Call] = field(default_factory=list)
    made: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.listener = Listener(self.twin.clock.now)

    @property
    def ledger(self) -> Ledger:
        """What the service knows of this sweep."""
        prefix = fingerprint(self.owner, self.sweep.name, "", 0).removesuffix("/0")
        own = self.made | {e.name for e in self.journal.events() if isinstance(e, ev.Intent)} if self.rivals else None
        return Ledger(self.twin, prefix, self.sent, self.made if self.rivals else None, own)

    def act(self) -> None:
        """One invocation; when it dies, its watchdog may come before anyone runs it again."""
        self.runs += 1
        self.ending, refused = None, self.refused
        try:
            with ExitStack() as stack:
                self._lock(stack)
                self.ending = self._invoke(stack)
        except LockHeldError:
            self.refused += 1
        if self.ending is None and self.refused == refused and self.rng.random() < 0.5:
            self._watchdog()
        done = self.ending and not (self.ending.signal or self.ending.unreleased)
        self.over = bool(done or (self.ending is None and self.danger.dead and self.abandoned)) or self.runs > MOST_RUNS

    def _lock(self, stack: ExitStack) -> None:
        """As the command line does, before anything else (R13)."""
        if self.folder:
            stack.enter_context(held(self.folder / ".lock", "the sweep", self.twin.clock.now()))
            stack.enter_context(held(self.folder / "pool.lock", "the pool", self.twin.clock.now()))

    def _invoke(self, stack: ExitStack) -> Ending | None:
        """None when it died, or ended by an error that its command line would tell."""
        danger, clock = self.danger, DyingClock(self.twin.clock, self.danger)
        danger.caught.clear()
        danger.dead = False
        self.inbox.begin(clock.now())
        api = DyingApi(self.api_of(self.twin), self.twin, danger)
        api.sent, api.made = self.sent, self.made
        try:
            lease = self._take_lease(stack)
            api.creating = self._may_create
            world = World(
                api=api,
                journal=DyingJournal(self.journal, danger),
                clock=clock,
                progress=self.listener,
                stage=staged,
                logs=Logs(news=LogPosition(self.twin).news, curve=self.twin.printed),
                inbox=Inbox(danger.caught, self.inbox.requests, lambda asked: self.inbox.answered(asked, danger)),
                guard=Guard(holds=lease.beat if lease else lambda: True),
            )
            runner = self.runner(self.sweep, SCOPE, self.owner, world)
            ending = runner.run()
        except Crash:
            return None
        except LockHeldError:
            raise
        except SweeperError as error:
            # The command line would tell it and exit; the pools are closed or named.
            self.listener.say(f"error: {error}")
            named = list(getattr(error, "unreleased", []))
            return Ending("error", fold(self.journal.events()), 2, named)
        ledger = self.ledger
        ledger.compare_replay(runner.chain, fold(self.journal.events()))
        if not ending.unreleased:
            ledger.nothing_open()
        self.problems += ledger.problems
        return ending

    def _take_lease(self, stack: ExitStack) -> Lease | None:
        if self.lease is None:
            return None
        lease = self.lease()
        lease.acquire()
        stack.callback(lambda: None if self.danger.dead else lease.release())
        return lease

    def _may_create(self) -> None:
        if self.lease_is_anothers():
            self.problems.append("I3: a job was created while another runner held the lease")

    def _watchdog(self) -> None:
        """It waits its grace without the lock, so that a restart can win, then closes what the dead one owed (R14)."""
        self.twin.clock.sleep(self.rng.choice((1.0, 30.0, 600.0, 7200.0)))
        api = DyingApi(self.twin, self.twin, Danger(self.rng, 0.0, 0))
        api.sent = self.sent
        closer = Closer(api, self.sweep.waits, self.twin.clock, self.listener.say, turn=self._turn)
        chain = fold(self.journal.events())
        if self.rng.random() < UNREADABLE:
            debts = chain.debts.values()
            named = (Owed(j.name, j.intent.fingerprint, j.keep_alive_s, j.intent.max_runtime_s) for j in debts)
            chain = fold(owed.intent for owed in named)
        try:
            closer.close_all(chain, running=Running.AWAIT)
        except LockHeldError:
            return  # a runner has come back

    def _turn(self) -> AbstractContextManager[None]:
        """One round of the watchdog's."""
        if self.folder is None:
            return nullcontext()
        return held_to_close(self.folder / ".lock", "the sweep", self.twin.clock.now(), "the watchdog")

    def ask(self) -> None:
        """A person types one of the commands that leave a request for the running chain."""
        rng, now = self.rng, self.twin.clock.now()
        known = [trial for trial in self.sweep.trials if trial.id]
        kind = rng.choice(("stop", "skip", "skip", "add", "add", "retry"))
        if kind == "stop":
            self.inbox.ask(now, kind, now=rng.random() < 0.5)
        elif known and kind == "skip":
            self.inbox.ask(now, kind, trial=rng.choice(known).id)
        elif known and kind == "retry":
            chain = fold(self.journal.events())
            self.inbox.ask(now, kind, trials=[t.id for t in known if chain.is_finished(t.id)][:1])
        elif known:
            self.inbox.ask(now, kind, values=another(rng.choice(known).values, rng))

    @property
    def reopened(self) -> Counter[str]:
        """How often each trial was asked to be run again."""
        return Counter(event.trial for event in self.journal.events() if isinstance(event, ev.Reopened))

    def check(self, *, left: bool) -> list[str]:
        """Every broken invariant. `left`: the journal's last invocation died and nobody came back."""
        ending = None if left else self.ending
        capacity = self.sweep.backend.capacity
        events, said = self.journal.events(), self.listener.lines
        return self.problems + check(self.ledger, self.sweep, events, ending, SECRET, said, capacity)


def another(values: Mapping[str, Any], rng: random.Random) -> dict[str, Any]:
    """These values with one number changed: what somebody might add. Sometimes they are there already."""
    numbers = [key for key, value in values.items() if isinstance(value, (int, float)) and not isinstance(value, bool)]
    if not numbers or rng.random() < 0.2:
        return dict(values)
    key = rng.choice(numbers)
    return {**values, key: values[key] + 1}
