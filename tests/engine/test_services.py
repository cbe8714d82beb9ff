"""What is behind the same port: quotas, policies, CloudWatch, S3 and logs."""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import tempfile
import urllib.request
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sweeper.engine.around.log_patterns import matcher
from sweeper.engine.errors import ServiceError

from .conftest import Clients

GROUP = "/aws/sagemaker/TrainingJobs"


def test_quotas_have_defaults_and_applied_values(clients: Clients) -> None:
    """ListServiceQuotas leaves out what was never applied; the defaults list has every type and use."""
    quotas = clients.client("service-quotas")
    applied = quotas.list_service_quotas(ServiceCode="sagemaker")["Quotas"]
    assert applied == []
    pages = quotas.get_paginator("list_aws_default_service_quotas").paginate(ServiceCode="sagemaker")
    found = {quota["QuotaName"]: quota for page in pages for quota in page["Quotas"]}
    warm = found["ml.m5.4xlarge for training warm pool usage"]
    assert (warm["QuotaCode"], warm["Value"]) == ("L-03767DF9", 100.0)
    code = found["ml.g5.xlarge for training job usage"]["QuotaCode"]
    got = quotas.get_aws_default_service_quota(ServiceCode="sagemaker", QuotaCode=code)["Quota"]
    assert got["QuotaName"] == "ml.g5.xlarge for training job usage"
    for unapplied in ("L-0", code):
        with pytest.raises(ClientError, match="NoSuchResourceException"):
            quotas.get_service_quota(ServiceCode="sagemaker", QuotaCode=unapplied)


def test_every_policy_is_allowed(clients: Clients) -> None:
    """The engine allows everything and takes any role: SimulatePrincipalPolicy and GetRole say so."""
    iam = clients.client("iam")
    answer = iam.simulate_principal_policy(
        PolicySourceArn="arn:aws:iam::123456789012:role/x",
        ActionNames=["sagemaker:CreateTrainingJob", "sagemaker:UpdateTrainingJob"],
    )
    decisions = {r["EvalActionName"]: r["EvalDecision"] for r in answer["EvaluationResults"]}
    assert decisions == {"sagemaker:CreateTrainingJob": "allowed", "sagemaker:UpdateTrainingJob": "allowed"}
    role = iam.get_role(RoleName="anybody")["Role"]
    assert role["Arn"] == "arn:aws:iam::123456789012:role/anybody"
    trust = role["AssumeRolePolicyDocument"]["Statement"][0]
    assert trust["Principal"] == {"Service": "sagemaker.amazonaws.com"}
    assert iam.list_roles()["Roles"] == []
    iam.create_role(RoleName="mine", AssumeRolePolicyDocument="{}", Description="a real one")
    assert iam.get_role(RoleName="mine")["Role"]["Description"] == "a real one"
    iam.delete_role(RoleName="mine")


def test_cloudwatch_has_the_series_of_a_metric(clients: Clients) -> None:
    """Every point of the log is a datum of the job's metric."""
    definitions = {"MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9.]+)"}]}
    clients.run("series", "for x in (3, 2, 1): print(f'loss={x}')", algorithm=definitions)
    clients.ended("series")
    watch = clients.client("cloudwatch")
    now = datetime.now(timezone.utc)
    asked: dict[str, Any] = {
        "Namespace": GROUP,
        "MetricName": "loss",
        "Dimensions": [{"Name": "TrainingJobName", "Value": "series"}],
        "StartTime": now - timedelta(hours=1),
        "EndTime": now + timedelta(hours=1),
        "Period": 3600,
        "Statistics": ["SampleCount", "Minimum", "Maximum", "Sum"],
    }
    for _ in range(2):  # asking again adds nothing
        points = watch.get_metric_statistics(**asked)["Datapoints"]
        assert sum(point["SampleCount"] for point in points) == 3
        assert sum(point["Sum"] for point in points) == 6
    assert "series" in str(watch.list_metrics(Namespace=GROUP)["Metrics"])


def test_metrics_survive_odd_definitions_and_lines(clients: Clients) -> None:
    """Two groups, none, a regex that does not compile, and captures that are no numbers."""
    definitions = [
        {"Name": "two", "Regex": r"'eval_loss': ([0-9]+(.|e\-)[0-9]+),?"},
        {"Name": "none", "Regex": "<><><>"},
        {"Name": "broken", "Regex": "(["},
        {"Name": "greedy", "Regex": r"#011train-auc:(\S+)"},
        {"Name": "auc", "Regex": r".*\[[0-9]+\].*#011validation-auc:(\S+)"},
        {"Name": "nan", "Regex": r"nan_loss=(\S+)"},
        {"Name": "repeated", "Regex": r"r=([0-9]+)"},
    ]
    script = (
        "print(\"{'eval_loss': 0.25, 'x': 1} <><><>\")\n"
        "print('[7]\\ttrain-auc:0.99\\tvalidation-auc:0.98')\n"
        "print('nan_loss=nan')\nprint('r=1 r=2')\n"
        "import sys; sys.stdout.buffer.write(b'\\xff\\xfe\\x00 not utf-8\\r\\n')\n"
    )
    clients.run("odd", script, algorithm={"MetricDefinitions": definitions})
    found = {m["MetricName"]: m["Value"] for m in clients.ended("odd")["FinalMetricDataList"]}
    assert set(found) == {"two", "auc", "nan", "repeated"}
    assert (found["two"], found["repeated"]) == (0.25, 2.0)
    assert found["auc"] == pytest.approx(0.98)
    assert found["nan"] != found["nan"]
    assert clients.log("odd")[-1] == "\ufffd\ufffd#000 not utf-8#015"


def test_logs_can_be_paged_forwards_and_backwards(clients: Clients) -> None:
    """Tokens go on where the last page ended; at the end the token repeats."""
    clients.run("paged", "for n in range(10): print('line', n)")
    clients.ended("paged")
    logs = clients.logs
    stream = logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix="paged/")["logStreams"][0]
    asked = {"logGroupName": GROUP, "logStreamName": stream["logStreamName"]}
    assert GROUP in [g["logGroupName"] for g in logs.describe_log_groups(logGroupNamePrefix="/aws/")["logGroups"]]
    first = logs.get_log_events(**asked, limit=4, startFromHead=True)
    assert [e["message"] for e in first["events"]] == [f"line {n}" for n in range(4)]
    second = logs.get_log_events(**asked, nextToken=first["nextForwardToken"])
    assert [e["message"] for e in second["events"]] == [f"line {n}" for n in range(4, 10)]
    third = logs.get_log_events(**asked, nextToken=second["nextForwardToken"])
    assert (third["events"], third["nextForwardToken"]) == ([], second["nextForwardToken"])
    last = logs.get_log_events(**asked, limit=3)
    assert [e["message"] for e in last["events"]] == ["line 7", "line 8", "line 9"]
    before = logs.get_log_events(**asked, limit=3, nextToken=last["nextBackwardToken"])
    assert [e["message"] for e in before["events"]] == ["line 4", "line 5", "line 6"]
    found = logs.filter_log_events(logGroupName=GROUP, logStreamNamePrefix="paged/", filterPattern='"line 3"')
    assert [e["message"] for e in found["events"]] == ["line 3"]
    assert stream["firstEventTimestamp"] <= stream["lastEventTimestamp"]
    for missing in ("paged/algo-1-0", "nobody/algo-1-1"):
        with pytest.raises(ClientError, match="log stream does not exist"):
            logs.get_log_events(logGroupName=GROUP, logStreamName=missing)


def test_log_streams_are_found_by_their_last_event_and_by_every_name_of_their_group(clients: Clients) -> None:
    """The order is obeyed; the group may be named by its ARN; what the service refuses is refused."""
    for name in ("order-b", "order-a", "order-c"):
        clients.run(name, f"print('{name}')")
        clients.ended(name)
    arn = f"arn:aws:logs:us-east-1:123456789012:log-group:{GROUP}"
    for named in ({"logGroupName": GROUP}, {"logGroupIdentifier": GROUP}, {"logGroupIdentifier": arn}):
        pages = clients.logs.get_paginator("describe_log_streams")
        told = [
            stream["logStreamName"].partition("/")[0]
            for page in pages.paginate(**named, orderBy="LastEventTime", descending=True)
            for stream in page["logStreams"]
        ]
        assert [name for name in told if name.startswith("order-")] == ["order-c", "order-a", "order-b"]
    logs, here = clients.logs, {"logGroupName": GROUP}
    stream = f"{told[0]}/algo-1-0"
    for refused in (
        lambda: logs.describe_log_streams(**here, orderBy="LastEventTime", logStreamNamePrefix="order"),
        lambda: logs.describe_log_streams(**here, limit=51),
        lambda: logs.filter_log_events(**here, logStreamNames=[stream], logStreamNamePrefix="order"),
        lambda: logs.filter_log_events(**here, limit=10_001),
        lambda: logs.filter_log_events(**here, startFromHead=False),
        lambda: logs.get_log_events(**here, logGroupIdentifier=arn, logStreamName=stream),
    ):
        with pytest.raises(ClientError, match="InvalidParameterException"):
            refused()
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        logs.filter_log_events(**here, logStreamNames=[stream])


LINES = ("ERROR 42 at step_1", "WARN at step_2", "INFO all is well", 'it said "no"')


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("", [0, 1, 2, 3]),
        ("at", [0, 1]),
        ("at ERROR", [0]),
        ('"at step_2"', [1]),
        ('"at is"', []),
        ("?ERROR ?WARN", [0, 1]),
        ('?"is well" ?WARN', [1, 2]),
        ("-at", [2, 3]),
        ('at -"ERROR 42"', [1]),
        ("?ERROR ?WARN well", [2]),
        (r'"\"no\""', [3]),
        ("%step_[0-9]$%", [0, 1]),
        (r"%[A-Z]+\s\d{2}%", [0]),
    ],
)
def test_a_filter_pattern_is_obeyed(pattern: str, found: list[int]) -> None:
    """Terms, phrases, alternatives, exclusions and a regular expression; alternatives count where they are alone."""
    matches = matcher(pattern)
    assert [n for n, line in enumerate(LINES) if matches(line)] == found


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ('{ $.a = "b" }', "does not emulate filter patterns for JSON"),
        ("[a, b=4*]", "does not emulate filter patterns for space-delimited"),
        ("step=1", r"Invalid character\(s\) in term 'step=1'"),
        ('"open', r"Invalid character\(s\)"),
        ('"a"b', r"Invalid character\(s\)"),
        ("%(a)%", r"Invalid character\(s\)"),
        ("%something!%", r"Invalid character\(s\)"),
        ("%[a%", "is no regular expression"),
        ("ERROR %a%", r"Invalid character\(s\)"),
    ],
)
def test_a_filter_pattern_that_is_not_understood_is_refused(pattern: str, why: str) -> None:
    """It never finds nothing in silence."""
    with pytest.raises(ServiceError, match=f"InvalidParameterException: .*{why}"):
        matcher(pattern)


def test_other_log_groups_are_motos(clients: Clients) -> None:
    """A group of the user's own works as ever."""
    clients.logs.create_log_group(logGroupName="mine")
    clients.logs.create_log_stream(logGroupName="mine", logStreamName="s")
    assert clients.logs.describe_log_streams(logGroupName="mine")["logStreams"][0]["logStreamName"] == "s"


@pytest.mark.parametrize("key", ["a b/ü+%/c?d#e", "x//y", "../up", "/lead"])
def test_objects_of_any_name_are_kept_by_name(clients: Clients, key: str) -> None:
    """What a key looks like has nothing to do with where its bytes are."""
    clients.s3.put_object(Bucket="bucket", Key=key, Body=key.encode(), Metadata={"a": "b"}, ContentType="text/x")
    found = clients.s3.get_object(Bucket="bucket", Key=key)
    assert (found["Body"].read(), found["Metadata"], found["ContentType"]) == (key.encode(), {"a": "b"}, "text/x")
    clients.s3.copy_object(Bucket="bucket", Key="copied", CopySource={"Bucket": "bucket", "Key": key})
    clients.s3.delete_objects(Bucket="bucket", Delete={"Objects": [{"Key": key}]})
    with pytest.raises(ClientError, match="NoSuchKey"):
        clients.s3.get_object(Bucket="bucket", Key=key)
    assert clients.s3.get_object(Bucket="bucket", Key="copied")["Body"].read() == key.encode()


def test_multipart_uploads_and_conditions(clients: Clients) -> None:
    """Large uploads arrive whole; a conditional put refuses to overwrite."""
    part = b"x" * (5 << 20)
    upload = clients.s3.create_multipart_upload(Bucket="bucket", Key="big")["UploadId"]
    asked = {"Bucket": "bucket", "Key": "big", "UploadId": upload}
    tags = [clients.s3.upload_part(**asked, PartNumber=n, Body=part)["ETag"] for n in (1, 2)]
    parts = [{"ETag": tag, "PartNumber": n} for n, tag in enumerate(tags, start=1)]
    clients.s3.complete_multipart_upload(**asked, MultipartUpload={"Parts": parts})
    assert clients.s3.get_object(Bucket="bucket", Key="big", Range="bytes=0-9")["Body"].read() == b"x" * 10
    assert clients.s3.head_object(Bucket="bucket", Key="big")["ContentLength"] == len(part) * 2
    with pytest.raises(ClientError, match="PreconditionFailed"):
        clients.s3.put_object(Bucket="bucket", Key="big", Body=b"", IfNoneMatch="*")
    clients.s3.delete_object(Bucket="bucket", Key="big")


def test_buckets_may_be_named_in_the_host(clients: Clients) -> None:
    """A client with the address `localhost` puts the bucket into the host's name; its objects are kept all the same."""
    port = clients.url.rpartition(":")[2]
    s3 = clients.client("s3", endpoint_url=f"http://localhost:{port}")
    s3.put_object(Bucket="bucket", Key="by/host", Body=b"x")
    assert clients.s3.get_object(Bucket="bucket", Key="by/host")["Body"].read() == b"x"
    with sqlite3.connect(clients.state_dir / "s3/index.db") as index:
        assert index.execute("SELECT size FROM objects WHERE key='by/host'").fetchone() == (1,)
    index.close()


def test_a_client_of_another_region_is_told_so(clients: Clients) -> None:
    """Jobs, logs, metrics, quotas and queues are those of one Region; it gets none of them rather than a part."""
    asked = {
        "sagemaker": lambda it: it.list_training_jobs(),
        "logs": lambda it: it.describe_log_groups(),
        "cloudwatch": lambda it: it.list_metrics(),
        "batch": lambda it: it.list_scheduling_policies(),
        "service-quotas": lambda it: it.list_service_quotas(ServiceCode="sagemaker"),
    }
    for service, call in asked.items():
        with pytest.raises(ClientError, match="valid Region, not 'eu-west-1': this engine is of us-east-1") as caught:
            call(clients.client(service, region_name="eu-west-1"))
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    abroad = clients.client("s3", region_name="eu-west-1")
    assert "bucket" in [bucket["Name"] for bucket in abroad.list_buckets()["Buckets"]]
    assert clients.client("sts", region_name="eu-west-1").get_caller_identity()["Account"] == "123456789012"


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/x"])
def test_an_object_is_stored_as_it_came_whatever_type_it_says(clients: Clients, kind: str) -> None:
    """The type that curl and urllib send by themselves is no reason to read an object as a form; it is kept."""
    body = b"key=value&file=\x00\xff" * 1000
    clients.s3.put_object(Bucket="bucket", Key="form", Body=body, ContentType=kind)
    found = clients.s3.get_object(Bucket="bucket", Key="form")
    assert (found["Body"].read(), found["ContentType"]) == (body, kind)
    asked = {"Bucket": "bucket", "Key": "presigned", "ContentType": kind}
    url = clients.s3.generate_presigned_url("put_object", Params=asked)
    with urllib.request.urlopen(urllib.request.Request(url, body, {"Content-Type": kind}, method="PUT")) as answer:
        assert answer.status == 200
    head = clients.s3.head_object(Bucket="bucket", Key="presigned")
    assert (head["ContentLength"], head["ETag"]) == (len(body), f'"{hashlib.md5(body).hexdigest()}"')
    with contextlib.closing(sqlite3.connect(clients.state_dir / "s3/index.db")) as index:
        sizes = index.execute("SELECT size FROM objects WHERE key IN ('form', 'presigned')").fetchall()
    assert sizes == [(len(body),)] * 2


def test_what_is_put_is_put_under_its_conditions_and_properties(clients: Clients) -> None:
    """A refused one leaves the object as it was and nothing on disk; metadata, tags and checksums are kept."""
    s3, there = clients.s3, {"Bucket": "bucket", "Key": "conditional"}
    first = s3.put_object(**there, Body=b"first", Metadata={"m": "1"}, Tagging="t=1", ChecksumAlgorithm="SHA256")
    files = sorted((clients.state_dir / "s3/objects").iterdir())
    for refused in ({"IfNoneMatch": "*"}, {"IfMatch": '"other"'}):
        with pytest.raises(ClientError, match="PreconditionFailed"):
            s3.put_object(**there, Body=b"second", **refused)
    with pytest.raises(ClientError, match="NoSuchBucket"):
        s3.put_object(Bucket="no-such-bucket", Key="x", Body=b"x")
    assert sorted((clients.state_dir / "s3/objects").iterdir()) == files
    found = s3.get_object(**there, ChecksumMode="ENABLED")
    assert (found["Body"].read(), found["Metadata"], found["TagCount"]) == (b"first", {"m": "1"}, 1)
    assert found["ChecksumSHA256"] == first["ChecksumSHA256"]
    s3.put_object_tagging(**there, Tagging={"TagSet": [{"Key": "t", "Value": "2"}]})  # a PUT that is no object
    assert s3.get_object(**there)["Body"].read() == b"first"
    second = s3.put_object(**there, Body=b"second", IfMatch=first["ETag"])
    assert s3.head_object(**there)["ETag"] == second["ETag"] == f'"{hashlib.md5(b"second").hexdigest()}"'
    assert len(list((clients.state_dir / "s3/objects").iterdir())) == len(files)


def test_a_large_object_is_never_whole_in_memory(clients: Clients) -> None:
    """Put to S3 or left by a job: it goes to disk block by block."""
    size, pid = 96 << 20, clients.engine.pid
    before = resident(pid)
    with tempfile.TemporaryFile() as file:
        file.truncate(size)
        Path(f"/proc/{pid}/clear_refs").write_text("5")  # the highest so far is forgotten
        clients.s3.put_object(Bucket="bucket", Key="large", Body=file)
    assert clients.s3.head_object(Bucket="bucket", Key="large")["ContentLength"] == size
    assert resident(pid) < before + (size >> 11)
    clients.s3.delete_object(Bucket="bucket", Key="large")


def resident(pid: int) -> int:
    """The most memory that a process has held, in KiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))


def test_a_role_that_is_not_there_is_nobody_to_simulate(clients: Clients) -> None:
    """An ARN without the path of its role, or of another account, names no role; a session's role has its path."""
    iam, prefix = clients.client("iam"), "arn:aws:iam::123456789012:role"
    iam.create_role(RoleName="deep", Path="/service-role/", AssumeRolePolicyDocument="{}")

    def simulated(arn: str) -> str:
        answer = iam.simulate_principal_policy(PolicySourceArn=arn, ActionNames=["sagemaker:StopTrainingJob"])
        return str(answer["EvaluationResults"][0]["EvalDecision"])

    try:
        assert iam.get_role(RoleName="deep")["Role"]["Arn"] == f"{prefix}/service-role/deep"
        assert simulated(f"{prefix}/service-role/deep") == simulated(f"{prefix}/nobody-made-it") == "allowed"
        for arn in (f"{prefix}/deep", f"{prefix}/service-role/other", "arn:aws:iam::210987654321:role/x"):
            with pytest.raises(ClientError) as refused:
                simulated(arn)
            assert refused.value.response["Error"]["Code"] == "NoSuchEntity"
    finally:
        iam.delete_role(RoleName="deep")


def test_an_image_that_nobody_has_pushed_is_there(clients: Clients) -> None:
    """By its tag or digest, in any repository that nobody has made; one that was made has what it has."""
    ecr = clients.client("ecr")
    asked = [{"imageTag": "1"}, {"imageDigest": f"sha256:{'0' * 64}"}]
    found = ecr.describe_images(repositoryName="any", registryId="763104351884", imageIds=asked)["imageDetails"]
    assert [(one["registryId"], one.get("imageTags")) for one in found] == [
        ("763104351884", ["1"]),
        ("763104351884", None),
    ]
    assert found[1]["imageDigest"] == asked[1]["imageDigest"]
    ecr.create_repository(repositoryName="made")
    with pytest.raises(ClientError, match="ImageNotFoundException"):
        ecr.describe_images(repositoryName="made", imageIds=[{"imageTag": "1"}])
    ecr.delete_repository(repositoryName="made")


def test_a_bucket_is_of_its_region_and_encrypts(clients: Clients) -> None:
    """Whoever asks by the wrong owner is refused; S3 encrypts where nobody says how, and as it is told."""
    clients.s3.create_bucket(Bucket="far", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    head = clients.s3.head_bucket(Bucket="far", ExpectedBucketOwner="123456789012")
    assert head["ResponseMetadata"]["HTTPHeaders"]["x-amz-bucket-region"] == "eu-west-1"

    def rule() -> str:
        told = clients.s3.get_bucket_encryption(Bucket="far")["ServerSideEncryptionConfiguration"]
        return str(told["Rules"][0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"])

    assert rule() == "AES256"
    by_key = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}]}
    clients.s3.put_bucket_encryption(Bucket="far", ServerSideEncryptionConfiguration=by_key)
    assert rule() == "aws:kms"
    clients.s3.delete_bucket_encryption(Bucket="far")
    assert rule() == "AES256"
    clients.s3.delete_bucket(Bucket="far")
