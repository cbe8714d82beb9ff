"""One runner per sweep folder and per pool key: advisory file locks that name their holder (R13).

Who only closes what a dead runner left takes the lock for one round of closing at a time, so that a runner that comes
back never waits long; where no lock can be made it closes without one.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sweeper.core.words import utc
from sweeper.errors import LockHeldError
from sweeper.record.atomic import private_folder

MOMENT_S = 130.0
"""The longest that one round of closing takes: a call whose answer is waited for in vain, and the one after it."""
LOOK_AGAIN_S = 0.1


def boot_id() -> str:
    """What tells one boot of this machine from the next, empty where the kernel does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def this_process() -> dict[str, Any]:
    """What tells this process from every other: its number, in which numbering, since which start of the machine."""
    try:
        numbering = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        numbering = ""
    return {"pid": os.getpid(), "numbering": numbering, "boot": boot_id()}


def has_ended(process: Mapping[str, Any]) -> bool:
    """True when a process, as it told of itself, provably ended: it was one of those that we see, and is not there."""
    ours = this_process()
    seen = all(ours[key] and process.get(key) == ours[key] for key in ("numbering", "boot"))
    return seen and isinstance(pid := process.get("pid"), int) and not _exists(pid)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


@contextmanager
def held(
    path: Path, what: str, now: float, *, runs: str = "", wait: Callable[[float], None] | None = None
) -> Iterator[Callable[[str], None]]:
    """Hold the lock at this path meanwhile; yields what tells others that it is held for another sweep now.

    Raises LockHeldError that names the holder, OSError when there is none.

    `runs`: the sweep that it is held for, told to others. `wait` sleeps: with it, who only closes is waited for.
    The kernel drops the lock when its holder dies, so a stale file never blocks.
    """
    private_folder(path.parent)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _take(handle, path, what, wait)
        who = Holder.here(now, runs=runs)
        with _named(handle, who):
            yield lambda another: _write(handle, json.dumps(asdict(replace(who, runs=another))))
    finally:
        os.close(handle)


@contextmanager
def held_to_close(path: Path, what: str, now: float, closes: str) -> Iterator[None]:
    """Hold the lock for a round of closing. Raises LockHeldError while a runner, or another who closes, has it.

    A folder that is read-only, or gone, never keeps a pool open: the lock is held without saying so, or there is
    none. `closes` says who this is.
    """
    handle = _opened(path)
    if handle is None:
        yield
        return
    try:
        with suppress(OSError):  # of a file system that has no locks
            _take(handle, path, what)
        with _named(handle, Holder.here(now, closes=closes)):
            yield
    finally:
        os.close(handle)


def _opened(path: Path) -> int | None:
    """The lock's file, to read only where it cannot be written: the kernel locks it all the same."""
    for flags in (os.O_RDWR | os.O_CREAT, os.O_RDONLY):
        with suppress(OSError):
            return os.open(path, flags, 0o600)
    return None


def _take(handle: int, path: Path, what: str, wait: Callable[[float], None] | None = None) -> None:
    end = time.monotonic() + MOMENT_S
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            who = _told(path)
            if wait is None or time.monotonic() > end or (who and not who.closes):
                raise LockHeldError(_refused(what, who)) from error
            wait(LOOK_AGAIN_S)
        else:
            return


@contextmanager
def _named(handle: int, holder: Holder) -> Iterator[None]:
    """The locked file names its holder meanwhile."""
    _write(handle, json.dumps(asdict(holder)))
    try:
        yield
    finally:
        _write(handle, "")


def _write(handle: int, text: str) -> None:
    """Replace what the file says; on a full or read-only disk it says nothing, and the lock holds all the same."""
    with suppress(OSError):
        os.ftruncate(handle, 0)
        os.pwrite(handle, text.encode(), 0)


def _refused(what: str, known: Holder | None) -> str:
    if known and known.closes:
        return f"{known.closes} is closing the pools of {what}: {known}"
    return f"another runner holds {what}: {known or 'an unknown process'}"


@dataclass(frozen=True)
class Holder:
    """Who holds a lock, as the file says."""

    pid: int
    host: str
    boot: str
    since: str
    runs: str = ""
    """The sweep that a runner holds it for."""
    closes: str = ""
    """What this is when it is no runner: it only closes pools, and holds the lock for moments."""

    @classmethod
    def here(cls, now: float, *, runs: str = "", closes: str = "") -> Holder:
        """This process."""
        return cls(os.getpid(), socket.gethostname(), boot_id(), utc(now) or "", runs, closes)

    def __str__(self) -> str:
        runs = f"{self.runs}, " if self.runs else ""
        return f"{runs}process {self.pid} on {self.host} since {self.since}"

    @property
    def short(self) -> str:
        """Its process; its machine too when that is another one."""
        return f"process {self.pid}" + ("" if self.host == socket.gethostname() else f" on {self.host}")

    @property
    def alive(self) -> bool:
        """False when it provably ended: its machine was started anew, or no such process is there."""
        if self.host != socket.gethostname():
            return True
        if self.boot != boot_id():
            return False
        return _exists(self.pid)


def named(path: Path) -> Holder | None:
    """The runner that the lock at this path names, alive or not; None when none does: it has let go of the lock."""
    who = _told(path)
    return who if who and not who.closes else None


def holder(path: Path) -> Holder | None:
    """The runner that holds the lock at this path, None when none does. Only reads: nobody is ever kept out by it."""
    who = named(path)
    return who if who and who.alive else None


def _told(path: Path) -> Holder | None:
    try:
        return Holder(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
