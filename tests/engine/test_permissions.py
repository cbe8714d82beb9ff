"""What the settings deny is denied over HTTP, and IAM's simulator says the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sweeper.engine import launch

from .conftest import Clients, _serve, request

DENIED = ["sagemaker:UpdateTrainingJob", "logs:Get*", "servicequotas:*", "iam:GetRole", "batch:submitservicejob"]
SUBMIT = {"jobName": "x", "jobQueue": "q", "serviceJobType": "SAGEMAKER_TRAINING", "serviceRequestPayload": "{}"}


@pytest.fixture(scope="module")
def denying(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    """An engine that denies."""
    yield from _serve(tmp_path_factory.mktemp("denying"), deny=DENIED, keep_alive_below_s=1800)


@pytest.mark.parametrize(
    ("service", "operation", "params"),
    [
        ("sagemaker", "UpdateTrainingJob", {"TrainingJobName": "nobody"}),
        ("logs", "GetLogEvents", {"logGroupName": "/aws/sagemaker/TrainingJobs", "logStreamName": "x"}),
        ("logs", "GetLogEvents", {"logGroupName": "another", "logStreamName": "x"}),
        ("service-quotas", "ListServiceQuotas", {"ServiceCode": "sagemaker"}),
        ("iam", "GetRole", {"RoleName": "x"}),
        ("batch", "SubmitServiceJob", SUBMIT),
    ],
)
def test_what_is_denied_is_refused_by_name(
    denying: Clients, service: str, operation: str, params: dict[str, Any]
) -> None:
    """AccessDenied, with the action, whatever the request is about."""
    with pytest.raises(ClientError, match="not authorized to perform") as refused:
        denying.client(service)._make_api_call(operation, params)
    assert refused.value.response["Error"]["Code"] in ("AccessDenied", "AccessDeniedException")
    assert operation in refused.value.response["Error"]["Message"]


def test_a_keep_alive_is_denied_from_the_limit_on(denying: Clients) -> None:
    """The condition on sagemaker:KeepAlivePeriod: below passes, absent passes, the limit itself does not."""
    with pytest.raises(ClientError, match=r"AccessDeniedException.*sagemaker:CreateTrainingJob"):
        denying.sagemaker.create_training_job(**request("long", resources={"KeepAlivePeriodInSeconds": 1800}))
    denying.sagemaker.create_training_job(**request("short", resources={"KeepAlivePeriodInSeconds": 1799}))
    denying.sagemaker.create_training_job(**request("none"))


def test_the_simulator_says_what_the_services_do(denying: Clients) -> None:
    """Denied actions are explicitDeny; the keep-alive given decides, and where none is given its key is missing."""

    def decision(action: str, keep_alive: str | None = None) -> tuple[str, list[str]]:
        entry = {"ContextKeyName": "sagemaker:KeepAlivePeriod", "ContextKeyType": "numeric"}
        answer = denying.client("iam").simulate_principal_policy(
            PolicySourceArn="arn:aws:iam::123456789012:role/x",
            ActionNames=[action],
            ContextEntries=[] if keep_alive is None else [{**entry, "ContextKeyValues": [keep_alive]}],
        )
        (result,) = answer["EvaluationResults"]
        return result["EvalDecision"], result["MissingContextValues"]

    assert decision("sagemaker:UpdateTrainingJob", "0") == ("explicitDeny", [])
    assert decision("sagemaker:StopTrainingJob") == ("allowed", [])
    assert decision("sagemaker:CreateTrainingJob", "1799") == ("allowed", [])
    assert decision("sagemaker:CreateTrainingJob", "1800") == ("explicitDeny", [])
    assert decision("sagemaker:CreateTrainingJob") == ("allowed", ["sagemaker:KeepAlivePeriod"])


PREFIX = "arn:aws:sagemaker:us-east-1:123456789012"
ALLOWED = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": ["s3:CreateBucket", "s3:ListBucket"], "Resource": "arn:aws:s3:::bucket"},
        {"Effect": "Allow", "Action": "s3:*Object", "Resource": "arn:aws:s3:::bucket/mine/*"},
        {"Effect": "Allow", "Action": "s3:CreateBucket", "Resource": "arn:aws:s3:::unlisted"},
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::unlisted/*"},
        {
            "Effect": "Allow",
            "Action": ["sagemaker:CreateTrainingJob", "sagemaker:DescribeTrainingJob"],
            "Resource": f"{PREFIX}:training-job/mine-*",
        },
        {
            "Effect": "Allow",
            "Action": "iam:PassRole",
            "Resource": "arn:aws:iam::123456789012:role/sweeper-local",
            "Condition": {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
        },
        {
            "Effect": "Allow",
            "Action": "logs:DescribeLogStreams",
            "Resource": "arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/TrainingJobs:*",
        },
        {"Effect": "Allow", "Action": "iam:SimulatePrincipalPolicy", "Resource": "arn:aws:iam::123456789012:role/x"},
    ],
}


@pytest.fixture(scope="module")
def allowing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    """An engine with a policy."""
    yield from _serve(tmp_path_factory.mktemp("allowing"), policy=ALLOWED)


IAM = "arn:aws:iam::123456789012"
OTHER_ROLE = request("mine-2", RoleArn="arn:aws:iam::123456789012:role/other")
TAGGED = request("mine-3", Tags=[{"Key": "a", "Value": "b"}])


@pytest.mark.parametrize(
    ("service", "operation", "params", "action", "resource"),
    [
        ("s3", "PutObject", {"Bucket": "bucket", "Key": "x", "Body": b""}, "s3:PutObject", "arn:aws:s3:::bucket/x"),
        ("s3", "CreateBucket", {"Bucket": "other"}, "s3:CreateBucket", "arn:aws:s3:::other"),
        (
            "sts",
            "AssumeRole",
            {"RoleArn": f"arn:aws:iam::{'1' * 12}:role/x", "RoleSessionName": "xx"},
            "sts:",
            "role/x",
        ),
        ("sagemaker", "CreateTrainingJob", request("other"), "sagemaker:CreateTrainingJob", "training-job/other"),
        ("sagemaker", "CreateTrainingJob", OTHER_ROLE, "iam:PassRole", "arn:aws:iam::123456789012:role/other"),
        ("sagemaker", "CreateTrainingJob", TAGGED, "sagemaker:AddTags", "training-job/mine-3"),
        ("sagemaker", "ListTrainingJobs", {}, "sagemaker:ListTrainingJobs", "*"),
        ("logs", "DescribeLogStreams", {"logGroupName": "/other"}, "logs:DescribeLogStreams", "log-group:/other"),
        ("iam", "GetRole", {"RoleName": "x"}, "iam:GetRole", "arn:aws:iam::123456789012:role/x"),
    ],
)
def test_what_no_policy_allows_is_refused_with_the_resource(
    allowing: Clients, service: str, operation: str, params: dict[str, Any], action: str, resource: str
) -> None:
    """Of every service that a sweep asks: the action, the resource, and that nothing allows it."""
    with pytest.raises(ClientError, match="no identity-based policy allows the") as refused:
        allowing.client(service)._make_api_call(operation, params)
    told = refused.value.response["Error"]
    assert told["Code"] in ("AccessDenied", "AccessDeniedException")
    assert action in told["Message"]
    assert resource in told["Message"]


def test_what_the_policy_allows_is_done_and_what_was_asked_is_told(allowing: Clients) -> None:
    """Nobody needs a permission to ask who he is; IAM's simulator answers by the policy, for each resource."""
    allowing.s3.put_object(Bucket="bucket", Key="mine/x", Body=b"x")
    assert allowing.s3.get_object(Bucket="bucket", Key="mine/x")["Body"].read() == b"x"
    allowing.sagemaker.create_training_job(**request("mine-1"))
    assert allowing.sts.get_caller_identity()["Account"] == "123456789012"
    answer = allowing.client("iam").simulate_principal_policy(
        PolicySourceArn="arn:aws:iam::123456789012:role/x",
        ActionNames=["sagemaker:CreateTrainingJob"],
        ResourceArns=[f"{PREFIX}:training-job/mine-9", f"{PREFIX}:training-job/other"],
    )
    assert [one["EvalDecision"] for one in answer["EvaluationResults"]] == ["allowed", "implicitDeny"]
    told = launch.status(allowing.state_dir)
    assert told is not None
    assert {"action": "s3:PutObject", "resource": "arn:aws:s3:::bucket/mine/x"} in told["asked"]
    assert "sts:GetCallerIdentity" not in {one["action"] for one in told["asked"]}


def test_who_may_not_list_a_bucket_is_not_told_what_is_missing(allowing: Clients) -> None:
    """S3 answers 403 for an object that is not there, and 404 to whoever may list."""
    allowing.s3.create_bucket(Bucket="unlisted")
    for bucket, status in (("bucket", "404"), ("unlisted", "403")):
        with pytest.raises(ClientError) as refused:
            allowing.s3.head_object(Bucket=bucket, Key="mine/nothing")
        assert refused.value.response["Error"]["Code"] == status
