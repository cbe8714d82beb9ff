"""What can happen in a sweep, as values. The journal holds these and nothing else; the Chain is a fold over them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import Enum
from typing import Any, ClassVar, Union

from sweeper.core.words import counted


class JobStatus(str, Enum):
    """TrainingJobStatus in SageMaker's own words. A word we do not know is UNKNOWN and never terminal."""

    IN_PROGRESS = "InProgress"
    COMPLETED = "Completed"
    FAILED = "Failed"
    STOPPING = "Stopping"
    STOPPED = "Stopped"
    DELETING = "Deleting"
    UNKNOWN = "Unknown"

    @property
    def terminal(self) -> bool:
        """True when the job will never run again."""
        return self in (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.STOPPED)

    @classmethod
    def of(cls, word: str | None) -> JobStatus:
        """The status with this name, UNKNOWN for any other word."""
        return _JOB_STATUSES.get(word, cls.UNKNOWN)


HAS_MACHINE = frozenset({"Downloading", "Training", "Uploading"})
"""The secondary statuses in which a job has a machine; in those before them it waits for one."""
WAITS_LONG = frozenset({"Pending", "Interrupted"})
"""Those in which it may wait for hours."""


class PoolStatus(str, Enum):
    """WarmPoolStatus in SageMaker's own words; ABSENT when Describe does not show one."""

    ABSENT = "Absent"
    IN_USE = "InUse"
    AVAILABLE = "Available"
    REUSED = "Reused"
    TERMINATED = "Terminated"

    @property
    def settled(self) -> bool:
        """True when the service has made up its mind about the pool of an ended job."""
        return self in (PoolStatus.AVAILABLE, PoolStatus.REUSED, PoolStatus.TERMINATED)

    @classmethod
    def of(cls, word: str | None) -> PoolStatus:
        """The status with this name, ABSENT for none or any other word."""
        return _POOL_STATUSES.get(word, cls.ABSENT)


_JOB_STATUSES: Mapping[str | None, JobStatus] = {status.value: status for status in JobStatus}
_POOL_STATUSES: Mapping[str | None, PoolStatus] = {status.value: status for status in PoolStatus}


class TrialStatus(str, Enum):
    """The status column of results.csv."""

    PLANNED = "planned"
    RUNNING = "running"
    INTERRUPTED = "interrupted"
    COMPLETED = "completed"
    FAILED = "failed"
    STOPPED = "stopped"
    PRUNED = "pruned"
    METRIC_MISSING = "metric_missing"

    @property
    def finished(self) -> bool:
        """True when the trial is not run again unless someone asks for it."""
        return self not in (TrialStatus.PLANNED, TrialStatus.RUNNING, TrialStatus.INTERRUPTED)


class Closed(str, Enum):
    """How a job's pool was observed to be closed (R8)."""

    TERMINATED = "terminated"
    REUSED_BY_OWN = "reused_by_own"
    REUSED_BY_FOREIGN = "reused_by_foreign"
    NEVER_HAD_POOL = "never_had_pool"
    EXPIRED_BY_BOUND = "expired_by_bound"
    ENGINE_GONE = "engine_gone"
    HANDED_OVER = "handed_over"


@dataclass(frozen=True)
class Opened:
    """A runner began: which declaration, which source, where, which versions."""

    kind: ClassVar[str] = "opened"
    digest: str
    source_digest: str
    locked_digest: str
    scope: str
    owner: str
    versions: Mapping[str, str] = field(default_factory=dict)
    service: str = ""
    """Which engine state answers: a local engine whose folder was removed is another one."""
    at: float | None = None
    """When the invocation began: UTC seconds since the epoch."""
    only: str = ""
    """The one trial that it runs again; empty for an invocation that declares them all."""
    in_flight: int = 1
    """How many of its jobs may be unfinished at once."""


@dataclass(frozen=True)
class Intent:
    """A job will be sent, with every value that was decided for it. Durable before the first byte leaves (R1)."""

    kind: ClassVar[str] = "intent"
    name: str
    trial: str
    index: int
    label: str
    values: Mapping[str, Any]
    attempt: int
    fingerprint: str
    keep_alive_s: int
    max_runtime_s: int
    source: str
    taken: Mapping[str, Any] = field(default_factory=dict)  # what `${prev:...}` stood for
    patches: Mapping[str, Any] = field(default_factory=dict)  # what remedies changed, by dotted key
    remedy: str = ""  # why this attempt follows the one before, in words
    clamped: str = ""  # the rule that shortened max_runtime_s
    commit: str = ""  # of git, that its source is of; none where there is no repository, or no source
    dirty: bool = False  # had the source been changed since that commit?
    restarts: bool = False  # may it be started again on other machines when it has trained, before it is over?


@dataclass(frozen=True)
class Created:
    """The service acknowledged the job. Its name is never created again."""

    kind: ClassVar[str] = "created"
    name: str
    arn: str


@dataclass(frozen=True)
class Adopted:
    """The job was found to exist with our fingerprint.

    What it was created with may differ from our intent: another run of the same sweep may have sent it. None in
    journals of before this was kept.
    """

    kind: ClassVar[str] = "adopted"
    name: str
    arn: str
    keep_alive_s: int | None = None
    max_runtime_s: int | None = None


@dataclass(frozen=True)
class Observed:
    """Describe showed something new about a job."""

    kind: ClassVar[str] = "observed"
    name: str
    status: str
    secondary: str = ""
    pool: str = PoolStatus.ABSENT.value
    reused_by: str = ""
    message: str = ""
    """What the service says of a job that has no machine yet; empty in journals of before this was kept."""


@dataclass(frozen=True)
class Settled:
    """We stopped waiting for an ended job's pool to show itself (R4)."""

    kind: ClassVar[str] = "settled"
    name: str
    pool: str


@dataclass(frozen=True)
class Outcome:
    """What became of a job. Durable before anything is decided from it (R6).

    Times are UTC seconds since the epoch, durations are seconds; None is unknown.
    """

    kind: ClassVar[str] = "outcome"
    name: str
    status: str
    trial_status: str
    metrics: Mapping[str, float] = field(default_factory=dict)
    metrics_from: str = ""
    failure: str = ""
    message: str = ""
    started_at: float | None = None
    ended_at: float | None = None
    train_seconds: float | None = None
    billable_seconds: float | None = None
    model: str = ""  # where the service put what the script saved
    output: str = ""  # the S3 folder that this and everything else it left went to
    checkpoints: str = ""  # and that of its checkpoints
    transitions: Sequence[Sequence[Any]] = field(default_factory=list)
    """(status, start, end) of every SecondaryStatus it had (sweeper.core.phases); empty where this was not kept yet."""
    interruptions: Sequence[Sequence[Any]] = field(default_factory=list)
    """(from, until, why) of every wait of a job of a queue after machines that it had before (sweeper.core.queued)."""
    instance_type: str = ""  # what the service chose of several types; empty where there was no choice


@dataclass(frozen=True)
class Decided:
    """A rule decided the end of the chain: which one, and why, in words. `now` also stops the running job."""

    kind: ClassVar[str] = "decision"
    rule: str
    why: str
    now: bool = False


@dataclass(frozen=True)
class Judged:
    """A running job showed what decides about it; only the metric that did is kept, and the last values so far.

    `verdict`: completed, pruned or failed, which stop the job; finish, which lets it end by itself.
    """

    kind: ClassVar[str] = "judged"
    name: str
    rule: str
    verdict: str
    why: str
    metric: str = ""
    value: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)

    @property
    def stops(self) -> bool:
        """True when the job is not to go on."""
        return self.verdict != FINISH


FINISH = "finish"


@dataclass(frozen=True)
class Extended:
    """The pool that an ended job holds is to be kept for so long, in seconds from the job's end at most."""

    kind: ClassVar[str] = "extended"
    name: str
    keep_alive_s: int


@dataclass(frozen=True)
class Skipped:
    """Someone asked for this trial not to be run, or not to go on."""

    kind: ClassVar[str] = "skipped"
    trial: str
    label: str = ""  # empty in journals of before this was kept


@dataclass(frozen=True)
class Added:
    """Someone queued another trial into the chain."""

    kind: ClassVar[str] = "added"
    trial: str
    index: int
    label: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Withdrawn:
    """A queued trial is none of this declaration any more: its script or its base values have changed."""

    kind: ClassVar[str] = "withdrawn"
    trial: str
    label: str


ASKED_TO_STOP = "asked to stop by `sweeper stop`"
LEASE_LOST = "the lease on the pool was lost to another runner"
"""Reasons of an end that programs are told apart."""


@dataclass(frozen=True)
class Taught:
    """What the search is given of another sweep, once and for all: what becomes of that one later changes nothing.

    `trials`: (values by dotted key, the objective's value) of each, oldest first; `others`: how many say nothing here,
    by reason.
    """

    kind: ClassVar[str] = "taught"
    sweep: str
    trials: Sequence[Sequence[Any]]
    others: Mapping[str, int] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """What was learnt, on one line."""
        others = [f"{number} left out: {why}" for why, number in self.others.items()]
        return "; ".join([f"{counted(len(self.trials), 'trial')} of {self.sweep}", *others])


@dataclass(frozen=True)
class Stopping:
    """The chain is to end: by a signal, a request or an exception. `now` also stops the running job."""

    kind: ClassVar[str] = "stopping"
    reason: str
    now: bool = True
    signal: int = 0


@dataclass(frozen=True)
class StopSent:
    """StopTrainingJob was asked for by us."""

    kind: ClassVar[str] = "stop_sent"
    name: str
    reason: str


@dataclass(frozen=True)
class PoolClosed:
    """A job's pool was observed closed. `retained_s`: billable seconds it was kept, None when unknown."""

    kind: ClassVar[str] = "pool_closed"
    name: str
    how: str
    by: str = ""
    retained_s: float | None = None


@dataclass(frozen=True)
class Cold:
    """A job that should have found a warm pool started cold: which pool, and why, in one sentence.

    `differences`: of the fields that must match, what the pool's job has and what this one has.
    """

    kind: ClassVar[str] = "cold"
    name: str
    before: str
    cause: str
    why: str
    differences: Mapping[str, Any] = field(default_factory=dict)
    gap_s: float | None = None
    keep_alive_s: int = 0


@dataclass(frozen=True)
class Awaited:
    """Another sweep waits to take the pool over when this one ends; `by` is its folder, empty: nobody does any more.

    `mark`: how the fingerprints of its jobs begin.
    """

    kind: ClassVar[str] = "awaited"
    by: str
    sweep: str = ""
    mark: str = ""


@dataclass(frozen=True)
class Offered:
    """The pool of this ended job was offered to the sweep in that folder, until then (UTC seconds since the epoch).

    `mark`: how the fingerprints of its jobs begin.
    """

    kind: ClassVar[str] = "offered"
    name: str
    to: str
    sweep: str
    until: float
    mark: str = ""


@dataclass(frozen=True)
class Unclaimed:
    """The sweep in that folder did not take in time what it was offered: it is offered nothing any more."""

    kind: ClassVar[str] = "unclaimed"
    to: str


@dataclass(frozen=True)
class Inherited:
    """Another sweep's ended job whose pool is ours to close from now on. Durable before the other one lets it go.

    `folder` is the other sweep's, `ended_at` in UTC seconds since the epoch, None where it is not known.
    """

    kind: ClassVar[str] = "inherited"
    name: str
    fingerprint: str
    keep_alive_s: int
    max_runtime_s: int
    status: str
    sweep: str
    folder: str
    ended_at: float | None = None


@dataclass(frozen=True)
class Reopened:
    """Someone asked for this trial to be run again."""

    kind: ClassVar[str] = "reopened"
    trial: str


@dataclass(frozen=True)
class Finished:
    """This invocation ended with every pool observed closed."""

    kind: ClassVar[str] = "finished"
    why: str


Event = Union[  # noqa: UP007 - a runtime alias on Python 3.10
    Opened,
    Intent,
    Created,
    Adopted,
    Observed,
    Settled,
    Outcome,
    Decided,
    Judged,
    Extended,
    Skipped,
    Added,
    Withdrawn,
    Taught,
    Stopping,
    StopSent,
    PoolClosed,
    Cold,
    Awaited,
    Offered,
    Unclaimed,
    Inherited,
    Reopened,
    Finished,
]

KINDS: Mapping[str, type[Any]] = {
    cls.kind: cls
    for cls in (
        Opened,
        Intent,
        Created,
        Adopted,
        Observed,
        Settled,
        Outcome,
        Decided,
        Judged,
        Extended,
        Skipped,
        Added,
        Withdrawn,
        Taught,
        Stopping,
        StopSent,
        PoolClosed,
        Cold,
        Awaited,
        Offered,
        Unclaimed,
        Inherited,
        Reopened,
        Finished,
    )
}


FREE_TEXT = ("message", "reason", "why", "remedy")
"""The fields that say something to a person: scripts and services wrote it, so a secret may stand in it.

Nothing else is ever masked, because it decides: a resumed chain must be the one that was live. Of these only the
messages of failures are compared, as they are told.
"""


def without_secrets(event: Event, redact: Callable[[str], str]) -> Event:
    """The event with its free text redacted."""
    told = {name: getattr(event, name, "") for name in FREE_TEXT}
    changed = {name: clean for name, text in told.items() if text and (clean := redact(text)) != text}
    return replace(event, **changed) if changed else event  # type: ignore[arg-type]


def to_dict(event: Event) -> dict[str, Any]:
    """The fields of an event as plain values, `kind` apart."""
    return {f.name: getattr(event, f.name) for f in fields(event)}


def from_dict(kind: str, data: Mapping[str, Any]) -> Event:
    """The event of this kind. Fields that a newer version wrote are left out; an unknown kind is a KeyError."""
    cls = KINDS[kind]
    known = {f.name for f in fields(cls)}
    event: Event = cls(**{k: v for k, v in data.items() if k in known})
    return event
