"""What IAM has to allow, as it follows from the experiment: documents that the engine's reader of policies takes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from sweeper.core.policy import QUOTA_SHARE, For, Place, Uses, anything, placeholders, policy
from sweeper.engine.settings import EngineSettings

CHINA = Place("aws-cn", "cn-north-1", "111122223333", "arn:aws-cn:sts::111122223333:assumed-role/Team/ann@example.org")
USED = Uses(
    CHINA,
    role="arn:aws-cn:iam::111122223333:role/service-role/jobs",
    jobs="tiny-*",
    buckets=frozenset({"b"}),
    staged=frozenset({"s3://b/out/source"}),
    read=frozenset({"s3://b/out/source", "s3://data/train"}),
    written=frozenset({"s3://b/out"}),
    images=frozenset({"555566667777.dkr.ecr.cn-north-1.amazonaws.com.cn/team/train:1", "python:3.12"}),
)
QUEUE = replace(USED, queue="q", keeps_pool=False, jobs="*")


def granted(document: dict[str, Any]) -> dict[str, set[str]]:
    """Action -> resources."""
    found: dict[str, set[str]] = {}
    for statement in document["Statement"]:
        for action in statement["Action"]:
            found.setdefault(action, set()).update(statement["Resource"])
    return found


@pytest.mark.parametrize("who", For)
@pytest.mark.parametrize(
    "used", [USED, QUEUE, anything(Place()), replace(USED, made=frozenset({"b"}), lease="s3://l/x")]
)
def test_every_document_is_a_policy(who: For, used: Uses) -> None:
    """Each statement has its own Sid of letters and digits, each action exists, and it fits into a managed policy."""
    document = policy(who, used)
    assert EngineSettings.from_mapping({"policy": document}).service.policy == document
    sids = [statement["Sid"] for statement in document["Statement"]]
    assert len(set(sids)) == len(sids) and all(sid.isalnum() for sid in sids)
    assert len(json.dumps(document, separators=(",", ":"))) <= 6144


@pytest.mark.parametrize("who", For)
def test_every_arn_is_of_the_partition_of_the_account(who: For) -> None:
    """In China and GovCloud too; nothing is left to be replaced where everything is known."""
    for used in (USED, QUEUE, replace(USED, made=frozenset({"b"}), lease="s3://l/x", volume_key="1-2", in_vpc=True)):
        document = policy(who, used)
        resources = {one for statement in document["Statement"] for one in statement["Resource"]} - {"*"}
        assert {resource.split(":")[1] for resource in resources} == {"aws-cn"}
        assert placeholders(document) == []


def test_the_runner_may_touch_its_own_jobs_and_pass_its_own_role() -> None:
    """Jobs of other names are only looked at; the role goes to SageMaker alone; a session's role has any path."""
    document = policy(For.RUNNER, USED)
    found, jobs = granted(document), "arn:aws-cn:sagemaker:cn-north-1:111122223333:training-job"
    for action in ("CreateTrainingJob", "AddTags", "StopTrainingJob", "UpdateTrainingJob"):
        assert found[f"sagemaker:{action}"] == {f"{jobs}/tiny-*"}
    assert found["iam:PassRole"] == {USED.role}
    assert found["iam:SimulatePrincipalPolicy"] == {
        "arn:aws-cn:iam::111122223333:role/Team",
        "arn:aws-cn:iam::111122223333:role/*/Team",
    }
    assert found["iam:GetRole"] == {USED.role, *found["iam:SimulatePrincipalPolicy"]}
    assert found["s3:PutObject"] == {"arn:aws-cn:s3:::b/out/source/*"}
    assert "s3:CreateBucket" not in found and "s3:DeleteObject" not in found


@pytest.mark.parametrize(
    ("change", "more", "less"),
    [
        ({"made": frozenset({"b"})}, {"s3:CreateBucket"}, set()),
        ({"lease": "s3://l/x"}, {"s3:DeleteObject"}, set()),
        ({"output_keys": frozenset({"1-2"})}, {"kms:GenerateDataKey", "kms:Decrypt"}, set()),
        ({"staged": frozenset()}, set(), {"s3:GetObject", "s3:PutObject"}),
        ({"keeps_pool": False}, set(), {"sagemaker:UpdateTrainingJob"}),
        ({"images": frozenset({"python:3.12"})}, set(), {"ecr:DescribeImages"}),
        (
            {"queue": "q", "keeps_pool": False},
            {f"batch:{a}ServiceJob" for a in ("Submit", "Terminate", "Describe")}
            | {"batch:TagResource", "batch:ListServiceJobs", "batch:DescribeJobQueues"}
            | {"batch:DescribeServiceEnvironments", "batch:GetJobQueueSnapshot"},
            {f"sagemaker:{a}TrainingJob" for a in ("Create", "Stop", "Update")} | {"sagemaker:AddTags"},
        ),
        (
            {"queue": "q", "keeps_pool": False, "share": QUOTA_SHARE},
            {f"batch:{a}ServiceJob" for a in ("Submit", "Terminate", "Describe", "Update")}
            | {f"batch:{a}" for a in ("TagResource", "ListServiceJobs", "ListQuotaShares")}
            | {f"batch:Describe{a}" for a in ("JobQueues", "SchedulingPolicies", "ServiceEnvironments")}
            | {"batch:GetJobQueueSnapshot"},
            {f"sagemaker:{a}TrainingJob" for a in ("Create", "Stop", "Update")} | {"sagemaker:AddTags"},
        ),
    ],
)
def test_what_an_experiment_uses_decides(change: dict[str, Any], more: set[str], less: set[str]) -> None:
    """A bucket to make, a lease, a staged source, a pool, a queue: each brings or takes its own actions alone."""
    before, now = set(granted(policy(For.RUNNER, USED))), set(granted(policy(For.RUNNER, replace(USED, **change))))
    assert (now - before, before - now) == (more, less)


def test_the_role_of_the_jobs_reads_writes_and_pulls() -> None:
    """S3 by prefix, the image's repository in its own account and Region, none for a public image."""
    found = granted(policy(For.EXECUTION, USED))
    assert found["s3:GetObject"] == {"arn:aws-cn:s3:::b/out/source*", "arn:aws-cn:s3:::data/train*"}
    assert found["ecr:BatchGetImage"] == {"arn:aws-cn:ecr:cn-north-1:555566667777:repository/team/train"}
    public = granted(policy(For.EXECUTION, replace(USED, images=frozenset({"python:3.12"}))))
    assert not any(action.startswith("ecr:") for action in public)


def test_a_key_is_known_by_its_arn_and_an_alias_by_a_condition() -> None:
    """IAM takes no alias for a resource. Who puts objects and who writes them need the same of their key."""
    keys = "arn:aws-cn:kms:cn-north-1:111122223333:key"
    used = replace(USED, volume_key="1-2", output_keys=frozenset({"alias/team"}))
    role = policy(For.EXECUTION, used)
    assert granted(role)["kms:CreateGrant"] == {f"{keys}/1-2"}
    for document in (role, policy(For.RUNNER, used)):
        (statement,) = [one for one in document["Statement"] if one["Sid"] == "OutputKey"]
        assert (statement["Action"], statement["Resource"]) == (["kms:GenerateDataKey", "kms:Decrypt"], [f"{keys}/*"])
        assert statement["Condition"] == {"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/team"}}
        assert EngineSettings.from_mapping({"policy": document}).service.policy == document


def test_what_is_not_known_is_named() -> None:
    """Without an account, a Region and a role: what to replace."""
    assert placeholders(policy(For.RUNNER, anything(Place()))) == ["ACCOUNT", "REGION", "YOUR-ROLE", "ROLE"]
