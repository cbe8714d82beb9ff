"""The rows of results.csv as a pure function of the sweep and its chain."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

from sweeper.core.chain import Chain, Job, TrialHistory
from sweeper.core.costs import Rate, cost, savings_percent
from sweeper.core.decide import SKIPPED
from sweeper.core.declared import added, undeclared
from sweeper.core.events import Outcome, TrialStatus
from sweeper.core.identity import canonical, path_of, within
from sweeper.core.keepalive import idle_seconds
from sweeper.core.model import MetricDefinition, Objective, Sweep, Trial, Trials
from sweeper.core.phases import interruptions
from sweeper.core.remedies import config_of
from sweeper.core.repeats import Group, best_group, groups
from sweeper.core.secrets import Redactor, masked
from sweeper.core.words import span, utc
from sweeper.errors import SweeperError

PLANNED_ROWS_UP_TO = 10_000
"""Declared trials beyond which `planned` rows are left out."""

FIRST = ("trial", "name", "index", "status")
PHASES = ("start_seconds", "download_seconds", "upload_seconds", "idle_seconds")
"""What a trial's jobs spent on other things than training."""
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
    "model",
    "declared",
    "cold_because",
    "commit",
    "dirty",
    "output",
    "checkpoints",
    *PHASES,
)

METRIC = "metric."
SAVINGS = "savings_percent"
INTERRUPTED = ("interruptions", "interrupted_seconds")
SPOT = (*INTERRUPTED, SAVINGS)
"""The last columns, of a sweep on spot machines."""
MACHINE = "instance_type"
"""The last column, where SageMaker has chosen among types of machines."""

FILLED_UP_TO = 1_000
"""Declared trials beyond which those that are only planned show what they set themselves."""
NOWHERE = -1
"""The index of a trial that is not declared any more."""
Row = dict[str, Any]
Fill = Callable[[Trial, "TrialHistory | None", str], Any]


@dataclass(frozen=True)
class Results:
    """Columns in their contracted order, one row per declared trial, and then those that are not declared any more."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    seed: str = ""
    """The parameter that counts the repeats; empty when nothing is repeated."""

    @property
    def parameters(self) -> tuple[str, ...]:
        """The columns of the free parameters."""
        fixed = {*FIRST, *LAST, *SPOT, MACHINE}
        return tuple(c for c in self.columns if c not in fixed and not c.startswith(METRIC))

    @property
    def declared(self) -> list[Row]:
        """The rows of the trials that are declared, or were queued."""
        return [row for row in self.rows if row.get("declared", True)]


class Declared(Protocol):
    """What a table needs to know of a declaration: a Sweep, or what its folder remembers of it."""

    @property
    def trials(self) -> Trials:
        """The declared trials."""

    @property
    def metrics(self) -> tuple[MetricDefinition, ...]:
        """The metrics that jobs are read for."""

    @property
    def seed(self) -> str:
        """The parameter that counts the repeats; empty when nothing is repeated."""

    @property
    def saves(self) -> bool:
        """May its jobs bill less than they trained?"""


def results(sweep: Declared, chain: Chain, fill: Fill | None = None, rate: Rate | None = None) -> Results:
    """The table of a sweep. `fill` gives the value of a parameter that a trial does not set itself."""
    metrics = tuple(f"metric.{m.name}" for m in sweep.metrics)
    leave_out = len(sweep.trials) > PLANNED_ROWS_UP_TO
    queued = added(sweep.trials, chain)
    gone = [_gone(history) for history in undeclared(sweep.trials, chain)]
    keys = dict.fromkeys((*sweep.trials.keys, *(key for trial in (*queued, *gone) for key in trial.values)))
    chosen = any(job.outcome and job.outcome.instance_type for job in chain.jobs.values())
    taken = any(job.outcome and job.outcome.interruptions for job in chain.jobs.values())
    extra = (*(SPOT if sweep.saves else INTERRUPTED if taken else ()), *((MACHINE,) if chosen else ()))
    columns = (*FIRST, *keys, *metrics, *LAST, *extra)
    idle = idle_seconds(chain)
    rows = []
    for trial in (*_declared(sweep, chain, leave_out), *queued, *gone):
        history = chain.trials.get(trial.id)
        row = row_of(trial, history, columns, rate, idle)
        if fill and row["declared"]:
            row.update({key: fill(trial, history, key) for key in keys if key not in trial.values})
        rows.append(row)
    return Results(columns, tuple(rows), sweep.seed if sweep.seed in keys else "")


def _gone(history: TrialHistory) -> Trial:
    """A trial that is not declared any more, as its last job had it; it has no number."""
    intent = history.last.intent
    return Trial(NOWHERE, intent.trial, intent.label, intent.values)


def _declared(sweep: Declared, chain: Chain, only_begun: bool) -> Iterator[Trial]:
    if not only_begun:
        yield from sweep.trials
        return
    begun = (sweep.trials.find(h.id, h.jobs[0].intent.index) for h in chain.trials.values() if h.jobs)
    yield from sorted((t for t in begun if t), key=lambda trial: trial.index)


def row_of(
    trial: Trial,
    history: TrialHistory | None,
    columns: tuple[str, ...],
    rate: Rate | None,
    idle: Mapping[str, float],
) -> Row:
    """The row of one trial in these columns; `idle`: seconds that the pool of each job was kept idle behind it."""
    row: Row = dict.fromkeys(columns)
    status = _status(history) if history else TrialStatus.PLANNED
    row.update(trial=trial.id, name=trial.name, status=status.value, **trial.values)
    row.update(index=None if trial.index == NOWHERE else trial.number, declared=trial.index != NOWHERE)
    if history:
        row["message"] = "; ".join(_words(history)) or None
    if history and history.jobs:
        row.update(_attempts(history))
        row.update(_phases(history.jobs, idle))
        row.update(cost_usd=cost(history.jobs, rate))
        if INTERRUPTED[0] in columns:
            row.update(_interrupted(history.jobs))
        if SAVINGS in columns:
            row[SAVINGS] = savings_percent(row["billable_seconds"], row["train_seconds"])
        if MACHINE in columns and history.result.outcome:
            row[MACHINE] = history.result.outcome.instance_type or None
    return row


def _status(history: TrialHistory) -> TrialStatus:
    """A completed trial that was opened again is completed until a later attempt has come to something else."""
    waits = history.status in (TrialStatus.INTERRUPTED, TrialStatus.STOPPED)
    return TrialStatus.COMPLETED if waits and history.jobs and history.result.completed else history.status


def _words(history: TrialHistory) -> Iterator[str]:
    """Why it ended so, what remedies had changed about it, and what people have asked for since."""
    if history.jobs and history.result.outcome:
        yield from filter(None, (history.result.outcome.message,))
        yield from _waits(history.result.outcome)
        changed = ", ".join(f"{key}={canonical(value)}" for key, value in history.result.intent.patches.items())
        if changed:
            yield f"patched: {changed}"
    if history.jobs and history.result is not history.last and history.status is not TrialStatus.RUNNING:
        why = history.last.outcome.message if history.last.outcome else ""
        then = "" if history.finished else ": the next run takes it again"
        yield f"attempt {history.last.intent.attempt} was interrupted{f' ({why})' if why else ''}{then}"
    if history.skipped and not (history.jobs and history.last.stop_reason == SKIPPED):
        yield SKIPPED
    if history.reopened and history.jobs:
        yield "opened again: the next run takes it"


def _waits(outcome: Outcome) -> Iterator[str]:
    """When and why its job waited for machines again, and for how long."""
    for begun, until, why in outcome.interruptions:
        yield why + ("" if until is None else f", waited {span(until - begun)}")


def _attempts(history: TrialHistory) -> Row:
    running = history.status is TrialStatus.RUNNING
    last, shown = history.last, history.result
    outcome = shown.outcome
    row: Row = {
        "job_name": last.name if running else shown.name,
        "attempts": len(history.jobs),
        "retained_seconds": _sum(job.retained_s for job in history.jobs),
        "train_seconds": _sum(job.outcome.train_seconds for job in history.jobs if job.outcome),
        "billable_seconds": _sum(job.outcome.billable_seconds for job in history.jobs if job.outcome),
        "pool": (last if running else shown).pool_word,
        "cold_because": cold.why if (cold := (last if running else shown).cold) else None,
    }
    of = (last if running else shown).intent
    row.update(commit=of.commit or None, dirty=of.dirty if of.commit else None)
    if outcome:
        row.update({f"metric.{name}": value for name, value in outcome.metrics.items()})
        row.update(failure=outcome.failure or None, model=outcome.model or None)
        row.update(output=outcome.output or None, checkpoints=outcome.checkpoints or None)
        if not running:
            row.update(started_at=utc(outcome.started_at), ended_at=utc(outcome.ended_at))
    return row


def _phases(jobs: Sequence[Job], idle: Mapping[str, float]) -> Row:
    spent = [job.phases for job in jobs]
    return {
        "start_seconds": _sum(phases.start for phases in spent),
        "download_seconds": _sum(phases.download for phases in spent),
        "upload_seconds": _sum(phases.upload for phases in spent),
        "idle_seconds": _sum(idle.get(job.name) for job in jobs),
    }


def _interrupted(jobs: Sequence[Job]) -> Row:
    """How often their machines were taken, and for how long they waited for others; unknown where nothing is told."""
    told = [job.outcome.transitions for job in jobs if job.outcome and job.outcome.transitions]
    return {
        "interruptions": sum(map(interruptions, told)) if told else None,
        "interrupted_seconds": _sum(job.phases.interrupted for job in jobs),
    }


def _sum(values: Iterator[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return sum(present) if present else None


def grouped(table: Results, column: str) -> list[Group[Row]]:
    """The declared rows in order, those together that differ in their seed alone; `column` has their values."""
    others = _others(table)

    def same(row: Row) -> str:
        return canonical([row.get(key) for key in others]) if table.seed else str(row["trial"])

    rows = sorted(table.declared, key=lambda row: int(row["index"]))
    return groups(rows, same, lambda row: counting(row, column))


def name_of(table: Results, group: Group[Row]) -> str:
    """A group's name: that of its trials without their seed."""
    label = str(group.members[0]["name"])
    if not table.seed:
        return label
    short = table.seed.rpartition(".")[2]
    parts = (part for part in label.split(",") if part.partition("=")[0].rpartition(".")[2] != short)
    return ",".join(parts) or f"every {short}"


def best_of(table: Results, objective: Objective | None) -> Group[Row] | None:
    """The best group by the last values of the objective; NaN is never best, the first of equals wins."""
    return best_group(grouped(table, METRIC + objective.metric), objective) if objective else None


def best(table: Results, objective: Objective | None) -> Row | None:
    """The best trial of the best group; without `repeat` every trial is a group."""
    group = best_of(table, objective)
    if group is None or objective is None:
        return None
    column = METRIC + objective.metric
    return objective.best(group.members, lambda row: counting(row, column))


def equals(table: Results, objective: Objective | None) -> int:
    """How many other groups are as good as the best one."""
    if objective is None:
        return 0
    found = grouped(table, METRIC + objective.metric)
    chosen = best_group(found, objective)
    return sum(g is not chosen and g.over(objective) == chosen.over(objective) for g in found) if chosen else 0


def counting(row: Row, column: str) -> float | None:
    """The value of a metric that counts for its trial: of one that has completed, and None of any other.

    One that runs again has, until it has ended, the metrics of its last completed attempt.
    """
    return row.get(column) if row["status"] in (TrialStatus.COMPLETED.value, TrialStatus.RUNNING.value) else None


def _others(table: Results) -> list[str]:
    return [key for key in table.parameters if key != table.seed]


def filling(sweep: Sweep, redact: Redactor) -> Fill:
    """What fills the rows of a sweep: the values that its trials run with, as they are resolved, secrets masked."""

    @cache
    def base() -> Mapping[str, Any]:
        return masked(sweep.composed, redact)

    def fill(trial: Trial, history: TrialHistory | None, key: str) -> Any:
        if history is None and len(sweep.trials) > FILLED_UP_TO:
            return None
        taken = history.last.intent.taken if history and history.jobs else {}
        known = sweep.resolved.get(trial.id)
        if known is None or known[0] != taken:
            try:
                known = (taken, masked(config_of(sweep, trial, {}, taken), redact))
            except SweeperError:
                known = (taken, {})  # told when it is to be sent
            sweep.resolved[trial.id] = known
        found = value_at(known[1], key)
        return value_at(base(), key) if found is None else found

    return fill


def value_at(node: Mapping[str, Any], key: str) -> Any:
    """What stands at a dotted key, whose names may have dots themselves; None when nothing does."""
    value: Any = node
    for part in path_of(key, within(node)):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def reuse(jobs: Mapping[str, Job]) -> tuple[int, int]:
    """(cold starts, warm reuses) over every job that ran."""
    words = [job.pool_word for job in jobs.values()]
    return words.count("cold"), words.count("reused")
