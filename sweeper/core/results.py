"""The rows of results.csv as a pure function of the sweep and its chain."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from math import isnan
from typing import Any, Protocol

from sweeper.core.chain import Chain, Job, TrialHistory
from sweeper.core.costs import Rate, cost, savings_percent
from sweeper.core.events import Outcome, TrialStatus
from sweeper.core.identity import canonical
from sweeper.core.model import BackendKind, Goal, MetricDefinition, Objective, Trial, Trials

PLANNED_ROWS_UP_TO = 10_000
"""Declared trials beyond which `planned` rows are left out."""

FIRST = ("trial", "name", "index", "status")
LAST = (
    "job_name",
    "attempts",
    "started_at",
    "ended_at",
    "train_seconds",
    "billable_seconds",
    "retained_seconds",
    "cost_usd",
    "pool",
    "failure",
    "message",
)

SAVINGS = "savings_percent"
"""The last column, of a sweep on spot machines."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Results:
    """Columns in their contracted order, and one row per declared trial."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]


class Declared(Protocol):
    """What a table needs to know of a declaration: a Sweep, or what its folder remembers of it."""

    @property
    def trials(self) -> Trials:
        """The declared trials."""

    @property
    def metrics(self) -> tuple[MetricDefinition, ...]:
        """The metrics that jobs are read for."""

    @property
    def backend(self) -> BackendKind:
        """Where its machines come from."""


def results(
    sweep: Declared, chain: Chain, default: Callable[[Trial, str], Any] | None = None, rate: Rate | None = None
) -> Results:
    """The table of a sweep. `default(trial, key)` gives the value of a free parameter that a trial does not set."""
    metrics = tuple(f"metric.{m.name}" for m in sweep.metrics)
    leave_out = len(sweep.trials) > PLANNED_ROWS_UP_TO
    added = _added(sweep, chain)
    keys = dict.fromkeys((*sweep.trials.keys, *(key for trial in added for key in trial.values)))
    columns = (*FIRST, *keys, *metrics, *LAST, *([SAVINGS] if sweep.backend is BackendKind.SPOT else []))
    trials = itertools.chain(_declared(sweep, chain, leave_out), added)
    rows = (_row(trial, chain.trials.get(trial.id), columns, rate) for trial in trials)
    return Results(columns, tuple(rows))


def _added(sweep: Declared, chain: Chain) -> list[Trial]:
    """The trials that someone queued and that are not declared."""
    found = (Trial(a.index, a.trial, a.label, a.values) for a in chain.added.values())
    return [trial for trial in found if sweep.trials.find(trial.id, trial.index) is None]


def _declared(sweep: Declared, chain: Chain, only_begun: bool) -> Iterator[Trial]:
    if not only_begun:
        yield from sweep.trials
        return
    begun = (sweep.trials.find(h.id, h.jobs[0].intent.index) for h in chain.trials.values() if h.jobs)
    yield from sorted((t for t in begun if t), key=lambda trial: trial.index)


def _row(trial: Trial, history: TrialHistory | None, columns: tuple[str, ...], rate: Rate | None) -> Row:
    row: Row = dict.fromkeys(columns)
    status = history.status if history else TrialStatus.PLANNED
    row.update(trial=trial.id, name=trial.name, index=trial.index, status=status.value, **trial.values)
    if history and history.jobs:
        row.update(_attempts(history))
        row.update(cost_usd=cost(history.jobs, rate))
        if SAVINGS in columns:
            row[SAVINGS] = savings_percent(row["billable_seconds"], row["train_seconds"])
    return row


def _attempts(history: TrialHistory) -> Row:
    last = history.last
    outcome = last.outcome
    row: Row = {
        "job_name": last.name,
        "attempts": len(history.jobs),
        "retained_seconds": _sum(job.retained_s for job in history.jobs),
        "train_seconds": _sum(job.outcome.train_seconds for job in history.jobs if job.outcome),
        "billable_seconds": _sum(job.outcome.billable_seconds for job in history.jobs if job.outcome),
        "pool": last.pool_word,
    }
    if outcome:
        row.update({f"metric.{name}": value for name, value in outcome.metrics.items()})
        row.update(started_at=utc(outcome.started_at), ended_at=utc(outcome.ended_at))
        row.update(failure=outcome.failure or None, message=_message(last, outcome) or None)
    return row


def _message(job: Job, outcome: Outcome) -> str:
    """Why it ended so, and what remedies had changed about it."""
    changed = ", ".join(f"{key}={canonical(value)}" for key, value in job.intent.patches.items())
    return "; ".join(part for part in (outcome.message, f"patched: {changed}" if changed else "") if part)


def _sum(values: Iterator[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def utc(seconds: float | None) -> str | None:
    """ISO 8601 in UTC with Z, to the second."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def best(table: Results, objective: Objective | None) -> Row | None:
    """The completed row with the best last value of the objective; NaN is never best, the first of equals wins."""
    if objective is None:
        return None
    column = f"metric.{objective.metric}"
    found = [
        row
        for row in table.rows
        if row["status"] == TrialStatus.COMPLETED.value and row.get(column) is not None and not isnan(row[column])
    ]
    sign = 1 if objective.goal is Goal.MAXIMIZE else -1
    return max(found, key=lambda row: (sign * row[column], -row["index"]), default=None)


def reuse(jobs: Mapping[str, Job]) -> tuple[int, int]:
    """(cold starts, warm reuses) over every job that ran."""
    words = [job.pool_word for job in jobs.values()]
    return words.count("cold"), words.count("reused")
