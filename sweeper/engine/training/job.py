"""One training job as the service keeps it: its request, its history, and how DescribeTrainingJob tells it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sweeper.engine.training.machines import Machines, asked, give_back, taken
from sweeper.engine.training.states import JobStatus, PoolStatus, Secondary

_NOT_DESCRIBED = frozenset({"Tags", "SessionChainingConfig"})
_DEFAULT_MAX_RUNTIME_S = 86400
_ACCELERATED = ("ml.p", "ml.g", "ml.trn")
_ALGORITHM = {"EnableSageMakerMetricsTimeSeries": False}
_CHANNEL = {"CompressionType": "None", "RecordWrapperType": "None"}
"""What the service fills in where a request leaves it out."""


def milliseconds(now: float) -> float:
    """The service keeps times to the millisecond, and never one that is not over yet."""
    return math.floor(now * 1000) / 1000


@dataclass
class Retention:
    """What DescribeTrainingJob says of the instances a terminal job left behind."""

    status: PoolStatus
    since: float
    shown_from: float  # the settle gap ends here
    ended_at: float | None = None  # billing of the idle time ended here
    terminated_shown_from: float | None = None
    reused_by: str | None = None

    def visible(self, now: float) -> PoolStatus:
        """The status a client sees; the end of a pool shows late."""
        late = self.terminated_shown_from is not None and now < self.terminated_shown_from
        return PoolStatus.AVAILABLE if late else self.status

    def billable_s(self, now: float) -> int:
        """Idle seconds so far, wall clock."""
        end = now if self.ended_at is None else self.ended_at
        return max(0, round(end - self.since))


@dataclass
class Job:
    """A training job."""

    name: str
    arn: str
    request: dict[str, Any]
    created: float
    modified: float
    pool_id: str | None = None
    warm: bool = False
    status: JobStatus = JobStatus.IN_PROGRESS
    secondary: Secondary = Secondary.STARTING
    transitions: list[dict[str, Any]] = field(default_factory=list)
    launched: bool = False  # the cluster exists
    container: bool = False  # the container was asked to start
    exited: bool = False
    unseen_s: float = 0.0  # how much later than it happened the end of its container was seen
    training_from: float | None = None
    attempt_from: float | None = None  # the present attempt's machine is there since
    trained_s: float = 0.0  # on the machines of the attempts before
    interruptions: int = 0
    interrupting: bool = False  # the machine is being taken
    retries: int = 0
    retrying: bool = False  # the machine is given up, and the job goes back to its beginning
    discount: float = 0.0  # of the seconds that are billed
    ended: float | None = None
    failure: str | None = None
    stop_why: Secondary | None = None
    metrics: dict[str, tuple[float, float]] = field(default_factory=dict)
    retention: Retention | None = None
    tags: dict[str, str] = field(default_factory=dict)
    timers: dict[str, float] = field(default_factory=dict)

    @property
    def plan(self) -> str:
        """The name of the training plan whose machines it asks for; empty: none."""
        return str(self.request.get("ResourceConfig", {}).get("TrainingPlanArn", "")).rpartition("/")[2]

    @property
    def keep_alive_s(self) -> int:
        """KeepAlivePeriodInSeconds, 0 when absent."""
        return int(self.request.get("ResourceConfig", {}).get("KeepAlivePeriodInSeconds") or 0)

    @property
    def max_runtime_s(self) -> int:
        """MaxRuntimeInSeconds, or the service's default of a day."""
        return int(self.request.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", _DEFAULT_MAX_RUNTIME_S))

    @property
    def may_retry(self) -> bool:
        """Has RetryStrategy another attempt for it?"""
        return self.retries < int((self.request.get("RetryStrategy") or {}).get("MaximumRetryAttempts", 0))

    @property
    def max_pending_s(self) -> int | None:
        """MaxPendingTimeInSeconds, which the service heeds for accelerated types alone; None without one."""
        limit = self.request.get("StoppingCondition", {}).get("MaxPendingTimeInSeconds")
        return limit if any(one.kind.startswith(_ACCELERATED) for one in self.machines) else None

    @property
    def machines(self) -> list[Machines]:
        """What it runs on, or each that it may get while that is not known."""
        resources = self.request.get("ResourceConfig", {})
        return [chosen] if (chosen := taken(resources)) else asked(resources)

    @property
    def spot(self) -> bool:
        """EnableManagedSpotTraining."""
        return bool(self.request.get("EnableManagedSpotTraining"))

    @property
    def max_wait_s(self) -> int:
        """MaxWaitTimeInSeconds of a spot job."""
        return int(self.request["StoppingCondition"]["MaxWaitTimeInSeconds"])

    def pause(self, now: float) -> None:
        """The machine of this attempt is given back: what it trained is counted."""
        if self.attempt_from is not None:
            self.trained_s += now - self.attempt_from
        self.attempt_from = None

    def lose_machine(self, now: float) -> None:
        """All of the next attempt is before it."""
        self.pause(now)
        give_back(self.request["ResourceConfig"])
        self.pool_id = None
        self.launched = self.container = self.exited = self.interrupting = self.retrying = False

    def enter(self, secondary: Secondary, message: str, now: float) -> None:
        """Append a secondary status transition; the one before it ends."""
        now = milliseconds(now)
        if self.transitions:
            self.transitions[-1].setdefault("EndTime", now)
        self.transitions.append({"Status": secondary.value, "StartTime": now, "StatusMessage": message})
        self.secondary, self.modified = secondary, now

    def say(self, message: str, now: float) -> None:
        """Change the message of the last transition, as the service does when a pool changes hands."""
        self.transitions[-1]["StatusMessage"] = message
        self.modified = milliseconds(now)


def model_artifacts(job: Job) -> str:
    """Where the model of this job goes."""
    output = job.request["OutputDataConfig"]
    base = f"{output['S3OutputPath'].rstrip('/')}/{job.name}/output"
    return f"{base}/model" if output.get("CompressionType") == "NONE" else f"{base}/model.tar.gz"


def describe(job: Job, warm_pool: Mapping[str, Any] | None) -> dict[str, Any]:
    """The answer to DescribeTrainingJob; times are epoch seconds."""
    answer = {k: v for k, v in job.request.items() if k not in _NOT_DESCRIBED}
    answer.setdefault("EnableNetworkIsolation", False)
    answer.setdefault("EnableInterContainerTrafficEncryption", False)
    answer.setdefault("EnableManagedSpotTraining", False)
    answer["OutputDataConfig"] = {"KmsKeyId": "", **job.request["OutputDataConfig"]}  # SDK v2 cannot attach without it
    answer["StoppingCondition"] = {"MaxRuntimeInSeconds": job.max_runtime_s, **job.request.get("StoppingCondition", {})}
    answer["AlgorithmSpecification"] = _ALGORITHM | job.request["AlgorithmSpecification"]
    if channels := job.request.get("InputDataConfig"):
        answer["InputDataConfig"] = [_CHANNEL | channel for channel in channels]
    answer.update(
        TrainingJobArn=job.arn,
        ModelArtifacts={"S3ModelArtifacts": model_artifacts(job)},
        TrainingJobStatus=job.status.value,
        SecondaryStatus=job.secondary.value,
        SecondaryStatusTransitions=[dict(t) for t in job.transitions],
        CreationTime=job.created,
        LastModifiedTime=job.modified,
        ProfilingStatus="Disabled",
    )
    if job.failure is not None:
        answer["FailureReason"] = job.failure
    if job.metrics:
        answer["FinalMetricDataList"] = [
            {"MetricName": name, "Value": value, "Timestamp": at} for name, (value, at) in job.metrics.items()
        ]
    if warm_pool is not None:
        answer["WarmPoolStatus"] = dict(warm_pool)
    return answer | _times(job)


def summary(job: Job, warm_pool: Mapping[str, Any] | None) -> dict[str, Any]:
    """The answer of ListTrainingJobs for one job."""
    answer: dict[str, Any] = {
        "TrainingJobName": job.name,
        "TrainingJobArn": job.arn,
        "CreationTime": job.created,
        "LastModifiedTime": job.modified,
        "TrainingJobStatus": job.status.value,
        "SecondaryStatus": job.secondary.value,
    }
    if job.ended is not None:
        answer["TrainingEndTime"] = job.ended
    if warm_pool is not None:
        answer["WarmPoolStatus"] = dict(warm_pool)
    if plan := job.request.get("ResourceConfig", {}).get("TrainingPlanArn"):
        answer["TrainingPlanArn"] = plan
    return answer


def _times(job: Job) -> dict[str, Any]:
    """Start, end and seconds; a job that never trained has none of them but the end."""
    times: dict[str, Any] = {}
    if job.training_from is not None:
        times["TrainingStartTime"] = job.training_from
    if job.ended is not None:
        times["TrainingEndTime"] = job.ended
    if job.training_from is not None and job.ended is not None:
        # a spot job waits between its attempts, on no machine
        seconds = job.trained_s if job.spot else job.ended - job.training_from
        times["TrainingTimeInSeconds"] = max(1, round(seconds))
        times["BillableTimeInSeconds"] = max(1, round(seconds * (1 - job.discount)))
    return times
