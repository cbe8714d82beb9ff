"""Who runs and who waits on this machine, in order: a ticket a sweep, alive as long as its process holds it.

A ticket is a file that its process has locked; the kernel drops the lock when the process dies, so a stale one never
counts. What is offered to a sweep that waits lies beside its ticket. Only joining needs the line for itself: a process
that is stopped while it looks keeps nobody from looking.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sweeper.core.events import Inherited, from_dict, to_dict
from sweeper.errors import LockHeldError
from sweeper.record.atomic import private_folder, write_atomically

MOST_WAITING = 16
"""Sweeps that may wait in one line."""
_TICKET, _OFFER = ".ticket", ".offer"
_PATIENCE_S = 30.0
"""The longest that somebody else's joining is waited for: it is a matter of milliseconds."""
_ROOM = 4096
"""Bytes of a ticket: it is written anew in place, and whoever reads it meanwhile reads all of one."""


@dataclass(frozen=True)
class Ticket:
    """A sweep in the line. `pool`: what its jobs must match; `mark`: how the fingerprints of its jobs begin."""

    sweep: str
    folder: str
    pool: str
    mark: str
    waits: bool = False
    """Does it wait for its turn? Else it runs."""
    patient: bool = False
    """Does it wait for every sweep of its project, not for its pool alone?"""
    number: int = 0
    pid: int = 0
    host: str = ""
    since: str = ""

    def __str__(self) -> str:
        return f"the sweep {self.sweep} in {self.folder} (process {self.pid})"

    def follows(self, other: Ticket) -> bool:
        """Does its turn come only after the other one's?"""
        same_project = Path(self.folder).parent == Path(other.folder).parent
        return other.number < self.number and (other.pool == self.pool or (self.patient and same_project))


class Line:
    """The line of one account and region, or of one project's local engine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def joined(self, ticket: Ticket, since: str) -> Iterator[Member]:
        """Be in the line meanwhile. Raises LockHeldError when too many wait, OSError where no line can be made."""
        private_folder(self._folder)
        with self._alone():
            self._sweep_up()
            there = self.live()
            if ticket.waits and sum(other.waits for other in there) >= MOST_WAITING:
                raise LockHeldError(f"{MOST_WAITING} sweeps wait already: {there[0]} is the first of the line")
            number = max((other.number for other in there), default=0) + 1
            own = replace(ticket, number=number, pid=os.getpid(), host=socket.gethostname(), since=since)
            path = self._path(number, _TICKET)
            self._path(number, _OFFER).unlink(missing_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
            _write(handle, own)
            self._lock(handle)  # who looks at it holds it for a moment
        try:
            yield Member(self, own, handle)
        finally:
            os.close(handle)  # and nothing else: who dies does no more either

    def live(self) -> list[Ticket]:
        """Every sweep in the line, first come first. Raises OSError."""
        return [ticket for number in self.numbers if (ticket := self._ticket(number))]

    @property
    def numbers(self) -> list[int]:
        """The numbers of all tickets, also of stale ones: cheap to ask."""
        with suppress(FileNotFoundError):
            names = (entry.name for entry in os.scandir(self._folder))
            return sorted(int(name.removesuffix(_TICKET)) for name in names if name.endswith(_TICKET))
        return []

    def offer(self, to: str, pool: Inherited) -> None:
        """Lay what may be taken beside the ticket of the sweep in that folder, if it is there. Raises OSError."""
        for ticket in self.live():
            if ticket.folder == to and ticket.waits:
                write_atomically(self._path(ticket.number, _OFFER), json.dumps(to_dict(pool)))

    def offered(self, number: int) -> Mapping[str, Any] | None:
        """What lies beside this ticket."""
        with suppress(OSError, ValueError):
            found = json.loads(self._path(number, _OFFER).read_text(encoding="utf-8"))
            return found if isinstance(found, dict) else None
        return None

    def _ticket(self, number: int) -> Ticket | None:
        """The ticket of this number; None when it is stale."""
        path = self._path(number, _TICKET)
        return _read(path) if _is_held(path) else None

    def _sweep_up(self) -> None:
        """Remove what the dead have left."""
        for number in self.numbers:
            if not _is_held(path := self._path(number, _TICKET)):
                path.unlink(missing_ok=True)
                self._path(number, _OFFER).unlink(missing_ok=True)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else joins the line meanwhile. Raises LockHeldError when that is kept up for long."""
        handle = os.open(self._folder / ".line", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            self._lock(handle)
            yield
        finally:
            os.close(handle)

    def _lock(self, handle: int) -> None:
        end = time.monotonic() + _PATIENCE_S
        while not _locked(handle, fcntl.LOCK_EX):
            if time.monotonic() > end:
                raise LockHeldError(f"{self._folder}: another process keeps the line of sweeps that wait")
            time.sleep(0.01)

    def _path(self, number: int, kind: str) -> Path:
        return self._folder / f"{number:08d}{kind}"


@dataclass(frozen=True)
class Member:
    """One sweep's place in the line."""

    line: Line
    ticket: Ticket
    _handle: int

    def ahead(self) -> list[Ticket]:
        """Whose turns come before this one's."""
        if self.line.numbers[:1] == [self.ticket.number]:
            return []
        return [other for other in self.line.live() if self.ticket.follows(other)]

    def runs(self, ticket: Ticket) -> Member:
        """Its turn has come, or another sweep of the same process has it now."""
        own = self.ticket
        now = replace(ticket, waits=False, number=own.number, pid=own.pid, host=own.host, since=own.since)
        _write(self._handle, now)
        return replace(self, ticket=now)

    def heir(self, passed: Collection[str] = ()) -> Ticket | None:
        """Whose turn it is when this one has ended, if it waits for the same pool."""
        if self.line.numbers[-1:] == [self.ticket.number]:
            return None
        live = self.line.live()
        for other in live:
            next_ = other.waits and other.folder not in passed
            if next_ and [before for before in live if other.follows(before)] == [self.ticket]:
                return other if other.pool == self.ticket.pool else None
        return None

    def offered(self) -> Inherited | None:
        """What was offered to this one."""
        found = self.line.offered(self.ticket.number)
        with suppress(KeyError, TypeError):  # of another version
            event = from_dict(Inherited.kind, found) if found else None
            return event if isinstance(event, Inherited) else None
        return None


def _locked(handle: int, how: int) -> bool:
    try:
        fcntl.flock(handle, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_held(path: Path) -> bool:
    """Does the process live that made this ticket?"""
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        return not _locked(handle, fcntl.LOCK_SH)
    finally:
        os.close(handle)


def _write(handle: int, ticket: Ticket) -> None:
    os.pwrite(handle, json.dumps(asdict(ticket)).encode().ljust(_ROOM), 0)


def _read(path: Path) -> Ticket | None:
    try:
        return Ticket(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None  # of another version
