"""What leaves the process while a sweep runs: no Create of another pool, whoever has written it."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from sweeper.aws import guard
from sweeper.aws.clients import Clients, Endpoint
from sweeper.core.request import PoolKey
from sweeper.errors import ApiError, ApiErrorKind
from tests.aws.test_clients import REQUEST

KEY = PoolKey.of(REQUEST)
OTHER = {**REQUEST, "ResourceConfig": {**REQUEST["ResourceConfig"], "VolumeSizeInGB": 31}}
KEYS = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": "us-east-1"}


@pytest.fixture
def port() -> Iterator[socket.socket]:
    """Where a client would send to; nobody answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        yield listening
    boto3.DEFAULT_SESSION = None  # the next one is made when it is asked for, as ever


def url(port: socket.socket) -> str:
    """Its address."""
    return f"http://127.0.0.1:{port.getsockname()[1]}"


def by_ours(port: socket.socket) -> Any:
    """Sweeper's own client, with a handler of somebody else's."""
    made = Clients(Endpoint(url(port), "us-east-1", access_key="x", secret_key="x"))

    def enlarge(params: dict[str, Any], **_: Any) -> None:
        params["ResourceConfig"] = OTHER["ResourceConfig"]

    made.session.events.register("before-parameter-build.sagemaker.CreateTrainingJob", enlarge)
    return made.once.create_training_job(**REQUEST)


def by_default_session(port: socket.socket) -> Any:
    """Other code's client, as most people make it."""
    Clients(Endpoint(url(port), "us-east-1", access_key="x", secret_key="x")).client("s3")
    make: Any = boto3.client
    return make("sagemaker", endpoint_url=url(port), **KEYS).create_training_job(**OTHER)


def by_queue(port: socket.socket) -> Any:
    """By way of AWS Batch."""
    made = Clients(Endpoint(url(port), "us-east-1", access_key="x", secret_key="x")).client("batch", 1)
    return made.submit_service_job(
        jobName="x",
        jobQueue="q",
        serviceJobType="SAGEMAKER_TRAINING",
        serviceRequestPayload=json.dumps(OTHER),
    )


@pytest.mark.parametrize("send", [by_ours, by_default_session, by_queue])
def test_no_create_of_another_pool_leaves_the_process(
    port: socket.socket, send: Callable[[socket.socket], object]
) -> None:
    """It is refused by us, with the field that differs, and nobody has even connected."""
    with (
        guard.frozen(KEY),
        pytest.raises(ApiError, match=r"ResourceConfig\.VolumeSizeInGB is 31 and not 30") as refused,
    ):
        send(port)
    assert refused.value.kind is ApiErrorKind.WITHHELD
    with pytest.raises(BlockingIOError):
        port.accept()


def test_after_the_sweep_anything_may_be_sent(port: socket.socket) -> None:
    """What is watched is let through again: the wire is what fails."""
    client = Clients(Endpoint(url(port), "us-east-1", access_key="x", secret_key="x"))
    with guard.frozen(KEY):
        made = client.client("sagemaker", attempts=1, patience_s=0.05)
    with pytest.raises(Exception, match="Read timeout"):
        made.create_training_job(**OTHER)
    port.accept()


def test_a_default_session_that_cannot_be_made_keeps_nobody_from_training(
    port: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A profile that is not there is none of ours: the local engine runs without the user's configuration."""
    boto3.DEFAULT_SESSION = None
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with guard.frozen(KEY):
        guard.watch_default()
    assert boto3.DEFAULT_SESSION is None
