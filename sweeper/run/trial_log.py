"""trials/ID/log.txt and metrics.csv: the log of a trial's last job, readable as it comes, whole once it has ended."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import TextIO

from sweeper.core.measured import LOG, POINTS, Part
from sweeper.core.words import utc
from sweeper.record.atomic import private_folder, replacing

_READ = 1 << 20  # characters of a file that are looked at together


class TrialLog:
    """The files of one job's log. Only what has passed `redact` is ever written."""

    def __init__(self, folder: Path, redact: Callable[[str], str]) -> None:
        self._folder, self._redact = folder, redact
        self._size = 0
        self._broken = False
        self._points: TextIO | None = None

    @property
    def begun(self) -> bool:
        """Has anything come? Then what lies there is this job's, and no earlier one's."""
        return self._size > 0

    @property
    def sound(self) -> bool:
        """Does all that has come lie there as it was written?"""
        return not self._broken and (not self._size or self._size == self._lies())

    def take(self, come: Part) -> None:
        """Add what has come. A disk that is full is none of the chain's business: then this is not `sound` any more."""
        if not come.lines or not self.sound:
            return
        try:
            self._add(come)
        except OSError:
            self._broken = True

    def whole(self, rest: Iterable[Part]) -> Iterator[None]:
        """Write both files whole, with what is left of the log, a little at each step; or leave those that are there.

        What lies there is masked once more: more may be known by now of what is to be hidden. A log that is not to be
        had any more does not take the place of what was stored of it. Raises OSError, ApiError.
        """
        coming = iter(rest)
        first = next(coming, Part())
        if not self.begun and not first.lines and (self._folder / LOG).exists():
            return
        with replacing(self._folder / LOG) as text, replacing(self._folder / POINTS) as table:
            table.write("time,metric,value\n")
            for lines in self._lines():
                text.write(self._redact(lines))
                yield
            if self._points:
                self._points.seek(0)
                shutil.copyfileobj(self._points, table)
            for come in chain([first], coming):
                text.write(self._redact(come.text))
                table.writelines(_rows(come))
                yield

    def close(self) -> None:
        """Nothing more comes."""
        if self._points:
            self._points.close()

    def _add(self, come: Part) -> None:
        log = self._folder / LOG
        if self._points is None:
            private_folder(self._folder)
            for earlier in (LOG, POINTS):
                (self._folder / earlier).unlink(missing_ok=True)  # of another attempt
            log.touch(mode=0o600)
            # Without a name: only the whole table tells that the log of an ended job is stored.
            self._points = tempfile.TemporaryFile("w+", encoding="utf-8", newline="", dir=self._folder)  # noqa: SIM115
        with log.open("a", encoding="utf-8", errors="backslashreplace", newline="") as file:
            file.write(self._redact(come.text))
        self._points.writelines(_rows(come))
        self._size = self._lies()

    def _lies(self) -> int:
        """The bytes of the log that lies there; none when there is none."""
        try:
            return (self._folder / LOG).stat().st_size
        except OSError:
            return 0

    def _lines(self) -> Iterator[str]:
        """What lies there, in pieces of whole lines."""
        if self.begun:
            with (self._folder / LOG).open(encoding="utf-8", newline="") as file:
                while lines := file.readlines(_READ):
                    yield "".join(lines)


def _rows(come: Part) -> Iterator[str]:
    return (f"{utc(when / 1000)},{name},{value}\n" for when, name, value in come.points)
