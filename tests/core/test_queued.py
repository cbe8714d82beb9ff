"""How a service job of a queue is told as a training job."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from sweeper.core.outcome import observation
from sweeper.core.queued import description

ARN = "arn:aws:sagemaker:us-east-1:123456789012:training-job/AWSBatchs1"
BEGUN = datetime(2026, 11, 30, tzinfo=timezone.utc)


def shown(status: str, *, ended: str = "Completed") -> tuple[str, str]:
    """What is told of a service job of this status whose training job has ended."""
    job: dict[str, Any] = {
        "status": status,
        "jobArn": "arn",
        "createdAt": 0,
        "serviceRequestPayload": '{"TrainingJobName": "s1"}',
    }
    job["latestAttempt"] = {"serviceResourceId": {"name": "TrainingJobArn", "value": ARN}}
    phases = ("Starting", "Training", "Uploading", ended)
    training = {"TrainingJobName": "AWSBatchs1", "TrainingJobStatus": ended, "SecondaryStatus": ended}
    training["SecondaryStatusTransitions"] = [{"Status": phase, "StartTime": BEGUN} for phase in phases]  # type: ignore[assignment]
    told = description(job, training)
    assert told is not None
    seen = observation("s1", told)
    return seen.status, seen.secondary


@pytest.mark.parametrize("ended", ["Completed", "Failed"])
def test_a_job_whose_end_batch_has_yet_to_see_does_not_wait_for_a_machine(ended: str) -> None:
    """Until Batch ends it, it is where it was last; only one that is in the queue again waits."""
    assert shown("RUNNING", ended=ended) == ("InProgress", "Uploading")
    assert shown("RUNNABLE", ended=ended) == ("InProgress", "Pending")
    assert shown("SUCCEEDED" if ended == "Completed" else "FAILED", ended=ended) == (ended, ended)
