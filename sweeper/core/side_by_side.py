"""Sweeps beside each other: what their declarations differ in, and the trials that have the same free values. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sweeper.core.identity import canonical, flatten
from sweeper.core.model import Objective
from sweeper.core.repeats import Group
from sweeper.core.results import METRIC, Results, Row, counting, value_at

TOLD_APART = ("name", "tags")
"""Sections that say what a sweep is called, and nothing of what it does."""


@dataclass(frozen=True)
class Side:
    """A sweep as it is compared. Seconds of training and dollars are sums, None where nothing is known."""

    name: str
    table: Results
    objective: Objective | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    state: str = ""
    source: str = ""
    """The digest of its source."""
    tags: Sequence[str] = ()
    cost_usd: float | None = None
    simulated: bool = True

    @property
    def train_seconds(self) -> float | None:
        """What its jobs have trained, of trials that are not declared any more too."""
        known = [row["train_seconds"] for row in self.table.rows if row.get("train_seconds") is not None]
        return sum(known) if known else None


@dataclass(frozen=True)
class Match:
    """Trials of several sweeps with the same free values, one of each sweep that has it."""

    values: Mapping[str, Any]
    rows: tuple[Row | None, ...]


@dataclass(frozen=True)
class Paired:
    """How the matched trials of a sweep come out against those of the first one, in pairs that both have a value."""

    differences: Group[Match]
    """What the metric is more than the first sweep's."""
    better: int
    worse: int


def differences(sides: Sequence[Side]) -> dict[str, list[Any]]:
    """By dotted key what each of them says, where they do not all say the same; None where one says nothing."""
    said = [{".".join(path): value for path, value in _declared(side)} for side in sides]
    keys = dict.fromkeys(key for one in said for key in one)
    found = {key: [one.get(key) for one in said] for key in keys}
    return {key: values for key, values in found.items() if len(set(map(canonical, values))) > 1}


def _declared(side: Side) -> list[tuple[tuple[str, ...], Any]]:
    config = {section: value for section, value in side.config.items() if section not in TOLD_APART}
    return [*(leaf for leaf in flatten(config) if leaf[1] != {}), (("source",), side.source)]


def matched(sides: Sequence[Side]) -> list[Match]:
    """The declared trials that two sweeps or more have; what one of them does not vary it has as it declares it."""
    keys = list(dict.fromkeys(key for side in sides for key in side.table.parameters))
    found: dict[str, tuple[dict[str, Any], list[Row | None]]] = {}
    for number, side in enumerate(sides):
        fixed = {key: value_at(side.config, key) for key in keys if key not in side.table.parameters}
        for row in side.table.declared:
            values = {key: fixed[key] if key in fixed else row.get(key) for key in keys}
            rows = found.setdefault(canonical(list(values.values())), (values, [None] * len(sides)))[1]
            rows[number] = rows[number] or row
    every = (Match(values, tuple(rows)) for values, rows in found.values())
    return [match for match in every if sum(row is not None for row in match.rows) > 1]


def metric_of(sides: Sequence[Side]) -> Objective | None:
    """What they are compared by: the objective of the first one that has one."""
    return next((side.objective for side in sides if side.objective), None)


def value(row: Row | None, objective: Objective | None) -> float | None:
    """What a trial has come to; None without a value that counts, as NaN is."""
    found = counting(row, METRIC + objective.metric) if row and objective else None
    return None if found is None or math.isnan(found) else found


def paired(matches: Sequence[Match], number: int, objective: Objective) -> Paired:
    """The sweep of this number against the first one."""
    pairs = ((value(match.rows[0], objective), value(match.rows[number], objective), match) for match in matches)
    known = [
        (before, after, match)
        for before, after, match in pairs
        if before is not None and after is not None and math.isfinite(before - after)
    ]
    gains = tuple(after - before for before, after, _ in known)
    better = sum(objective.goal.better(after, before) for before, after, _ in known)
    worse = sum(objective.goal.better(before, after) for before, after, _ in known)
    return Paired(Group(tuple(match for *_, match in known), gains), better, worse)
