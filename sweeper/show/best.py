"""The best of a sweep in words: a trial, or trials that differ in their seed alone, with what they come to together."""

from __future__ import annotations

from typing import Any

from sweeper.core.model import Objective, Over
from sweeper.core.repeats import Group
from sweeper.core.results import METRIC, Results, Row, best_of, equals, name_of
from sweeper.core.words import counted
from sweeper.show.plain import shown


def seeds_of(group: Group[Any]) -> str:
    """How many of its trials have a value."""
    return str(group.n) if group.n == len(group.members) else f"{group.n} of {len(group.members)}"


def group_value(group: Group[Any], objective: Objective, *also: str) -> str:
    """What a group is compared by, and of how many trials; of one trial its value alone. `also`: what is said of it."""
    told = ", ".join([*_over(group, objective), *also])
    value = " ".join([shown(group.over(objective)), *_spread(group, objective)])
    return f"{value} ({told})" if told else value


def group_tile(table: Results, group: Group[Any], objective: Objective) -> tuple[str, str]:
    """The same in two parts: what it is compared by, and of which trials it is."""
    told = ", ".join([*_spread(group, objective), *_over(group, objective)])
    name = name_of(table, group)
    return shown(group.over(objective)), f"{told}: {name}" if told else name


def _over(group: Group[Any], objective: Objective) -> list[str]:
    return [f"{objective.over.value} of {seeds_of(group)}"] if len(group.members) > 1 else []


def _spread(group: Group[Any], objective: Objective) -> list[str]:
    spread = group.deviation if objective.over is Over.MEAN else None
    return [] if spread is None else [f"± {shown(spread)}"]


def best_name(table: Results, objective: Objective | None) -> str:
    """The best group and its value, as `sweeper list` names it; empty when there is none."""
    group = best_of(table, objective)
    return f"{name_of(table, group)} {objective.metric}={group_value(group, objective)}" if group and objective else ""


def best_line(table: Results, chosen: Row, objective: Objective, joint: str = "  ") -> str:
    """All of it in a line; `joint` stands between whose the value is and the value."""
    group = best_of(table, objective)
    ties = equals(table, objective)
    also = objective.goal.value + (f", as good as {counted(ties, 'other')}" if ties else "")
    value = shown(chosen[METRIC + objective.metric])
    if group is None or len(group.members) == 1:
        return f"{chosen['name']}{joint}{objective.metric} = {value} ({also})"
    told = f"{name_of(table, group)}{joint}{objective.metric} = {group_value(group, objective, also)}"
    return f"{told}; its best trial: {chosen['name']}, {value}"
