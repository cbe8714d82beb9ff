"""A place where somebody runs a sweep: its journal, its requests, its dangers. The runner in it is the real one."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from sweeper.aws.lease import Lease
from sweeper.core.chain import fold
from sweeper.core.model import Sweep
from sweeper.core.ports import Journal, TrainingApi
from sweeper.errors import LockHeldError, SweeperError
from sweeper.run.ending import Ending
from sweeper.run.runner import Runner
from sweeper.run.world import Guard, Inbox, Logs, Succession, World
from sweeper.simulation.danger import Crash, Danger, DyingApi, DyingClock, DyingJournal, Requests
from sweeper.simulation.drawn import SCOPE, SECRET
from sweeper.simulation.heard import Listener, LogPosition, staged
from sweeper.simulation.invariants import Ledger, check, intended, mark_of, reopened
from sweeper.simulation.locks import Locks, watch_over
from sweeper.testing.journals import MemoryJournal
from sweeper.testing.twin import Call, Twin

MOST_RUNS = 16
"""Invocations in which a sweep must have ended; the last of them were quiet."""


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
    succession: Succession = field(default_factory=Succession)
    armed: bool = False
    """Is there a watchdog, which acts when this dies?"""

    def __post_init__(self) -> None:
        self.listener = Listener(self.twin.clock.now)

    @property
    def ledger(self) -> Ledger:
        """What the service knows of this sweep."""
        own = self.made | intended(self.journal.events()) if self.rivals else None
        return Ledger(
            self.twin, mark_of(self.owner, self.sweep.name), self.sent, self.made if self.rivals else None, own
        )

    def act(self) -> None:
        """One invocation; when it dies, its watchdog may come before anyone runs it again."""
        self.runs += 1
        self.ending, refused = None, self.refused
        try:
            with ExitStack() as stack:
                self._locks.take(stack)
                self.ending = self._invoke(stack)
        except LockHeldError:
            self.refused += 1
        if self.ending is None and self.refused == refused and self.rng.random() < 0.5:
            self._watchdog()
        done = self.ending and not (self.ending.signal or self.ending.unreleased)
        self.over = bool(done or (self.ending is None and self.danger.dead and self.abandoned)) or self.runs > MOST_RUNS

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
                guard=Guard(self.arm, lease.beat if lease else lambda: True),
                succession=self.succession,
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

    def arm(self) -> None:
        """Its watchdog is there from here on."""
        self.armed = True

    @property
    def _locks(self) -> Locks:
        return Locks(self.folder, self.twin.clock)

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
        """It waits its grace without the lock, so that a restart can win."""
        self.twin.clock.sleep(self.rng.choice((1.0, 30.0, 600.0, 7200.0)))
        api = DyingApi(self.api_of(self.twin), self.twin, Danger(self.rng, 0.0, 0))
        api.sent = self.sent
        watch_over(self.journal.events(), api, self.sweep.waits, self._locks, self.listener.say, self.rng)

    @property
    def reopened(self) -> Counter[str]:
        """How often each trial was asked to be run again."""
        return reopened(self.journal.events())

    def check(self, *, left: bool) -> list[str]:
        """Every broken invariant. `left`: the journal's last invocation died and nobody came back."""
        ending = None if left else self.ending
        capacity = self.sweep.in_flight
        events, said = self.journal.events(), self.listener.lines
        return self.problems + check(self.ledger, self.sweep, events, ending, SECRET, said, capacity)
