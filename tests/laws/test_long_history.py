"""An account with a long history and two ListTrainingJobs a second: what is ours is found soon, the rest politely."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sweeper.core.request import MARK
from sweeper.engine.training.job import Job
from sweeper.engine.training.settings import ServiceSettings
from sweeper.engine.training.states import JobStatus, Secondary
from sweeper.errors import ApiError, ApiErrorKind
from sweeper.run.finding import OLDEST_S, Newest, described, pools
from sweeper.testing.scripts import Script, always
from sweeper.testing.twin import Faults, Twin, VirtualClock

DAY = 86400.0
HISTORY = 100_000
SERVICE = ServiceSettings(list_rate=2, cold_start_s=90.0, settle_gap_s=2.0)


def account(jobs: int = HISTORY, settings: ServiceSettings = SERVICE) -> Twin:
    """A job of `me` that has run for 20 days and whose pool idles, and so many of others that have ended since."""
    twin = Twin(VirtualClock(), settings=settings, behaviour=always(Script(20 * DAY)))
    begun = twin.clock.now()
    request = {
        "TrainingJobName": "mine",
        "RoleArn": "arn:aws:iam::123456789012:role/sweeper",
        "AlgorithmSpecification": {"TrainingImage": "repo/train:1", "TrainingInputMode": "File"},
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
        "ResourceConfig": {
            "InstanceType": "ml.m5.large",
            "InstanceCount": 1,
            "VolumeSizeInGB": 30,
            "KeepAlivePeriodInSeconds": 3600,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": int(28 * DAY)},
        "Environment": {"SWEEPER_FINGERPRINT": "me/sweep/1/1"},
        "Tags": [{"Key": MARK, "Value": "me/sweep/1/1"}],
    }
    twin.create_training_job(request)
    twin.clock.sleep(20 * DAY + 600)
    assert twin.describe_training_job("mine")["WarmPoolStatus"]["Status"] == "Available"
    plain = {key: value for key, value in request.items() if key not in ("Environment", "Tags")}
    step = 20 * DAY / jobs
    twin.service.restore(
        [
            Job(
                name,
                f"{settings.arn_prefix}:training-job/{name}",
                {**plain, "TrainingJobName": name},
                begun + step * n,
                begun + step * n,
                status=JobStatus.COMPLETED,
                secondary=Secondary.COMPLETED,
                ended=begun + step * n,
            )
            for n in range(1, jobs + 1)
            for name in [f"other-{n:06}"]
        ],
        (),
    )
    twin.calls.clear()
    return twin


@pytest.fixture(scope="module")
def long() -> Twin:
    """The account with 100,000 jobs."""
    return account()


def test_our_pool_is_found_by_its_tag_whatever_lies_on_top(long: Twin) -> None:
    """In under ten seconds, the jobs of others looked through as far as there was time; it is said that it was not."""
    begun, newest = long.clock.now(), Newest(long, long.clock, most_s=5.0)
    assert [job["TrainingJobName"] for job in pools(newest, ["me/"])] == ["mine"]
    assert long.clock.now() - begun < 10
    assert newest.cut_off and 0 < newest.seen < HISTORY


def test_a_named_job_is_described_at_once(long: Twin) -> None:
    """Nobody looks through a history for a job whose name is known."""
    long.calls.clear()
    begun = long.clock.now()
    assert described(long, long.clock, "mine")
    assert described(long, long.clock, "never-was") is None
    assert long.clock.now() - begun < 1
    assert {call.operation for call in long.calls} == {"DescribeTrainingJob"}


def test_without_search_everything_is_looked_through_politely() -> None:
    """Denied, Search is done without: one page a second, none asked for twice, none left out, throttled by nobody."""
    twin = account(5_000, replace(SERVICE, deny=["sagemaker:Search"]))
    begun, newest = twin.clock.now(), Newest(twin, twin.clock)
    assert [job["TrainingJobName"] for job in pools(newest, ["me/"])] == ["mine"]
    listed = [call.at for call in twin.calls if call.operation == "ListTrainingJobs"]
    assert (newest.seen, newest.cut_off, len(listed)) == (5_001, False, 51)
    assert 50 <= twin.clock.now() - begun < 60
    assert {call.result for call in twin.calls if call.operation == "ListTrainingJobs"} == {"ok"}


def test_a_throttled_account_is_waited_for_and_not_for_ever() -> None:
    """Others list there as well: a page that is refused is asked for again, for a minute."""
    twin = account(500)
    twin.faults = Faults(throttled=0.5)
    assert [job["TrainingJobName"] for job in pools(Newest(twin, twin.clock), ["me/"])] == ["mine"]
    twin.faults = Faults(throttled=1.0)
    with pytest.raises(ApiError) as caught:
        list(pools(Newest(twin, twin.clock), ["me/"]))
    assert caught.value.kind is ApiErrorKind.THROTTLED


def test_what_is_too_old_to_hold_a_pool_is_not_looked_at() -> None:
    """No job runs for longer than 28 days."""
    twin = account(1_000)
    twin.clock.sleep(OLDEST_S - 10 * DAY)
    newest = Newest(twin, twin.clock)
    assert 0 < len(list(newest)) < 1_000
    assert not newest.cut_off
