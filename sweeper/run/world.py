"""Everything outside that the runner touches. Each port has a neutral form: nobody asks, nothing is stored."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sweeper.core.asked import Asked
from sweeper.core.chain import Job
from sweeper.core.events import Awaited, Inherited
from sweeper.core.measured import Readings
from sweeper.core.ports import Clock, Journal, Progress, Request, TrainingApi
from sweeper.core.request import Staged
from sweeper.core.secrets import Redactor
from sweeper.core.watch import ReadLog


@dataclass(frozen=True)
class Logs:
    """What the jobs have printed."""

    follow: Callable[[Job, Mapping[str, Any]], None] = lambda job, description: None
    """Reads on in the log of a job that was just looked at, when it is time to, for everybody who listens."""
    metrics: Callable[[Job], Readings] = lambda job: Readings({})
    """The metrics in an ended job's log: the fallback when the service computed none."""
    news: ReadLog = lambda job: None
    """What has come in a running job's log since this was last asked for; None when it cannot be read."""
    tail: Callable[[Job], str] = lambda job: ""
    """The last lines of a job's log."""
    curve: Callable[[Job], Sequence[tuple[str, float]]] = lambda job: ()
    """The metrics of an ended job, in the order in which they came."""


@dataclass(frozen=True)
class Archive:
    """Where the logs of ended jobs are stored."""

    keep: Callable[[Job], Iterator[None]] = lambda job: iter(())
    """Stores the log of a job whose pool is closed, a little at each step; what comes of it never fails a job."""
    kept: Callable[[Job], bool] = lambda job: True
    """Is the log of this ended job stored?"""


@dataclass(frozen=True)
class Inbox:
    """What people ask of the running chain."""

    caught: Sequence[int] = ()
    """The signals that have arrived, oldest first (a live list)."""
    requests: Callable[[], Sequence[Asked]] = lambda: ()
    """What other commands have asked of this chain and nobody has answered yet."""
    answered: Callable[[Asked], None] = lambda asked: None
    """Called once a request's effect is durable."""


@dataclass(frozen=True)
class Guard:
    """What keeps others off the pool, and closes it when we are dead."""

    arm: Callable[[], None] = lambda: None
    """Called before a job can exist: starts the watchdog."""
    holds: Callable[[], bool] = lambda: True
    """Keeps the lease on the pool alive; false once it is someone else's."""


@dataclass(frozen=True)
class Place:
    """The engine that answers."""

    state: Callable[[], str] = lambda: ""
    """Which engine state answers now; empty for AWS, which is never another one."""
    flags: str = ""
    """How the AWS CLI is told where it is: region and profile; empty for the local engine."""
    folder: str = ""
    """Where the sweep keeps its files."""
    renew: Callable[[], None] = lambda: None
    """Called when another state answers: what jobs need there is to be put there again."""


@dataclass(frozen=True)
class Succession:
    """Who takes the pool over when this sweep has ended. Sweeps are named by their folders."""

    heir: Callable[[Collection[str]], Awaited | None] = lambda passed: None
    """Who waits for this pool and would have it next, but for those that were passed over."""
    offer: Callable[[str, Inherited], None] = lambda to, pool: None
    """Tells the one that waits what it may take."""
    taken: Callable[[str, str], bool] = lambda name, to: False
    """Is the pool of this job the debt of that sweep, durably?"""


@dataclass
class World:
    """Everything outside that the runner touches."""

    api: TrainingApi
    journal: Journal
    clock: Clock
    progress: Progress
    stage: Callable[[Mapping[str, Any]], Staged]
    """Makes sure that the code and data of a resolved trial are where the job will read them."""
    carry: Callable[[Mapping[str, Any], Request], Request] = lambda config, request: request
    """The request of a resolved trial as its way to SageMaker takes it; what is too large is put where it is read."""
    logs: Logs = field(default_factory=Logs)
    archive: Archive = field(default_factory=Archive)
    inbox: Inbox = field(default_factory=Inbox)
    guard: Guard = field(default_factory=Guard)
    place: Place = field(default_factory=Place)
    succession: Succession = field(default_factory=Succession)
    redact: Redactor = field(default_factory=Redactor)
    """Masks the environments of the jobs in what is told; it learns them here, as they are resolved."""
    versions: Mapping[str, str] = field(default_factory=dict)
    warm_pool_quota: Callable[[], float | None] = lambda: None
    """How many instances of the sweep's type may stay warm; None when the service does not say."""
