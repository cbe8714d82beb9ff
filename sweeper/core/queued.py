"""A training job that waits in an AWS Batch queue: what is submitted, and how its service job is told as a job.

Pure.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from sweeper.core.options import option
from sweeper.core.ports import Description, Request

PAYLOAD_MAX = 10 << 10
"""Bytes of the request that Batch carries for SageMaker."""
ENDED = ("SUCCEEDED", "FAILED")
_TERMINAL = ("Completed", "Failed", "Stopped")
_PREFIX = "Received status from SageMaker:"


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


def envelope(request: Request, options: QueueOptions) -> Request:
    """The SubmitServiceJob that carries this CreateTrainingJob; its token is a function of the job's name.

    Batch itself tries once: what follows a failure is the sweep's own `on_failure`.
    """
    name = request["TrainingJobName"]
    carried = {key: value for key, value in request.items() if key != "Tags"}
    made = {
        "jobName": name,
        "jobQueue": options.queue,
        "serviceJobType": "SAGEMAKER_TRAINING",
        "serviceRequestPayload": json.dumps(carried, separators=(",", ":")),
        "retryStrategy": {"attempts": 1},
        "tags": {tag["Key"]: tag["Value"] for tag in request.get("Tags", [])},
        "clientToken": hashlib.sha256(name.encode()).hexdigest(),
        "shareIdentifier": options.share_identifier,
        "schedulingPriority": options.scheduling_priority,
    }
    return {key: value for key, value in made.items() if value is not None}


def training_job(job: Mapping[str, Any]) -> str:
    """The name of the latest training job of a service job; empty while it has none."""
    arn = job.get("latestAttempt", {}).get("serviceResourceId", {}).get("value", "")
    return str(arn).rpartition("/")[2]


def description(job: Mapping[str, Any], training: Description | None) -> Description | None:
    """A service job as DescribeTrainingJob would tell it; None when its training job is gone, and its result with it.

    It has ended when both have: Batch may send a job again that found no capacity, and stops one some time after it
    has given it up.
    """
    over = job["status"] in ENDED
    never_ran = training is None or str(training.get("FailureReason", "")).startswith("CapacityError")
    if training is not None and not (over and never_ran and job.get("isTerminated")):
        waits = training["TrainingJobStatus"] in _TERMINAL and not over
        return _told(job, "InProgress", "Pending") if waits else training
    if not over:
        return _told(job, "Stopping", "Stopping") if job.get("isTerminated") else _told(job, "InProgress", "Pending")
    if job["status"] == "SUCCEEDED":
        return None
    if job.get("isTerminated"):
        return _told(job, "Stopped", "Stopped")
    reason = str(job.get("statusReason", "")).removeprefix(_PREFIX).strip()
    return _told(job, "Failed", "Failed") | {"FailureReason": reason}


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
