"""One runner per sweep folder and per pool key: advisory file locks that name their holder (R13)."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sweeper.core.results import utc
from sweeper.errors import LockHeldError


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
    path.parent.mkdir(parents=True, exist_ok=True)
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


def _holder(path: Path) -> str:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return f"process {told['pid']} on {told['host']} since {told['since']}"
    except (OSError, ValueError, KeyError):
        return "an unknown process"
