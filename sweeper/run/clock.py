"""The system's clock, and the signals that wake it. Handlers set a flag and never raise (R10).

`signal.set_wakeup_fd` makes the one sleep end early; no Create is ever split from its record by an exception.
"""

from __future__ import annotations

import select
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

TICK_S = 0.2
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class SystemClock:
    """Real time. `caught` lists the signals that have arrived, oldest first."""

    def __init__(self) -> None:
        self.caught: list[int] = []
        self._wake: socket.socket | None = None
        self.tick: Callable[[], None] | None = None
        """Called a few times a second while sleeping: what is shown goes on."""

    def now(self) -> float:
        """Wall clock, UTC seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that never jump."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Sleep at most so long; a signal ends it early."""
        end = time.monotonic() + seconds
        while not self._pause(min(seconds, TICK_S) if self.tick else seconds):
            if self.tick:
                self.tick()
            seconds = end - time.monotonic()
            if seconds <= 0:
                return

    def _pause(self, seconds: float) -> bool:
        """True when a signal ended it."""
        if self._wake is None:
            time.sleep(max(0.0, seconds))
        elif select.select([self._wake], [], [], max(0.0, seconds))[0]:
            self._wake.recv(4096)
            return True
        return False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Catch SIGINT, SIGTERM and SIGHUP meanwhile. An inherited SIG_IGN (nohup) stays ignored.

        Outside the main thread Python cannot catch signals; there this does nothing.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        reading, writing = socket.socketpair()
        reading.setblocking(False)
        writing.setblocking(False)
        # None: a handler that is not Python's, which Python could not put back
        before = {number: handler for number in SIGNALS if (handler := signal.getsignal(number)) is not None}
        before_fd = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
        self._wake = reading
        try:
            for number, handler in before.items():
                if handler is not signal.SIG_IGN:
                    signal.signal(number, self._catch)
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(before_fd)
            self._wake = None
            reading.close()
            writing.close()

    def _catch(self, number: int, frame: FrameType | None) -> None:
        self.caught.append(number)
