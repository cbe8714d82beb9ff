"""`sweeper init --from-job`: an experiment is written from a job of a service, and sends the same request."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.config.test_from_job import comparable
from tests.end_to_end.conftest import Project, sagemaker
from tests.forked import start_engine

REQUEST: dict[str, Any] = {
    "TrainingJobName": "a-job-of-old",
    "RoleArn": "arn:aws:iam::123456789012:role/service-role/Role",
    "AlgorithmSpecification": {
        "TrainingImage": "123456789012.dkr.ecr.us-east-1.amazonaws.com/example:latest",
        "TrainingInputMode": "File",
        "ContainerEntrypoint": ["/bin/true"],
        "MetricDefinitions": [{"Name": "loss", "Regex": r"loss=(\S+)"}],
    },
    "HyperParameters": {"lr": "1e-5", "layers": '["a", "${b}"]', "seed": "007"},
    "Environment": {"MODE": "on", "API_TOKEN": "do-not-write-this"},
    "InputDataConfig": [
        {
            "ChannelName": "train",
            "ContentType": "text/csv",
            "DataSource": {
                "S3DataSource": {
                    "S3DataType": "S3Prefix",
                    "S3Uri": "s3://bucket/train",
                    "S3DataDistributionType": "FullyReplicated",
                }
            },
        }
    ],
    "OutputDataConfig": {"S3OutputPath": "s3://bucket/out", "KmsKeyId": "alias/models"},
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 50},
    "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
    "RetryStrategy": {"MaximumRetryAttempts": 2},
    "ProfilerConfig": {"S3OutputPath": "s3://bucket/profile"},
    "Tags": [{"Key": "team", "Value": "vision"}],
}


@pytest.fixture
def old(fresh_project: Project) -> Project:
    """A project whose engine knows that job."""
    engine = start_engine(fresh_project.root / ".sweeper/engine", {})
    sagemaker(engine).create_training_job(**REQUEST)
    return fresh_project


def test_an_experiment_is_written_from_a_job_and_sends_its_request(old: Project) -> None:
    """The file says all of it, secrets by their names alone, and a plan of it shows the request again."""
    made = old.verb("init", "--from-job", "a-job-of-old", "--engine", "local", "--name", "again")
    assert made.code == 0, made.err
    assert "wrote experiments/again.yaml" in made.out
    assert "environment.API_TOKEN looks like a secret" in made.err
    text = (old.root / "experiments/again.yaml").read_text()
    assert "do-not-write-this" not in text
    old.environment["API_TOKEN"] = "do-not-write-this"
    planned = old.verb("plan", "+experiment=again", "--requests")
    assert planned.code == 0, planned.err
    request = json.loads(planned.out)
    masked = dict.fromkeys(request["Environment"], "***")
    assert comparable({**request, "Environment": masked}) == comparable(
        {**REQUEST, "Environment": dict.fromkeys(REQUEST["Environment"], "***") | {"SWEEPER_FINGERPRINT": ""}}
    )
    again = old.verb("init", "--from-job", "a-job-of-old", "--engine", "local", "--name", "again")
    assert (again.code, again.err) == (
        2,
        "sweeper: experiments/again.yaml: is there already, and nothing is overwritten\n",
    )


def test_what_cannot_be_written_is_told_in_a_line(old: Project) -> None:
    """A job that there is not, a name that is none, and flags that go with a job alone."""
    absent = old.verb("init", "--from-job", "nobody", "--engine", "local")
    assert (absent.code, absent.out) == (2, "")
    assert "nobody: there is no such training job in 123456789012, us-east-1" in absent.err
    named = old.verb("init", "--from-job", "a-job-of-old", "--engine", "local", "--name", "../x")
    assert named.code == 2
    assert "command line: --name: must be letters" in named.err
    assert old.verb("init", "--region", "eu-west-1").code == 2
