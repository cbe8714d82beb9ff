"""AWS Batch over HTTP: a real boto3 client, real training jobs."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.validate import validate_parameters

from sweeper.engine.wire import rules

from .conftest import Clients, request

KIND = "SAGEMAKER_TRAINING"
CAPACITY = [{"maxCapacity": 1, "capacityUnit": "NUM_INSTANCES"}]


@pytest.fixture(scope="module")
def batch(clients: Clients) -> Any:
    """A client whose every answer is held to botocore's output shapes and constraints."""
    client = clients.client("batch")

    def check(model: Any, parsed: dict[str, Any], **_: Any) -> None:
        if "Error" not in parsed and model.output_shape is not None:
            answer = {k: v for k, v in parsed.items() if k != "ResponseMetadata"}
            validate_parameters(answer, model.output_shape)
            # the model wants no empty tags, and the documents show them
            assert [p for p in rules.broken(model.name, answer, "batch") if "tags'" not in p] == []

    client.meta.events.register("after-call.batch.*", check)
    return client


@pytest.fixture
def queue(batch: Any, request: pytest.FixtureRequest) -> Iterator[str]:
    """A queue with room for one instance; removed again with its environment, as the documents say."""
    name = re.sub(r"\W", "-", request.node.name)
    batch.create_service_environment(serviceEnvironmentName=name, serviceEnvironmentType=KIND, capacityLimits=CAPACITY)
    order = [{"order": 1, "serviceEnvironment": name}]
    batch.create_job_queue(jobQueueName=name, jobQueueType=KIND, priority=1, serviceEnvironmentOrder=order)
    yield name
    batch.update_job_queue(jobQueue=name, state="DISABLED")
    batch.delete_job_queue(jobQueue=name)
    until(lambda: batch.describe_job_queues(jobQueues=[name])["jobQueues"] == [])
    batch.update_service_environment(serviceEnvironment=name, state="DISABLED")
    batch.delete_service_environment(serviceEnvironment=name)


def until(true: Callable[[], object]) -> None:
    """Look until it is true."""
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def submit(batch: Any, clients: Clients, queue: str, name: str, script: str, **changes: Any) -> str:
    """A service job that runs a Python script; returns its ARN."""
    clients.s3.put_object(Bucket="bucket", Key=f"code/{name}/train.py", Body=script.encode())
    answer = batch.submit_service_job(
        jobName=name,
        jobQueue=queue,
        serviceJobType=KIND,
        serviceRequestPayload=json.dumps(request(name)),
        timeoutConfig={"attemptDurationSeconds": 86400},
        **changes,
    )
    return str(answer["jobArn"])


def ended(batch: Any, arn: str) -> dict[str, Any]:
    """Wait until it is SUCCEEDED or FAILED."""
    until(lambda: batch.describe_service_job(jobId=arn)["status"] in ("SUCCEEDED", "FAILED"))
    return dict(batch.describe_service_job(jobId=arn))


def test_a_queue_of_one(batch: Any, clients: Clients, queue: str) -> None:
    """The second job waits for the first; what it trained is SageMaker's, under the name of the latest attempt."""
    first = submit(batch, clients, queue, "first", "print('hello')")
    second = submit(batch, clients, queue, "second", "raise SystemExit(3)", tags={"team": "a"})
    told = ended(batch, first)
    assert (told["status"], told["statusReason"]) == (
        "SUCCEEDED",
        "Received status from SageMaker: Training job completed",
    )
    name = told["latestAttempt"]["serviceResourceId"]["value"].rpartition("/")[2]
    assert clients.describe(name)["TrainingJobStatus"] == "Completed"
    assert clients.log(name) == ["hello"]
    failed = ended(batch, second)
    assert failed["statusReason"].startswith("Received status from SageMaker: AlgorithmError: ")
    assert failed["scheduledAt"] >= told["stoppedAt"]
    by_name = batch.list_service_jobs(jobQueue=queue, filters=[{"name": "JOB_NAME", "values": ["FIR*"]}])
    assert [job["jobArn"] for job in by_name["jobSummaryList"]] == [first]
    assert batch.list_service_jobs(jobQueue=queue)["jobSummaryList"] == []
    pages = batch.get_paginator("list_service_jobs").paginate(
        jobQueue=queue,
        filters=[{"name": "AFTER_CREATED_AT", "values": ["0"]}],
        PaginationConfig={"PageSize": 1},
    )
    assert [job["jobName"] for page in pages for job in page["jobSummaryList"]] == ["second", "first"]


def test_terminate_and_snapshot(batch: Any, clients: Clients, queue: str) -> None:
    """A running job is stopped by its ARN, as the SDK calls it; the waiting one stands in front of the queue."""
    running = submit(batch, clients, queue, "runs", "import time; time.sleep(60)")
    waiting = submit(batch, clients, queue, "waits", "")
    until(lambda: batch.describe_service_job(jobId=running)["status"] == "RUNNING")
    snapshot = batch.get_job_queue_snapshot(jobQueue=queue)
    assert [job["jobArn"] for job in snapshot["frontOfQueue"]["jobs"]] == [waiting]
    assert snapshot["queueUtilization"]["totalCapacityUsage"][0]["quantity"] == 1
    batch.terminate_service_job(jobId=running, reason="enough")
    told = ended(batch, running)
    assert (told["status"], told["statusReason"], told["isTerminated"]) == ("FAILED", "enough", True)
    assert ended(batch, waiting)["status"] == "SUCCEEDED"


def test_policies_tags_and_queues(batch: Any, queue: str) -> None:
    """What was asked is described; a policy in use stays."""
    distribution = [{"shareIdentifier": "A", "weightFactor": 0.5}]
    made = batch.create_scheduling_policy(name="fair", fairsharePolicy={"shareDistribution": distribution})
    order = [{"order": 1, "serviceEnvironment": queue}]
    batch.create_job_queue(
        jobQueueName="fair", priority=1, serviceEnvironmentOrder=order, schedulingPolicyArn=made["arn"]
    )
    told = batch.describe_scheduling_policies(arns=[made["arn"]])["schedulingPolicies"]
    assert told[0]["fairsharePolicy"]["shareDistribution"] == distribution
    assert {"arn": made["arn"]} in batch.list_scheduling_policies()["schedulingPolicies"]
    with pytest.raises(ClientError, match="used by a job queue"):
        batch.delete_scheduling_policy(arn=made["arn"])
    arn = batch.describe_job_queues(jobQueues=["fair"])["jobQueues"][0]["jobQueueArn"]
    batch.tag_resource(resourceArn=arn, tags={"a": "1", "b": "2"})
    batch.untag_resource(resourceArn=arn, tagKeys=["a"])
    assert batch.list_tags_for_resource(resourceArn=arn)["tags"] == {"b": "2"}
    batch.update_job_queue(jobQueue=arn, state="DISABLED", priority=7)
    assert batch.describe_job_queues(jobQueues=[arn])["jobQueues"][0]["priority"] == 7
    batch.delete_job_queue(jobQueue=arn)
    batch.delete_scheduling_policy(arn=made["arn"])
    described = batch.describe_service_environments(serviceEnvironments=[queue])["serviceEnvironments"]
    assert (described[0]["status"], described[0]["capacityLimits"]) == ("VALID", CAPACITY)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"jobName": "a b"}, "jobName must match"),
        ({"jobQueue": "nowhere"}, "job queue nowhere does not exist"),
        ({"serviceRequestPayload": "x" * 10_241}, "at most 10240 bytes"),
        ({"serviceRequestPayload": "x" * 31_000}, "at most 30720 bytes"),
        ({"retryStrategy": {"attempts": 11}}, "attempts must be between 1 and 10"),
        ({"retryStrategy": {"attempts": 2, "evaluateOnExit": [{"action": "EXIT"}]}}, "onStatusReason"),
        ({"schedulingPriority": 10_000}, "schedulingPriority"),
        ({"timeoutConfig": {"attemptDurationSeconds": 59}}, "attemptDurationSeconds"),
        ({"shareIdentifier": "A"}, "must not be specified"),
        ({"quotaShareName": "A"}, "quotaShareName must not be specified"),
        ({"serviceJobType": "OTHER"}, "SAGEMAKER_TRAINING"),
        ({"clientToken": "x" * 65}, "less than or equal to 64"),
    ],
)
def test_what_is_refused_at_once(batch: Any, queue: str, changes: dict[str, Any], text: str) -> None:
    """The limits of the documents, with Batch's one code; nothing is queued."""
    asked = {"jobName": "a", "jobQueue": queue, "serviceJobType": KIND, "serviceRequestPayload": "{}", **changes}
    with pytest.raises(ClientError, match=rf"\(ClientException\).*{text}"):
        batch.submit_service_job(**asked)
    every = [{"name": "AFTER_CREATED_AT", "values": ["0"]}]
    assert batch.list_service_jobs(jobQueue=queue, filters=every)["jobSummaryList"] == []


def test_what_the_engine_has_not(batch: Any) -> None:
    """Containers on compute environments are another product; it says so."""
    with pytest.raises(ClientError, match="does not emulate the operation ListJobs"):
        batch.list_jobs(jobQueue="q")
    with pytest.raises(ClientError, match="does not emulate job queues of type ECS"):
        batch.create_job_queue(jobQueueName="e", jobQueueType="ECS", priority=1)
    with pytest.raises(ClientError, match="does not emulate job queues without a service environment"):
        batch.create_job_queue(jobQueueName="e", priority=1)
