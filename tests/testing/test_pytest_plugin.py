"""The pytest plugin as a user has it: the documented example, and what the fixtures promise."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from sweeper.testing.twin import Twin

pytest_plugins = ["sweeper.testing.pytest_plugin"]
PAGE = Path(__file__).parents[2] / "docs/testing.md"
REQUEST: dict[str, Any] = {
    "TrainingJobName": "job",
    "RoleArn": "arn:aws:iam::123456789012:role/sweeper",
    "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
    "ResourceConfig": {
        "InstanceType": "ml.m5.large",
        "InstanceCount": 1,
        "VolumeSizeInGB": 30,
        "KeepAlivePeriodInSeconds": 600,
    },
    "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
    "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
}


def test_the_documented_example_runs_as_it_stands(tmp_path: Path) -> None:
    """Copied from the page into an empty folder, with a profile that does not exist: every test of it holds."""
    (example,) = re.findall(r"^## A complete example\n.*?^```python\n(.*?)^```\n", PAGE.read_text(), re.M | re.S)
    (tmp_path / "test_example.py").write_text(example)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_example.py"]
    outside = {**os.environ, "AWS_PROFILE": "not-there"}
    done = subprocess.run(command, cwd=tmp_path, env=outside, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed, 1 xfailed" in done.stdout


def test_the_page_names_every_fixture() -> None:
    """Each fixture that a test may ask for is on the page."""
    from sweeper.testing import pytest_plugin

    fixtures = [name for name in vars(pytest_plugin) if name.startswith("sagemaker_")]
    assert len(fixtures) == 7
    assert [name for name in fixtures if f"`{name}`" not in PAGE.read_text()] == []


def test_loading_it_imports_nothing_but_pytest() -> None:
    """A test run that only loads it pays for nothing."""
    code = (
        "import pytest, sys; before = set(sys.modules); import sweeper.testing.pytest_plugin\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert loaded == ["sweeper", "sweeper.testing", "sweeper.testing.pytest_plugin"]


def test_every_test_has_a_service_of_its_own(sagemaker_client: Any, sagemaker_twin: Twin) -> None:
    """A job that was sent is in this test's twin, and its errors are botocore's own."""
    sagemaker_client.create_training_job(**REQUEST)
    assert [job.name for job in sagemaker_twin.service.running] == ["job"]
    with pytest.raises(sagemaker_client.exceptions.ResourceInUse):
        sagemaker_client.create_training_job(**REQUEST)


def test_a_waiter_takes_no_time(sagemaker_everywhere: Twin, sagemaker_client: Any) -> None:
    """botocore's own waiter, which looks every two minutes, waits in the twin's time; so does the test before it."""
    assert sagemaker_client.list_training_jobs()["TrainingJobSummaries"] == []
    client, began = boto3.Session().client("sagemaker"), sagemaker_everywhere.clock.now()
    client.create_training_job(**REQUEST)
    client.get_waiter("training_job_completed_or_stopped").wait(TrainingJobName="job")
    assert sagemaker_everywhere.clock.now() - began >= 360
    assert sagemaker_everywhere.idle_pools() == ["job"]


def test_nothing_reaches_the_network(sagemaker_everywhere: Twin) -> None:
    """Services of each protocol: without moto an error that says what to do, with moto moto's answer."""
    for service, ask in (("s3", "list_buckets"), ("sts", "get_caller_identity"), ("cloudwatch", "list_metrics")):
        with pytest.raises(RuntimeError, match=rf"^{service}.*moto's mock_aws"):
            getattr(boto3.client(service), ask)()
    with mock_aws():
        boto3.client("s3").create_bucket(Bucket="bucket")
        assert [bucket["Name"] for bucket in boto3.client("s3").list_buckets()["Buckets"]] == ["bucket"]
        client = boto3.client("sagemaker")
        client.create_training_job(**REQUEST)
        time.sleep(400)
        # an operation that moto does not have: the twin alone answers for SageMaker
        client.update_training_job(TrainingJobName="job", ResourceConfig={"KeepAlivePeriodInSeconds": 0})
    assert sagemaker_everywhere.idle_pools() == []


def test_afterwards_everything_is_as_it_was() -> None:
    """boto3, botocore's handlers and time.sleep are the process's own again."""
    from botocore.handlers import BUILTIN_HANDLERS

    assert not [handler for handler in BUILTIN_HANDLERS if handler[1].__module__ == "sweeper.testing.pytest_plugin"]
    assert time.sleep.__module__ == "time"
