"""The engine's wire against moto's, over HTTP in one run: Create, Describe, and a list of many finished jobs."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3

from sweeper.engine import launch

CALLS = 100
REQUEST: dict[str, Any] = {
    "RoleArn": "arn:aws:iam::123456789012:role/sweeper",
    "AlgorithmSpecification": {
        "TrainingImage": "123456789012.dkr.ecr.us-east-1.amazonaws.com/train:1",
        "TrainingInputMode": "File",
        "ContainerEntrypoint": ["/bin/true"],
    },
    "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 30},
    "StoppingCondition": {"MaxRuntimeInSeconds": 60},
}


def client(url: str, service: str = "sagemaker") -> Any:
    """A boto3 client of this endpoint."""
    keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
    return boto3.client(service, endpoint_url=url, region_name="us-east-1", **keys)


def median_ms(call: Callable[[int], Any]) -> float:
    """The median milliseconds of a call."""
    taken = []
    for n in range(CALLS):
        begun = time.perf_counter()
        call(n)
        taken.append((time.perf_counter() - begun) * 1e3)
    return statistics.median(taken)


def measure(url: str) -> dict[str, float]:
    """Milliseconds of each call against this endpoint."""
    client(url, "s3").create_bucket(Bucket="bucket")
    api = client(url)
    create = median_ms(lambda n: api.create_training_job(TrainingJobName=f"job-{n}", **REQUEST))
    return {"Create": create, "Describe": median_ms(lambda n: api.describe_training_job(TrainingJobName=f"job-{n}"))}


def main() -> None:
    """Measure both, each as a server in a process of its own."""
    import subprocess
    import sys

    with tempfile.TemporaryDirectory() as folder:
        info = launch.ensure(Path(folder))
        ours = measure(info.url)
        launch.stop(Path(folder))
    moto = subprocess.Popen(
        [sys.executable, "-c", "from moto.server import main; main(['-p', '5599'])"], stderr=subprocess.DEVNULL
    )
    try:
        theirs = measure(_up("http://127.0.0.1:5599"))
    finally:
        moto.terminate()
        moto.wait()
    print("\nover HTTP, median of 100 calls (ours starts a real process for each job; moto's is born Completed)")
    for name in ours:
        ratio = ours[name] / theirs[name]
        print(f"  {name:9} engine {ours[name]:6.1f} ms, moto {theirs[name]:6.1f} ms: ratio {ratio:.2f}")


def _up(url: str) -> str:
    """Wait until the server answers."""
    import urllib.error
    import urllib.request

    for _ in range(200):
        try:
            urllib.request.urlopen(url + "/moto-api/", timeout=1)
        except urllib.error.HTTPError:
            break
        except OSError:
            time.sleep(0.1)
            continue
        break
    return url
