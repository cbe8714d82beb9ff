"""What the page of a sweep is about, read once from its folder: everything after this is a pure function of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sweeper.core import events as ev
from sweeper.core.chain import Chain, Job
from sweeper.core.costs import Rate
from sweeper.core.model import Objective
from sweeper.core.receipt import Receipt
from sweeper.core.results import METRIC, Results, Row
from sweeper.record.composed import Composed
from sweeper.record.remarks import Remark, notes_of
from sweeper.record.stored import StoredSweep
from sweeper.show.receipt import of_sweep
from sweeper.show.report import curves, logs

MOST_PRINTED = 1 << 20
"""Bytes of a running trial's log that its curves are read from."""


@dataclass(frozen=True)
class Subject:
    """A sweep as it stands. Moments are UTC seconds since the epoch."""

    name: str
    """Its folder's: NAME, or NAME@ACCOUNT.REGION."""
    table: Results
    chain: Chain
    best: Row | None = None
    objective: Objective | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    rate: Rate | None = None
    simulated: bool = True
    running: bool = False
    now: float = 0.0
    intended_at: Mapping[str, float] = field(default_factory=dict)
    closed_at: Mapping[str, float] = field(default_factory=dict)
    """When the pool of each job was seen closed."""
    curves: curves.Curves = field(default_factory=curves.Curves)
    stored: frozenset[str] = frozenset()
    """The trials whose log lies below trials/."""
    tails: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The last lines of the logs of trials that did not complete."""
    tags: Sequence[str] = ()
    notes: Sequence[Remark] = ()

    @property
    def experiment(self) -> str:
        """The experiment's name."""
        return str(self.config.get("name") or self.name)

    @property
    def column(self) -> str:
        """The column of the objective; empty when there is none."""
        return METRIC + self.objective.metric if self.objective else ""

    @property
    def keeps_pool(self) -> bool:
        """True where its jobs leave a pool."""
        return Composed(self.config).keeps_pool

    @cached_property
    def receipt(self) -> Receipt:
        """What it cost, what the pool saved, and what other ways had cost."""
        return of_sweep(self.config, self.chain, self.rate, simulated=self.simulated)

    def last_jobs(self) -> Mapping[str, Job]:
        """The last job of each trial."""
        return {trial: history.last for trial, history in self.chain.trials.items() if history.jobs}


def read(sweep: StoredSweep, table: Results, best: Row | None, now: float) -> Subject:
    """Read what the page needs beside these rows: curves, ends of logs, moments. What cannot be read is left out."""
    trials = sweep.folder / "trials"
    stored = logs.stored(trials)
    closed = ((event.name, at) for at, event in sweep.events if isinstance(event, ev.PoolClosed))
    intended = ((event.name, at) for at, event in sweep.events if isinstance(event, ev.Intent))
    return Subject(
        name=sweep.name,
        table=table,
        chain=sweep.chain,
        best=best,
        objective=sweep.objective,
        config=sweep.config,
        rate=sweep.rate,
        simulated=not sweep.on_aws,
        running=sweep.runner is not None,
        now=now,
        intended_at=dict(intended),
        closed_at=dict(closed),
        curves=curves.read(trials, table, stored, sweep.objective, sweep.config, _printed(sweep)),
        stored=stored,
        tails=logs.tails(trials, table, stored),
        tags=sweep.tags,
        notes=notes_of(sweep.remarks),
    )


def _printed(sweep: StoredSweep) -> dict[str, list[curves.Point]]:
    """What the trials that run have printed so far, as far as their runner has read it."""
    jobs = sweep.chain.unfinished.values() if sweep.runner else ()
    parts = ((job.intent.trial, sweep.tail(job, MOST_PRINTED).new()) for job in jobs)
    return {trial: [(math.nan, metric, value) for _, metric, value in part.points] for trial, part in parts}
