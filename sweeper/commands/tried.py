"""What a try is: the trial that it is of, the sweep of its own that it runs in, and what came of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypedDict

from sweeper.commands.as_it_was import config_of
from sweeper.commands.sweeps import TRIES
from sweeper.core.as_json import Number, number
from sweeper.core.chain import Chain, Job, metric_of
from sweeper.core.events import TrialStatus
from sweeper.core.model import Goal, Sweep, Trial
from sweeper.core.request import Staged, digest
from sweeper.core.scope import Scope
from sweeper.core.words import cell, utc
from sweeper.errors import UsageError
from sweeper.record.atomic import write_atomically
from sweeper.record.remembered import StoredTrials
from sweeper.record.source import Folder, SourceError
from sweeper.record.stored import StoredSweep
from sweeper.run.session import Session
from sweeper.run.world import World

NOTE = "try.json"
"""Beside a try's log: what it is a try of."""


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

    def session(self, trial: str, where: Staged) -> type[Session]:
        """An invocation that stages the source as it is now; data and output stay where they were."""
        base = self

        class Trying(Session):
            """The outside of a try."""

            def open(self, stack: ExitStack) -> None:
                super().open(stack)
                write_atomically(_note(self.folder, trial), json.dumps(asdict(base)))

            def world(self) -> World:
                world = super().world()

                def stage(config: Mapping[str, Any]) -> Staged:
                    now = world.stage({**config, "job": {**config["job"], "inputs": {}}})
                    return replace(where, source=now.source, revision=now.revision)

                return replace(world, stage=stage)

        return Trying


def tries_of(stored: StoredSweep) -> StoredSweep | None:
    """The tries of a sweep's trials so far."""
    name, scope = Scope.of(stored.name)
    folder = stored.folder.with_name(scope.folder(name + TRIES))
    return StoredSweep(folder) if (folder / "journal.db").exists() else None


def trying(stored: StoredSweep, base: Base, as_it_was: Sweep, *, leaves_warm: bool) -> Sweep:
    """The sweep that one more try runs in, of the trial as it ran. The same source again is a next attempt at the try.

    Raises UsageError when the source cannot be read.
    """
    config = as_it_was.resolve(Trial(0, base.trial, base.name, {}))
    source = _source_digest(as_it_was, config)
    id_ = digest([base.sweep, base.trial, source])[:16]
    before = tries_of(stored)
    known = [trial for trial in before.trials if trial.index >= 0 and trial.id != id_] if before else []
    history = stored.chain.trials[base.trial]
    index = next((t.index for t in before.trials if t.id == id_ and t.index >= 0), len(known)) if before else 0
    trial = Trial(index, id_, f"{base.name} #{index + 1}", dict(history.result.intent.values))

    def resolve(which: Trial, taken: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        return config if which.id == id_ or before is None else config_of(before, which.id)

    name, _ = Scope.of(stored.name)
    return replace(
        as_it_was,
        name=name + TRIES,
        digest=id_,
        source_digest=source,
        trials=StoredTrials(tuple(trial.values), [*known, trial]),
        resolve=resolve,
        composed={**as_it_was.composed, "name": name + TRIES, "sweep": {}},
        seed="",
        trackers=(),
        only=id_,
        leaves_warm=leaves_warm,
    )


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


def _note(folder: Path, trial: str) -> Path:
    return folder / "trials" / trial / NOTE


def _base(folder: Path, trial: str) -> Base | None:
    try:
        return Base(**json.loads(_note(folder, trial).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _source_digest(sweep: Sweep, config: Mapping[str, Any]) -> str:
    job, project = config["job"], Path(sweep.project)
    folder = Folder(project / job["source_dir"], project, most_mb=job.get("max_source_mb"))
    try:
        return folder.digest()
    except (SourceError, OSError) as error:
        raise UsageError(f"job.source_dir: {folder.path}: {error}") from error
