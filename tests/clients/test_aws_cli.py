"""The AWS CLI creates, describes, stops, updates, waits and lists as on the real service."""

from __future__ import annotations

import json

from tests.clients.conftest import AwsCli, Engine

REQUEST = {
    "AlgorithmSpecification": {
        "TrainingImage": "123456789012.dkr.ecr.us-east-1.amazonaws.com/train:1",
        "TrainingInputMode": "File",
        "MetricDefinitions": [{"Name": "score", "Regex": "score=([0-9.]+)"}],
    },
    "RoleArn": "arn:aws:iam::123456789012:role/mine",
    "OutputDataConfig": {"S3OutputPath": "s3://mine/out"},
    "ResourceConfig": {
        "InstanceType": "ml.m5.large",
        "InstanceCount": 1,
        "VolumeSizeInGB": 30,
        "KeepAlivePeriodInSeconds": 600,
    },
    "StoppingCondition": {"MaxRuntimeInSeconds": 600},
}


def create(aws: AwsCli, name: str, **changes: object) -> None:
    """Start a job through the CLI."""
    aws("s3", "mb", "s3://mine")
    request = json.dumps({"TrainingJobName": name, **REQUEST, **changes})
    arn = aws("sagemaker", "create-training-job", "--cli-input-json", request)["TrainingJobArn"]
    assert arn.endswith(f":training-job/{name}")


def describe(aws: AwsCli, name: str) -> dict[str, object]:
    """What the CLI shows of it."""
    return dict(aws("sagemaker", "describe-training-job", "--training-job-name", name))


def wait(aws: AwsCli, name: str) -> None:
    """The CLI's own waiter, without its minutes between two looks where the job has ended."""
    aws("sagemaker", "wait", "training-job-completed-or-stopped", "--training-job-name", name)


def test_a_job_is_created_waited_for_and_described(aws: AwsCli, engine: Engine) -> None:
    """Create, the waiter, Describe with the final metric, its model in S3 and its log in CloudWatch."""
    engine.go.touch()
    create(aws, "one")
    wait(aws, "one")
    found = describe(aws, "one")
    assert found["TrainingJobStatus"] == "Completed"
    assert [(m["MetricName"], m["Value"]) for m in found["FinalMetricDataList"]] == [("score", 0.75)]
    assert "model.tar.gz" in aws("s3", "ls", "--recursive", "s3://mine/out/one/")
    group = "/aws/sagemaker/TrainingJobs"
    streams = aws("logs", "describe-log-streams", "--log-group-name", group, "--log-stream-name-prefix", "one/")
    stream = streams["logStreams"][0]["logStreamName"]
    events = aws("logs", "get-log-events", "--log-group-name", group, "--log-stream-name", stream)["events"]
    assert [event["message"] for event in events] == ["score=0.5", "score=0.75"]


def test_a_running_job_is_stopped(aws: AwsCli) -> None:
    """Stop, the waiter, and the words of a second stop."""
    create(aws, "two")
    aws("sagemaker", "stop-training-job", "--training-job-name", "two")
    wait(aws, "two")
    assert describe(aws, "two")["TrainingJobStatus"] == "Stopped"
    assert "ValidationException" in aws("sagemaker", "stop-training-job", "--training-job-name", "two", fails=True)


def test_a_pool_is_listed_and_released(aws: AwsCli, engine: Engine) -> None:
    """The pool is found by its status, its keep-alive is changed, then it is released and gone from the list."""
    engine.go.touch()
    create(aws, "three")
    wait(aws, "three")
    listing = ("sagemaker", "list-training-jobs", "--warm-pool-status-equals", "Available")
    names = [job["TrainingJobName"] for job in aws(*listing)["TrainingJobSummaries"]]
    while not names:  # the pool shows itself a moment after the job's end
        names = [job["TrainingJobName"] for job in aws(*listing)["TrainingJobSummaries"]]
    assert names == ["three"]
    update = ("sagemaker", "update-training-job", "--training-job-name", "three", "--resource-config")
    aws(*update, "KeepAlivePeriodInSeconds=900")
    aws(*update, "KeepAlivePeriodInSeconds=0")
    while (status := describe(aws, "three")["WarmPoolStatus"])["Status"] != "Terminated":
        assert status["Status"] == "Available"
    assert aws(*listing)["TrainingJobSummaries"] == []


def test_lists_are_paged_and_mistakes_are_the_services_own(aws: AwsCli, engine: Engine) -> None:
    """Two pages of one; a name taken twice, an unknown job and a wrong enum are refused in the service's words."""
    engine.go.touch()
    create(aws, "five")
    create(aws, "six")
    listed = aws(
        "sagemaker", "list-training-jobs", "--page-size", "1", "--sort-by", "Name", "--sort-order", "Ascending"
    )
    assert [job["TrainingJobName"] for job in listed["TrainingJobSummaries"]] == ["five", "six"]
    request = json.dumps({"TrainingJobName": "six", **REQUEST})
    again = aws("sagemaker", "create-training-job", "--cli-input-json", request, fails=True)
    assert "ResourceInUse" in again
    unknown = aws("sagemaker", "describe-training-job", "--training-job-name", "nobody", fails=True)
    assert "Requested resource not found" in unknown
    wrong = {**REQUEST["ResourceConfig"], "InstanceType": "ml.nothing.large"}
    request = json.dumps({"TrainingJobName": "seven", **REQUEST, "ResourceConfig": wrong})
    assert "ValidationException" in aws("sagemaker", "create-training-job", "--cli-input-json", request, fails=True)
