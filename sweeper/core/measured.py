"""The metrics in the lines of a log, and under which names a log and its metrics are stored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from sweeper.core.model import MetricDefinition
from sweeper.core.watch import Readings
from sweeper.driver.matches import NUMBER, Match, Metrics

LOG, POINTS = "log.txt", "metrics.csv"
"""What is stored of a job's log below trials/ID: its lines, and the metrics in them."""


def reading(definitions: Iterable[MetricDefinition]) -> Metrics:
    """What finds these metrics in a line."""
    return Metrics((definition.name, definition.regex) for definition in definitions)


class CutNumbers:
    """Tells, once for each metric, that its expression takes a part of a number: every value may be wrong."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._told: set[str] = set()

    def __call__(self, match: Match) -> None:
        """Look at one match."""
        if match.value is not None and match.metric not in self._told and (whole := match.cut_from):
            self._told.add(match.metric)
            self._say(
                f"warning: metric {match.metric}: its regex takes {match.text.strip()} of {whole}; "
                f"a group that takes all of it is {NUMBER}"
            )


def points(
    log: Iterable[tuple[int, str]], metrics: Metrics, doubt: Callable[[Match], None] = lambda match: None
) -> Iterator[tuple[int, str, float]]:
    """(milliseconds, metric, value) wherever a definition's first group is a number; `doubt` sees every match."""
    for when, line in log:
        for match in metrics.matches(line):
            doubt(match)
            if match.value is not None:
                yield when, match.metric, match.value


def readings(log: Iterable[tuple[int, str]], metrics: Metrics) -> Readings:
    """The last value of each metric, and the last match of each that is no number."""
    odd: dict[str, str] = {}

    def keep(match: Match) -> None:
        if match.value is None:
            odd[match.metric] = match.text

    return Readings(last_values(points(log, metrics, keep)), odd)


def last_values(found: Iterable[tuple[int, str, float]]) -> dict[str, float]:
    """The last value of each metric."""
    return {name: value for _, name, value in found}
