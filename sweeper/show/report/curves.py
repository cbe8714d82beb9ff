"""The learning curves: every metric that trials printed, thinned until a browser moves them with ease.

A point that is drawn is one that was printed: thinning leaves points out and averages nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sweeper.core import measured
from sweeper.core.events import TrialStatus
from sweeper.core.measured import POINTS
from sweeper.core.model import Objective
from sweeper.core.results import METRIC, Results, Row
from sweeper.core.words import counted
from sweeper.record import points as stored_points

MOST_CURVES = 120
MOST_POINTS = 60_000
"""Points on the whole page."""
LEAST, MOST = 40, 1000
"""Points of one curve."""
MOST_BYTES = 64 << 20
"""Bytes of metrics.csv that are read for one page."""


@dataclass
class Curve:
    """A metric of one trial: its values, and where each stands on every axis."""

    y: list[float] = field(default_factory=list)
    at: dict[str, list[float]] = field(default_factory=dict)
    """By axis: the number of the point (from 1), seconds since the trial's first point, and the metrics that count."""


@dataclass(frozen=True)
class Curves:
    """By trial and metric; the axes that they have in common, and what was left out, in words."""

    of: Mapping[str, Mapping[str, Curve]] = field(default_factory=dict)
    axes: Sequence[str] = ()
    left_out: str = ""


NUMBER, SECONDS = "number", "seconds"
Point = tuple[float, str, float]
"""(UTC seconds since the epoch, metric, value)"""


def read(
    trials: Path,
    table: Results,
    having: frozenset[str],
    objective: Objective | None,
    config: Mapping[str, Any],
    running: Mapping[str, Sequence[Point]],
) -> Curves:
    """The curves of a sweep whose trials lie in this folder: of the best of them, and of a sample of the others.

    `running`: what the trials that run have printed; when is not known (NaN).
    """
    begun = [row for row in table.declared if row["trial"] in having]
    chosen = choose(begun, objective)
    counting = counters(table, config)
    raw: dict[str, list[Point]] = {}
    bytes_left = MOST_BYTES
    for trial in chosen:
        if trial in running:
            raw[trial] = list(running[trial])
            continue
        path = trials / trial / POINTS
        bytes_left -= _size(path)
        if bytes_left >= 0:
            raw[trial] = list(_points(path))
    shown = len(raw)
    each = max(LEAST, min(MOST, MOST_POINTS // max(1, shown * len(table_metrics(table, counting)))))
    of = {trial: {name: thin(one, each) for name, one in split(points, counting)} for trial, points in raw.items()}
    cut = any(len(one.y) == each for curves in of.values() for one in curves.values())
    used = [axis for axis in (*counting, NUMBER, SECONDS) if any(axis in c.at for t in of.values() for c in t.values())]
    return Curves(of, used, _words(len(begun), shown, each if cut else 0))


def choose(rows: Sequence[Row], objective: Objective | None) -> list[str]:
    """At most so many trials: two thirds are the best by the objective, the others are taken evenly, in order."""
    if len(rows) <= MOST_CURVES:
        return [row["trial"] for row in rows]
    column = f"{METRIC}{objective.metric}" if objective else ""
    known = [r for r in rows if r["status"] == TrialStatus.COMPLETED.value and _finite(r.get(column))]
    sign = objective.goal.sign if objective else 1.0
    top = sorted(known, key=lambda row: -sign * row[column])[: MOST_CURVES * 2 // 3]
    taken = {row["trial"] for row in top}
    rest = [row["trial"] for row in rows if row["trial"] not in taken]
    sample = [rest[index * len(rest) // (MOST_CURVES - len(top))] for index in range(MOST_CURVES - len(top))]
    wanted = taken | set(sample)
    return [row["trial"] for row in rows if row["trial"] in wanted]


def counters(table: Results, config: Mapping[str, Any]) -> list[str]:
    """The metrics that count steps: that of `prune.step`, then those whose names say so."""
    names = [column.removeprefix(METRIC) for column in table.columns if column.startswith(METRIC)]
    return measured.counters(names, (config.get("prune") or {}).get("step"))


def table_metrics(table: Results, counting: Sequence[str]) -> list[str]:
    """The metrics that are drawn over those that count."""
    names = (column.removeprefix(METRIC) for column in table.columns if column.startswith(METRIC))
    return [name for name in names if name not in counting]


def split(points: Iterable[Point], counting: Sequence[str]) -> Iterator[tuple[str, Curve]]:
    """The curve of each metric that counts nothing."""
    found: dict[str, Curve] = {}
    count: dict[str, float] = {}
    first: float | None = None
    for when, metric, value in points:
        first = when if first is None else first
        if metric in counting:
            count[metric] = value
            continue
        curve = found.setdefault(metric, Curve(at={NUMBER: [], SECONDS: [], **{name: [] for name in counting}}))
        curve.y.append(value)
        curve.at[NUMBER].append(len(curve.y))
        curve.at[SECONDS].append(round(when - first, 3))
        for name in counting:
            curve.at[name].append(count.get(name, math.nan))
    for metric, curve in found.items():
        told = {axis: values for axis, values in curve.at.items() if not all(map(math.isnan, values))}
        yield metric, Curve(curve.y, told)


def thin(curve: Curve, most: int) -> Curve:
    """At most so many points: of each stretch the lowest and the highest, and the first and the last of all."""
    size = len(curve.y)
    if size <= most:
        return curve
    stretches = max(1, (most - 2) // 2)
    keep = {0, size - 1}
    for number in range(stretches):
        inside = range(number * size // stretches, (number + 1) * size // stretches)
        keep |= {min(inside, key=lambda i: _order(curve.y[i], math.inf))}
        keep |= {max(inside, key=lambda i: _order(curve.y[i], -math.inf))}
    kept = sorted(keep)
    return Curve([curve.y[i] for i in kept], {axis: [values[i] for i in kept] for axis, values in curve.at.items()})


def _order(value: float, nan: float) -> float:
    return nan if math.isnan(value) else value


def _words(begun: int, shown: int, each: int) -> str:
    words = []
    if shown < begun:
        words.append(f"{shown} of {counted(begun, 'trial')} are drawn: the best ones and an even sample of the others")
    if each:
        words.append(f"a curve of more than {each} points shows the lowest and the highest of each stretch")
    return "; ".join(words)


def _finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _points(path: Path) -> Iterator[Point]:
    """What a metrics.csv tells, its times in seconds; it ends where it is not one."""
    moment, text = 0.0, ""
    for when, metric, value in stored_points.read(path):
        if when != text:  # many points have the moment of the one before
            try:
                text, moment = when, datetime.fromisoformat(when.replace("Z", "+00:00")).timestamp()
            except ValueError:
                return
        yield moment, metric, value
