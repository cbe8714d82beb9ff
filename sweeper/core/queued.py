"""A training job that waits in an AWS Batch queue: what is submitted, and how its service job is told as a job.

A service job may make several training jobs, one after another: Batch tries again, or takes a machine away for somebody
else and starts anew later. Told is the latest, with what came before it as interruptions. Pure.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Annotated, Any

from sweeper.core.events import HAS_MACHINE
from sweeper.core.options import Bounds, option
from sweeper.core.ports import Description, Request
from sweeper.core.words import utc

PAYLOAD_MAX = 10 << 10
"""Bytes of the request that Batch carries for SageMaker."""
ENDED = ("SUCCEEDED", "FAILED")
_TERMINAL = ("Completed", "Failed", "Stopped")
_OF_THE_END = ("TrainingEndTime", "FailureReason", "TrainingTimeInSeconds", "BillableTimeInSeconds", "ModelArtifacts")
_PREFIX = "Received status from SageMaker:"
_PREEMPTING = "PREEMPTION_IN_PROGRESS:"
INTERRUPTIONS = "Interruptions"
"""What DescribeTrainingJob has no member for: when each attempt before the latest ended, the next began, and why."""
_Reason = Annotated[str, Bounds(low=1, high=400)]


@dataclass(frozen=True)
class QueueOptions:
    """Where service jobs are submitted to, and as what."""

    queue: str = option("the name or ARN of the AWS Batch job queue, of type SAGEMAKER_TRAINING.", low=1)
    share_identifier: str | None = option(
        "whose share of a queue with a fair-share policy the jobs count for.",
        default=None,
        pattern="^[a-zA-Z0-9]{1,255}$",
        says="must be letters and digits",
    )
    scheduling_priority: int | None = option(
        "jobs with a higher one go first within their share.", default=None, low=0, high=9999
    )
    quota_share: str | None = option(
        "the quota share of the queue whose machines the jobs use.",
        default=None,
        pattern="^[a-zA-Z0-9_-]{1,128}$",
        says="must be letters, digits, - and _, at most 128 of them",
    )
    preemption_retries: int | None = option(
        "how often a job of a quota share is queued again after its machines were given to others; then it fails. "
        "null: without end.",
        default=None,
        low=0,
        high=1000,
    )
    attempts: int = option(
        "how often Batch itself tries a job, the first time included, before the sweep's on_failure is asked.",
        default=1,
        low=1,
        high=10,
    )
    retry_on: Sequence[_Reason] = option(
        "how the reasons begin for which Batch tries again; at any other it does not.",
        default=["InternalServerError"],
        low=1,
        high=2,
    )
    attempt_duration_s: int | None = option(
        "the longest that one attempt may run, in seconds: Batch's own limit, beyond job.max_runtime_s.",
        default=None,
        low=60,
        high=2419200,
    )

    @property
    def runs(self) -> int:
        """How often the machines of one job may be started at most; without end is told as once."""
        return self.attempts + (self.preemption_retries or 0)

    @property
    def restarts(self) -> bool:
        """May one job's machines be started more than once?"""
        return self.runs > 1 or (self.quota_share is not None and self.preemption_retries is None)


def short_name(queue: str) -> str:
    """The name of a queue; an ARN ends with it."""
    return queue.rpartition("/")[2]


def envelope(request: Request, options: QueueOptions) -> Request:
    """The SubmitServiceJob that carries this CreateTrainingJob; its token is a function of the job's name."""
    name = request["TrainingJobName"]
    made = {
        "jobName": name,
        "jobQueue": options.queue,
        "serviceJobType": "SAGEMAKER_TRAINING",
        "serviceRequestPayload": payload(request).decode(),
        "retryStrategy": _retries(options),
        "tags": {tag["Key"]: tag["Value"] for tag in request.get("Tags", [])},
        "clientToken": hashlib.sha256(name.encode()).hexdigest(),
        "shareIdentifier": options.share_identifier,
        "schedulingPriority": options.scheduling_priority,
        "quotaShareName": options.quota_share,
        "preemptionConfiguration": _said("preemptionRetriesBeforeTermination", options.preemption_retries),
        "timeoutConfig": _said("attemptDurationSeconds", options.attempt_duration_s),
    }
    return {key: value for key, value in made.items() if value is not None}


def payload(request: Request) -> bytes:
    """What Batch carries of a CreateTrainingJob: its tags are the service job's."""
    carried = {key: value for key, value in request.items() if key != "Tags"}
    return json.dumps(carried, separators=(",", ":")).encode()


def _said(name: str, value: int | None) -> dict[str, int] | None:
    return None if value is None else {name: value}


def _retries(options: QueueOptions) -> dict[str, Any]:
    """Batch retries what no rule knows, so that the last one knows all. Whether there is a blank is not known."""
    if options.attempts == 1:
        return {"attempts": 1}
    known = [f"{_PREFIX}{blank}{reason}*" for reason in options.retry_on for blank in (" ", "")]
    rules = [{"action": "RETRY", "onStatusReason": reason} for reason in known]
    return {"attempts": options.attempts, "evaluateOnExit": [*rules, {"action": "EXIT", "onStatusReason": "*"}]}


def training_job(job: Mapping[str, Any]) -> str:
    """The name of the latest training job of a service job; empty while it has none."""
    return _name(job.get("latestAttempt", {}))


def _name(attempt: Mapping[str, Any]) -> str:
    return str(attempt.get("serviceResourceId", {}).get("value", "")).rpartition("/")[2]


@dataclass(frozen=True)
class Before:
    """An attempt before the latest one: its training job, when it trained (UTC seconds), why it ended.

    `preempted`: its machines were given to others.
    """

    name: str
    started: float | None
    stopped: float
    why: str
    preempted: bool

    @property
    def words(self) -> str:
        """What happened to it, and when."""
        return f"{'preempted' if self.preempted else 'tried again'} at {utc(self.stopped)} ({self.why})"


def before(job: Mapping[str, Any], latest: str = "") -> list[Before]:
    """The ended attempts of a service job, oldest first, as far as Batch tells them.

    `latest`: the training job that stands for the service job, and is left out.
    """
    taken = [*_attempts(job.get("preemptionSummary", {}).get("recentPreemptedAttempts", ()), preempted=True)]
    known = {one.name for one in taken}
    others = (one for one in _attempts(job.get("attempts", ()), preempted=False) if one.name not in known)
    found = (one for one in (*taken, *others) if one.name != latest)
    return sorted(found, key=lambda one: one.stopped)


def untold(job: Mapping[str, Any]) -> int:
    """How many of its preempted attempts Batch does not tell any more: it tells the latest, and counts all."""
    summary = job.get("preemptionSummary", {})
    return max(0, int(summary.get("preemptedAttemptCount") or 0) - len(summary.get("recentPreemptedAttempts", ())))


def _attempts(told: Sequence[Mapping[str, Any]], *, preempted: bool) -> Iterator[Before]:
    """Those that had a training job."""
    for one in told:
        if _name(one) and (stopped := one.get("stoppedAt")) is not None:
            started = one.get("startedAt")
            yield Before(_name(one), started and started / 1000, stopped / 1000, _reason(one), preempted)


def _reason(told: Mapping[str, Any]) -> str:
    return str(told.get("statusReason", "")).removeprefix(_PREFIX).strip()


def description(job: Mapping[str, Any], training: Description | None) -> Description | None:
    """A service job as DescribeTrainingJob would tell it; None when its training job is gone, and its result with it.

    It has ended when both have: Batch may send a job again that found no capacity or had its machines taken away, and
    stops one some time after it has given it up.
    """
    over, reason = job["status"] in ENDED, str(job.get("statusReason", ""))
    never_ran = training is None or str(training.get("FailureReason", "")).startswith("CapacityError")
    if training is not None and not (over and never_ran and job.get("isTerminated")):
        ended = training["TrainingJobStatus"] in _TERMINAL
        if not over and reason.startswith(_PREEMPTING):
            why = reason.removeprefix(_PREEMPTING).strip()
            return _after(job, _told(job, "InProgress", "Interrupted"), f"its machines go to others ({why})")
        if ended and not over:
            return _after(job, _as_it_was(training)) if job["status"] == "RUNNING" else _waits(job)
        given_up = over and job["status"] == "FAILED" and not reason.startswith(_PREFIX) and not job.get("isTerminated")
        if given_up and training["TrainingJobStatus"] == "Stopped":
            training = {**training, "TrainingJobStatus": "Failed", "SecondaryStatus": "Failed", "FailureReason": reason}
        return _after(job, training)
    if not over:
        return _told(job, "Stopping", "Stopping") if job.get("isTerminated") else _waits(job)
    if job["status"] == "SUCCEEDED":
        return None
    if job.get("isTerminated"):
        return _told(job, "Stopped", "Stopped")
    return _told(job, "Failed", "Failed") | {"FailureReason": _reason(job)}


def _as_it_was(training: Description) -> Description:
    """A training job before it ended, which Batch has yet to see: only then is it known whether another follows."""
    lived = [told for told in training.get("SecondaryStatusTransitions", ()) if told["Status"] in HAS_MACHINE]
    secondary = lived[-1]["Status"] if lived else "Pending"
    known = {key: value for key, value in training.items() if key not in _OF_THE_END}
    told = {"TrainingJobStatus": "InProgress", "SecondaryStatus": secondary, "SecondaryStatusTransitions": lived}
    return {**known, **told}


def _waits(job: Mapping[str, Any]) -> Description:
    """It waits for machines: for its first, or after others were taken away from it."""
    preempted = [one for one in before(job) if one.preempted]
    if not preempted:
        return _after(job, _told(job, "InProgress", "Pending"))
    return _after(job, _told(job, "InProgress", "Interrupted"), f"{preempted[-1].words}; waits in the queue")


def _after(job: Mapping[str, Any], told: Description, now: str = "") -> Description:
    """The same with the attempts before it: each trained, and was interrupted until the next one began.

    `now`: what is said of it while it waits again.
    """
    lost = before(job, str(told["TrainingJobName"]))
    if not lost and not now:
        return told
    shown = [*told.get("SecondaryStatusTransitions", ())]
    latest = shown[0]["StartTime"].timestamp() if shown else None
    begins = [*(one.started or one.stopped for one in lost[1:]), latest]
    spans = [(one, until) for one, until in zip(lost, begins, strict=False)]
    transitions = [told for one, until in spans for told in _interrupted(one, until)]
    said = [_transition("Interrupted", None, None, now)] if now else []
    waited = [[one.stopped, until, one.words] for one, until in spans]
    return {**told, "SecondaryStatusTransitions": [*transitions, *said, *shown], INTERRUPTIONS: waited}


def _interrupted(one: Before, until: float | None) -> Iterator[dict[str, Any]]:
    if one.started is not None:
        yield _transition("Training", one.started, one.stopped, "")
    yield _transition("Interrupted", one.stopped, until, one.words)


def _transition(status: str, start: float | None, end: float | None, message: str) -> dict[str, Any]:
    times = {"StartTime": start, "EndTime": end}
    when = {name: datetime.fromtimestamp(at, timezone.utc) for name, at in times.items() if at is not None}
    return {"Status": status, "StatusMessage": message, **when}


def _told(job: Mapping[str, Any], status: str, secondary: str) -> Description:
    """A job that no machine works on, and that bills nothing."""
    carried = json.loads(job["serviceRequestPayload"])
    told = {**carried, "TrainingJobStatus": status, "SecondaryStatus": secondary, "TrainingJobArn": job["jobArn"]}
    told["CreationTime"] = _when(job["createdAt"])
    if status in _TERMINAL:
        told |= {"TrainingTimeInSeconds": 0, "BillableTimeInSeconds": 0}
        told["TrainingEndTime"] = _when(job.get("stoppedAt") or job["createdAt"])
    return told


def _when(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, timezone.utc)
