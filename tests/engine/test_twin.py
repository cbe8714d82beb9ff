"""The twin: the same service in process, under a virtual clock, with faults by seed."""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from sweeper.aws.errors import kind_of
from sweeper.core.ports import TrainingApi
from sweeper.engine.errors import ServiceError
from sweeper.errors import ApiError, ApiErrorKind
from sweeper.testing import answers, hook
from sweeper.testing.draws import draw_settings
from sweeper.testing.twin import Call, Faults, Script, Twin, VirtualClock, always

REQUEST = {
    "TrainingJobName": "job",
    "RoleArn": "arn:aws:iam::123456789012:role/sweeper",
    "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
    "ResourceConfig": {
        "InstanceType": "ml.m5.large",
        "InstanceCount": 1,
        "VolumeSizeInGB": 30,
        "KeepAlivePeriodInSeconds": 300,
    },
    "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
    "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
}


def request(name: str) -> dict[str, Any]:
    """A request under this name."""
    return {**REQUEST, "TrainingJobName": name}


def until(twin: Twin, name: str, status: str, step: float = 1.0) -> dict[str, Any]:
    """Let time pass until the job has this status."""
    for _ in range(100_000):
        found = twin.describe_training_job(name)
        if found["TrainingJobStatus"] == status:
            return found
        twin.clock.sleep(step)
    raise AssertionError(f"{name} never became {status}")


def test_it_is_a_training_api() -> None:
    """The twin stands in for SageMaker at the port."""
    api: TrainingApi = Twin()
    arn = api.create_training_job(REQUEST)
    assert arn == "arn:aws:sagemaker:us-east-1:123456789012:training-job/job"
    assert [job["TrainingJobName"] for job in api.list_training_jobs().jobs] == ["job"]


def test_a_scripted_job_ends_with_its_metrics() -> None:
    """What a script says of a job is what Describe tells, in virtual seconds."""
    twin = Twin(behaviour=lambda asked, _: Script(seconds=100, metrics={"acc": len(asked["TrainingJobName"])}))
    twin.create_training_job(REQUEST)
    found = until(twin, "job", "Completed")
    assert found["FinalMetricDataList"][0]["Value"] == 3
    assert 100 <= found["TrainingTimeInSeconds"] <= 103
    assert found["CreationTime"].tzinfo is not None


def test_points_are_seen_while_the_job_runs() -> None:
    """A metric is there from the second its script prints it."""
    twin = Twin(behaviour=always(Script(seconds=100, points=[(10, {"loss": 3.0}), (50, {"loss": 2.0})])))
    twin.create_training_job(REQUEST)
    assert "FinalMetricDataList" not in twin.describe_training_job("job")
    twin.clock.sleep(20)
    assert twin.describe_training_job("job")["FinalMetricDataList"][0]["Value"] == 3.0
    twin.clock.sleep(40)
    assert twin.describe_training_job("job")["FinalMetricDataList"][0]["Value"] == 2.0


def test_a_pool_is_reused_and_released() -> None:
    """The warm pool's life is the engine's own."""
    twin = Twin()
    twin.create_training_job(request("a"))
    until(twin, "a", "Completed")
    twin.clock.sleep(1)
    twin.create_training_job(request("b"))
    assert twin.describe_training_job("a")["WarmPoolStatus"]["ReusedByJob"] == "b"
    until(twin, "b", "Completed")
    twin.clock.sleep(1)
    twin.update_training_job("b", 0)
    twin.clock.sleep(1)
    assert twin.describe_training_job("b")["WarmPoolStatus"]["Status"] == "Terminated"


@pytest.mark.parametrize(("stops_in", "exit_at"), [(5.0, 5), (1e9, 120)])
def test_a_stop_takes_as_long_as_the_script_needs_up_to_the_grace(stops_in: float, exit_at: int) -> None:
    """A script that ignores SIGTERM is killed after 120 seconds."""
    twin = Twin(behaviour=always(Script(seconds=1e6, stops_in=stops_in)), faults=Faults(latency_s=(0.0,)))
    twin.create_training_job(REQUEST)
    twin.clock.sleep(100)
    twin.stop_training_job("job")
    begin = twin.clock.now()
    until(twin, "job", "Stopped", step=0.5)
    assert exit_at <= twin.clock.now() - begin <= exit_at + 2


def test_the_same_seed_is_the_same_world() -> None:
    """Everything is a function of the seed and of the calls."""

    def history(seed: int) -> tuple[list[Call], list[str]]:
        twin = Twin.drawn(seed)
        for number in range(20):
            for call in (
                lambda n=number: twin.create_training_job(request(f"j{n}")),
                lambda n=number: twin.describe_training_job(f"j{n}"),
                lambda n=number: twin.update_training_job(f"j{n}", 0),
            ):
                with contextlib.suppress(ApiError):
                    call()
                twin.clock.sleep(100)
        return twin.calls, [job.status.value for job in twin.service.jobs.values()]

    assert history(7) == history(7)
    assert history(7) != history(8)


FAULTS = [
    (Faults(throttled=1), ApiErrorKind.THROTTLED, False),
    (Faults(unavailable=1), ApiErrorKind.UNAVAILABLE, False),
    (Faults(lost_before=1), ApiErrorKind.LOST, False),
    (Faults(lost_after=1), ApiErrorKind.LOST, True),
    (Faults(garbage=1), ApiErrorKind.LOST, True),
    (Faults(expired=1), ApiErrorKind.EXPIRED, False),
    (Faults(outage=1), ApiErrorKind.UNAVAILABLE, False),
]


@pytest.mark.parametrize(("faults", "kind", "applied"), FAULTS)
def test_each_fault_has_its_kind_and_is_applied_or_not(faults: Faults, kind: ApiErrorKind, applied: bool) -> None:
    """A caller sees the kind; whether the job exists is another matter."""
    twin = Twin(faults=faults)
    with pytest.raises(ApiError) as caught:
        twin.create_training_job(REQUEST)
    assert caught.value.kind is kind
    assert ("job" in twin.service.jobs) is applied
    twin.quiet()
    assert len(list(twin.list_training_jobs().jobs)) == applied


def test_a_window_of_expired_credentials_ends() -> None:
    """After its seconds the same call works again."""
    twin = Twin(faults=Faults(expired=1, expired_s=100))
    for _ in range(2):
        with pytest.raises(ApiError):
            twin.create_training_job(REQUEST)
        twin.faults = Faults()
    twin.clock.sleep(100)
    twin.create_training_job(REQUEST)


def test_describe_may_be_denied_right_after_create() -> None:
    """AccessDenied while tags propagate, then the job."""
    twin = Twin(faults=Faults(denied_after_create_s=60))
    twin.create_training_job(REQUEST)
    with pytest.raises(ApiError) as caught:
        twin.describe_training_job("job")
    assert caught.value.kind is ApiErrorKind.DENIED
    twin.clock.sleep(60)
    assert twin.describe_training_job("job")


@pytest.mark.parametrize(
    ("faults", "reason"), [(Faults(capacity=1), "CapacityError"), (Faults(internal=1), "Internal")]
)
def test_the_platform_may_fail_a_job(faults: Faults, reason: str) -> None:
    """No capacity and internal errors are failures of the job, and its pool is not retained."""
    twin = Twin(faults=faults)
    twin.create_training_job(REQUEST)
    assert until(twin, "job", "Failed")["FailureReason"].startswith(reason)
    twin.clock.sleep(1)
    assert twin.describe_training_job("job")["WarmPoolStatus"]["Status"] == "Terminated"


def test_a_stranger_may_take_the_pool() -> None:
    """The pool is Reused by a job that is not ours."""
    twin = Twin(faults=Faults(foreign_takes=1))
    twin.create_training_job(REQUEST)
    until(twin, "job", "Completed")
    twin.clock.sleep(200)
    assert twin.describe_training_job("job")["WarmPoolStatus"]["ReusedByJob"] == "foreign-1"


def test_a_human_may_stop_the_job() -> None:
    """A job ends Stopped though nobody here asked for it."""
    twin = Twin(faults=Faults(human_stops=1))
    twin.create_training_job(REQUEST)
    assert until(twin, "job", "Stopped")


def test_every_unknown_is_drawn() -> None:
    """Over many seeds each drawn setting takes more than one value."""
    drawn = [draw_settings(random.Random(seed)) for seed in range(200)]
    for name in ("stop_retains_pool", "update_from_now", "settle_gap_s", "release_lag_s", "network_order_matters"):
        assert len({getattr(settings, name) for settings in drawn}) > 1
    assert {settings.warm_pool_quota["*"] for settings in drawn} == {0, 100}


@pytest.mark.parametrize(
    ("code", "message", "status"),
    [
        ("ThrottlingException", "Rate exceeded", 400),
        ("InternalFailure", "x", 500),
        ("ServiceUnavailable", "x", 503),
        ("ResourceInUse", "x", 400),
        ("ResourceLimitExceeded", "x", 400),
        ("AccessDeniedException", "x", 400),
        ("ExpiredTokenException", "x", 400),
        ("ValidationException", "Requested resource not found.", 400),
        ("ValidationException", "1 validation error detected", 400),
    ],
)
def test_the_twin_names_errors_as_the_real_client_does(code: str, message: str, status: int) -> None:
    """Both ways from the service's error to ours agree."""
    assert answers.kind_of(ServiceError(code, message, status)) is kind_of(code, message, status)


def test_it_needs_no_boto3() -> None:
    """A simulation starts without botocore in memory."""
    code = "import sys, sweeper.testing.twin; sys.exit(any(m.startswith('boto') for m in sys.modules))"
    subprocess.run([sys.executable, "-c", code], check=True)


def real_client(twin: Twin) -> Any:
    """A real boto3 client whose wire is the twin."""
    client = boto3.client(
        "sagemaker",
        region_name="us-east-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
        config=Config(retries={"mode": "standard", "total_max_attempts": 1}),
    )
    hook.attach(client, twin)
    return client


def test_real_botocore_talks_to_the_twin() -> None:
    """Requests are serialised and answers parsed by botocore itself."""
    clock = VirtualClock()
    twin = Twin(clock)
    client = real_client(twin)
    client.create_training_job(**REQUEST)
    clock.sleep(100)
    found = client.describe_training_job(TrainingJobName="job")
    assert found["TrainingJobStatus"] == "Completed"
    assert found["CreationTime"].timestamp() == pytest.approx(1_700_000_000.05)
    with pytest.raises(ClientError, match="Requested resource not found"):
        client.describe_training_job(TrainingJobName="other")
    with pytest.raises(ClientError, match="regular expression pattern"):
        client.describe_training_job(TrainingJobName="no_job")


def test_a_lost_answer_is_botocores_own_exception() -> None:
    """The hook raises what botocore raises when a connection dies after the request was applied."""
    twin = Twin(faults=Faults(lost_after=1))
    with pytest.raises(ConnectionClosedError):
        real_client(twin).create_training_job(**REQUEST)
    assert "job" in twin.service.jobs
