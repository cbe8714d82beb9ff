"""The trials that differ in the seed of `repeat` alone, as one group: how many, their mean and deviation. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from sweeper.core.events import TrialStatus
from sweeper.core.identity import canonical
from sweeper.core.model import Goal
from sweeper.core.options import from_section
from sweeper.core.results import Results, Row
from sweeper.core.space.declared import ROUND, Repeat


@dataclass(frozen=True)
class Group:
    """Rows whose parameters are the same but for the seed; `values` are those of the completed ones that have one."""

    rows: tuple[Row, ...]
    values: tuple[float, ...]

    @property
    def mean(self) -> float | None:
        """The mean of the values; None when there are none."""
        return fmean(self.values) if self.values else None

    @property
    def deviation(self) -> float | None:
        """The standard deviation of the sample; None for fewer than two values."""
        return stdev(self.values) if len(self.values) > 1 else None


def seed_key(sweep: Mapping[str, Any]) -> str:
    """The parameter that counts the repeats, by a `sweep` section; empty when it repeats nothing."""
    repeat = sweep.get("repeat")
    if not repeat:
        return ""
    return from_section(Repeat, repeat if isinstance(repeat, Mapping) else {"times": repeat}).seed or ROUND


def groups(table: Results, seed: str, column: str) -> list[Group]:
    """The declared rows by everything but the seed, in order; `column` is what is averaged."""
    others = [key for key in table.parameters if key != seed]
    found: dict[str, list[Row]] = {}
    for row in table.declared:
        found.setdefault(canonical([row.get(key) for key in others]), []).append(row)
    return [Group(tuple(rows), tuple(_values(rows, column))) for rows in found.values()]


def best_group(found: Sequence[Group], goal: Goal) -> Group | None:
    """The group with the best mean, the first of equals; None when none has a value."""
    known = [(group.mean, group) for group in found if group.mean is not None]
    return max(known, key=lambda one: goal.sign * one[0])[1] if known else None


def _values(rows: Sequence[Row], column: str) -> list[float]:
    done = [row.get(column) for row in rows if row["status"] == TrialStatus.COMPLETED.value]
    return [float(value) for value in done if value is not None and math.isfinite(value)]
