"""A pseudo-terminal with a screen: what a person would see of a command, and every byte that drew it."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyte

from tests.forked import Forked, command, heed_signals


class Terminal:
    """Runs sweeper on a terminal of its own, as a window would: closing it hangs up."""

    def __init__(
        self, arguments: Sequence[str], cwd: Path, environment: Mapping[str, str], columns: int, rows: int
    ) -> None:
        self.bytes = b""
        self._shown: str | None = None
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self._master, worker = pty.openpty()
        fcntl.ioctl(worker, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process = Forked(
            command,
            arguments,
            cwd=cwd,
            env=environment,
            stdin=worker,
            stdout=worker,
            stderr=worker,
            start_new_session=True,
            preexec_fn=_controlling,
        )
        os.close(worker)

    def until(self, condition: Callable[[], Any], timeout_s: float = 30) -> None:
        """Read the screen until this holds."""
        end = time.monotonic() + timeout_s
        while not condition():
            if not self.read(0.05) and self.process.poll() is not None and not condition():
                raise AssertionError(f"the command ended with {self.process.returncode}:\n{self.text}")
            assert time.monotonic() < end, f"never seen; the screen is:\n{self.text}"

    def to_end(self, timeout_s: float = 60) -> int:
        """Read all there is; returns the exit code."""
        end = time.monotonic() + timeout_s
        while self.read(0.05) or self.process.poll() is None:
            assert time.monotonic() < end, f"it did not end; the screen is:\n{self.text}"
        return self.process.wait()

    def read(self, timeout_s: float) -> bool:
        """Take what was written; False when there was nothing."""
        if not select.select([self._master], [], [], timeout_s)[0]:
            return False
        try:
            data = os.read(self._master, 65536)
        except OSError:  # the other end is closed
            return False
        self.bytes += data
        self._stream.feed(data)
        self._shown = None
        return bool(data)

    def resize(self, columns: int, rows: int) -> None:
        """Make the window another size."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.screen.resize(rows, columns)
        self._shown = None

    def press(self, keys: bytes) -> None:
        """Type."""
        os.write(self._master, keys)

    def kill(self) -> None:
        """End what is left when a test is over."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self._master >= 0:
            os.close(self._master)
            self._master = -1

    def close_window(self) -> None:
        """What the kernel does when a terminal window is killed."""
        os.close(self._master)
        self._master = -1

    @property
    def text(self) -> str:
        """The screen."""
        if self._shown is None:
            self._shown = "\n".join(line.rstrip() for line in self.screen.display).rstrip()
        return self._shown


class Opened:
    """The terminals of one test."""

    def __init__(self, project: Any) -> None:
        self._project = project
        self._all: list[Terminal] = []

    def __call__(self, *arguments: str, columns: int = 80, rows: int = 24, env: Sequence[str] = ()) -> Terminal:
        """A run of `tiny` on a terminal of this size."""
        return self.verb("+experiment=tiny", *arguments, columns=columns, rows=rows, env=env)

    def verb(self, *arguments: str, columns: int = 80, rows: int = 24, env: Sequence[str] = ()) -> Terminal:
        """Any command on a terminal of this size."""
        environment = {**self._project.environment, "TERM": "xterm-256color", **dict(word.split("=") for word in env)}
        terminal = Terminal(arguments, self._project.root, environment, columns, rows)
        self._all.append(terminal)
        return terminal

    def kill(self) -> None:
        """End what is left of them."""
        for terminal in self._all:
            terminal.kill()


def _controlling() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    heed_signals()
