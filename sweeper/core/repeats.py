"""Trials that differ in the seed of `repeat` alone, as one group: how many, their mean and deviation. Pure.

Whoever compares trials asks here: the table, the result files, the page, the stop rules.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from statistics import mean, median, stdev
from typing import Generic

from sweeper.core.model import Item, Objective, Over


@dataclass(frozen=True)
class Group(Generic[Item]):
    """What belongs together, and the values of those members that have one; NaN is none."""

    members: tuple[Item, ...]
    values: tuple[float, ...]

    @property
    def n(self) -> int:
        """How many members have a value."""
        return len(self.values)

    @property
    def mean(self) -> float | None:
        """The mean of the values; None when there are none, or infinities of both signs."""
        if self.n == 1:  # thousands of trials alone are compared often
            return self.values[0]
        if {math.inf, -math.inf} <= set(self.values):
            return None
        return mean(self.values) if self.values else None

    @property
    def deviation(self) -> float | None:
        """The standard deviation of the sample (n - 1); None for fewer than two values, or infinite ones."""
        return stdev(self.values) if self.n > 1 and all(map(math.isfinite, self.values)) else None

    @property
    def median(self) -> float | None:
        """The median of the values; None when there are none."""
        return median(self.values) if self.values else None

    def over(self, objective: Objective) -> float | None:
        """What it is compared by; None when no member has a value."""
        if objective.over is Over.BEST:
            return objective.best(self.values, float)
        return self.median if objective.over is Over.MEDIAN else self.mean


def groups(
    items: Iterable[Item], key_of: Callable[[Item], Hashable], value_of: Callable[[Item], float | None]
) -> list[Group[Item]]:
    """The items by what they have in common, in order of first appearance."""
    found: dict[Hashable, list[Item]] = {}
    for item in items:
        found.setdefault(key_of(item), []).append(item)
    return [Group(tuple(members), tuple(_values(map(value_of, members)))) for members in found.values()]


def best_group(found: Sequence[Group[Item]], objective: Objective) -> Group[Item] | None:
    """The best group by what the objective compares, the first of equals; None when none has a value."""
    return objective.best(found, lambda group: group.over(objective))


def _values(values: Iterable[float | None]) -> list[float]:
    return [float(value) for value in values if value is not None and not math.isnan(value)]
