"""Experiments that run one after another in one process: each takes over the pool of the one before where it fits."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from sweeper.commands.driving import lock_folder, outside_of, run_in
from sweeper.commands.ended import told, undisturbed
from sweeper.commands.output import PEOPLE, Output
from sweeper.commands.run import Driven, attended
from sweeper.commands.say import BILLING, complain, hide, warn_unreleased
from sweeper.config.guest import Composed
from sweeper.core import events as ev
from sweeper.errors import BUG, Fault, SweeperError
from sweeper.record import script
from sweeper.run.clock import SystemClock
from sweeper.run.ending import Ending
from sweeper.run.release import Unreleased
from sweeper.run.session import Session
from sweeper.run.tenure import Tenure, Turn, has_taken, ticket_of
from sweeper.run.world import Succession
from sweeper.show.summary import RunEnded


class Heir:
    """The next experiment of a suite: it takes the pool of the one before over in the same process."""

    def __init__(self, made: Composed, clock: SystemClock) -> None:
        self._context = made.context.copy()
        self.session = self._context.run(outside_of, made.sweep, Session, clock)
        self.stack = ExitStack()
        self.open = False
        """Is its folder locked, and its journal open?"""
        self._refused = False

    def awaits(self, before: Session, passed: Collection[str]) -> ev.Awaited | None:
        """It waits for the pool of that session, if it fits."""
        own, theirs = ticket_of(self.session, Turn.AT_ONCE), ticket_of(before, Turn.AT_ONCE)
        fits = own.pool == theirs.pool and self.session.sweep.backend.keeps_pool
        if self._refused or own.folder in passed or not fits:
            return None
        return ev.Awaited(own.folder, own.sweep, own.mark)

    def take(self, pool: ev.Inherited) -> None:
        """Owe the pool; where it cannot, the one before closes it."""
        try:
            if not self.open:
                self._context.run(self._open)
            self.session.ledger.inherit(pool)
        except (SweeperError, OSError):
            self._refused = True  # it tells why when its turn comes
            if not self.open:
                self.stack.close()

    def _open(self) -> None:
        lock_folder(self.session, self.stack)
        self.session.open(self.stack)
        self.open = True

    @property
    def owes(self) -> bool:
        """Has it taken a pool over?"""
        return self.open and bool(self.session.ledger.inherited_from)


@dataclass(frozen=True)
class Kept(Output):
    """What an experiment tells programs, for who tells of all of them."""

    told: list[Any] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def emit(self, told: Mapping[str, Any]) -> None:
        """Keep it."""
        self.told.append(told)

    def failed(self, exit_code: int, faults: Sequence[Fault], unreleased: Sequence[Unreleased]) -> None:
        """Keep why there is nothing else to tell."""
        self.faults.extend(faults)


@dataclass(frozen=True)
class Ran:
    """What became of one experiment."""

    exit_code: int
    ending: Ending | None = None
    """None where it could not run."""
    faults: Sequence[Fault] = ()
    unreleased: Sequence[Unreleased] = ()
    told: RunEnded | None = None
    """For programs, where they are told."""


class Suite:
    """Experiments that run one after another in this process. `quiet`: nothing is printed for people at each end."""

    def __init__(self, made: Sequence[Composed], tenure: Tenure, *, quiet: bool = False) -> None:
        self._made, self._tenure, self._quiet = made, tenure, quiet
        self._next: Heir | None = None

    def run(self) -> dict[str, Ran]:
        """Run them; gives what became of each, by its name, in their order. One that was not begun is not there."""
        ran: dict[str, Ran] = {}
        code = 0
        for number, one in enumerate(self._made):
            if ran and self._is_over(code):
                break
            ran[one.sweep.name] = done = self._guarded(number, one)
            code = done.exit_code
        if self._next:
            self._next.stack.close()
        return ran

    def _is_over(self, code: int) -> bool:
        """Nothing is begun after a signal or where a pool may bill; but who took a pool over goes on to close it."""
        owes = self._next is not None and self._next.owes
        return not owes and (code in (BILLING, BUG) or bool(self._tenure.clock.caught))

    def _guarded(self, number: int, one: Composed) -> Ran:
        try:
            return one.context.copy().run(self._one, number)
        except SweeperError as error:
            if error.exit_code == BUG:
                raise
            complain(str(error))
            owed: Sequence[Unreleased] = getattr(error, "unreleased", ())
            return Ran(warn_unreleased(owed) or error.exit_code, faults=error.faults, unreleased=owed)

    def _one(self, number: int) -> Ran:
        sweep, kept = self._made[number].sweep, Kept(json=True)
        complain(f"{sweep.name}: experiment {number + 1} of {len(self._made)}")
        for warning in filter(None, (*sweep.warnings, script.warning(sweep))):
            complain(f"warning: {warning}")
        ending, outside, telling = attended(sweep, lambda stack: self._drive(number, stack))
        with undisturbed(ending):
            code = told(sweep, ending, outside, telling, kept if self._quiet else PEOPLE)
        return Ran(code, ending, kept.faults, ending.unreleased, *kept.told)

    def _drive(self, number: int, stack: ExitStack) -> Driven:
        tenure, heir = self._tenure, self._next or Heir(self._made[number], self._tenure.clock)
        session, self._next = heir.session, None
        stack.enter_context(heir.stack)
        hide(session.redact)
        if not heir.open:
            lock_folder(session, stack)
        if tenure.waits and not heir.open:
            session.open(stack)
        if session.sweep.backend.finds_pool:
            tenure.take(session)
            session.succession = self._succession(number, session)
        if not (tenure.waits or heir.open):
            session.open(stack)
        return run_in(session, stack)

    def _succession(self, number: int, session: Session) -> Succession:
        """The next experiment; after the last one whoever waits in the line."""
        if number + 1 == len(self._made):
            return self._tenure.succession()
        self._next = following = Heir(self._made[number + 1], self._tenure.clock)
        return Succession(
            lambda passed: following.awaits(session, passed),
            lambda to, pool: following.take(pool),
            has_taken,
        )
