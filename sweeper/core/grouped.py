"""The rows of results_grouped.csv: a row per group of trials that differ in the seed of `repeat` alone. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sweeper.core.events import TrialStatus
from sweeper.core.model import Objective
from sweeper.core.repeats import Group
from sweeper.core.results import METRIC, Results, Row, best_of, grouped, name_of

OF_A_METRIC = ("n", "mean", "deviation", "median", "low", "high")
"""What is told of each metric: how many trials have a value, and what they come to; the deviation is the sample's."""
FIRST = ("name",)
COUNTS = ("trials", "completed")
LAST = ("train_seconds", "cost_usd", "best", "ids")


def grouped_results(table: Results, objective: Objective | None) -> Results:
    """The groups of a table that repeats its trials, in order. The parameters are those that a group shares."""
    metrics = [column for column in table.columns if column.startswith(METRIC)]
    others = [key for key in table.parameters if key != table.seed]
    columns = (*FIRST, *others, *COUNTS, *(f"{metric}.{what}" for metric in metrics for what in OF_A_METRIC), *LAST)
    chosen = best_of(table, objective)
    best = str(chosen.members[0]["trial"]) if chosen else ""
    by_metric = {metric: grouped(table, metric) for metric in metrics}
    rows = []
    for number, group in enumerate(grouped(table, "")):
        row: Row = {key: group.members[0].get(key) for key in others}
        row.update(_counted(table, group, best))
        for metric, groups in by_metric.items():
            row.update((f"{metric}.{what}", value) for what, value in of_a_metric(groups[number]).items())
        rows.append(row)
    return Results(columns, tuple(rows))


def of_a_metric(group: Group[Any]) -> Mapping[str, float | None]:
    """What the values of a group come to."""
    low, high = min(group.values, default=None), max(group.values, default=None)
    return dict(zip(OF_A_METRIC, (group.n, group.mean, group.deviation, group.median, low, high), strict=True))


def _counted(table: Results, group: Group[Row], best: str) -> Iterator[tuple[str, Any]]:
    rows = group.members
    yield "name", name_of(table, group)
    yield "trials", len(rows)
    yield "completed", sum(row["status"] == TrialStatus.COMPLETED.value for row in rows)
    for column in ("train_seconds", "cost_usd"):
        known = [row[column] for row in rows if row.get(column) is not None]
        yield column, sum(known) if known else None
    yield "best", rows[0]["trial"] == best
    yield "ids", [row["trial"] for row in rows]
