"""An engine on a temporary folder, real clients, and requests that fit it."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from sweeper.engine import launch
from tests.forked import start_engine

ROLE = "arn:aws:iam::123456789012:role/sweeper-local"
FAST = {"settle_gap_s": 0.05, "release_lag_s": 0.02, "stop_grace_s": 2.0}
SPOT = {"spot_interruptions": [0.4, 0.3, 0.3], "spot_wait_s": 0.05}
"""Every spot job of a test is interrupted three times."""
FILE_SYSTEM = "fs-0123456789abcdef0"


class Clients:
    """boto3 clients of one engine, and what tests do with them all the time."""

    def __init__(self, engine: launch.EngineInfo, state_dir: Path) -> None:
        self.engine, self.url, self.state_dir = engine, engine.url, state_dir
        self.shared = _shared(state_dir)
        """The folder that stands for the file system."""

    @cached_property
    def sagemaker(self) -> Any:
        """A client of SageMaker."""
        return self.client("sagemaker")

    @cached_property
    def s3(self) -> Any:
        """A client of S3."""
        return self.client("s3")

    @cached_property
    def logs(self) -> Any:
        """A client of CloudWatch Logs."""
        return self.client("logs")

    @cached_property
    def sts(self) -> Any:
        """A client of STS."""
        return self.client("sts")

    def client(self, service: str, **changes: Any) -> Any:
        """A client of any service, with the engine's credentials; it sends each call once."""
        once = Config(retries={"mode": "standard", "total_max_attempts": 1})
        make: Any = boto3.client
        return make(service, **{**self.engine.client_options, "config": once, **changes})

    def signed(
        self, method: str, path: str, body: bytes = b"", service: str = "sagemaker", **headers: str
    ) -> dict[str, str]:
        """The headers of a raw request, with its signature."""
        request = AWSRequest(method, self.url + path, headers, body)
        SigV4Auth(Credentials(self.engine.access_key, self.engine.secret_key), service, self.engine.region).add_auth(
            request
        )
        return dict(request.headers.items())

    def describe(self, name: str) -> dict[str, Any]:
        """DescribeTrainingJob."""
        return dict(self.sagemaker.describe_training_job(TrainingJobName=name))

    def until(self, name: str, true: Callable[[dict[str, Any]], object], timeout_s: float = 30) -> dict[str, Any]:
        """Look at a job until something is true of it."""
        end = time.monotonic() + timeout_s
        while not true(found := self.describe(name)):
            assert time.monotonic() < end, f"{name} is still {found}"
            time.sleep(0.01)
        return found

    def ended(self, name: str) -> dict[str, Any]:
        """Wait for a terminal status."""
        return self.until(name, lambda d: d["TrainingJobStatus"] in ("Completed", "Failed", "Stopped"))

    def log(self, name: str) -> list[str]:
        """Every line of a job's log."""
        group = "/aws/sagemaker/TrainingJobs"
        streams = self.logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{name}/")["logStreams"]
        events = self.logs.get_log_events(
            logGroupName=group, logStreamName=streams[0]["logStreamName"], startFromHead=True
        )
        return [event["message"] for event in events["events"]]

    def run(self, name: str, script: str, **changes: Any) -> None:
        """Put a Python script into the channel `code` and create a job that runs it."""
        self.s3.put_object(Bucket="bucket", Key=f"code/{name}/train.py", Body=script.encode())
        self.sagemaker.create_training_job(**request(name, **changes))


def kill_container(job: Mapping[str, Any]) -> None:
    """As if the host of this job, of those in an engine's status, had died. What it runs may go with its supervisor."""
    os.kill(job["supervisor_pid"], signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.kill(job["pid"], signal.SIGKILL)


def wait_for(true: Callable[[], object], timeout_s: float = 20) -> None:
    """Look until it is true."""
    end = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def request(name: str, **changes: Any) -> dict[str, Any]:
    """A request that runs code/NAME/train.py; `changes` replace whole members, and `resources`, `algorithm` parts."""
    resources = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 30}
    algorithm = {
        "TrainingImage": "123456789012.dkr.ecr.us-east-1.amazonaws.com/any:1",
        "TrainingInputMode": "File",
        "ContainerEntrypoint": ["python3", "/opt/ml/input/data/code/train.py"],
    }
    return {
        "TrainingJobName": name,
        "RoleArn": ROLE,
        "AlgorithmSpecification": algorithm | changes.pop("algorithm", {}),
        "ResourceConfig": resources | changes.pop("resources", {}),
        "InputDataConfig": [channel("code", f"s3://bucket/code/{name}")],
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        **changes,
    }


def channel(name: str, uri: str) -> dict[str, Any]:
    """An S3Prefix channel."""
    return {"ChannelName": name, "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}}}


@pytest.fixture(scope="session")
def state_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state folder of the engine all tests share."""
    return tmp_path_factory.mktemp("engine")


def _shared(state_dir: Path) -> Path:
    return state_dir.with_name(f"{state_dir.name}-shared")


def _serve(state_dir: Path, **settings: Any) -> Iterator[Clients]:
    _shared(state_dir).mkdir()
    usual = {**FAST, **SPOT, "file_systems": {FILE_SYSTEM: str(_shared(state_dir))}}
    info = start_engine(state_dir, usual | settings)
    found = Clients(info, state_dir)
    found.s3.create_bucket(Bucket="bucket")
    yield found
    launch.stop(state_dir)


@pytest.fixture(scope="session")
def clients(state_dir: Path) -> Iterator[Clients]:
    """Clients of the shared engine; its jobs and pools end with the session."""
    yield from _serve(state_dir)


@pytest.fixture(scope="session")
def plain_clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    """Clients of an engine that has no private /opt/ml: what a machine without user namespaces gets."""
    yield from _serve(tmp_path_factory.mktemp("plain"), private_opt_ml=False)


@pytest.fixture(params=["clients", "plain_clients"])
def any_clients(request: pytest.FixtureRequest) -> Clients:
    """Each of the two."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Clients)
    return found


@pytest.fixture
def private(clients: Clients) -> Clients:
    """Clients of an engine that gives its jobs a private /opt/ml, where this machine allows it."""
    status = launch.status(clients.state_dir)
    assert status is not None
    if status["isolation"] == "none":
        pytest.skip("this machine has no user namespaces")
    return clients
