"""The metrics in the lines of a log, and under which names a log and its metrics are stored."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sweeper.core.model import MetricDefinition
from sweeper.driver.matches import NUMBER, Match, Metrics

LOG, POINTS = "log.txt", "metrics.csv"
"""What is stored of a job's log below trials/ID: its lines, and the metrics in them."""

STEPS = ("step", "global_step", "epoch", "iteration", "iter", "round")
"""Metrics that count something, by their names."""

_BAR = " | "
_SHOWN = re.compile(rf"(algo-\d+){re.escape(_BAR)}(.*)", re.DOTALL)


def stored(text: str, at: int, hosts: int) -> Line:
    """A line as it was shown of a job of so many hosts."""
    told = _SHOWN.fullmatch(text) if hosts > 1 else None
    return Line(at, told[2], told[1] == "algo-1", told[1]) if told else Line(at, text)


def reading(definitions: Iterable[MetricDefinition]) -> Metrics:
    """What finds these metrics in a line."""
    return Metrics((definition.name, definition.regex) for definition in definitions)


class Line(NamedTuple):
    """A line of a log."""

    at: int
    """Milliseconds since the epoch."""
    text: str
    counts: bool = True
    """Are metrics read from it? Of several hosts the first one's are: each prints its own, and one tells the job's."""
    host: str = ""
    """Which of the job's hosts wrote it; empty where there is one."""

    @property
    def shown(self) -> str:
        """The line as a reader sees it: of several hosts it says which."""
        return f"{self.host}{_BAR}{self.text}" if self.host else self.text


@dataclass(frozen=True)
class Part:
    """What has come of a log, and every match in these lines with its time."""

    lines: Sequence[Line] = ()
    matches: Sequence[tuple[int, Match]] = ()

    @property
    def text(self) -> str:
        """The lines, as a file has them."""
        return "".join(f"{line.shown}\n" for line in self.lines)

    @property
    def points(self) -> list[tuple[int, str, float]]:
        """(milliseconds, metric, value) wherever a definition's first group is a number."""
        return [(when, match.metric, match.value) for when, match in self.matches if match.value is not None]


def part(lines: Iterable[Line], metrics: Metrics) -> Part:
    """These lines, and what is found in them."""
    lines = tuple(lines)
    return Part(lines, [(line.at, match) for line in lines if line.counts for match in metrics.matches(line.text)])


class CutNumbers:
    """Tells, once for each metric, that its expression takes a part of a number: every value may be wrong."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._told: set[str] = set()

    def __call__(self, come: Part) -> None:
        """Look at what has come of a log."""
        for _, match in come.matches:
            if match.value is not None and match.metric not in self._told and (whole := match.cut_from):
                self._told.add(match.metric)
                self._say(
                    f"warning: metric {match.metric}: its regex takes {match.text.strip()} of {whole}; "
                    f"a group that takes all of it is {NUMBER}"
                )


@dataclass(frozen=True)
class Readings:
    """The metrics in a whole log: the last value of each, and what its expression took last that is no number."""

    last: Mapping[str, float]
    odd: Mapping[str, str] = field(default_factory=dict)


class Last:
    """The last value of each metric in a log that is read part by part, and its last match that is no number."""

    def __init__(self) -> None:
        self._values: dict[str, float] = {}
        self._odd: dict[str, str] = {}

    def take(self, come: Part) -> None:
        """What has come next."""
        for _, match in come.matches:
            if match.value is None:
                self._odd[match.metric] = match.text
            else:
                self._values[match.metric] = match.value

    @property
    def readings(self) -> Readings:
        """As far as the log has been read."""
        return Readings(dict(self._values), dict(self._odd))


def counters(names: Sequence[str], said: str | None) -> list[str]:
    """Those of these metrics that count steps: the one that is said to (`prune.step`), then those so named."""
    first = [name for name in names if name == said]
    return [*first, *(name for name in names if name in STEPS and name != said)]


def last_values(found: Iterable[tuple[int, str, float]]) -> dict[str, float]:
    """The last value of each metric."""
    return {name: value for _, name, value in found}
