"""What one process holds beside the folders of its sweeps: its place in the line, and the lock on a pool (R13).

One sweep has it for as long as it runs; a suite keeps it from one sweep to the next while their pools agree.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack, suppress
from enum import Enum
from functools import partial
from pathlib import Path

from sweeper.core import events as ev
from sweeper.core.request import fingerprint, locked_key
from sweeper.core.words import utc
from sweeper.errors import JournalError, LockHeldError
from sweeper.record.journal import read
from sweeper.record.line import Line, Member, Ticket
from sweeper.record.locks import held
from sweeper.run.clock import SystemClock
from sweeper.run.session import Session
from sweeper.run.waiting import Waiting
from sweeper.run.world import Succession

POOL = "the pool that this sweep uses"


class Turn(Enum):
    """When a sweep begins whose pool another one holds."""

    AT_ONCE = "it is refused"
    FOR_POOL = "when the pool is free"
    PATIENTLY = "when every sweep of its project has ended that began, or queued, before it"


class Tenure:
    """The place in the line and the lock on a pool of one process, until `stack` ends."""

    def __init__(self, stack: ExitStack, turn: Turn = Turn.AT_ONCE) -> None:
        self.turn, self.clock, self._stack = turn, SystemClock(), stack
        stack.enter_context(self.clock.listening())
        self.member: Member | None = None
        self._pool = stack.enter_context(ExitStack())
        self._lock: Path | None = None
        self._name: Callable[[str], None] = lambda runs: None

    @property
    def waits(self) -> bool:
        """Does it wait for its turn?"""
        return self.turn is not Turn.AT_ONCE

    def take(self, session: Session) -> None:
        """Have the line and the pool for this sweep. Raises LockHeldError, and GaveUpWaitingError where it waits.

        Where it waits the session is open: what it is offered meanwhile becomes its debt.
        """
        ticket = ticket_of(session, self.turn)
        self._join(session, ticket)
        runs, lock = runs_of(session), session.claim.lock
        if lock == self._lock:
            self._name(runs)
        elif self.waits and self.member:
            self._let_go()
            self._wait(session, self.member, partial(self._hold, lock, runs))
        else:
            self._let_go()
            self._at_once(ticket, lock, runs)
        if self.member:
            self.member = self.member.runs(ticket)

    def succession(self) -> Succession:
        """Who waits for what this process holds."""
        member = self.member
        if member is None:
            return Succession()

        def heir(passed: Collection[str]) -> ev.Awaited | None:
            with suppress(OSError, LockHeldError):  # a line that cannot be looked at: then nobody waits in it
                return _awaited(member.heir(passed))
            return None

        def offer(to: str, pool: ev.Inherited) -> None:
            with suppress(OSError, LockHeldError):  # it is not taken, and we close it
                member.line.offer(to, pool)

        return Succession(heir, offer, has_taken)

    def _join(self, session: Session, ticket: Ticket) -> None:
        if self.member:
            return
        try:
            line = Line(session.claim.line)
            self.member = self._stack.enter_context(line.joined(ticket, utc(self.clock.now()) or ""))
        except OSError:
            if self.waits:
                raise  # else only who waits behind it misses it

    def _hold(self, lock: Path, runs: str) -> None:
        self._name = self._pool.enter_context(held(lock, POOL, self.clock.now(), runs=runs))
        self._lock = lock

    def _let_go(self) -> None:
        self._pool.close()
        self._lock = None

    def _at_once(self, ticket: Ticket, lock: Path, runs: str) -> None:
        """Raises LockHeldError while somebody has the pool, or waits for it already."""
        try:
            self._hold(lock, runs)
        except LockHeldError as error:
            raise LockHeldError(f"{error}; --wait waits for it") from None
        ahead = [other for other in self.member.ahead() if other.pool == ticket.pool] if self.member else []
        if ahead:
            self._let_go()
            raise LockHeldError(f"{POOL} is promised to {ahead[0]}, which waits for it; --wait waits behind it")

    def _wait(self, session: Session, member: Member, take: Callable[[], None]) -> None:
        def stopped() -> bool:
            asked = [one for one in session.ledger.journal.requests() if one.kind == "stop"]
            for one in asked:
                session.ledger.journal.answered(one)
            return bool(asked)

        say = session.shown.say
        Waiting(member, self.clock, take, session.ledger.inherit, say, self.clock.caught, stopped).wait()


def ticket_of(session: Session, turn: Turn) -> Ticket:
    """What this sweep is in the line."""
    sweep = session.sweep
    return Ticket(
        sweep.name,
        str(session.folder),
        locked_key(sweep.locked, sweep.backend).text,
        fingerprint(session.connection.owner, sweep.name, "", 0).removesuffix("/0"),
        waits=turn is not Turn.AT_ONCE,
        patient=turn is Turn.PATIENTLY,
    )


def runs_of(session: Session) -> str:
    """What a lock says that it is held for."""
    return f"the sweep {session.sweep.name} in {session.folder}"


def _awaited(heir: Ticket | None) -> ev.Awaited | None:
    return ev.Awaited(heir.folder, heir.sweep, heir.mark) if heir else None


def has_taken(name: str, to: str) -> bool:
    """Does the journal of the sweep in that folder own the pool of this job?"""
    try:
        events: Sequence[ev.Event] = [event for _, event in read(Path(to) / "journal.db")]
    except JournalError:
        return False
    return any(isinstance(event, ev.Inherited) and event.name == name for event in events)
