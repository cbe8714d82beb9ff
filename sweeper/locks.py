"""One runner per sweep folder and per pool key: advisory file locks that name their holder (R13)."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sweeper.core.results import utc
from sweeper.errors import LockHeldError
from sweeper.whole import private_folder


def boot_id() -> str:
    """What tells one boot of this machine from the next, empty where the kernel does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


@contextmanager
def held(path: Path, what: str, now: float) -> Iterator[None]:
    """Hold the lock at this path meanwhile. Raises LockHeldError that names the holder.

    The kernel drops the lock when its holder dies, so a stale file never blocks.
    """
    private_folder(path.parent)
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise LockHeldError(f"another runner holds {what}: {_holder(path)}") from error
        file.seek(0)
        file.truncate()
        holder = {"pid": os.getpid(), "host": socket.gethostname(), "boot": boot_id(), "since": utc(now)}
        file.write(json.dumps(holder))
        file.flush()
        try:
            yield
        finally:
            file.seek(0)
            file.truncate()


@dataclass(frozen=True)
class Holder:
    """Who holds a lock, as the file says."""

    pid: int
    host: str
    boot: str
    since: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} since {self.since}"

    @property
    def alive(self) -> bool:
        """False when it provably ended: its machine was started anew, or no such process is there."""
        if self.host != socket.gethostname():
            return True
        if self.boot != boot_id():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return True


def holder(path: Path) -> Holder | None:
    """Who holds the lock at this path, None when nobody does. Only reads: no runner is ever kept out by it."""
    told = _told(path)
    return told if told and told.alive else None


def _told(path: Path) -> Holder | None:
    try:
        return Holder(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _holder(path: Path) -> str:
    return str(_told(path) or "an unknown process")
