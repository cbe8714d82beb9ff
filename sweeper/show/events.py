"""What happens in a sweep, as a stream of values for programs: one for each thing, told as it happens.

They follow from the events of the journal and the chain that these are folded into; nothing else is remembered but what
was told last. The kinds are a closed list: `Happening` is all that there is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, TypedDict, Union

from sweeper.core import events as ev
from sweeper.core.as_json import Number, moment, number
from sweeper.core.chain import Chain, Job
from sweeper.core.declared import count
from sweeper.core.events import Closed, JobStatus, PoolStatus, TrialStatus
from sweeper.core.measured import Part
from sweeper.core.model import Trials, number_of
from sweeper.errors import assert_never
from sweeper.show.summary import Failed, RunEnded

METRIC_S = 1.0
"""Of each metric of a job one value is told in so many seconds: the last of them. The last of all is always told."""


class SweepOpened(TypedDict):
    """A runner has begun: the declaration is accepted, and the sweep is locked."""

    event: Literal["sweep_opened"]
    at: str
    sweep: str
    """The folder's name: what `sweeper status`, `wait` and `stop` take."""
    folder: str
    trials: int
    """How many are declared, or were queued."""
    done: int
    """How many of them need not run."""
    in_flight: int
    """How many jobs run at once at most."""
    only: str | None
    """The one trial that is run again; null: all that are declared."""


class TrialSubmitted(TypedDict):
    """A job is sent for a trial, or one that an earlier runner has sent is gone on with."""

    event: Literal["trial_submitted"]
    at: str
    trial: str
    number: int | None
    """From 1; null for a trial that is not declared any more."""
    name: str
    attempt: int
    job_name: str
    values: dict[str, Any]
    """Its free values, by dotted key."""
    adopted: bool
    """Did the job exist already?"""
    why: str | None
    """Why this attempt follows the one before."""


class JobChanged(TypedDict):
    """Describe shows another status of a job that has not ended."""

    event: Literal["job_status"]
    at: str
    trial: str
    job_name: str
    status: str
    """TrainingJobStatus in SageMaker's words; Unknown for one that sweeper does not know."""
    secondary_status: str | None
    message: str | None


class JobStopping(TypedDict):
    """A job is asked to stop: by a rule, a person, or because it is hopeless."""

    event: Literal["job_stopping"]
    at: str
    trial: str
    job_name: str
    why: str


class MetricSeen(TypedDict):
    """A running job has printed a metric. At most one value a second of each metric of a job is told, the last."""

    event: Literal["metric"]
    at: str
    trial: str
    job_name: str
    metric: str
    value: Number


class TrialOver(TypedDict):
    """A job has ended, and what became of it is durable. `interrupted`: the trial runs again."""

    event: Literal["trial_ended"]
    at: str
    trial: str
    number: int | None
    name: str
    attempt: int
    job_name: str
    status: TrialStatus
    metrics: dict[str, Number]
    """The last value of each."""
    train_seconds: float | None
    billable_seconds: float | None
    pool: Literal["cold", "reused", "none"]
    failure: str | None
    message: str | None
    model: str | None


class TrialAdded(TypedDict):
    """Somebody has queued another trial."""

    event: Literal["trial_added"]
    at: str
    trial: str
    number: int
    name: str
    values: dict[str, Any]


class TrialSkipped(TypedDict):
    """A trial is left out: somebody does not want it, or it is not declared any more."""

    event: Literal["trial_skipped"]
    at: str
    trial: str
    name: str | None


class PoolObserved(TypedDict):
    """Describe shows another status of the warm pool that a job holds."""

    event: Literal["pool_observed"]
    at: str
    job_name: str
    status: PoolStatus


class PoolOver(TypedDict):
    """The pool of a job was observed closed, or has gone to the next job."""

    event: Literal["pool_closed"]
    at: str
    job_name: str
    how: Closed
    by: str | None
    """The job that has taken it over."""
    retained_seconds: float | None
    """For how long it was kept, in billable seconds."""


class SweepEnding(TypedDict):
    """The end is decided: by a rule, a signal or a person. What runs is ended, the pool is released."""

    event: Literal["sweep_ending"]
    at: str
    rule: str | None
    """The rule that has decided it; null for anything else."""
    why: str
    now: bool
    """Is what runs stopped?"""


class Warned(TypedDict):
    """Something that a person is told: a warning, or what is waited for."""

    event: Literal["warning"]
    at: str
    message: str


class SweepOver(RunEnded):
    """The last line of a run that has ended: what `--json` prints."""

    event: Literal["ended"]
    at: str


class RunFailed(Failed):
    """The last line of a run that could not begin, or that an error has ended."""

    event: Literal["failed"]
    at: str


Happening = Union[  # noqa: UP007 - a runtime alias on Python 3.10
    SweepOpened,
    TrialSubmitted,
    JobChanged,
    JobStopping,
    MetricSeen,
    TrialOver,
    TrialAdded,
    TrialSkipped,
    PoolObserved,
    PoolOver,
    SweepEnding,
    Warned,
    SweepOver,
    RunFailed,
]


class Stream:
    """A Progress that tells programs. `emit` is called with each happening; what it raises goes to the caller."""

    def __init__(
        self,
        folder: tuple[str, str],
        trials: Trials,
        emit: Callable[[Happening], None],
        now: Callable[[], float],
        redact: Callable[[str], str],
    ) -> None:
        """`folder`: its name and where it is. `now`: UTC seconds. `redact` masks what services say."""
        self._sweep, self._folder = folder
        self._trials, self._emit, self._now, self._redact = trials, emit, now, redact
        self._pools: dict[str, PoolStatus] = {}
        self._told: dict[tuple[str, str], float] = {}
        self._late: dict[tuple[str, str], float] = {}
        """Values that came too soon after another one to be told, by job and metric."""

    def event(self, event: ev.Event, chain: Chain) -> None:
        """Something was journaled, and the chain has taken it in."""
        self.tell(event, chain, self._now())

    def tell(self, event: ev.Event, chain: Chain, at: float) -> None:
        """Something was journaled at this time, in UTC seconds since the epoch."""
        for happening in self.happenings(event, chain, moment(at)):
            self._emit(happening)

    def watching(self, name: str, description: Mapping[str, Any]) -> None:
        """Nothing: what a look shows is an event when it is new."""

    def say(self, line: str) -> None:
        """A line for a person that is not an event: a service's words may be in it."""
        self._emit(warned(self._redact(line).removeprefix("warning: "), self._now()))

    def printed(self, job: Job, come: Part) -> None:
        """A running job has printed these lines."""
        for _, metric, value in come.points:
            self._late[job.name, metric] = value
        now = self._now()
        for of in [key for key in self._late if key[0] == job.name]:
            if abs(now - self._told.get(of, float("-inf"))) >= METRIC_S:  # a clock may be set back
                self._told[of] = now
                self._emit(self._metric(job, of[1], moment(now)))

    def happenings(self, event: ev.Event, chain: Chain, at: str) -> Iterator[Happening]:
        """What this event of the journal is to a program; nothing for what only the runner needs."""
        match event:
            case ev.Opened():
                yield self._opened(event, chain, at)
                for job in filter(lambda job: job.acknowledged, chain.unfinished.values()):
                    yield self._submitted(job, at, adopted=True)
            case ev.Intent() | ev.Adopted():
                adopted = isinstance(event, ev.Adopted)
                if not (adopted and event.name in self._pools):  # of a job of ours, it is the answer that was lost
                    yield self._submitted(chain.jobs[event.name], at, adopted=adopted)
            case ev.Observed():
                if event.name in chain.jobs:  # else it is another sweep's, whose pool was taken over
                    yield from self._observed(event, chain.jobs[event.name], at)
            case ev.StopSent():
                job = chain.jobs[event.name]
                yield {"event": "job_stopping", "at": at, **_of(job), "why": event.reason}
            case ev.Outcome():
                job = chain.jobs[event.name]
                yield from [self._metric(job, metric, at) for name, metric in [*self._late] if name == event.name]
                yield _ended(job, event, at)
            case ev.PoolClosed():
                yield _closed(event, at)
            case ev.Decided() | ev.Stopping() | ev.Added() | ev.Skipped() | ev.Withdrawn() | ev.Cold() | ev.Taught():
                yield _told(event, at)
            case ev.Awaited() | ev.Offered() | ev.Unclaimed() | ev.Inherited():
                return  # a pool that changes hands is told when it is closed
            case ev.Created() | ev.Settled() | ev.Judged() | ev.Extended() | ev.Reopened() | ev.Finished():
                return
            case _:
                assert_never(event)

    def _opened(self, event: ev.Opened, chain: Chain, at: str) -> SweepOpened:
        queued = count(self._trials, chain) - len(self._trials)
        finished = [history for history in chain.trials.values() if history.finished]
        declared = [history for history in finished if self._declares(history.id, chain)]
        return {
            "event": "sweep_opened",
            "at": at,
            "sweep": self._sweep,
            "folder": self._folder,
            "trials": len(self._trials) + queued,
            "done": len(declared),
            "in_flight": event.in_flight,
            "only": event.only or None,
        }

    def _declares(self, trial: str, chain: Chain) -> bool:
        jobs = chain.trials[trial].jobs
        return trial in chain.added or self._trials.find(trial, jobs[0].intent.index if jobs else 0) is not None

    def _submitted(self, job: Job, at: str, *, adopted: bool) -> TrialSubmitted:
        intent, self._pools[job.name] = job.intent, PoolStatus.ABSENT
        return {
            "event": "trial_submitted",
            "at": at,
            "trial": intent.trial,
            "number": _number(job),
            "name": intent.label,
            "attempt": intent.attempt,
            "job_name": intent.name,
            "values": dict(intent.values),
            "adopted": adopted,
            "why": intent.remedy or None,
        }

    def _observed(self, event: ev.Observed, job: Job, at: str) -> Iterator[Happening]:
        if not JobStatus.of(event.status).terminal:
            yield {
                "event": "job_status",
                "at": at,
                **_of(job),
                "status": JobStatus.of(event.status).value,
                "secondary_status": event.secondary or None,
                "message": event.message or None,
            }
        before, pool = self._pools.get(job.name, PoolStatus.ABSENT), PoolStatus.of(event.pool)
        if pool not in (before, PoolStatus.ABSENT):  # absent: Describe shows none between two others
            self._pools[job.name] = pool
            yield {"event": "pool_observed", "at": at, "job_name": job.name, "status": pool}

    def _metric(self, job: Job, metric: str, at: str) -> MetricSeen:
        value = number(self._late.pop((job.name, metric)))
        return {"event": "metric", "at": at, **_of(job), "metric": metric, "value": value}


def warned(message: str, now: float) -> Warned:
    """Something that a person is told. `now`: UTC seconds."""
    return {"event": "warning", "at": moment(now), "message": message}


class _OfJob(TypedDict):
    trial: str
    job_name: str


def _of(job: Job) -> _OfJob:
    return {"trial": job.intent.trial, "job_name": job.name}


def _number(job: Job) -> int | None:
    return number_of(job.intent.index) if job.intent.index >= 0 else None


def _ended(job: Job, outcome: ev.Outcome, at: str) -> TrialOver:
    intent = job.intent
    return {
        "event": "trial_ended",
        "at": at,
        "trial": intent.trial,
        "number": _number(job),
        "name": intent.label,
        "attempt": intent.attempt,
        "job_name": intent.name,
        "status": TrialStatus(outcome.trial_status),
        "metrics": {name: number(value) for name, value in outcome.metrics.items()},
        "train_seconds": outcome.train_seconds,
        "billable_seconds": outcome.billable_seconds,
        "pool": job.pool_word,
        "failure": outcome.failure or None,
        "message": outcome.message or None,
        "model": outcome.model or None,
    }


def _closed(event: ev.PoolClosed, at: str) -> PoolOver:
    return {
        "event": "pool_closed",
        "at": at,
        "job_name": event.name,
        "how": Closed(event.how),
        "by": event.by or None,
        "retained_seconds": event.retained_s,
    }


Told = ev.Decided | ev.Stopping | ev.Added | ev.Skipped | ev.Withdrawn | ev.Cold | ev.Taught


def _told(event: Told, at: str) -> Happening:
    match event:
        case ev.Decided():
            return {"event": "sweep_ending", "at": at, "rule": event.rule, "why": event.why, "now": event.now}
        case ev.Stopping():
            return {"event": "sweep_ending", "at": at, "rule": None, "why": event.reason, "now": event.now}
        case ev.Added():
            trial, number = event.trial, number_of(event.index)
            values = dict(event.values)
            return {
                "event": "trial_added",
                "at": at,
                "trial": trial,
                "number": number,
                "name": event.label,
                "values": values,
            }
        case ev.Skipped() | ev.Withdrawn():
            return {"event": "trial_skipped", "at": at, "trial": event.trial, "name": event.label or None}
        case ev.Cold():
            return {"event": "warning", "at": at, "message": f"{event.name} started cold: {event.why}"}
        case ev.Taught():
            return {"event": "warning", "at": at, "message": f"warm start: {event.words}"}
        case _:
            assert_never(event)
