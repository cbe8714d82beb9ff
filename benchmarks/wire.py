"""The engine's wire against moto's, over HTTP in one run: Create, Describe, and a list of many finished jobs."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import boto3

from sweeper.engine import launch
from sweeper.engine.store import Store
from sweeper.engine.training.service import Service
from sweeper.engine.training.settings import ServiceSettings

CALLS = 100
JOBS = 10_000
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


def client(options: Mapping[str, str], service: str = "sagemaker") -> Any:
    """A boto3 client of an endpoint."""
    return boto3.client(service, **options)


def median_ms(call: Callable[[int], Any]) -> float:
    """The median milliseconds of a call."""
    taken = []
    for n in range(CALLS):
        begun = time.perf_counter()
        call(n)
        taken.append((time.perf_counter() - begun) * 1e3)
    return statistics.median(taken)


def measure(options: Mapping[str, str]) -> dict[str, float]:
    """Milliseconds of each call against this endpoint."""
    client(options, "s3").create_bucket(Bucket="bucket")
    api = client(options)
    create = median_ms(lambda n: api.create_training_job(TrainingJobName=f"job-{n}", **REQUEST))
    return {"Create": create, "Describe": median_ms(lambda n: api.describe_training_job(TrainingJobName=f"job-{n}"))}


def filled(folder: Path, jobs: int) -> None:
    """An engine's state with so many finished jobs, made by its own service without running any."""
    service, now = Service(ServiceSettings()), 1_700_000_000.0
    for n in range(jobs):
        now += 1
        service.call("CreateTrainingJob", {"TrainingJobName": f"job-{n}", **REQUEST}, now)
        service.reports.container_started(f"job-{n}", now)
        service.reports.container_exited(f"job-{n}", 0, "", now + 0.5)
        service.reports.artifacts_uploaded(f"job-{n}", now + 0.6)
        service.drain()
    store = Store(folder / "engine.db")
    store.save(dict(service.jobs), {})
    store.close()


def listed(options: Mapping[str, str]) -> float:
    """Seconds to list every job of this endpoint, 100 a page."""
    begun = time.perf_counter()
    pages = client(options).get_paginator("list_training_jobs").paginate(PaginationConfig={"PageSize": 100})
    assert sum(len(page["TrainingJobSummaries"]) for page in pages) >= JOBS
    return time.perf_counter() - begun


def main() -> None:
    """Measure both, each as a server in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        # The jobs wait for a (simulated) machine meanwhile: the wire is measured, not a hundred processes at once.
        ours = measure(launch.ensure(Path(folder), {"cold_start_s": 3600}).client_options)
        launch.stop(Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        filled(Path(folder), JOBS)
        our_list = listed(launch.ensure(Path(folder)).client_options)
        launch.stop(Path(folder))
    moto = subprocess.Popen(
        [sys.executable, "-c", "from moto.server import main; main(['-p', '5599'])"], stderr=subprocess.DEVNULL
    )
    try:
        keys = {"region_name": "us-east-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}
        options = {"endpoint_url": _up("http://127.0.0.1:5599"), **keys}
        theirs = measure(options)
        api = client(options)
        for n in range(CALLS, JOBS):
            api.create_training_job(TrainingJobName=f"job-{n}", **REQUEST)
        their_list = listed(options)
    finally:
        moto.terminate()
        moto.wait()
    print("\nover HTTP, median of 100 calls (our jobs wait for a machine meanwhile; moto's are born Completed)")
    for name in ours:
        ratio = ours[name] / theirs[name]
        print(f"  {name:9} engine {ours[name]:6.1f} ms, moto {theirs[name]:6.1f} ms: ratio {ratio:.2f}")
    ratio = our_list / their_list
    print(f"  list of {JOBS} finished jobs: engine {our_list:.2f} s, moto {their_list:.2f} s: ratio {ratio:.2f}")


def _up(url: str) -> str:
    """Wait until the server answers."""
    for _ in range(200):
        try:
            urllib.request.urlopen(url + "/moto-api/", timeout=1)
        except urllib.error.HTTPError:
            return url
        except OSError:
            time.sleep(0.1)
        else:
            return url
    raise RuntimeError("moto's server does not answer")
