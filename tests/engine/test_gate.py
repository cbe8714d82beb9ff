"""Who may reach the engine: a program that holds its keys. Pages, other users and who takes its port get nothing."""

from __future__ import annotations

import http.client
import json
import os
import pwd
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from sweeper.aws.clients import Clients as AwsClients
from sweeper.aws.clients import Endpoint, SageMakerApi
from sweeper.engine import launch
from sweeper.errors import ApiError, ApiErrorKind
from sweeper.run import connect
from sweeper.run.connect import engine_folder
from tests.forked import Forked, start_engine

from .conftest import FAST, Clients, request, wait_for


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def ask(clients: Clients, method: str, target: str, body: bytes = b"", **headers: str) -> Answer:
    """One raw request, as it stands."""
    address = urlsplit(clients.url)
    connection = http.client.HTTPConnection("127.0.0.1", address.port, timeout=30)
    connection.request(method, target, body, headers)
    answer = connection.getresponse()
    found = Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    connection.close()
    return found


def opened(clients: Clients, url: str, method: str = "GET", body: bytes = b"", **headers: str) -> Answer:
    """A presigned URL, opened by a program that knows nothing else."""
    parts = urlsplit(url)
    return ask(clients, method, url.partition(parts.netloc)[2], body, Host=parts.netloc, **headers)


WAYS = {
    "as boto3 does": Config(),
    "version 2": Config(signature_version="s3"),
    "version 4": Config(signature_version="s3v4"),
    "bucket in the host": Config(signature_version="s3v4", s3={"addressing_style": "virtual"}),
    "bucket in the host, version 2": Config(signature_version="s3", s3={"addressing_style": "virtual"}),
}
KEY = "presigned/a b/ü+%'()*!~c?d#e"


@pytest.fixture(params=WAYS)
def s3(clients: Clients, request: pytest.FixtureRequest) -> Any:
    """Clients of S3 that sign and address in each of the ways."""
    url = clients.url.replace("127.0.0.1", "localhost") if "host" in request.param else clients.url
    return clients.client("s3", config=WAYS[request.param], endpoint_url=url)


def test_a_presigned_url_is_good_for_what_it_was_made_for(clients: Clients, s3: Any) -> None:
    """Get and put by a program without credentials; another method, key or type, or a later time, is refused."""
    put = s3.generate_presigned_url("put_object", {"Bucket": "bucket", "Key": KEY, "ContentType": "text/plain"})
    assert opened(clients, put, "PUT", b"put", **{"Content-Type": "text/plain"}).status == 200
    assert opened(clients, put, "PUT", b"put", **{"Content-Type": "text/html"}).status == 403
    got = s3.generate_presigned_url("get_object", {"Bucket": "bucket", "Key": KEY, "ResponseContentType": "text/x y"})
    answer = opened(clients, got)
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, b"put", "text/x y")
    assert opened(clients, got, "DELETE").status == 403
    assert b"SignatureDoesNotMatch" in opened(clients, got.replace("presigned/a", "presigned/b")).body
    late = s3.generate_presigned_url("get_object", {"Bucket": "bucket", "Key": KEY}, ExpiresIn=-1)
    assert b"expired" in opened(clients, late).body


def test_a_presigned_form_posts_what_its_policy_allows(clients: Clients, s3: Any) -> None:
    """Not another key, not more bytes, not under another policy, and nothing that the policy does not name."""
    told = s3.generate_presigned_post("bucket", KEY, Conditions=[["content-length-range", 1, 10]])

    def posted(data: bytes = b"posted", **changes: str) -> int:
        fields = {**told["fields"], **changes}
        parts = [f'name="{name}"\r\n\r\n{value}'.encode() for name, value in fields.items()]
        parts.append(b'name="file"; filename="f"\r\n\r\n' + data)
        body = b"".join(b"--edge\r\nContent-Disposition: form-data; " + part + b"\r\n" for part in parts) + b"--edge--"
        kind = {"Content-Type": "multipart/form-data; boundary=edge"}
        return opened(clients, told["url"], "POST", body, **kind).status

    assert posted() == 204
    assert clients.s3.get_object(Bucket="bucket", Key=KEY)["Body"].read() == b"posted"
    assert posted(key="another") == 403
    assert posted(key="another", KEY=KEY) == 403
    assert posted(**{"x-amz-meta-a": "1"}) == 403
    assert posted(**{"x-ignore-a": "1"}) == 204
    assert posted(b"x" * 11) == 403
    assert posted(policy=told["fields"]["policy"][4:]) == 403
    named = {name: value for name, value in told["fields"].items() if "ignature" in name}
    assert posted(**dict.fromkeys(named, "0" * 64)) == 403


def test_what_sts_hands_out_is_good(clients: Clients) -> None:
    """The credentials of an assumed role, and a presigned question who one is."""
    role = clients.sts.assume_role(RoleArn="arn:aws:iam::123456789012:role/x", RoleSessionName="test")["Credentials"]
    told = {"access_key_id": "AccessKeyId", "secret_access_key": "SecretAccessKey", "session_token": "SessionToken"}
    assumed = clients.client("s3", **{f"aws_{name}": role[known] for name, known in told.items()})
    assert "bucket" in [bucket["Name"] for bucket in assumed.list_buckets()["Buckets"]]
    url = clients.sts.generate_presigned_url("get_caller_identity", HttpMethod="GET")
    assert b"123456789012" in opened(clients, url).body


JSON = ("MissingAuthenticationTokenException", "UnrecognizedClientException", "InvalidSignatureException")
QUERY = ("MissingAuthenticationToken", "InvalidClientTokenId", "SignatureDoesNotMatch")
XML = ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch")
CALLS = [
    ("sagemaker", "ListTrainingJobs", JSON),
    ("logs", "DescribeLogGroups", JSON),
    ("batch", "DescribeJobQueues", JSON),
    ("cloudwatch", "ListMetrics", JSON),
    ("service-quotas", "ListServices", JSON),
    ("sts", "GetCallerIdentity", QUERY),
    ("iam", "ListRoles", QUERY),
    ("s3", "ListBuckets", XML),
]


@pytest.mark.parametrize(("service", "operation", "codes"), CALLS)
def test_who_does_not_hold_the_keys_is_refused_in_the_words_of_each_service(
    clients: Clients, service: str, operation: str, codes: tuple[str, str, str]
) -> None:
    """Unsigned, signed with an unknown key, and with a wrong secret: 403 and a code that SDKs know."""
    strangers: list[dict[str, Any]] = [
        {"config": Config(signature_version=UNSIGNED)},
        {"aws_access_key_id": "local"},
        {"aws_secret_access_key": "local"},
    ]
    for changes, code in zip(strangers, codes, strict=True):
        with pytest.raises(ClientError) as refused:
            clients.client(service, **changes)._make_api_call(operation, {})
        error = refused.value.response
        assert (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]) == (code, 403)


@pytest.mark.parametrize(
    ("service", "operation", "params"),
    [
        ("ec2", "DescribeInstances", {}),
        ("lambda", "ListFunctions", {}),
        ("dynamodb", "ListTables", {}),
        ("cloudformation", "ListStacks", {}),
        ("cloudfront", "ListDistributions", {}),
        ("pricing", "DescribeServices", {}),
        ("sagemaker-runtime", "InvokeEndpoint", {"EndpointName": "e", "Body": b""}),
        ("service-quotas", "ListServices", {}),
    ],
)
def test_what_nobody_promised_is_refused_in_every_protocol(
    clients: Clients, service: str, operation: str, params: dict[str, Any]
) -> None:
    """400 that no client tries again, with the service's name in the words that its own SDK reads."""
    name = {"sagemaker-runtime": "sagemaker", "service-quotas": "servicequotas"}.get(service, service)
    with pytest.raises(ClientError, match=rf"The local engine does not emulate .*{name}") as refused:
        clients.client(service)._make_api_call(operation, params)
    error = refused.value.response
    assert error["Error"]["Code"] == "UnknownOperationException"
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_moto_has_no_door_of_its_own(clients: Clients) -> None:
    """Its pages are buckets that do not exist, and nothing is reset."""
    for path in ("/moto-api/data.json", "/latest/meta-data/iam", "/v20180820/jobs", "/favicon.ico"):
        signed = clients.signed("GET", path, service="s3")
        assert ask(clients, "GET", path).status == 403
        assert b"NoSuchBucket" in ask(clients, "GET", path, **signed).body
    signed = clients.signed("POST", "/moto-api/reset", service="s3")
    assert ask(clients, "POST", "/moto-api/reset", **signed).status >= 400
    assert "bucket" in [bucket["Name"] for bucket in clients.s3.list_buckets()["Buckets"]]


# What Chromium sends for a page on another port of loopback (`same-site`) or of another host (`cross-site`). The
# browser itself is tried in test_browser.py, where this machine has one.
PAGE = {
    "Connection": "keep-alive",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome Safari/537.36",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Accept-Language": "en-US,en;q=0.9",
}
IMAGE = {"Accept": "image/*,*/*;q=0.8", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
FETCH = {"Accept": "*/*", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}
FORM = {
    "Content-Type": "application/x-www-form-urlencoded",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
}


@pytest.mark.parametrize("site", ["same-site", "cross-site", "same-origin"])
@pytest.mark.parametrize("seen", [IMAGE, FETCH, FORM], ids=["image", "fetch", "form"])
def test_a_page_reads_nothing_even_with_a_presigned_url(clients: Clients, site: str, seen: dict[str, str]) -> None:
    """An image, a fetch or a form of a page: refused, nothing that a page may read, nothing that a cache may keep."""
    clients.s3.put_object(Bucket="bucket", Key="page", Body=b"the secret")
    url = clients.s3.generate_presigned_url("get_object", {"Bucket": "bucket", "Key": "page"})
    answer = opened(clients, url, **PAGE, **seen, **{"Sec-Fetch-Site": site})
    assert (answer.status, b"the secret" in answer.body) == (403, False)
    for told in (answer, opened(clients, url), opened(clients, url, **PAGE, **{"Sec-Fetch-Site": "none"})):
        assert [name for name in told.headers if name.startswith("access-control-")] == []
        assert told.headers["cache-control"] == "no-store"


def test_a_page_is_told_nothing_before_it_asks(clients: Clients) -> None:
    """No preflight is granted, no Origin passes, and a borrowed host name is not this machine's."""
    wants = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-amz-target"}
    signed = clients.signed("POST", "/", b"{}", **{"X-Amz-Target": "SageMaker.ListTrainingJobs"})
    assert ask(clients, "POST", "/", b"{}", **signed).status == 200
    for refused in ({"Origin": "http://example.com"}, {"Origin": "null"}, {"Host": "example.com"}):
        for answer in (
            ask(clients, "OPTIONS", "/", **refused, **wants),
            ask(clients, "POST", "/", b"{}", **signed, **refused),
        ):
            assert answer.status == 403
            assert not any(name.startswith("access-control-") for name in answer.headers)


def become_nobody() -> None:
    """In a new process: be another user of this machine."""
    nobody = pwd.getpwnam("nobody")
    os.setgroups([])
    os.setgid(nobody.pw_gid)
    os.setuid(nobody.pw_uid)


def stranger(arguments: list[str]) -> int:
    """What another user can try: find the port, ask without keys and with invented ones, read the files."""
    state, port, tried = Path(arguments[0]), int(arguments[1]), {}
    listening = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    assert f"0100007F:{port:04X}" in [words[1] for words in listening if words[3] == "0A"]
    create = {"X-Amz-Target": "SageMaker.CreateTrainingJob"}
    scope = "local/20260101/us-east-1/sagemaker/aws4_request"
    invented = {"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"}
    asked = [
        ("GET", "/_engine/health", {}),
        ("GET", "/_engine/status", {}),
        ("GET", "/bucket/page", {}),
        ("POST", "/", create),
        ("POST", "/", {**create, **invented, "X-Amz-Date": time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())}),
        ("POST", "/moto-api/reset", {}),
    ]
    for number, (method, path, headers) in enumerate(asked):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request(method, path, arguments[2], headers)
        answer = connection.getresponse()
        tried[f"{number} {method} {path}"] = f"{answer.status} {answer.read().decode()}"
    for path in (state.parent, state, state / "engine.json", state / "credentials", state / "s3"):
        try:
            tried[str(path)] = f"{list(path.iterdir()) if path.is_dir() else path.read_bytes()}"
        except PermissionError:
            tried[str(path)] = "closed"
    sys.stdout.write(json.dumps(tried))
    return 0


@pytest.fixture
def project() -> Iterator[Path]:
    """A project in a folder that everybody may enter."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
        launch.stop(Path(folder) / ".sweeper/engine")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
def test_another_user_of_the_machine_gets_nothing(project: Path) -> None:
    """Who finds the port as `nobody` neither starts a job nor reads anything, over HTTP or on disk."""
    state = engine_folder(project)
    connect.local(project, {}, None)
    engine = Clients(start_engine(state, FAST), state)
    engine.s3.create_bucket(Bucket="bucket")
    engine.s3.put_object(Bucket="bucket", Key="page", Body=b"the secret")
    arguments = [str(state), str(urlsplit(engine.url).port), json.dumps(request("stranger"))]
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    said, complained = Forked(stranger, arguments, cwd="/", env={}, preexec_fn=become_nobody, **streams).communicate(
        timeout=60
    )
    assert not complained
    tried = json.loads(said)
    reached = {name: told for name, told in tried.items() if " " in name}
    assert {told[:3] for told in reached.values()} == {"403"}
    assert not any(word in told for told in reached.values() for word in ("the secret", engine.engine.id))
    assert {told for name, told in tried.items() if " " not in name} == {"closed"}
    status = launch.status(state)
    assert status is not None
    assert status["jobs"] == []


class Impostor:
    """Answers everything that it is asked with what it was told to, and remembers what was said."""

    def __init__(self, port: int, answer: dict[str, Any]) -> None:
        self.heard = heard = bytearray()
        told = json.dumps(answer).encode()

        class Handler(BaseHTTPRequestHandler):
            def do_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                heard.extend(self.raw_requestline + bytes(self.headers) + body)
                self.send_response(200)
                self.send_header("Content-Length", str(len(told)))
                self.send_header(launch.PROOF, "0" * 64)
                self.end_headers()
                self.wfile.write(told)

            do_GET = do_POST = do_PUT = do_any  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Leave the port."""
        self._server.shutdown()
        self._server.server_close()


def test_who_takes_the_port_of_a_killed_engine_is_neither_asked_nor_believed(tmp_path: Path) -> None:
    """Its lock tells that the engine is dead: no request reaches the impostor, and the next engine is elsewhere."""
    info = start_engine(tmp_path, FAST)
    told = (tmp_path / "engine.json").read_bytes()
    os.kill(info.pid, signal.SIGKILL)
    wait_for(lambda: not launch.still_runs(tmp_path, info))
    impostor = Impostor(urlsplit(info.url).port or 0, {"id": info.id, "pid": info.pid, "jobs": []})
    try:
        assert (tmp_path / "engine.json").read_bytes() == told
        assert (launch.status(tmp_path), launch.find(tmp_path), launch.stop(tmp_path)) == (None, None, False)
        later = start_engine(tmp_path, FAST)
        assert later.url != info.url
        assert later.client_options["aws_secret_access_key"] == info.secret_key  # its jobs hold it
        assert not impostor.heard
    finally:
        impostor.close()
        launch.stop(tmp_path)


def test_a_call_that_was_under_way_is_not_tried_again_on_an_impostor(tmp_path: Path) -> None:
    """botocore tries a question five times: when the engine dies meanwhile, the next one in its place is not asked."""
    info = start_engine(tmp_path, {**FAST, "faults": {"lost_before": 1.0}})
    clients, taken = AwsClients(Endpoint.local(info)), list[Impostor]()

    def swap(**_: Any) -> None:
        """Between the first attempt, which was lost, and the second."""
        if taken:
            return
        os.kill(info.pid, signal.SIGKILL)
        wait_for(lambda: not info.lives())
        taken.append(Impostor(urlsplit(info.url).port or 0, {"TrainingJobStatus": "Completed"}))

    clients.asking.meta.events.register("response-received.sagemaker", swap)
    try:
        with pytest.raises(ApiError, match="EngineEnded") as ended:
            SageMakerApi(lambda: clients).describe_training_job("x")
        assert ended.value.kind is ApiErrorKind.UNAVAILABLE
        assert not taken[0].heard
    finally:
        for impostor in taken:
            impostor.close()
        launch.stop(tmp_path)


def test_whoever_answers_in_place_of_a_living_engine_is_not_believed_and_learns_no_secret(tmp_path: Path) -> None:
    """Where engine.json leads to another one, its answer is not proven, and what it was asked has no secret in it."""
    info = start_engine(tmp_path, FAST)
    impostor = Impostor(0, {"id": info.id, "pid": info.pid, "jobs": []})
    known = (tmp_path / "engine.json").read_text()
    try:
        (tmp_path / "engine.json").write_text(json.dumps({**json.loads(known), "url": impostor.url}))
        assert launch.find(tmp_path) is None
        assert b"GET /_engine/health" in impostor.heard
        assert info.secret_key.encode() not in impostor.heard
    finally:
        (tmp_path / "engine.json").write_text(known)
        impostor.close()
        launch.stop(tmp_path)
