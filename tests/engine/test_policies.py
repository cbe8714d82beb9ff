"""Policies of IAM as the engine reads them, and what a request of S3 needs of one."""

from __future__ import annotations

from typing import Any

import pytest

from sweeper.engine.wire.policies import Asked, Decision, Policy
from sweeper.engine.wire.s3_actions import needed

JOBS = "arn:aws:sagemaker:us-east-1:123456789012:training-job"
POLICY = Policy.parse(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["sagemaker:CreateTrainingJob", "sagemaker:Describe*"],
                "Resource": f"{JOBS}/mine-?*",
                "Condition": {"NumericLessThanEqualsIfExists": {"sagemaker:KeepAlivePeriod": "300"}},
            },
            {
                "Effect": "Allow",
                "Action": "iam:PassRole",
                "Resource": "*",
                "Condition": {"StringEquals": {"iam:PassedToService": ["sagemaker.amazonaws.com"]}},
            },
            {"Effect": "Deny", "Action": "sagemaker:*", "Resource": f"{JOBS}/mine-2"},
        ],
    }
)


@pytest.mark.parametrize(
    ("action", "resource", "context", "expected"),
    [
        ("sagemaker:CreateTrainingJob", f"{JOBS}/mine-1", {}, Decision.ALLOWED),
        ("SageMaker:describeTrainingJob", f"{JOBS}/mine-1", {}, Decision.ALLOWED),
        ("sagemaker:CreateTrainingJob", f"{JOBS}/mine-", {}, Decision.IMPLICIT),
        ("sagemaker:CreateTrainingJob", f"{JOBS}/MINE-1", {}, Decision.IMPLICIT),
        ("sagemaker:StopTrainingJob", f"{JOBS}/mine-1", {}, Decision.IMPLICIT),
        ("sagemaker:CreateTrainingJob", f"{JOBS}/mine-2", {}, Decision.EXPLICIT),
        ("sagemaker:CreateTrainingJob", f"{JOBS}/mine-1", {"sagemaker:KeepAlivePeriod": 300}, Decision.ALLOWED),
        ("sagemaker:CreateTrainingJob", f"{JOBS}/mine-1", {"sagemaker:keepaliveperiod": "301"}, Decision.IMPLICIT),
        ("sagemaker:CreateTrainingJob", f"{JOBS}/mine-1", {"sagemaker:KeepAlivePeriod": "soon"}, Decision.IMPLICIT),
        ("iam:PassRole", "role", {"iam:PassedToService": "sagemaker.amazonaws.com"}, Decision.ALLOWED),
        ("iam:PassRole", "role", {"iam:PassedToService": "ec2.amazonaws.com"}, Decision.IMPLICIT),
        ("iam:PassRole", "role", {}, Decision.IMPLICIT),
    ],
)
def test_a_policy_decides_as_iam_does(action: str, resource: str, context: dict[str, Any], expected: Decision) -> None:
    """Actions in any case, resources as they are; a denial wins; a key that is not there only passes IfExists."""
    assert POLICY.decides(Asked(action, resource, tuple(context.items()))) is expected


def test_what_a_decision_depends_on_is_named() -> None:
    """The keys that conditions ask for and the question does not tell."""
    assert POLICY.depends_on(Asked("iam:PassRole", "role")) == ("iam:PassedToService",)
    assert POLICY.depends_on(Asked("sagemaker:StopTrainingJob", f"{JOBS}/mine-1")) == ()


@pytest.mark.parametrize(
    ("method", "where", "query", "expected"),
    [
        ("GET", ("", ""), "", ["s3:ListAllMyBuckets *"]),
        ("HEAD", ("b", ""), "", ["s3:ListBucket b"]),
        ("GET", ("b", ""), "list-type=2&prefix=a", ["s3:ListBucket b"]),
        ("GET", ("b", ""), "location", ["s3:GetBucketLocation b"]),
        ("GET", ("b", ""), "encryption=", ["s3:GetEncryptionConfiguration b"]),
        ("PUT", ("b", ""), "acl", ["s3:PutBucketAcl b"]),
        ("PUT", ("b", ""), "", ["s3:CreateBucket b"]),
        ("POST", ("b", ""), "delete", ["s3:DeleteObject b/*"]),
        ("HEAD", ("b", "k/1"), "", ["s3:GetObject b/k/1"]),
        ("PUT", ("b", "k"), "x-id=PutObject", ["s3:PutObject b/k"]),
        ("POST", ("b", "k"), "uploads", ["s3:PutObject b/k"]),
        ("PUT", ("b", "k"), "partNumber=1&uploadId=x", ["s3:PutObject b/k"]),
        ("DELETE", ("b", "k"), "uploadId=x", ["s3:AbortMultipartUpload b/k"]),
        ("DELETE", ("b", "k"), "", ["s3:DeleteObject b/k"]),
        ("GET", ("b", "k"), "tagging", ["s3:GetObjectTagging b/k"]),
    ],
)
def test_what_an_s3_request_needs(method: str, where: tuple[str, str], query: str, expected: list[str]) -> None:
    """The action of the service authorization reference, on the bucket or the object."""
    found = needed("aws", method, *where, query, {})
    assert [f"{action} {on.removeprefix('arn:aws:s3:::')}" for action, on in found] == expected


def test_a_copy_needs_its_source_too() -> None:
    """In the partition of the Region."""
    found = list(needed("aws-cn", "PUT", "b", "k", "", {"HTTP_X_AMZ_COPY_SOURCE": "/from/a%20b?versionId=1"}))
    assert found == [("s3:PutObject", "arn:aws-cn:s3:::b/k"), ("s3:GetObject", "arn:aws-cn:s3:::from/a b")]
