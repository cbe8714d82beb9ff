"""What came of a try, against the trial that it is of."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from sweeper.commands.sweeps import TRIES
from sweeper.core.as_json import Number, number
from sweeper.core.chain import Chain, Job, metric_of
from sweeper.core.events import TrialStatus
from sweeper.core.model import Goal, Trial
from sweeper.core.scope import Scope
from sweeper.core.words import cell, utc
from sweeper.record.stored import StoredSweep


@dataclass(frozen=True)
class Base:
    """The trial that something is tried of, and what it has come to."""

    sweep: str
    trial: str
    name: str
    job_name: str
    metric: str = ""
    goal: str = ""
    """Which way the metric is better; empty where the sweep has no objective."""
    before: float | None = None

    @classmethod
    def of(cls, stored: StoredSweep, job: Job) -> Base:
        """That trial of a stored sweep. Without an objective its first metric is looked at, and nothing is better."""
        objective = stored.objective
        metric = objective.metric if objective else next((m.name for m in stored.said.metrics), "")
        goal = objective.goal.value if objective else ""
        return cls(stored.name, job.intent.trial, job.intent.label, job.name, metric, goal, metric_of(job, metric))


def tries_of(stored: StoredSweep) -> StoredSweep | None:
    """The tries of a sweep's trials so far."""
    name, scope = Scope.of(stored.name)
    folder = stored.folder.with_name(scope.folder(name + TRIES))
    return StoredSweep(folder) if (folder / "journal.db").exists() else None


class TryTold(TypedDict):
    """What came of a try."""

    sweep: str
    """The sweep that its log, its source and its journal are in."""
    number: int
    """From 1: what `sweeper logs SWEEP NUMBER` and `sweeper source SWEEP NUMBER` take."""
    of: str
    """The name of the trial that it is a try of."""
    status: str
    metric: str | None
    """The objective's, else the first one of the sweep."""
    before: Number | None
    """Its value in the trial."""
    now: Number | None
    """Its value in the try."""
    delta: Number | None
    better: bool | None
    """Null: there is no objective, one of them has no value, or the try has not completed."""
    pool: str | None
    """`cold`, `reused` or `none`; null: no job was sent."""
    commit: str | None
    dirty: bool | None
    job_name: str | None
    failure: str | None
    message: str | None
    kept_until: str | None
    """Until when its pool is left warm, at most; null: it was closed."""


@dataclass(frozen=True)
class Tried:
    """What came of a try."""

    base: Base
    number: int
    trial: str
    job: Job | None
    sweep: str
    kept_until: float = 0.0

    @property
    def now(self) -> float | None:
        """The metric's value."""
        return metric_of(self.job, self.base.metric) if self.job else None

    @property
    def better(self) -> bool | None:
        """Is it better than the trial was? None: there is no objective, one of them has no value, or it has failed."""
        if (
            self.status != TrialStatus.COMPLETED.value
            or not self.base.goal
            or self.now is None
            or self.base.before is None
        ):
            return None
        return Goal(self.base.goal).better(self.now, self.base.before)

    @property
    def status(self) -> str:
        """What the try has come to."""
        if self.job is None or self.job.outcome is None:
            return TrialStatus.INTERRUPTED.value
        return self.job.outcome.trial_status

    @property
    def told(self) -> TryTold:
        """It, for programs."""
        job, before, now = self.job, self.base.before, self.now
        outcome = job.outcome if job else None
        return {
            "sweep": self.sweep,
            "number": self.number,
            "of": self.base.name,
            "status": self.status,
            "metric": self.base.metric or None,
            "before": None if before is None else number(before),
            "now": None if now is None else number(now),
            "delta": None if before is None or now is None else number(now - before),
            "better": self.better,
            "pool": job.pool_word if job else None,
            "commit": (job.intent.commit or None) if job else None,
            "dirty": job.intent.dirty if job else None,
            "job_name": job.name if job else None,
            "failure": (outcome.failure or None) if outcome else None,
            "message": (outcome.message or None) if outcome else None,
            "kept_until": utc(self.kept_until) if self.kept_until else None,
        }

    @property
    def line(self) -> str:
        """It, for people."""
        base, job = self.base, self.job
        said = {True: ": better", False: ": not better", None: ""}[self.better]
        values = f"{base.metric} {cell(base.before) or 'unknown'} before, {cell(self.now) or 'unknown'} now{said}"
        ran = f"{self.status}; {values}" if base.metric else self.status
        why = f"; {job.outcome.failure}: {job.outcome.message}" if job and job.outcome and job.outcome.failure else ""
        pool = f"; pool {job.pool_word}" if job else ""
        warm = f", left warm until {utc(self.kept_until)}" if self.kept_until else ""
        return f"try {self.number} of {base.name}: {ran}{why}{pool}{warm}"


def tried(chain: Chain, trial: Trial, base: Base, sweep: str, kept_until: float = 0.0) -> Tried:
    """What came of this try."""
    history = chain.trials.get(trial.id)
    return Tried(base, trial.number, trial.id, history.result if history and history.jobs else None, sweep, kept_until)


def listed(stored: StoredSweep) -> list[Tried]:
    """Every try of a sweep's trials, oldest first; those whose note is gone are left out."""
    tries = tries_of(stored)
    if tries is None:
        return []
    known = ((trial, _base(tries.folder, trial.id)) for trial in tries.trials if trial.index >= 0)
    return [tried(tries.chain, trial, base, tries.name) for trial, base in known if base]


def note_of(folder: Path, trial: str) -> Path:
    """Beside a try's log: what it is a try of."""
    return folder / "trials" / trial / "try.json"


def _base(folder: Path, trial: str) -> Base | None:
    try:
        return Base(**json.loads(note_of(folder, trial).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
