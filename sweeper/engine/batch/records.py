"""Queues and service jobs as Batch keeps them, and how they look on the wire. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

Answer = dict[str, Any]
Operations = Mapping[str, Callable[[Mapping[str, Any], float], Answer]]
"""By name: each answers a request that came now, or raises ServiceError."""
Record = tuple[str, str]
"""Kind and key of a record, as it is stored."""
ENVIRONMENT, POLICY, QUEUE, SHARE, JOB = "environment", "policy", "queue", "share", "job"
INSTANCES = "NUM_INSTANCES"
"""The unit of capacity where no quota shares are: an instance of whatever type."""


class JobStatus(str, Enum):
    """The status of a service job."""

    SUBMITTED = "SUBMITTED"
    RUNNABLE = "RUNNABLE"
    SCHEDULED = "SCHEDULED"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"

    @property
    def terminal(self) -> bool:
        """True when nothing more will happen to the job."""
        return self in (JobStatus.SUCCEEDED, JobStatus.FAILED)

    @property
    def dispatched(self) -> bool:
        """True while a training job stands for it, and takes capacity."""
        return self in (JobStatus.SCHEDULED, JobStatus.STARTING, JobStatus.RUNNING)


@dataclass
class Queue:
    """A job queue; `told` is its description, `used` the instance-seconds of each share and when they were counted."""

    name: str
    told: Answer
    used: dict[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def environment(self) -> str:
        """The ARN of its one service environment."""
        return str(self.told["serviceEnvironmentOrder"][0]["serviceEnvironment"])

    @property
    def enabled(self) -> bool:
        """Does it accept jobs?"""
        return bool(self.told["state"] == "ENABLED" and self.told["status"] == "VALID")


@dataclass
class Attempt:
    """One ended try at a service job; a request that SageMaker refused has no training job."""

    training_job: str | None
    started: float | None
    stopped: float
    reason: str


@dataclass
class ServiceJob:
    """A service job."""

    id: str
    arn: str
    number: int  # in the order of submission
    queue: str
    request: Answer  # as submitted
    instances: int
    priority: int  # higher goes first within a share
    created: float
    unit: str = INSTANCES  # of capacity: an instance type where quota shares are
    status: JobStatus = JobStatus.SUBMITTED
    reason: str | None = None
    training_job: str | None = None  # of the latest attempt
    attempts: list[Attempt] = field(default_factory=list)
    sent: int = 0  # training jobs asked for, also those that found no capacity
    not_before: float = 0.0
    scheduled: float | None = None
    started: float | None = None
    stopped: float | None = None
    terminated: str | None = None  # the reason that TerminateServiceJob gave
    timed_out: bool = False
    blocked_since: float | None = None  # at the head of its queue, larger than its environment
    no_capacity_s: float = 0.0  # spent in SCHEDULED before SageMaker found no capacity
    unprovisioned: str | None = None  # the latest training job that found none
    preempting: str | None = None  # why its training job is being stopped, for others to have its place
    preemptions: int = 0
    preempted: list[Attempt] = field(default_factory=list)  # the latest of them

    @property
    def name(self) -> str:
        """Need not be unique."""
        return str(self.request["jobName"])

    @property
    def share(self) -> str | None:
        """The share identifier, or the name of the quota share."""
        return self.request.get("shareIdentifier") or self.request.get("quotaShareName")

    @property
    def given_up(self) -> bool:
        """Is the attempt that runs the last one, whatever becomes of it?"""
        return self.terminated is not None or self.timed_out

    @property
    def times_out(self) -> float | None:
        """When the running attempt has lasted too long."""
        most = self.request.get("timeoutConfig", {}).get("attemptDurationSeconds")
        if most is None or self.started is None or self.timed_out or not self.status.dispatched:
            return None
        return self.started + float(most)


_DESCRIBED = ("serviceRequestPayload", "timeoutConfig", "preemptionConfiguration")


def summary(job: ServiceJob, training_arn: str) -> Answer:
    """One row of ListServiceJobs; `training_arn` is what a training job's name is appended to."""
    answer: Answer = {
        "createdAt": _milliseconds(job.created),
        "jobArn": job.arn,
        "jobId": job.id,
        "jobName": job.name,
        "serviceJobType": job.request["serviceJobType"],
        "shareIdentifier": job.request.get("shareIdentifier"),
        "quotaShareName": job.request.get("quotaShareName"),
        "capacityUsage": [usage(job.unit, job.instances)],
        "status": job.status.value,
        "statusReason": job.reason,
        "scheduledAt": _milliseconds(job.scheduled),
        "startedAt": _milliseconds(job.started),
        "stoppedAt": _milliseconds(job.stopped),
        "isTerminated": True if job.terminated is not None else None,
        "latestAttempt": _resource(job.training_job, training_arn),
    }
    return {name: value for name, value in answer.items() if value is not None}


def describe(job: ServiceJob, queue_arn: str, training_arn: str) -> Answer:
    """The answer to DescribeServiceJob."""
    answer = summary(job, training_arn) | {k: v for k, v in job.request.items() if k in _DESCRIBED}
    strategy = {"attempts": 1, "evaluateOnExit": []} | job.request.get("retryStrategy", {})
    answer |= {"jobQueue": queue_arn, "retryStrategy": strategy, "tags": job.request.get("tags", {})}
    answer["schedulingPriority"] = job.priority
    answer["attempts"] = [_attempt(attempt, training_arn) for attempt in job.attempts]
    if job.preemptions:
        recent = [_attempt(attempt, training_arn) for attempt in job.preempted]
        answer["preemptionSummary"] = {"preemptedAttemptCount": job.preemptions, "recentPreemptedAttempts": recent}
    answer.setdefault("startedAt", 0)  # the model requires it, and a job that waits has not started
    return answer


def usage(unit: str, quantity: float) -> Answer:
    """So much of a capacity, as it is told everywhere."""
    return {"capacityUnit": unit, "quantity": float(quantity)}


def _attempt(attempt: Attempt, training_arn: str) -> Answer:
    told = {
        **(_resource(attempt.training_job, training_arn) or {}),
        "startedAt": _milliseconds(attempt.started),
        "stoppedAt": _milliseconds(attempt.stopped),
        "statusReason": attempt.reason,
    }
    return {name: value for name, value in told.items() if value is not None}


def _resource(training_job: str | None, training_arn: str) -> Answer | None:
    if training_job is None:
        return None
    return {"serviceResourceId": {"name": "TrainingJobArn", "value": training_arn + training_job}}


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds * 1000)
