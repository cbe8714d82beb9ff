"""Settings are checked before an engine starts."""

from __future__ import annotations

from typing import Any

import pytest

from sweeper.engine.settings import EngineSettings
from sweeper.engine.training.settings import ServiceSettings
from sweeper.engine.wire.permissions import Permissions


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ({"keep_alive_below_s": "abc"}, r"keep_alive_below_s: 'abc' is no int \| None"),
        ({"cold_start_s": True}, "cold_start_s: True is no float"),
        ({"images": ["x"]}, "images: "),
        ({"hot": 1}, "hot: 1 is no bool"),
        ({"training_quota": None}, "training_quota: None"),
        ({"port": -1}, "port: -1 is less than 0"),
        ({"port": 65536}, "port: 65536 is no port: 0 to 65535"),
        ({"port": 1.5}, "port: 1.5 is no int"),
        ({"cold_start_s": float("nan")}, "cold_start_s: nan is less than 0"),
        ({"pending_s": float("inf")}, "pending_s: it is more than 1000000000 seconds"),
        ({"max_keep_alive_s": int("9" * 5000, 16)}, "max_keep_alive_s: it is more than"),
        ({"spot_interruptions": [1, 1e22]}, "spot_interruptions: it is more than 1000000000 seconds"),
        ({"seed": -(10**400)}, "seed: it is more than"),
        ({"warm_pool_quota": {"ml.x": -1}}, "warm_pool_quota: -1 is less than 0"),
        ({"training_quota": {"ml.x": "y"}}, "training_quota: "),
        ({"spot_interruptions": [1, "x"]}, "spot_interruptions: "),
        ({"images": {"x": "train"}}, "images: "),
        ({"images": {"x": [1]}}, "images: "),
    ],
)
def test_a_setting_of_the_wrong_kind_is_named(setting: dict[str, Any], told: str) -> None:
    """Before an engine starts, not when a job meets it; what was told comes back as it was."""
    with pytest.raises(ValueError, match=told):
        EngineSettings.from_mapping(setting)
    assert EngineSettings.from_mapping(EngineSettings().to_mapping()) == EngineSettings()


def test_a_denial_of_nothing_is_refused_as_a_setting() -> None:
    """An action that no service has, or that the engine cannot deny, is named; one action needs no list."""
    with pytest.raises(ValueError, match=r"sagemaker:UpdateTrainingJobs, ec2:\*$"):
        EngineSettings.from_mapping({"deny": ["sagemaker:UpdateTrainingJobs", "ec2:*", "s3:PutObject", "iam:PassRole"]})
    settings = EngineSettings.from_mapping({"deny": "sagemaker:*"})
    assert not Permissions(settings.service).allows("sagemaker:StopTrainingJob")
    assert Permissions(ServiceSettings()).allows("sagemaker:StopTrainingJob")


def allowing(**changes: Any) -> dict[str, Any]:
    """A policy of one statement."""
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "sagemaker:*", "Resource": "*", **changes}],
    }


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        ({"Statement": []}, "policy: Version must be"),
        ({**allowing(), "Statements": []}, "policy: Statements of a policy: not understood"),
        (allowing(NotAction="s3:*"), "policy: NotAction of a statement: not understood"),
        (allowing(Effect="allow"), "policy: Effect must be Allow or Deny"),
        (allowing(Action="sagemaker:CreateTrainingJobs"), "policy: there is no such action: sagemaker:CreateTrain"),
        (allowing(Resource="my-bucket"), r"policy: Resource must be \* or an ARN"),
        (allowing(Action=[]), "policy: Action must be a text or a list of texts"),
        (allowing(Condition={"Bool": {"aws:SecureTransport": "true"}}), "policy: Condition: Bool is not understood"),
    ],
)
def test_a_policy_that_is_not_understood_is_refused_as_a_setting(policy: dict[str, Any], told: str) -> None:
    """Nothing of a policy is passed over: what nobody looks at would allow too much."""
    with pytest.raises(ValueError, match=told):
        EngineSettings.from_mapping({"policy": policy})


def test_a_policy_may_speak_of_services_that_the_engine_has_not() -> None:
    """They are never asked for."""
    policy = allowing(Action=["ec2:RunInstances", "sagemaker:Describe*"])
    permissions = Permissions(EngineSettings.from_mapping({"policy": policy}).service)
    assert permissions.allows("sagemaker:DescribeTrainingJob")
    assert not permissions.allows("sagemaker:StopTrainingJob")
