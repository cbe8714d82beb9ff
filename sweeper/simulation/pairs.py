"""Two sweeps on one pool by seed: the second waits for the first and takes its pool over; both die at any moment.

The line, the locks, the waiting and the runners are the real ones; the service, the time and the deaths are drawn.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sweeper.backends.warm_pool import WarmPool
from sweeper.core import events as ev
from sweeper.core.chain import fold
from sweeper.core.ports import TrainingApi
from sweeper.errors import GaveUpWaitingError, LockHeldError
from sweeper.record.line import Line, Ticket
from sweeper.record.locks import held, held_to_close
from sweeper.run.debts import Closer
from sweeper.run.release import Running
from sweeper.run.runner import Runner
from sweeper.run.waiting import Waiting
from sweeper.run.world import Succession
from sweeper.simulation.danger import Crash, Danger, DyingClock, DyingJournal, NoProgress
from sweeper.simulation.drawn import behaviour, draw_sweep
from sweeper.simulation.host import Host
from sweeper.simulation.invariants import Ledger, intended, mark_of
from sweeper.simulation.turns import Turns
from sweeper.testing.journals import MemoryJournal
from sweeper.testing.twin import Faults, Twin

LOOK_S = 10.0
MOST_TOUCHES = 100_000
"""Of the outside, for each of the two: who waits looks again and again."""
OWNER, POOL = "simulated", "the pool"
MOST_RUNS = 12
NOISY_RUNS = 3
"""Invocations of one sweep after which nothing fails and nobody dies any more."""


class Watched(MemoryJournal):
    """A journal that is looked at after every append."""

    look: Callable[[], None] = staticmethod(lambda: None)

    def append(self, *events: ev.Event) -> None:
        """Append, and look."""
        super().append(*events)
        self.look()


class Owing:
    """The service as one sweep reaches it: stopped and released is only what it owes."""

    def __init__(self, party: Party, twin: Twin) -> None:
        self._party, self._twin = party, twin

    def __getattr__(self, name: str) -> Any:
        return getattr(self._twin, name)

    def stop_training_job(self, name: str) -> None:
        """StopTrainingJob."""
        self._owed("stopped", name)
        self._twin.stop_training_job(name)

    def update_training_job(self, name: str, keep_alive_s: int) -> None:
        """UpdateTrainingJob."""
        self._owed("released", name)
        self._twin.update_training_job(name, keep_alive_s)

    def _owed(self, what: str, name: str) -> None:
        if name not in fold(self._party.journal.events()).debts:
            self._party.problems.append(f"R21: {self._party.sweep.name} {what} {name}, which it does not owe")


@dataclass
class Party(Host):
    """One of the two: a sweep, who runs it, and the watchdog that comes after a death."""

    waits: bool = False
    waiting: type[Waiting] = Waiting
    alive: bool = False
    others: list[Party] = field(default_factory=list)
    look: Callable[[], None] = lambda: None
    named: set[str] = field(default_factory=set)
    """Jobs that were told with exit code 3."""

    @property
    def place(self) -> Path:
        """Its folder."""
        assert self.folder is not None
        return self.folder / self.sweep.name

    @property
    def ledger(self) -> Ledger:
        """What the service knows of this sweep, but for what it has handed over."""
        chain = fold(self.journal.events())
        handed = {name for name, job in chain.jobs.items() if job.closed is ev.Closed.HANDED_OVER}
        known = intended(self.journal.events()) - handed
        return Ledger(self.twin, mark_of(self.owner, self.sweep.name), self.sent, None, known)

    def live(self) -> None:
        """Run it until it has ended, or nobody wants it any more."""
        while not self.over:
            self.act()
            self.look()
            if self.ending:
                self.named |= {pool.name for pool in self.ending.unreleased}
                self.armed = self.armed and bool(self.ending.unreleased)
                self.over = not (self.ending.signal or self.ending.unreleased)
            elif self.danger.dead and (self.abandoned or self.rng.random() < 0.5):
                self._watch()
                self.over = self.abandoned
            if self.runs >= NOISY_RUNS:
                self.danger.none()
                self.twin.quiet()
            if self.runs > MOST_RUNS:
                self.over = True
                self.problems.append(f"liveness: {self.sweep.name} did not end")
            self.twin.clock.sleep(self.rng.choice((1.0, 10.0, 600.0)))
            self.twin.advance(self.twin.clock.now())

    def act(self) -> None:
        """One invocation, from its place in the line to its end."""
        self.runs += 1
        self.ending, self.alive = None, True
        self.danger.caught.clear()
        self.danger.dead = False
        try:
            with ExitStack() as stack:
                self._take(stack)
                self.ending = self._invoke(stack)
        except LockHeldError:
            self.refused, self.runs = self.refused + 1, self.runs - 1
        except GaveUpWaitingError:
            self.refused += 1
        except Crash:
            pass
        self.alive = False

    def _take(self, stack: ExitStack) -> None:
        assert self.folder is not None
        now, pool = self.twin.clock.now(), self.folder / "pool.lock"
        stack.enter_context(held(self.place / ".lock", self.sweep.name, now))
        ticket = Ticket(self.sweep.name, str(self.place), POOL, mark_of(self.owner, self.sweep.name), self.waits, True)
        member = stack.enter_context(Line(self.folder / "line").joined(ticket, ""))

        def take() -> None:
            stack.enter_context(held(pool, POOL, self.twin.clock.now()))

        if self.waits:
            clock = DyingClock(self.twin.clock, self.danger)
            self.waiting(member, clock, take, self.inherit, self.listener.say, self.danger.caught, look_s=LOOK_S).wait()
        else:
            take()
            if member.ahead():
                raise LockHeldError("promised")
        member = member.runs(ticket)

        def heir(passed: Any) -> ev.Awaited | None:
            found = member.heir(passed)
            return ev.Awaited(found.folder, found.sweep, found.mark) if found else None

        self.succession = Succession(heir, member.line.offer, self._taken)

    def _taken(self, name: str, to: str) -> bool:
        events = [event for other in self.others if str(other.place) == to for event in other.journal.events()]
        return any(isinstance(event, ev.Inherited) and event.name == name for event in events)

    def inherit(self, pool: ev.Inherited) -> None:
        """The pool is owed from here on, and watched over from before it is."""
        if pool.name not in fold(self.journal.events()).inherited:
            self.arm()
            DyingJournal(self.journal, self.danger).append(pool)

    def _watch(self) -> None:
        """The watchdog of a run that died: it waits its grace, lets what runs finish, and closes what is owed."""
        if not self.armed:
            return
        clock, lock = self.twin.clock, self.place / ".lock"
        clock.sleep(30.0)
        api: TrainingApi = Owing(self, self.twin)
        closer = Closer(
            api,
            self.sweep.waits,
            clock,
            self.listener.say,
            turn=lambda: held_to_close(lock, self.sweep.name, clock.now(), "the watchdog"),
        )
        unreleased = closer.close_all(fold(self.journal.events()), running=Running.AWAIT)
        self.named |= {pool.name for pool in unreleased}
        self.armed = False

    def owes(self, name: str) -> bool:
        """Is there somebody of this sweep who closes the pool of this job?"""
        return (self.alive or self.armed) and name in fold(self.journal.events()).debts


@dataclass
class Pair:
    """One seed. `calm`: nothing fails and nobody dies. The classes are those of a broken protocol, for tests."""

    seed: int
    calm: bool = False
    runner: type[Runner] = Runner
    party: type[Party] = Party
    parties: list[Party] = field(default_factory=list)

    def run(self) -> list[str]:
        """Run both sweeps to their ends; returns every broken law, in words."""
        with tempfile.TemporaryDirectory() as folder:
            self._make(Path(folder))
            first, second = self.parties
            late = self.rng.choice((0.0, 100.0, 1000.0))
            try:
                self.clock.together((0.0, first.live), (late, second.live))
            except NoProgress:
                return ["liveness: a sweep goes round in circles"]
        return [problem for party in self.parties for problem in party.problems] + self._at_the_end()

    @property
    def deaths(self) -> int:
        """How often a runner died."""
        return sum(party.danger.deaths for party in self.parties)

    @property
    def handed_over(self) -> bool:
        """Did the second one take a pool over?"""
        return any(isinstance(event, ev.Inherited) for event in self.parties[1].journal.events())

    def _make(self, folder: Path) -> None:
        self.rng = rng = random.Random(f"pair {self.seed}")
        self.clock = Turns()
        self.twin = Twin.drawn(self.seed, self.clock, behaviour)
        if self.calm:
            self.twin.faults = Faults()
        self.parties = [self._party(folder, name, waits=name == "second") for name in ("first", "second")]
        for party in self.parties:
            party.others = [other for other in self.parties if other is not party]
            party.look = self._look
            assert isinstance(party.journal, Watched)
            party.journal.look = self._look
        self.rng = rng

    def _party(self, folder: Path, name: str, *, waits: bool) -> Party:
        rng = random.Random(self.rng.getrandbits(64))
        deaths = 0 if self.calm else rng.choice((0, 1, 1, 2))
        danger = Danger(
            rng, rng.choice((0.003, 0.01, 0.05)), deaths, 0.0 if self.calm else rng.choice((0.0, 0.0, 0.01))
        )
        sweep = replace(draw_sweep(random.Random(f"{name} {self.seed}")), name=name, backend=WarmPool())
        journal = Watched()
        party = self.party(sweep, OWNER, self.twin, danger, rng, self.runner, lambda twin: twin, journal, folder=folder)
        party.api_of = lambda twin: Owing(party, twin)
        party.waits, party.abandoned = waits, not self.calm and rng.random() < 0.3
        return party

    def _look(self) -> None:
        """Never a pool without an owner."""
        ours = {name for party in self.parties for name in intended(party.journal.events())}
        for pool in self.twin.service.pools.values():
            name = pool.holder
            named = any(name in party.named for party in self.parties)
            if name in ours and not named and not any(party.owes(name) for party in self.parties):
                problem = f"R21: the pool of {name} has no owner"
                if problem not in self.parties[0].problems:
                    self.parties[0].problems.append(problem)

    def _at_the_end(self) -> list[str]:
        self.twin.advance(self.clock.now())
        named = {name for party in self.parties for name in party.named}
        ours = {name for party in self.parties for name in intended(party.journal.events())} - named
        left = [pool.holder for pool in self.twin.service.pools.values() if pool.holder in ours]
        broken = [f"I4: everybody has gone and these pools bill: {left}"] if left else []
        return broken + (self._one_cold_start() if self.calm else [])

    def _one_cold_start(self) -> list[str]:
        """Where nothing failed: what is awaited is kept and handed over, if it shows in time; the next job uses it."""
        first, second = self.parties
        jobs = Ledger(self.twin, mark_of(OWNER, second.sweep.name)).jobs
        broken = []
        if self.handed_over and jobs and not jobs[0].warm:
            broken.append(f"I10: {jobs[0].name} started cold, and a pool was handed over")
        events = first.journal.events()
        at = max((at for at, event in enumerate(events) if isinstance(event, ev.Intent)), default=0)
        chain, last = fold(events[:at]), events[at]
        shows = self.twin.service.settings.settle_gap_s < first.sweep.waits.settle_s
        if chain.awaited is None or not isinstance(last, ev.Intent):
            return broken
        if not last.keep_alive_s:
            broken.append(f"I10: {last.name} was sent without keep-alive, and its pool was awaited")
        job = fold(events).jobs[last.name]
        if shows and job.pool is ev.PoolStatus.AVAILABLE and not self.handed_over:
            broken.append(f"I10: the pool of {last.name} was awaited and there, and was not handed over")
        return broken
