"""SageMakerApi over real botocore: what no answer, or half of one, means."""

from __future__ import annotations

import pytest

from sweeper.aws.clients import Clients, Endpoint, SageMakerApi
from sweeper.errors import ApiError, ApiErrorKind, UsageError
from sweeper.record.locks import MOMENT_S
from sweeper.testing.hook import attach
from sweeper.testing.twin import Faults, Twin

REQUEST = {
    "TrainingJobName": "job",
    "RoleArn": "arn:aws:iam::123456789012:role/sweeper",
    "AlgorithmSpecification": {"TrainingImage": "repo/train:1", "TrainingInputMode": "File"},
    "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 30},
    "StoppingCondition": {"MaxRuntimeInSeconds": 60},
}


def test_an_answer_that_is_no_answer_leaves_the_outcome_unknown() -> None:
    """A 200 with garbage in it is LOST: the job may exist, and Describe decides."""
    twin = Twin(faults=Faults(garbage=1.0))
    clients = Clients(Endpoint("http://127.0.0.1:1", "us-east-1", access_key="x", secret_key="x"))
    attach(clients.once, twin)
    with pytest.raises(ApiError) as caught:
        SageMakerApi(lambda: clients).create_training_job(REQUEST)
    assert caught.value.kind is ApiErrorKind.LOST
    assert "job" in twin.service.jobs


def test_a_round_of_closing_ends_before_a_runner_that_waits_for_it_gives_up() -> None:
    """Where nothing answers: the look with its retries (pauses of 1, 2, 4, 8 s at most) and what it is followed by."""
    clients = Clients(Endpoint(url="http://127.0.0.1:9", region="us-east-1", access_key="a", secret_key="b"))
    look, act = clients.asking.meta.config, clients.once.meta.config
    assert act.retries["total_max_attempts"] == 1
    look_s = look.retries["total_max_attempts"] * look.read_timeout + 15
    assert look_s + act.read_timeout <= MOMENT_S


def test_an_address_that_is_none_is_told_in_one_line() -> None:
    """An endpoint that somebody has set, and that is no URL, is no bug of ours."""
    with pytest.raises(UsageError, match="Invalid endpoint: no; AWS_ENDPOINT_URL"):
        _ = Clients(Endpoint(url="no", region="us-east-1", access_key="a", secret_key="b")).asking
