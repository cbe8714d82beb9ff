"""No more submissions a second than AWS Batch takes, whichever of this user's processes send them.

The quota is the account's, and cannot be raised. When each was sent stands in one file, which is written under a lock.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from sweeper.core.ports import Clock
from sweeper.errors import ApiError, ApiErrorKind
from sweeper.record.atomic import private_folder
from sweeper.run.clock import SystemClock

LONGEST_S = 60.0
"""Seconds for which one that finds no room waits; after that it is the caller's, who sends it later."""
LOCKED_S = 0.01


@dataclass(frozen=True)
class Pace:
    """At most so many within so many seconds, by a file of this path."""

    path: Path
    clock: Clock = field(default_factory=SystemClock)
    most: int = 5
    within_s: float = 1.0

    def turn(self) -> None:
        """Wait until another may be sent, and note it. Raises ApiError, THROTTLED, where that takes over LONGEST_S.

        Where no such file can be written, the service alone says what is too much.
        """
        end = self.clock.monotonic() + LONGEST_S
        while (wait_s := self._taken()) > 0:
            if self.clock.monotonic() + wait_s > end:
                text = f"other runs of yours submit all that AWS Batch takes ({self.most} in {self.within_s:g} s)"
                raise ApiError(ApiErrorKind.THROTTLED, "SubmitServiceJob", "TooManyRequestsException", text)
            self.clock.sleep(wait_s)

    def _taken(self) -> float:
        """0 when a place was taken, else the seconds until there may be one."""
        try:
            with self._locked() as handle:
                return LOCKED_S if handle is None else self._take(handle)
        except OSError:
            return 0.0

    @contextmanager
    def _locked(self) -> Iterator[int | None]:
        """The file; None while another process has it."""
        private_folder(self.path.parent)
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield None
            else:
                yield handle
        finally:
            os.close(handle)

    def _take(self, handle: int) -> float:
        now = self.clock.now()
        lately = [at for at in _times(handle) if now - self.within_s < at <= now + self.within_s]
        if len(lately) >= self.most:
            return max(LOCKED_S, lately[-self.most] + self.within_s - now)
        text = json.dumps([*lately, now]).encode()
        os.ftruncate(handle, 0)
        os.pwrite(handle, text, 0)
        return 0.0


def _times(handle: int) -> list[float]:
    """When the last ones were sent, in UTC seconds; none where the file was torn."""
    with suppress(ValueError, TypeError):
        return sorted(float(at) for at in json.loads(os.pread(handle, 65536, 0) or b"[]"))
    return []
