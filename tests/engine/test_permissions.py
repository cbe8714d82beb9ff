"""What the settings deny is denied over HTTP, and IAM's simulator says the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

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
