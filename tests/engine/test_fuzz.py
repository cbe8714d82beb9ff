"""Malformed, hostile and absurd input: refused, and nothing is written where it does not belong."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeper.engine import launch
from sweeper.engine.around.logs import TrainingLogs
from sweeper.engine.around.metrics import Scanner
from sweeper.engine.around.s3 import matching
from sweeper.engine.batch.service import Batch
from sweeper.engine.errors import ServiceError
from sweeper.engine.machine import folders
from sweeper.engine.machine.container import LOG_MAX, Log, escape
from sweeper.engine.machine.folders import InputError
from sweeper.engine.training.service import Service
from sweeper.engine.wire import batch, rules

from .conftest import Clients, channel, request

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)
OPERATIONS = sorted(Service().operations)


def post(clients: Clients, target: str, body: bytes, **headers: str) -> tuple[int, Any]:
    """One raw request; the status and the parsed answer."""
    connection = http.client.HTTPConnection(clients.url.rpartition("/")[2], timeout=10)
    connection.request("POST", "/", body, clients.signed("POST", "/", body, **{"X-Amz-Target": target, **headers}))
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, json.loads(text) if text.startswith(b"{") else text


def paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a nested value."""
    found = [at]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += paths(inner, (*at, key))
    return found


def replaced(value: Any, at: tuple[Any, ...], new: Any) -> Any:
    """The same with another value in one place."""
    if not at:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[at[0]] = replaced(value[at[0]], at[1:], new)
    return copy


FULL = request(
    "fuzz",
    HyperParameters={"a": "1"},
    Environment={"A": "1"},
    Tags=[{"Key": "k", "Value": "v"}],
    VpcConfig={"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
    CheckpointConfig={"S3Uri": "s3://b/c"},
    algorithm={"MetricDefinitions": [{"Name": "m", "Regex": "x"}]},
)


@given(st.data())
@settings(max_examples=400, deadline=None)
def test_a_request_with_anything_anywhere_is_answered_or_refused(data: st.DataObject) -> None:
    """Whatever stands in one member, the service says yes or a ServiceError, and nothing else."""
    at = data.draw(st.sampled_from(paths(FULL)))
    changed = replaced(FULL, at, data.draw(JSON | st.text(min_size=60, max_size=70)))
    service = Service()
    try:
        service.call("CreateTrainingJob", rules.validated("CreateTrainingJob", changed), 1e9)
    except ServiceError as error:
        # the last is of a request for more instances than the quota has
        assert error.code in ("ValidationException", "SerializationException", "ResourceLimitExceeded")
        return
    answer = service.call("DescribeTrainingJob", {"TrainingJobName": changed["TrainingJobName"]}, 1e9)
    assert rules.broken("DescribeTrainingJob", rules.shaped("DescribeTrainingJob", answer)) == []


KIND = "SAGEMAKER_TRAINING"
LIMIT = "MISCONFIGURATION:SERVICE_ENVIRONMENT_MAX_RESOURCE"
ACTION = {"reason": LIMIT, "state": "RUNNABLE", "maxTimeSeconds": 600, "action": "TERMINATE"}
TYPED = [{"maxCapacity": 1, "capacityUnit": "ml.m5.large"}]
_POLICY = "arn:aws:batch:us-east-1:123456789012:scheduling-policy/s"
_QUOTA_SHARES: list[tuple[str, dict[str, Any]]] = [
    (
        "CreateServiceEnvironment",
        {"serviceEnvironmentName": "f", "serviceEnvironmentType": KIND, "capacityLimits": TYPED},
    ),
    ("CreateSchedulingPolicy", {"name": "s", "quotaSharePolicy": {"idleResourceAssignmentStrategy": "FIFO"}}),
    (
        "CreateJobQueue",
        {
            "jobQueueName": "r",
            "priority": 1,
            "serviceEnvironmentOrder": [{"order": 1, "serviceEnvironment": "f"}],
            "schedulingPolicyArn": _POLICY,
        },
    ),
    (
        "CreateQuotaShare",
        {
            "quotaShareName": "a",
            "jobQueue": "r",
            "capacityLimits": TYPED,
            "resourceSharingConfiguration": {"strategy": "LEND_AND_BORROW", "borrowLimit": 50},
            "preemptionConfiguration": {"inSharePreemption": "ENABLED"},
        },
    ),
    (
        "SubmitServiceJob",
        {
            "jobName": "k",
            "jobQueue": "r",
            "quotaShareName": "a",
            "serviceJobType": KIND,
            "serviceRequestPayload": json.dumps(request("shared")),
            "preemptionConfiguration": {"preemptionRetriesBeforeTermination": 1},
        },
    ),
    ("GetJobQueueSnapshot", {"jobQueue": "r"}),
]
BATCH: list[tuple[str, dict[str, Any]]] = [
    (
        "CreateServiceEnvironment",
        {
            "serviceEnvironmentName": "e",
            "serviceEnvironmentType": KIND,
            "capacityLimits": [{"maxCapacity": 1, "capacityUnit": "NUM_INSTANCES"}],
        },
    ),
    (
        "CreateSchedulingPolicy",
        {"name": "p", "fairsharePolicy": {"shareDistribution": [{"shareIdentifier": "A", "weightFactor": 0.5}]}},
    ),
    (
        "CreateJobQueue",
        {
            "jobQueueName": "q",
            "priority": 1,
            "serviceEnvironmentOrder": [{"order": 1, "serviceEnvironment": "e"}],
            "schedulingPolicyArn": "arn:aws:batch:us-east-1:123456789012:scheduling-policy/p",
            "jobStateTimeLimitActions": [ACTION],
        },
    ),
    (
        "SubmitServiceJob",
        {
            "jobName": "j",
            "jobQueue": "q",
            "serviceJobType": KIND,
            "serviceRequestPayload": json.dumps(request("queued")),
            "shareIdentifier": "A",
            "retryStrategy": {"attempts": 2, "evaluateOnExit": [{"action": "RETRY", "onStatusReason": "x*"}]},
            "timeoutConfig": {"attemptDurationSeconds": 60},
            "clientToken": "t",
        },
    ),
    ("ListServiceJobs", {"jobQueue": "q", "filters": [{"name": "JOB_NAME", "values": ["j*"]}], "maxResults": 1}),
    ("UpdateServiceEnvironment", {"serviceEnvironment": "e", "state": "ENABLED"}),
    ("UpdateJobQueue", {"jobQueue": "q", "priority": 2}),
    ("GetJobQueueSnapshot", {"jobQueue": "q"}),
    *_QUOTA_SHARES,
]


class BatchOnly:
    """AWS Batch and nothing around it, at a time that stands still."""

    def __init__(self) -> None:
        self.batch = Batch(Service(), lambda payload: rules.validated("CreateTrainingJob", payload))
        self.batch_operations = self.batch.operations

    def call_batch(self, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """One request."""
        return self.batch.call(operation, params, 1e9)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_batch_request_with_anything_anywhere_is_answered_or_refused(data: st.DataObject) -> None:
    """Also in the payload; what is kept can be written, and nothing is due in the past."""
    wrong = data.draw(st.integers(0, len(BATCH) - 1))
    told, value = json.loads(BATCH[3][1]["serviceRequestPayload"]), data.draw(JSON)
    payload = json.dumps(replaced(told, data.draw(st.sampled_from(paths(told))), value))
    at = data.draw(st.sampled_from(paths(BATCH[wrong][1])))
    world = BatchOnly()
    for number, (operation, params) in enumerate(BATCH):
        asked = replaced(params, at, value) if number == wrong else params
        if number == 3 and wrong != 3:
            asked = {**params, "serviceRequestPayload": payload}
        with contextlib.suppress(ServiceError):
            batch.answer(world, "POST", f"/v1/{operation.lower()}", "", asked)
    for record in world.batch.changed:
        json.dumps(world.batch.dump(record))
    due = world.batch.next_due()
    assert due is None or due >= 1e9


@given(st.sampled_from(OPERATIONS), JSON)
@settings(max_examples=300, deadline=None)
def test_any_json_is_answered_or_refused(operation: str, body: Any) -> None:
    """No operation falls over a body that is not what it expects."""
    service = Service()
    with pytest.raises(ServiceError) if not isinstance(body, dict) else _anything():
        service.call(operation, rules.validated(operation, body), 1e9)


class _anything:  # noqa: N801 - used like a function
    """Lets ServiceError pass, and nothing else."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        return kind is not None and issubclass(kind, ServiceError)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "ValidationException"),
        (b"{", "SerializationException"),
        (b"\xff\xfe", "SerializationException"),
        (b"[]", "SerializationException"),
        (b"null", "SerializationException"),
        (b"[" * 100_000, "SerializationException"),
        (b'{"TrainingJobName": 3}', "SerializationException"),
        (b'{"TrainingJobName": "a", "Unknown": 1}', "ValidationException"),
    ],
)
def test_malformed_bodies_are_refused(clients: Clients, body: bytes, code: str) -> None:
    """A body that is no request is a 400 with a code."""
    status, answer = post(clients, "SageMaker.DescribeTrainingJob", body)
    assert (status, answer["__type"]) == (400, code)


def test_a_deep_search_expression_is_refused(clients: Clients) -> None:
    """A recursive shape nested beyond reason does not exhaust the stack."""
    deep: dict[str, Any] = {}
    for _ in range(400):
        deep = {"SubExpressions": [deep]}
    text = json.dumps({"Resource": "TrainingJob", "SearchExpression": deep})
    status, _ = post(clients, "SageMaker.Search", text.encode())
    assert status in (200, 400)


@pytest.mark.parametrize("target", ["SageMaker.", "SageMaker.Nope", "SageMaker.__init__", "SageMaker.../../x"])
def test_wrong_targets_are_unknown_operations(clients: Clients, target: str) -> None:
    """Nothing but the operations of the model can be called."""
    status, answer = post(clients, target, b"{}")
    assert (status, answer["__type"]) == (400, "UnknownOperationException")


@pytest.mark.parametrize("target", ["Nope", "Nope.Nope", "Logs_20140328.Nope", "ServiceQuotasV20190624.Nope", "\x7f"])
def test_targets_of_nobody_do_not_end_the_engine(clients: Clients, target: str) -> None:
    """moto may answer what it likes; the next request is answered as ever."""
    post(clients, target, b"{}")
    assert clients.sagemaker.list_training_jobs(MaxResults=1)


def test_huge_headers_and_bodies_are_refused(clients: Clients) -> None:
    """Limits of the wire: a long line, many headers, a body beyond 16 MB."""
    assert post(clients, "SageMaker.ListTrainingJobs", b"{}", **{"X-Long": "x" * 70_000})[0] == 431
    many = {f"X-{n}": "x" for n in range(200)}
    assert post(clients, "SageMaker.ListTrainingJobs", b"{}", **many)[0] == 431
    assert post(clients, "SageMaker.ListTrainingJobs", b" " * (17 << 20))[0] == 413


@pytest.mark.parametrize(
    ("head", "too_long"),
    [
        ("POST / HTTP/1.1\r\nX-Amz-Target: SageMaker.ListTrainingJobs\r\n", 16 << 20),
        ("PUT /bucket/unsigned HTTP/1.1\r\n", 16 << 20),
        ("PUT /bucket/key HTTP/1.1\r\nAuthorization: AWS4-HMAC-SHA256 Credential=KEY/d/r/s3/aws4_request\r\n", 5 << 30),
        ("PUT /bucket/key HTTP/1.1\r\nAuthorization: AWS4-HMAC-SHA256 Credential=x/d/r/s3/aws4_request\r\n", 16 << 20),
    ],
)
def test_a_body_that_is_too_long_is_refused_before_it_is_read(clients: Clients, head: str, too_long: int) -> None:
    """Who asks first is told at once; not a byte of it is waited for, or kept. Objects come from who names our key."""
    head = head.replace("KEY", clients.engine.access_key)
    host, _, port = clients.url.rpartition("/")[2].partition(":")
    for length, answer in ((too_long + 1, b"413"), (too_long, b"100")):
        with socket.create_connection((host, int(port)), timeout=10) as sock:
            more = f"Host: {host}\r\nContent-Length: {length}\r\nExpect: 100-continue\r\n\r\n"
            sock.sendall((head + more).encode())
            assert sock.recv(65536).split()[1] == answer


def test_a_body_that_grows_too_long_is_not_read_to_its_end(clients: Clients) -> None:
    """Without a length it is counted as it comes."""
    host, _, port = clients.url.rpartition("/")[2].partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as sock:
        sock.sendall(f"POST / HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        block = b"100000\r\n" + b" " * (1 << 20) + b"\r\n"
        for _ in range(17):
            sock.sendall(block)
        sock.sendall(b"0\r\n\r\n")
        assert sock.recv(65536).split()[1] == b"413"


@pytest.mark.parametrize(
    "raw",
    [
        b"nonsense\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nshort",
        b"\x00" * 100,
    ],
)
def test_broken_http_does_not_end_the_engine(clients: Clients, raw: bytes) -> None:
    """Whatever a socket brings, the next request is answered."""
    host, _, port = clients.url.rpartition("/")[2].partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as sock:
        sock.sendall(raw)
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65536):
            pass
    assert clients.sagemaker.list_training_jobs(MaxResults=1)


def test_one_connection_serves_many_requests(clients: Clients) -> None:
    """Keep-alive: errors and answers alike leave the connection usable."""
    connection = http.client.HTTPConnection(clients.url.rpartition("/")[2], timeout=10)
    connection.connect()
    first = connection.sock
    for body in (b"{}", b"{", b"x" * 1000, b"{}"):
        signed = clients.signed("POST", "/", body, **{"X-Amz-Target": "SageMaker.ListTrainingJobs"})
        connection.request("POST", "/", body, signed)
        connection.getresponse().read()
        assert connection.sock is first
    connection.close()


@given(st.text(max_size=60))
@settings(max_examples=500, deadline=None)
def test_no_key_leaves_its_channel(key: str) -> None:
    """A key is a path below its channel's folder, or it is refused."""
    base = Path("/channel/folder")
    try:
        place = folders.inside(base, key)
    except InputError:
        return
    assert base == place or base in place.parents
    assert ".." not in place.parts


@given(st.text(alphabet="ab/.", max_size=12), st.text(alphabet="ab/.", max_size=12))
def test_what_a_prefix_strips_to_is_part_of_the_key(prefix: str, rest: str) -> None:
    """The path in a channel is the end of the key."""
    for key, relative in matching([prefix + rest], prefix):
        assert key.endswith(relative)


@pytest.mark.parametrize("name", [".", "..", "...", "a/b", "a\\b", "", "a" * 65, "\u00e9"])
def test_channel_names_are_names(clients: Clients, name: str) -> None:
    """A channel cannot be a path."""
    body = json.dumps(request("channel", InputDataConfig=[channel(name, "s3://bucket/x")]))
    status, answer = post(clients, "SageMaker.CreateTrainingJob", body.encode())
    assert (status, answer["__type"]) == (400, "ValidationException")


@pytest.mark.parametrize("name", ["..", "../x", "a/b", "-a", "a-", "a_b", "", "\u00e9", "a\n"])
def test_job_names_are_names(clients: Clients, state_dir: Path, name: str) -> None:
    """A job's folder is never anywhere else."""
    before = {path.name for path in (state_dir / "jobs").iterdir()} if (state_dir / "jobs").exists() else set()
    status, answer = post(clients, "SageMaker.CreateTrainingJob", json.dumps(request(name)).encode())
    assert (status, answer["__type"]) == (400, "ValidationException")
    after = {path.name for path in (state_dir / "jobs").iterdir()} if (state_dir / "jobs").exists() else set()
    assert before == after


def test_a_job_cannot_make_the_engine_read_or_write_elsewhere(clients: Clients, tmp_path: Path) -> None:
    """Links in model, output and checkpoints are not followed, nor is a failure file that is one."""
    secret = tmp_path / "secret"
    secret.write_text("the secret")
    script = (
        "import os, pathlib\n"
        "root = pathlib.Path(__file__).resolve().parents[3]\n"
        f"for folder in ('model', 'output/data', 'checkpoints'): (root / folder / 'link').symlink_to({str(secret)!r})\n"
        f"(root / 'output/failure').symlink_to({str(secret)!r})\n"
        "raise SystemExit(1)\n"
    )
    config = {"CheckpointConfig": {"S3Uri": "s3://bucket/linked"}}
    clients.run("links", script, **config)
    assert clients.ended("links")["FailureReason"] == "AlgorithmError: , exit code: 1"
    assert "Contents" not in clients.s3.list_objects_v2(Bucket="bucket", Prefix="linked")
    body = clients.s3.get_object(Bucket="bucket", Key="out/links/output/output.tar.gz")["Body"].read()
    assert b"the secret" not in body
    assert secret.read_text() == "the secret"


@given(st.text())
def test_a_log_line_is_one_line(line: str) -> None:
    """After escaping no control character is left that could end or hide a line."""
    assert not any(ord(c) < 32 or ord(c) == 127 for c in escape(line.replace("\n", "")))


def test_a_log_without_end_is_cut(tmp_path: Path) -> None:
    """A job that never stops talking fills the disk up to a limit, and the log says where it was cut."""
    path = tmp_path / "log"
    with path.open("wb") as file:
        file.truncate(LOG_MAX - 50)  # a hole: nothing is really written
    log = Log(path)
    for _ in range(10):
        log.feed(b"x" * 100 + b"\n")
    log.close()
    assert path.stat().st_size < LOG_MAX + 300
    with path.open("rb") as file:
        file.seek(-100, 2)
        assert b"the rest is dropped" in file.read()


@given(st.text(max_size=30), st.text(max_size=100))
@settings(deadline=None)
def test_any_regex_and_line_give_numbers_or_nothing(regex: str, line: str) -> None:
    """A metric is a float whatever the definition."""
    for _, value in Scanner([{"Name": "m", "Regex": regex}]).feed(line, 1.0):
        assert isinstance(value, float)


@given(st.binary(max_size=300), st.text(max_size=10), st.integers(1, 5))
@settings(max_examples=200, deadline=None)
def test_any_log_file_and_token_can_be_read(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, token: str, limit: int
) -> None:
    """A damaged log gives events, a foreign token an error of the service."""
    path = tmp_path_factory.mktemp("log") / "log"
    path.write_bytes(data)

    class Jobs:
        def job(self, _: str) -> tuple[float, None]:
            return (1.0, None)

        def logged_jobs(self) -> list[str]:
            return ["j"]

    logs = TrainingLogs(Jobs(), lambda _: {"algo-1": path}, "arn:aws:sagemaker:us-east-1:123456789012")
    asked = {"logGroupName": "/aws/sagemaker/TrainingJobs", "logStreamName": "j/algo-1-1", "limit": limit}
    with _anything():
        logs.call("GetLogEvents", {**asked, "nextToken": token})
    seen: list[str] = []
    page = logs.call("GetLogEvents", {**asked, "startFromHead": True})
    while page["events"]:
        seen += [event["message"] for event in page["events"]]
        page = logs.call("GetLogEvents", {**asked, "nextToken": page["nextForwardToken"]})
    assert len(seen) == data.count(b"\n")


def test_nothing_of_all_this_ended_the_engine(clients: Clients) -> None:
    """The process that began the session still answers."""
    status = launch.status(clients.state_dir)
    assert status is not None
    assert status["url"] == clients.url
