"""One contract, two services: real boto3 calls over the HTTP engine and over the virtual twin."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.validate import validate_parameters

from sweeper.engine import launch
from sweeper.engine.training.settings import ServiceSettings
from sweeper.engine.wire import rules
from sweeper.testing import hook
from sweeper.testing.twin import Script, Twin
from tests.forked import start_engine

SETTINGS = {
    "settle_gap_s": 0.05,
    "release_lag_s": 0.02,
    "training_quota": {"*": 100, "ml.c5.xlarge": 1},
    "warm_pool_quota": {"*": 100, "ml.c5.2xlarge": 0},
    "list_order": "Ascending",
}


class Subject:
    """A client of one of the two services, and a way to let time pass there."""

    def __init__(self, kind: str, client: Any, sleep: Callable[[float], None]) -> None:
        self.kind, self.client, self.sleep = kind, client, sleep
        client.meta.events.register("after-call.sagemaker.*", self._check_answer)
        self.checked = 0

    def _check_answer(self, model: Any, parsed: dict[str, Any], **_: Any) -> None:
        """Every answer passes botocore's own validation of the output shape, and the constraints it leaves out."""
        if "Error" in parsed or model.output_shape is None:
            return
        answer = {k: v for k, v in parsed.items() if k != "ResponseMetadata"}
        validate_parameters(answer, model.output_shape)
        assert rules.broken(model.name, answer) == []
        self.checked += 1

    def create(self, name: str, *, exit_code: int = 0, seconds: float = 0.0, **changes: Any) -> dict[str, Any]:
        resources = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 30}
        made = {
            "TrainingJobName": f"{self.kind}-{name}",
            "RoleArn": "arn:aws:iam::123456789012:role/sweeper",
            "AlgorithmSpecification": {
                "TrainingImage": "image",
                "TrainingInputMode": "File",
                "ContainerEntrypoint": ["/bin/sh", "-c", "echo score=0.5; sleep $SECONDS_TO_RUN; exit $EXIT_CODE"],
                "MetricDefinitions": [{"Name": "score", "Regex": "score=([0-9.]+)"}],
            },
            "ResourceConfig": resources | changes.pop("resources", {}),
            "OutputDataConfig": {"S3OutputPath": "s3://bucket/contract"},
            "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
            "Environment": {"SECONDS_TO_RUN": str(seconds), "EXIT_CODE": str(exit_code)},
            "HyperParameters": {"lr": "0.1"},
            **changes,
        }
        return dict(self.client.create_training_job(**made))

    def name(self, name: str) -> dict[str, str]:
        return {"TrainingJobName": f"{self.kind}-{name}"}

    def describe(self, name: str) -> dict[str, Any]:
        return dict(self.client.describe_training_job(**self.name(name)))

    def until(self, name: str, true: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        for _ in range(3000):
            found = self.describe(name)
            if true(found):
                return found
            self.sleep(0.02)
        raise AssertionError(f"never true of {found}")

    def ended(self, name: str) -> dict[str, Any]:
        return self.until(name, lambda d: d["TrainingJobStatus"] in ("Completed", "Failed", "Stopped"))

    def pool(self, name: str, status: str) -> dict[str, Any]:
        return self.until(name, lambda d: d.get("WarmPoolStatus", {}).get("Status") == status)


def behave(request: dict[str, Any], _: object) -> Script:
    """The same that the shell does."""
    told = request["Environment"]
    return Script(seconds=float(told["SECONDS_TO_RUN"]), exit_code=int(told["EXIT_CODE"]), metrics={"score": 0.5})


def client(**options: Any) -> Any:
    """A SageMaker client that sends each call once."""
    nobody = {"region_name": "us-east-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}
    once = Config(retries={"mode": "standard", "total_max_attempts": 1})
    make: Any = boto3.client
    return make("sagemaker", config=once, **{**nobody, **options})


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    """The engine, with quotas of its own."""
    state: Path = tmp_path_factory.mktemp("contract")
    info = start_engine(state, {**SETTINGS, "stop_grace_s": 1.0})
    boto3.client("s3", **info.client_options).create_bucket(Bucket="bucket")  # type: ignore[call-overload]
    yield Subject("http", client(**info.client_options), time.sleep)
    launch.stop(state)


@pytest.fixture(params=["http", "twin"])
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    """Each of the two services."""
    if request.param == "http":
        found = request.getfixturevalue("engine")
    else:
        twin = Twin(settings=ServiceSettings(**SETTINGS), behaviour=behave)
        found = Subject("twin", client(), twin.clock.sleep)
        hook.attach(found.client, twin)
    assert isinstance(found, Subject)
    before = found.checked
    yield found
    assert found.checked > before


def refused(code: str, text: str) -> Any:
    """The call inside is refused with this code and text."""
    return pytest.raises(ClientError, match=rf"\({code}\).*{text}")


def test_create_and_describe(subject: Subject) -> None:
    """What was asked is described, with defaults, times and the metric's last value."""
    arn = subject.create("a", Tags=[{"Key": "k", "Value": "v"}])["TrainingJobArn"]
    assert arn == f"arn:aws:sagemaker:us-east-1:123456789012:training-job/{subject.kind}-a"
    answer = subject.ended("a")
    assert answer["TrainingJobStatus"] == answer["SecondaryStatus"] == "Completed"
    assert answer["HyperParameters"] == {"lr": "0.1"}
    assert answer["EnableNetworkIsolation"] is False
    assert answer["TrainingTimeInSeconds"] >= 1
    assert [(m["MetricName"], m["Value"]) for m in answer["FinalMetricDataList"]] == [("score", pytest.approx(0.5))]
    assert answer["CreationTime"] <= answer["TrainingStartTime"] <= answer["TrainingEndTime"]
    stages = [t["Status"] for t in answer["SecondaryStatusTransitions"]]
    assert stages == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert "WarmPoolStatus" not in answer
    assert answer["ResponseMetadata"]["RequestId"]
    assert "x-amzn-requestid" in answer["ResponseMetadata"]["HTTPHeaders"]


def test_names_are_unique(subject: Subject) -> None:
    """A second Create of a name is ResourceInUse."""
    subject.create("twice")
    with refused("ResourceInUse", "already exists"):
        subject.create("twice")


def test_a_failed_job_says_why(subject: Subject) -> None:
    """The exit code is in FailureReason."""
    subject.create("fails", exit_code=3)
    assert subject.ended("fails")["FailureReason"] == "AlgorithmError: , exit code: 3"


def test_the_life_of_a_pool(subject: Subject) -> None:
    """Available, reused, InUse, and released by an update of zero."""
    pool = {"resources": {"KeepAlivePeriodInSeconds": 600, "VolumeSizeInGB": 41}}
    subject.create("p-1", **pool)
    subject.pool("p-1", "Available")
    subject.create("p-2", seconds=0.3, **pool)
    assert subject.describe("p-2")["WarmPoolStatus"] == {"Status": "InUse"}
    assert subject.describe("p-1")["WarmPoolStatus"]["ReusedByJob"] == f"{subject.kind}-p-2"
    with refused("ValidationException", "Available"):
        subject.client.update_training_job(**subject.name("p-2"), ResourceConfig={"KeepAlivePeriodInSeconds": 0})
    subject.pool("p-2", "Available")
    subject.client.update_training_job(**subject.name("p-2"), ResourceConfig={"KeepAlivePeriodInSeconds": 0})
    assert "ResourceRetainedBillableTimeInSeconds" in subject.pool("p-2", "Terminated")["WarmPoolStatus"]


def test_a_self_releasing_last_job(subject: Subject) -> None:
    """A job without keep-alive takes the pool and lets it go."""
    resources = {"VolumeSizeInGB": 42}
    subject.create("last-1", resources={**resources, "KeepAlivePeriodInSeconds": 600})
    subject.pool("last-1", "Available")
    subject.create("last-2", resources=resources)
    subject.pool("last-2", "Terminated")
    assert subject.describe("last-1")["WarmPoolStatus"]["Status"] == "Reused"


def test_quotas(subject: Subject) -> None:
    """The training quota counts idle pools; without a warm pool quota nothing is retained."""
    small = {"resources": {"InstanceType": "ml.c5.xlarge", "KeepAlivePeriodInSeconds": 600}}
    subject.create("q-1", **small)
    subject.pool("q-1", "Available")
    with refused("ResourceLimitExceeded", "ml.c5.xlarge for training job usage' is 1 Instances"):
        subject.create("q-2", resources={**small["resources"], "VolumeSizeInGB": 31})
    subject.create("q-3", resources={"InstanceType": "ml.c5.2xlarge", "KeepAlivePeriodInSeconds": 600})
    assert subject.pool("q-3", "Terminated")["TrainingJobStatus"] == "Completed"


def test_stop(subject: Subject) -> None:
    """A running job is Stopping, then Stopped; a job that has ended cannot be stopped."""
    subject.create("stop", seconds=1000)
    subject.until("stop", lambda d: d["SecondaryStatus"] == "Training")
    subject.client.stop_training_job(**subject.name("stop"))
    answer = subject.ended("stop")
    assert answer["TrainingJobStatus"] == answer["SecondaryStatus"] == "Stopped"
    assert "FailureReason" not in answer
    with refused("ValidationException", "the training job is in status Stopped"):
        subject.client.stop_training_job(**subject.name("stop"))


def test_delete_frees_the_name(subject: Subject) -> None:
    """A terminal job can be deleted, a running one cannot."""
    subject.create("gone", seconds=1000)
    with refused("ResourceInUse", "InProgress"):
        subject.client.delete_training_job(**subject.name("gone"))
    subject.client.stop_training_job(**subject.name("gone"))
    subject.ended("gone")
    subject.client.delete_training_job(**subject.name("gone"))
    with refused("ValidationException", "Requested resource not found"):
        subject.describe("gone")
    subject.create("gone")


def test_missing_jobs(subject: Subject) -> None:
    """Every operation on a job that is not there says so in the same words."""
    missing = subject.name("missing")
    calls: list[Callable[[], Any]] = [
        lambda: subject.client.describe_training_job(**missing),
        lambda: subject.client.stop_training_job(**missing),
        lambda: subject.client.delete_training_job(**missing),
        lambda: subject.client.update_training_job(**missing, ResourceConfig={"KeepAlivePeriodInSeconds": 0}),
        lambda: subject.client.list_tags(
            ResourceArn=f"arn:aws:sagemaker:us-east-1:123456789012:training-job/{missing['TrainingJobName']}"
        ),
    ]
    for call in calls:
        with refused("ValidationException", "Requested resource not found"):
            call()
    subject.client.list_training_jobs()


def test_tags(subject: Subject) -> None:
    """Tags come with Create, are added to, and are listed."""
    arn = subject.create("tags", Tags=[{"Key": "a", "Value": "1"}])["TrainingJobArn"]
    added = subject.client.add_tags(ResourceArn=arn, Tags=[{"Key": "b", "Value": "2"}])["Tags"]
    assert added == subject.client.list_tags(ResourceArn=arn)["Tags"]
    assert added == [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
    with refused("ValidationException", "aws:"):
        subject.client.add_tags(ResourceArn=arn, Tags=[{"Key": "aws:x", "Value": "2"}])


def test_list(subject: Subject) -> None:
    """Filters, order and pages; a filter by status may leave a page empty."""
    for number in range(5):
        subject.create(f"list-{number}", exit_code=number % 2)
        subject.ended(f"list-{number}")

    def names(**params: Any) -> list[str]:
        pages = subject.client.get_paginator("list_training_jobs").paginate(
            NameContains="LIST-", PaginationConfig={"PageSize": 2}, **params
        )
        return [job["TrainingJobName"].partition("-list-")[2] for page in pages for job in page["TrainingJobSummaries"]]

    assert names() == ["0", "1", "2", "3", "4"]
    assert names(SortBy="Name", SortOrder="Descending") == ["4", "3", "2", "1", "0"]
    assert names(StatusEquals="Failed") == ["1", "3"]
    assert names(SortBy="Status") == ["0", "2", "4", "1", "3"]
    assert names(WarmPoolStatusEquals="Available") == []
    created = subject.describe("list-2")["CreationTime"]
    assert names(CreationTimeAfter=created) == ["3", "4"]
    assert names(CreationTimeBefore=created) == ["0", "1"]
    modified = subject.describe("list-2")["LastModifiedTime"]
    assert names(LastModifiedTimeAfter=modified) == ["3", "4"]
    assert names(LastModifiedTimeBefore=modified) == ["0", "1"]
    with refused("ValidationException", "pagination token"):
        subject.client.list_training_jobs(NextToken="nonsense")


def test_search(subject: Subject) -> None:
    """Jobs are found by tag, status, hyperparameter, metric and time, with Tags and Environment in the answer."""
    for number in range(3):
        owner = "me" if number else "you"
        subject.create(f"search-{number}", exit_code=number % 2, Tags=[{"Key": "sweep.owner", "Value": owner}])
        subject.ended(f"search-{number}")

    def found(*filters: tuple[str, str, str | None], either: bool = False, **params: Any) -> list[str]:
        made = [{"Name": n, "Operator": o, **({"Value": v} if v is not None else {})} for n, o, v in filters]
        answer = subject.client.search(
            Resource="TrainingJob",
            SearchExpression={
                "Filters": [{"Name": "TrainingJobName", "Operator": "Contains", "Value": "search-"}],
                "SubExpressions": [{"Filters": made, "Operator": "Or" if either else "And"}],
            },
            SortBy="TrainingJobName",
            SortOrder="Ascending",
            **params,
        )
        return [r["TrainingJob"]["TrainingJobName"][-1] for r in answer["Results"]]

    assert found(("Tags.sweep.owner", "Equals", "me")) == ["1", "2"]
    assert found(("Tags.other", "NotExists", None)) == ["0", "1", "2"]
    assert found(("TrainingJobStatus", "NotEquals", "Failed")) == ["0", "2"]
    assert found(("TrainingJobStatus", "In", "Failed, Stopped")) == ["1"]
    assert found(("HyperParameters.lr", "Equals", "0.1"), ("Metrics.score", "GreaterThan", "0.4")) == ["0", "1", "2"]
    assert found(("Metrics.score", "LessThanOrEqualTo", "0.4")) == []
    created = subject.describe("search-1")["CreationTime"].isoformat()
    assert found(("CreationTime", "GreaterThan", created)) == ["2"]
    assert found(("Tags.sweep.owner", "Equals", "you"), ("TrainingJobStatus", "Equals", "Failed"), either=True) == [
        "0",
        "1",
    ]
    assert found(("TrainingJobName", "Exists", None), MaxResults=2) == ["0", "1"]
    answer = subject.client.search(
        Resource="TrainingJob",
        SearchExpression={
            "Filters": [{"Name": "TrainingJobName", "Operator": "Equals", "Value": f"{subject.kind}-search-0"}]
        },
    )["Results"][0]["TrainingJob"]
    assert answer["Tags"] == [{"Key": "sweep.owner", "Value": "you"}]
    assert answer["Environment"]["EXIT_CODE"] == "0"
    with refused("ValidationException", "searches training jobs only"):
        subject.client.search(Resource="Model")


INVALID: list[tuple[dict[str, Any], str]] = [
    ({"resources": {"InstanceType": "ml.nope"}}, r"at 'resourceConfig\.instanceType' failed .* enum value set"),
    ({"resources": {"KeepAlivePeriodInSeconds": 21601}}, "less than or equal to 21600"),
    ({"resources": {"InstanceCount": 0}}, "InstanceCount"),
    ({"resources": {"InstanceType": "ml.g5.xlarge", "VolumeKmsKeyId": "k"}}, "local storage"),
    (
        {
            "resources": {"KeepAlivePeriodInSeconds": 1},
            "EnableManagedSpotTraining": True,
            "StoppingCondition": {"MaxRuntimeInSeconds": 10, "MaxWaitTimeInSeconds": 10},
        },
        "KeepAlivePeriodInSeconds",
    ),
    ({"StoppingCondition": {"MaxRuntimeInSeconds": 1, "MaxWaitTimeInSeconds": 1}}, "only supported when Enable"),
    ({"EnableManagedSpotTraining": True}, "MaxWaitTimeInSeconds must be specified"),
    (
        {
            "EnableManagedSpotTraining": True,
            "StoppingCondition": {"MaxRuntimeInSeconds": 10, "MaxWaitTimeInSeconds": 9},
        },
        "equal to or greater than MaxRuntimeInSeconds",
    ),
    ({"HyperParameters": {f"k{n}": "v" for n in range(101)}}, "at 'hyperParameters' failed .* equal to 100"),
    ({"HyperParameters": {"k": "v" * 2501}}, r"at 'hyperParameters\.k\.member' failed .* equal to 2500"),
    ({"HyperParameters": {"k" * 257: "v"}}, "equal to 256"),
    ({"Environment": {f"k{n}": "v" for n in range(101)}}, "at 'environment'"),
    ({"Environment": {"k": "v" * 513}}, "equal to 512"),
    ({"Tags": [{"Key": f"k{n}", "Value": "v"} for n in range(51)]}, "at 'tags'"),
    ({"Tags": [{"Key": "k", "Value": "1"}, {"Key": "k", "Value": "2"}]}, "Duplicate tag keys"),
    ({"OutputDataConfig": {"S3OutputPath": "file:///tmp"}}, "at 'outputDataConfig.s3OutputPath'"),
    ({"InputDataConfig": [{"ChannelName": "a/b", "DataSource": {}}]}, r"at 'inputDataConfig\.1\.member\.channelName'"),
    ({"RetryStrategy": {"MaximumRetryAttempts": 31}}, "less than or equal to 30"),
]


@pytest.mark.parametrize(("changes", "text"), INVALID)
def test_what_is_refused(subject: Subject, changes: dict[str, Any], text: str) -> None:
    """Limits, patterns, enumerations and the rules over several fields."""
    with refused("ValidationException", text):
        subject.create("refused", **changes)
    subject.client.list_training_jobs()


def test_metric_definitions_are_limited(subject: Subject) -> None:
    """Forty definitions, unique names, 500 characters of regex."""
    algorithm = {"TrainingImage": "i", "TrainingInputMode": "File", "ContainerEntrypoint": ["true"]}
    many = [{"Name": f"m{n}", "Regex": "x"} for n in range(41)]
    for metrics, text in (
        (many, "equal to 40"),
        ([{"Name": "m", "Regex": "x" * 501}], "equal to 500"),
        ([{"Name": "m", "Regex": "x"}] * 2, "unique names"),
    ):
        with refused("ValidationException", text):
            subject.create("metrics", AlgorithmSpecification={**algorithm, "MetricDefinitions": metrics})
    subject.client.list_training_jobs()


def test_other_operations_are_unknown(subject: Subject) -> None:
    """What is not emulated is UnknownOperationException."""
    with refused("UnknownOperationException", "ListModels"):
        subject.client.list_models()
    subject.client.list_training_jobs()
