"""What jobs read goes to S3 once for a content, in no more memory than a part takes, into no bucket of another's."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config

from sweeper.aws.clients import Clients, Endpoint
from sweeper.aws.staging import Located, Staging
from sweeper.aws.upload import Bucket
from sweeper.core.scope import EngineKind, Scope
from sweeper.engine import launch
from sweeper.errors import ApiError, ApiErrorKind, UsageError
from sweeper.record.parcel import Parcel
from tests.forked import start_engine

ACCOUNT, OTHER = "123456789012", "999999999999"
BUCKET = f"sagemaker-us-east-1-{ACCOUNT}"
JOB = {"launch": "driver", "source_dir": "code", "entry_script": "train.py"}
DATA = {"launch": "image", "image_uri": "x", "inputs": {"train": "data"}}


def scope(account: str = ACCOUNT) -> Scope:
    """Where a sweep happens."""
    return Scope(EngineKind.AWS, account, "us-east-1")


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    """Clients of an engine, which send as they send to S3 itself."""
    folder = tmp_path_factory.mktemp("engine")
    info = start_engine(folder, {})
    yield Clients(Endpoint(info.url, info.region, access_key=info.access_key, secret_key=info.secret_key))
    launch.stop(folder)


@pytest.fixture
def stage(clients: Clients, tmp_path: Path) -> Callable[..., Any]:
    """Stages one project for a sweep of this name; each call is another invocation."""
    for name in ("code/train.py", "data/x.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(tmp_path.name)

    def staged(job: dict[str, Any], sweep: str = "one", by: Clients = clients, account: str = ACCOUNT) -> Any:
        return Staging(lambda: by, scope(account), sweep, tmp_path)({"job": job})

    return staged


def objects(clients: Clients, bucket: str = BUCKET) -> dict[str, Any]:
    """Every object of a bucket, and when it was written."""
    found = clients.client("s3").list_objects_v2(Bucket=bucket).get("Contents", [])
    return {one["Key"]: one["LastModified"] for one in found}


def test_a_content_is_sent_once_whatever_the_sweep(clients: Clients, stage: Callable[..., Any], tmp_path: Path) -> None:
    """Code and data of another sweep that are the same lie there already; where they lie is what a plan shows."""
    first, data = stage(JOB), stage(DATA)
    there = objects(clients)
    again = stage(JOB, "two")
    assert (again.source, stage(DATA, "two").inputs) == (first.source, data.inputs)
    assert objects(clients) == there
    assert (again.output, first.output) == (f"s3://{BUCKET}/sweeper/two", f"s3://{BUCKET}/sweeper/one")
    planned = Located(lambda: clients, scope(), "three", tmp_path)
    assert (planned({"job": JOB}).source, planned({"job": DATA}).inputs) == (first.source, data.inputs)


def test_what_is_encrypted_with_a_key_is_another_object(clients: Clients, stage: Callable[..., Any]) -> None:
    """SSE-KMS where it was asked for: never what lies there under another key, or under none."""
    plain, secret = (stage({**JOB, **more}).source for more in ({}, {"output_kms_key_id": "alias/mine"}))
    assert plain != secret

    def head(source: str) -> Any:
        key = f"{source}/source.tar.gz".removeprefix(f"s3://{BUCKET}/")
        return clients.client("s3").head_object(Bucket=BUCKET, Key=key)

    assert (head(secret)["ServerSideEncryption"], head(secret)["SSEKMSKeyId"]) == ("aws:kms", "alias/mine")
    assert head(plain).get("SSEKMSKeyId") is None


def test_the_default_bucket_is_the_callers_own_or_nothing_is_sent(
    clients: Clients, stage: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name can be guessed: who made it first in another account gets no code."""
    squatted = f"sagemaker-us-east-1-{OTHER}"
    clients.client("s3").create_bucket(Bucket=squatted)  # by the engine's account, which is another than the caller's
    with pytest.raises(ApiError, match=f"must belong to account {OTHER}") as error:
        stage(JOB, by=elsewhere(clients, tmp_path, monkeypatch), account=OTHER)
    assert error.value.kind is ApiErrorKind.DENIED
    assert objects(clients, squatted) == {}


def elsewhere(
    clients: Clients, folder: Path, monkeypatch: pytest.MonkeyPatch, account: str = OTHER, **asked: int
) -> Clients:
    """Whom a role of the other account was given to."""
    role = {"RoleArn": f"arn:aws:iam::{account}:role/x", "RoleSessionName": "elsewhere"}
    given = clients.session.client(
        "sts",
        endpoint_url=clients.client("sts").meta.endpoint_url,
        config=Config(parameter_validation=False),  # a role for no time at all
    ).assume_role(**role, **asked)["Credentials"]
    keys = {"access_key_id": "AccessKeyId", "secret_access_key": "SecretAccessKey", "session_token": "SessionToken"}
    told = "".join(f"aws_{name} = {given[known]}\n" for name, known in keys.items())
    (folder / "credentials").write_text(f"[other]\n{told}", encoding="utf-8")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "credentials"))
    return Clients(Endpoint(str(clients.client("s3").meta.endpoint_url), "us-east-1", profile="other"))


def test_credentials_that_have_run_out_are_told_from_a_bad_request(
    clients: Clients, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3 answers a HEAD with 400 and no body: what is wrong is asked of STS, and waited for."""
    ended = elsewhere(clients, tmp_path, monkeypatch, ACCOUNT, DurationSeconds=0)
    bucket = Bucket(lambda: ended, BUCKET, ACCOUNT)
    for look in (bucket.is_there, lambda: bucket.holds("x")):
        with pytest.raises(ApiError, match="renew those of the profile other") as error:
            look()
        assert error.value.kind is ApiErrorKind.EXPIRED


def test_nothing_is_staged_by_the_credentials_of_another_account(
    clients: Clients, stage: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Renewed to those of another account: a wait for the right ones; no bucket is made there, nothing is sent."""
    with pytest.raises(ApiError, match=f"the credentials are of account {OTHER}; take those of {ACCOUNT}") as error:
        stage({**JOB, "output_path": "s3://not-there-yet/x"}, by=elsewhere(clients, tmp_path, monkeypatch))
    assert error.value.kind is ApiErrorKind.WRONG_ACCOUNT
    assert "not-there-yet" not in [one["Name"] for one in clients.client("s3").list_buckets()["Buckets"]]


@pytest.mark.parametrize("owner", [None, ACCOUNT, OTHER])
def test_a_named_bucket_belongs_to_the_account_that_is_said(
    clients: Clients, stage: Callable[..., Any], owner: str | None
) -> None:
    """Nothing said, nothing asked: a team's bucket may be of another account."""
    clients.client("s3").create_bucket(Bucket="team")
    job = {**JOB, "output_path": f"s3://team/{owner}", "expected_bucket_owner": owner}
    if owner == OTHER:
        with pytest.raises(ApiError, match=f"s3://team, which must belong to account {OTHER}"):
            stage(job)
    else:
        assert stage(job).source.startswith(f"s3://team/{owner}/_sources/")


def test_a_large_file_is_sent_in_parts_and_never_held(
    clients: Clients, stage: Callable[..., Any], tmp_path: Path
) -> None:
    """Of 34 MB not a quarter is in memory at any moment; it arrives whole."""
    with (tmp_path / "data/big.bin").open("wb") as file:
        os.truncate(file.fileno(), 34_000_000)
    stage(JOB)  # what is imported and made once does not count
    tracemalloc.start()
    try:
        where = stage(DATA).inputs["train"]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8_000_000
    key = f"{where}big.bin".removeprefix(f"s3://{BUCKET}/")
    sent = clients.client("s3").head_object(Bucket=BUCKET, Key=key)
    assert (sent["ContentLength"], sent["ETag"].strip('"')[-2:]) == (34_000_000, "-3")


def test_what_changes_under_way_is_not_taken_for_what_was_looked_at(clients: Clients, tmp_path: Path) -> None:
    """A file that is written while it is sent: nobody finds it under the name of the content before."""
    clients.client("s3").create_bucket(Bucket="changing")
    (tmp_path / "x").write_text("before")
    parcel, staging = Parcel({"x": tmp_path / "x"}), Staging(lambda: clients, scope(), "s", tmp_path)
    assert parcel.digest
    (tmp_path / "x").write_text("after")
    with pytest.raises(UsageError, match="has changed while it was sent"):
        staging._send(Bucket(lambda: clients, "changing"), "p", parcel)
    assert list(objects(clients, "changing")) == ["p/x"]


def test_a_folder_that_cannot_be_sent_is_told(stage: Callable[..., Any], tmp_path: Path) -> None:
    """A swept one is met when its trial comes: too large, or not there."""
    with pytest.raises(UsageError, match=r"at most 1e-06 MB are sent: x\.csv"):
        stage({**DATA, "max_input_mb": 0.000001})
    with pytest.raises(UsageError, match="gone"):
        stage({**DATA, "inputs": {"train": "gone"}})
