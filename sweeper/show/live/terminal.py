"""A terminal that is written to and never waited for: one that does not read (Ctrl-S) loses frames, never time."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence


class Terminal:
    """A terminal that is written to without blocking, and whose lines at the cursor can be written again."""

    def __init__(self, fd: int) -> None:
        self._fd = _own_descriptor(fd)
        self._waiting = b""
        self._lines: list[str] = []
        self._columns = 0

    @property
    def size(self) -> tuple[int, int]:
        """(columns, rows); 80 x 24 where the terminal does not say."""
        size = os.get_terminal_size(self._fd)
        return size.columns or 80, size.lines or 24

    @property
    def busy(self) -> bool:
        """True while the terminal has not taken what was written before, or belongs to another program (`&`)."""
        if os.tcgetpgrp(self._fd) != os.getpgrp():
            return True
        self._flush()
        return bool(self._waiting)

    def draw(self, above: Sequence[str], lines: Sequence[str], width_of: Callable[[str], int]) -> None:
        """Replace the lines of the last frame by these; `above` is left standing over them."""
        columns, _ = self.size
        old = sum(max(1, -(-width_of(line) // columns)) for line in self._lines)
        same = not above and columns == self._columns
        out = ["\r", f"\x1b[{old}A" if old else ""]
        out += [f"{line}\x1b[K\r\n" for line in above]
        for position, line in enumerate(lines):
            unchanged = same and position < len(self._lines) and self._lines[position] == line
            out.append("\r\n" if unchanged else f"{line}\x1b[K\r\n")
        left = old - len(above) - len(lines)
        out.append("\x1b[K\r\n" * left + f"\x1b[{left}A" if left > 0 else "")
        out.append("\x1b[K")
        self._lines, self._columns = list(lines), columns
        self._waiting += "".join(out).encode("utf-8", "replace")
        self._flush()

    def close(self) -> None:
        """Write what is left, as far as the terminal takes it at once."""
        self._flush()
        os.close(self._fd)

    def _flush(self) -> None:
        while self._waiting:
            try:
                written = os.write(self._fd, self._waiting)
            except BlockingIOError:
                return
            self._waiting = self._waiting[written:]


def _own_descriptor(fd: int) -> int:
    """The same terminal once more, so that not blocking is our own affair and not that of every program on it."""
    own = os.open(os.ttyname(fd), os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
    os.set_inheritable(own, False)
    return own
