"""What a tracker is told of a sweep: values, drawn from the chain. No secret stands in them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from sweeper.core.costs import cost
from sweeper.core.events import TrialStatus
from sweeper.core.identity import canonical
from sweeper.core.secrets import masked

if TYPE_CHECKING:
    from pathlib import Path

    from sweeper.core.chain import Chain, Job
    from sweeper.core.costs import Rate
    from sweeper.core.model import Objective, Sweep, Trials
    from sweeper.core.results import Results, Row
    from sweeper.core.secrets import Redactor

BAD = frozenset({TrialStatus.FAILED, TrialStatus.METRIC_MISSING})
"""What a trial comes to that somebody should look at."""


class Notebook(Protocol):
    """What a tracker remembers of a sweep from one process to the next, such as what its server calls a trial."""

    def get(self, key: str) -> str | None:
        """What was noted; None when nothing was."""

    def put(self, key: str, value: str) -> None:
        """Note it, durably: it is there when the process is killed right after. Raises OSError."""


@dataclass(frozen=True)
class Tracked:
    """A sweep, to one of its trackers."""

    name: str
    folder: Path
    """Where its files lie."""
    config: Mapping[str, Any]
    """The composed configuration, its secrets masked."""
    objective: Objective | None
    trials: Trials
    notes: Notebook
    """The tracker's own: what it put there last time."""
    only: str = ""
    """The one trial that is run again; empty: everything that is declared."""


def seen(sweep: Sweep, folder: Path, redact: Redactor, notes: Notebook) -> Tracked:
    """What a tracker with these notes sees of a sweep."""
    config = masked(sweep.composed, redact)
    return Tracked(sweep.name, folder, config, sweep.objective, sweep.trials, notes, sweep.only)


@dataclass(frozen=True)
class Point:
    """One value of a metric that a job has printed. `step` numbers the values of that metric from 1."""

    metric: str
    step: int
    value: float
    at: str
    """When, as an ISO 8601 time."""


@dataclass(frozen=True)
class TrialEnded:
    """An attempt at a trial that has come to a result. One that was interrupted is followed by another, and told then.

    Times are UTC seconds since the epoch, durations are seconds; None is unknown.
    """

    trial: str
    """Its identity: 16 hexadecimal characters."""
    name: str
    attempt: int
    job: str
    status: TrialStatus
    values: Mapping[str, Any]
    """The free values and what remedies have changed, by dotted key."""
    metrics: Mapping[str, float]
    """The last value of each."""
    failure: str
    message: str
    started_at: float | None
    ended_at: float | None
    train_seconds: float | None
    billable_seconds: float | None
    cost_usd: float | None
    model: str
    late: bool
    """It ended before this tracker was declared."""
    points: Callable[[], Iterable[Point]]
    """Every value of its metrics, in the order in which they came; none where another attempt's have replaced them."""

    @property
    def fact(self) -> str:
        """What tells it from every other: a job's name comes again where a journal was removed."""
        return f"trial {self.job} {self.ended_at or ''}".rstrip()


@dataclass(frozen=True)
class SweepEnded:
    """An invocation has ended, with every pool seen closed but for those that it names."""

    why: str
    rule: str
    """The rule that ended the chain; empty when every trial was done, or something else ended it."""
    counts: Mapping[str, int]
    """How many of the declared trials have come to what, by status."""
    best: Row | None
    """The best trial's row of results.csv."""
    unreleased: tuple[str, ...]
    """The jobs whose pools may still bill."""
    chain: Chain
    """Everything that has happened."""

    @property
    def fact(self) -> str:
        """What tells it from every other: where nothing has happened since, it is the same end still."""
        last = self.chain.last_ended
        after = f"{last.name} {last.outcome.ended_at if last.outcome else ''}" if last else ""
        return canonical(["ended", len(self.chain.outcomes), after, self.why, self.unreleased])


class Tracker(Protocol):
    """Somebody who is told of a sweep: a frozen dataclass whose fields are its options below `trackers`.

    Each method is called in a thread of the tracker's own, beside the chain, one after another, once for each fact,
    whatever process comes to tell it. What it raises is said once and changes nothing; the fact is told again by the
    next process that comes to it.
    """

    @property
    def kind(self) -> str:
        """Its name as an experiment says it."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """Its options that are secrets: an experiment may only name the variable that holds one."""

    @property
    def repeats(self) -> bool:
        """May it hear again what a killed process was telling it, and each end? No where that is shown twice."""

    @property
    def patience_s(self) -> float:
        """How long the end of a sweep waits for it, in seconds, once its pools are closed."""

    @classmethod
    def unasked(cls, config: Mapping[str, Any]) -> bool:
        """Is it told of a sweep with this configuration though no `trackers` section names it?"""

    def started(self, sweep: Tracked) -> None:
        """Somebody is about to tell it of this sweep: called in each process, before anything else."""

    def trial(self, sweep: Tracked, ended: TrialEnded) -> None:
        """An attempt has ended; its log is stored."""

    def ended(self, sweep: Tracked, ended: SweepEnded) -> None:
        """An invocation has ended."""


def trial_ended(
    job: Job, rate: Rate | None, points: Callable[[], Iterable[Point]], *, late: bool = False
) -> TrialEnded | None:
    """What is to be told of this job; None while it has come to no result."""
    intent, outcome = job.intent, job.outcome
    if outcome is None or not TrialStatus(outcome.trial_status).finished:
        return None
    return TrialEnded(
        trial=intent.trial,
        name=intent.label,
        attempt=intent.attempt,
        job=job.name,
        status=TrialStatus(outcome.trial_status),
        values={**intent.values, **intent.patches},
        metrics=outcome.metrics,
        failure=outcome.failure,
        message=outcome.message,
        started_at=outcome.started_at,
        ended_at=outcome.ended_at,
        train_seconds=outcome.train_seconds,
        billable_seconds=outcome.billable_seconds,
        cost_usd=cost([job], rate),
        model=outcome.model,
        late=late,
        points=points,
    )


def sweep_ended(chain: Chain, table: Results, best: Row | None, unreleased: Iterable[str] = ()) -> SweepEnded:
    """What is to be told of the end of the newest invocation."""
    counts: dict[str, int] = {}
    for row in table.declared:
        counts[row["status"]] = counts.get(row["status"], 0) + 1
    why = chain.decided.why if chain.decided else chain.stopping.reason if chain.stopping else ""
    return SweepEnded(
        why=why or (chain.finished.why if chain.finished else ""),
        rule=chain.decided.rule if chain.decided else "",
        counts=counts,
        best=best,
        unreleased=tuple(unreleased),
        chain=chain,
    )
