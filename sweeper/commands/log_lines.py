"""Which lines of a log are told: the last ones, those since a moment, those that match. A long log takes no memory."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import NamedTuple

from sweeper.errors import UsageError

MOST_LINES, MOST_LETTERS = 10_000, 4_000_000
"""What one JSON object holds of a log: the last of its lines."""
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Told(NamedTuple):
    """A line of a log. `at`: UTC seconds since the epoch; None of a stored log, which does not tell."""

    at: float | None
    text: str


@dataclass(frozen=True)
class Wanted:
    """What of a log is asked for."""

    tail: int | None = None
    """So many lines at most: the last ones."""
    since: float | None = None
    """Those from this moment on: UTC seconds since the epoch."""
    grep: re.Pattern[str] | None = None
    """Those in which this is found."""

    def of(self, lines: Iterable[Told]) -> Iterator[Told]:
        """Those of these lines that are asked for, however many."""
        for line in lines:
            late = self.since is None or line.at is None or line.at >= self.since
            if late and (self.grep is None or self.grep.search(line.text)):
                yield line

    def last_of(self, lines: Iterable[Told], *, bounded: bool = False) -> Iterable[Told]:
        """The last of them; all where no number was asked for, unless what is told has a bound."""
        if self.tail is None and not bounded:
            return self.of(lines)
        return End(self.of(lines), MOST_LINES if self.tail is None else self.tail)


class End:
    """The last lines of many; `omitted` is how many were left out."""

    def __init__(self, lines: Iterable[Told], most: int) -> None:
        self._kept: deque[Told] = deque()
        self.omitted = letters = 0
        for line in lines:
            self._kept.append(line)
            letters += len(line.text)
            while self._kept and (len(self._kept) > most or (letters > MOST_LETTERS and len(self._kept) > 1)):
                letters -= len(self._kept.popleft().text)
                self.omitted += 1

    def __iter__(self) -> Iterator[Told]:
        return iter(self._kept)


def wanted(tail: int | None, since: str | None, grep: str | None, now: float) -> Wanted:
    """What these words ask for, `now` in UTC seconds. Raises UsageError."""
    if tail is not None and tail < 0:
        raise UsageError("logs: --tail is a number of lines, 0 or more")
    try:
        pattern = re.compile(grep) if grep is not None else None
    except re.error as error:
        raise UsageError(f"logs: --grep {grep}: is no regular expression: {error}") from None
    return Wanted(tail, None if since is None else moment_of(since, now), pattern)


def moment_of(word: str, now: float) -> float:
    """A moment: so long ago (`90s`, `10m`, `2h`, `1d`), or an ISO 8601 time, UTC unless it says else.

    Raises UsageError.
    """
    if found := re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", word):
        return now - float(found[1]) * _UNITS[found[2]]
    try:
        told = datetime.fromisoformat(word.removesuffix("Z"))
    except ValueError:
        raise UsageError(f"logs: --since {word}: is no time; write 10m, 2h or 2026-01-31T12:00:00Z") from None
    return (told if told.tzinfo else told.replace(tzinfo=timezone.utc)).timestamp()
