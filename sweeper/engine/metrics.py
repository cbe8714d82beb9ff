"""Metrics as the service finds them: each escaped log line against each definition, the last value counts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

_LINE_MAX = 16 * 1024  # a regex never sees more of a line


class Scanner:
    """Remembers the last value of every metric while lines are fed."""

    def __init__(self, definitions: Iterable[Mapping[str, Any]]) -> None:
        self._patterns = [(d["Name"], pattern) for d in definitions if (pattern := _compile(d["Regex"])) is not None]
        self.last: dict[str, tuple[float, float]] = {}

    def feed(self, line: str, at: float) -> list[tuple[str, float]]:
        """Match one line; keeps the last value of each metric, and returns every value found."""
        found = []
        for name, pattern in self._patterns:
            for match in pattern.finditer(line[:_LINE_MAX]):
                value = _number(match)
                if value is not None:
                    self.last[name] = (value, at)
                    found.append((name, value))
        return found


def _compile(regex: str) -> re.Pattern[str] | None:
    """A definition the service accepted may still not compile, or have no group: then it never matches."""
    try:
        pattern = re.compile(regex)
    except (re.error, RecursionError, OverflowError):
        return None
    return pattern if pattern.groups else None


def _number(match: re.Match[str]) -> float | None:
    """The first group as a number; greedy regexes do capture more than one, and are ignored then."""
    try:
        return float(match.group(1))
    except (TypeError, ValueError):
        return None
