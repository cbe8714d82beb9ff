"""Metrics as the service finds them: each escaped log line against each definition, the last value counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sweeper.driver.matches import Metrics


class Scanner:
    """Remembers the last value of every metric while lines are fed."""

    def __init__(self, definitions: Iterable[Mapping[str, Any]]) -> None:
        self._metrics = Metrics((definition["Name"], definition["Regex"]) for definition in definitions)
        self.last: dict[str, tuple[float, float]] = {}

    def feed(self, line: str, at: float) -> list[tuple[str, float]]:
        """Match one line; keeps the last value of each metric, and returns every value found."""
        found = self._metrics.points(line)
        for name, value in found:
            self.last[name] = (value, at)
        return found
