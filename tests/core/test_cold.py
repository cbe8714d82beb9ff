"""Why a job started cold, as a function of the two jobs as described and of what became of the pool."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from sweeper.core.cold import Cause, History, why
from sweeper.core.events import PoolStatus, from_dict, to_dict

ENDED = datetime(2026, 1, 1, tzinfo=timezone.utc)
BEFORE: dict[str, Any] = {
    "TrainingJobName": "a",
    "RoleArn": "arn:aws:iam::123456789012:role/x",
    "TrainingJobStatus": "Completed",
    "TrainingStartTime": ENDED - timedelta(seconds=60),
    "TrainingEndTime": ENDED,
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 30},
    "VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-a", "subnet-b"]},
}


def after(gap_s: float = 5.0, **resources: Any) -> dict[str, Any]:
    """The next job, so many seconds later."""
    changed = {**BEFORE["ResourceConfig"], **resources}
    created = ENDED + timedelta(seconds=gap_s)
    return {**BEFORE, "TrainingJobName": "b", "ResourceConfig": changed, "CreationTime": created}


GONE = History(PoolStatus.TERMINATED, 300, 0.0)
IDLE = History(PoolStatus.AVAILABLE, 300)
LATE = History(PoolStatus.TERMINATED, 300, 300.0)


@pytest.mark.parametrize(
    ("first", "second", "pool", "cause", "told"),
    [
        ({}, after(VolumeSizeInGB=31), IDLE, Cause.DIFFERS, "does not match the pool of a: ResourceConfig.VolumeSize"),
        ({}, after(VolumeSizeInGB=31), LATE, Cause.DIFFERS, "VolumeSizeInGB is 31 and not 30"),
        ({}, after(), IDLE, Cause.UNKNOWN, "SageMaker does not say why"),
        ({}, after(SelectedInstanceType="ml.m5.large"), IDLE, Cause.UNKNOWN, "fits in every documented field"),
        ({}, after(301), LATE, Cause.EXPIRED, "it came 301 s after a, whose pool was kept for 300 s"),
        ({}, after(90), History(PoolStatus.TERMINATED, 300, 80.0), Cause.ENDED_EARLY, "after 80 of 300 s"),
        ({}, after(), History(PoolStatus.REUSED, 300, 3.0, "c"), Cause.TAKEN, "c had taken the pool of a"),
        ({}, after(), GONE, Cause.NOT_KEPT, "is the quota 'ml.m5.large for training warm pool usage' 0?"),
        ({}, after(), History(PoolStatus.TERMINATED, 300, 0.0, quota=4), Cause.NOT_KEPT, "warm pool usage' is 4"),
        (
            {"TrainingJobStatus": "Failed", "FailureReason": "InternalServerError: We encountered an internal error."},
            after(),
            GONE,
            Cause.NOT_KEPT,
            "no pool was kept after a, which failed: InternalServerError",
        ),
        (
            {"TrainingJobStatus": "Stopped", "TrainingStartTime": None},
            after(),
            History(PoolStatus.ABSENT, 300),
            Cause.NOT_SHOWN,
            "SageMaker showed no pool of a, which was stopped before it had a machine",
        ),
    ],
)
def test_the_reason_is_what_both_jobs_and_the_pool_tell(
    first: dict[str, Any], second: dict[str, Any], pool: History, cause: Cause, told: str
) -> None:
    """A field, a gap, another job, a quota, a failure: else it is said to be unknown. It survives a journal."""
    cold = why({**BEFORE, **first}, second, pool)
    assert cold.cause == cause.value
    assert told in cold.why
    assert (cold.gap_s, cold.keep_alive_s) == ((second["CreationTime"] - ENDED).total_seconds(), 300)
    assert from_dict(cold.kind, to_dict(cold)) == cold


def test_the_fields_that_differ_are_kept_one_by_one() -> None:
    """With the pool's value and the job's, by their names in the request."""
    second = {**after(InstanceCount=2), "VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-b"]}}
    assert why(BEFORE, second, IDLE).differences == {
        "ResourceConfig.InstanceCount": [1, 2],
        "VpcConfig.Subnets": [["subnet-a", "subnet-b"], ["subnet-b"]],
    }
