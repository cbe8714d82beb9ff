"""AWS Batch in virtual time: queues, shares, retries, ends and faults."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sweeper.engine.batch.scheduling import retried
from sweeper.engine.batch.service import Batch
from sweeper.engine.errors import ServiceError
from sweeper.engine.store import Store
from sweeper.engine.training.service import Service
from sweeper.engine.training.settings import ServiceSettings
from sweeper.engine.training.states import CAPACITY, INTERNAL
from sweeper.engine.wire.faults import Faults, WireError
from sweeper.testing.twin import Script, Twin

ALIVE = ("SCHEDULED", "STARTING", "RUNNING")
PREFIX = "Received status from SageMaker:"
RETRY_INTERNAL = [
    {"action": "RETRY", "onStatusReason": f"{PREFIX} InternalServerError*"},
    {"action": "RETRY", "onStatusReason": f"{PREFIX}InternalServerError*"},
    {"action": "EXIT", "onStatusReason": "*"},
]


def payload(name: str, instances: int = 1, **changes: Any) -> str:
    """A CreateTrainingJob request as a service job carries it."""
    return json.dumps(
        {
            "TrainingJobName": name,
            "RoleArn": "arn:aws:iam::123456789012:role/sweeper",
            "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": instances, "VolumeSizeInGB": 30},
            "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
            "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
            **changes,
        }
    )


class Queue:
    """A client of one queue of a twin."""

    def __init__(self, twin: Twin, capacity: int = 4, policy: dict[str, Any] | None = None, **queue: Any) -> None:
        self.twin = twin
        limits = [{"maxCapacity": capacity, "capacityUnit": "NUM_INSTANCES"}]
        kind = "SAGEMAKER_TRAINING"
        self._set_up(
            "CreateServiceEnvironment",
            serviceEnvironmentName="e",
            serviceEnvironmentType=kind,
            capacityLimits=limits,
        )
        if policy is not None:
            queue["schedulingPolicyArn"] = self._set_up("CreateSchedulingPolicy", name="p", fairsharePolicy=policy)[
                "arn"
            ]
        order = [{"order": 1, "serviceEnvironment": "e"}]
        self._set_up(
            "CreateJobQueue", jobQueueName="q", jobQueueType=kind, priority=1, serviceEnvironmentOrder=order, **queue
        )

    def _set_up(self, operation: str, **params: Any) -> dict[str, Any]:
        return self.twin.apply(operation, params)

    def submit(self, name: str, **changes: Any) -> str:
        """SubmitServiceJob; returns the id."""
        made = {
            "jobName": name,
            "jobQueue": "q",
            "serviceJobType": "SAGEMAKER_TRAINING",
            "serviceRequestPayload": payload(name),
            **changes,
        }
        return str(self.twin.request("SubmitServiceJob", made)["jobId"])

    def describe(self, job: str) -> dict[str, Any]:
        return self.twin.request("DescribeServiceJob", {"jobId": job})

    def named(self, name: str) -> list[str]:
        filters = [{"name": "JOB_NAME", "values": [name]}]
        found = self.twin.request("ListServiceJobs", {"jobQueue": "q", "filters": filters})
        return [job["jobId"] for job in found["jobSummaryList"]]

    def ended(self, job: str) -> dict[str, Any]:
        for _ in range(10_000):
            found = self.describe(job)
            if found["status"] in ("SUCCEEDED", "FAILED"):
                return found
            self.twin.clock.sleep(5)
        raise AssertionError(f"never ended: {found}")

    def statuses(self) -> list[str]:
        return [job.status.value for job in self.twin.batch.jobs.values()]


def twin(script: Script | Callable[..., Script] = Script(), faults: Faults | None = None, **settings: Any) -> Twin:  # noqa: B008
    """A twin whose jobs do this."""
    behaviour = script if callable(script) else lambda *_: script
    return Twin(behaviour=behaviour, faults=faults or Faults(latency_s=(0.0,)), settings=ServiceSettings(**settings))


def surely(queue: Queue, name: str, **changes: Any) -> str:
    """Submit until it is known that there is one such job, whatever happens to the calls."""
    while True:
        try:
            return queue.submit(name, clientToken=f"token-{name}", **changes)
        except (ServiceError, WireError) as error:
            if isinstance(error, ServiceError) and error.code != "ClientException":
                queue.twin.clock.sleep(1)
        try:
            if found := queue.named(name):
                return found[0]
        except (ServiceError, WireError):
            queue.twin.clock.sleep(1)


def at_most(world: Twin, capacity: int) -> None:
    """No more instances are at work than the environment has, seen from SageMaker and from Batch."""
    assert len(world.service.running) <= capacity
    assert sum(job.instances for job in world.batch.jobs.values() if job.status.dispatched) <= capacity


@pytest.mark.parametrize("seed", range(8))
def test_forty_jobs_over_a_queue_of_four_end_right_under_faults(seed: int) -> None:
    """Each is there once, ends once, and as its training jobs did; never more than four run; nothing stands idle."""
    world = Twin.drawn(seed, behaviour=lambda _, rng: Script(seconds=60 + 300 * rng.random()))
    queue = Queue(world, capacity=4)
    strategy = {"attempts": 3, "evaluateOnExit": RETRY_INTERNAL}
    jobs = {f"job-{n}": surely(queue, f"job-{n}", retryStrategy=strategy) for n in range(40)}
    assert len(world.batch.jobs) == len(set(jobs.values())) == 40
    while "RUNNABLE" in queue.statuses() or any(status in ALIVE for status in queue.statuses()):
        world.clock.sleep(7)
        world.advance(world.clock.now())
        at_most(world, 4)
    assert all(status in ("SUCCEEDED", "FAILED") for status in queue.statuses())
    assert world.service.running == [] and world.batch.next_due() is None
    trained = [job.training_job for job in world.batch.jobs.values()]
    assert len(set(trained)) == 40
    for name, key in jobs.items():
        job = world.batch.jobs[key]
        last = world.service.jobs[job.training_job or ""]
        assert job.name == name and last.name.startswith(f"AWSBatch{name}") and len(last.name) <= 63
        assert (job.status.value == "SUCCEEDED") is (last.status.value == "Completed")
        reasons = [attempt.reason for attempt in job.attempts]
        assert 1 <= len(reasons) <= 3
        assert all("InternalServerError" in reason for reason in reasons[:-1])
        assert all("CapacityError" not in reason for reason in reasons)
    completed = [job for job in world.service.jobs.values() if job.status.value == "Completed"]
    assert len(completed) == queue.statuses().count("SUCCEEDED") > 25


def shares_at_work(world: Twin) -> Counter[str]:
    """How many jobs of each share run now."""
    return Counter(job.share or "" for job in world.batch.jobs.values() if job.status.dispatched)


def used_by(policy: dict[str, Any] | None, capacity: int) -> dict[str, float]:
    """Instance-seconds of two shares while jobs of both wait; all of A's were submitted before B's."""
    world = twin(Script(seconds=100))
    queue = Queue(world, capacity=capacity, policy=policy)
    world.apply("UpdateServiceEnvironment", {"serviceEnvironment": "e", "state": "DISABLED"})
    for share in ("A", "B"):
        for n in range(60):
            queue.submit(f"{share}{n}", **({"shareIdentifier": share} if policy is not None else {}))
    assert not shares_at_work(world)
    world.apply("UpdateServiceEnvironment", {"serviceEnvironment": "e", "state": "ENABLED"})
    used = Counter[str]()
    while len({job.name[0] for job in world.batch.jobs.values() if job.status.value == "RUNNABLE"}) == 2:
        world.clock.sleep(10)
        world.advance(world.clock.now())
        used.update(job.name[0] for job in world.batch.jobs.values() if job.status.dispatched)
    return dict(used)


def test_fair_share_between_two_identifiers() -> None:
    """In a queue without policy the second user waits for all of the first's; with one both get their weight."""
    assert set(used_by(None, 6)) == {"A"}
    even = used_by({"shareDistribution": []}, 6)
    assert even["A"] == even["B"]
    weighted = {"shareDistribution": [{"shareIdentifier": "B*", "weightFactor": 0.5}]}
    uneven = used_by(weighted, 6)
    assert uneven["B"] == 2 * uneven["A"]


def test_a_reservation_leaves_room_for_a_share_that_comes_late() -> None:
    """With half reserved one share gets half, two get three quarters; within a share the priority decides."""
    world = twin(Script(seconds=100))
    queue = Queue(world, capacity=8, policy={"computeReservation": 50})
    for n in range(8):
        queue.submit(f"a{n}", shareIdentifier="A", schedulingPriority=n)
    assert shares_at_work(world) == {"A": 4}
    queue.submit("b", shareIdentifier="B")
    assert shares_at_work(world) == {"A": 5, "B": 1}  # B goes first, and leaves one more place for A
    front = world.apply("GetJobQueueSnapshot", {"jobQueue": "q"})["frontOfQueue"]["jobs"]
    names = [queue.describe(job["jobArn"])["jobName"] for job in front]
    assert names == ["a6", "a5", "a4"]


@pytest.mark.parametrize(
    ("strategy", "attempts", "reason", "again"),
    [
        ({}, 1, "x", False),
        ({"attempts": 2}, 1, "x", True),
        ({"attempts": 2}, 2, "x", False),
        ({"attempts": 3, "evaluateOnExit": RETRY_INTERNAL}, 1, f"{PREFIX} InternalServerError: no", True),
        ({"attempts": 3, "evaluateOnExit": RETRY_INTERNAL}, 1, f"{PREFIX}InternalServerError: no", True),
        ({"attempts": 3, "evaluateOnExit": RETRY_INTERNAL}, 1, f"{PREFIX} AlgorithmError: no", False),
        ({"attempts": 3, "evaluateOnExit": RETRY_INTERNAL[:1]}, 1, "something else", True),
        ({"attempts": 3, "evaluateOnExit": [{"action": "EXIT", "onStatusReason": "exact"}]}, 1, "exact.", True),
        ({"attempts": 3, "evaluateOnExit": [{"action": "EXIT", "onStatusReason": "exact"}]}, 1, "exact", False),
    ],
)
def test_the_first_rule_that_matches_decides(strategy: dict[str, Any], attempts: int, reason: str, again: bool) -> None:
    """Attempts count the first one; a failure that no rule matches is tried again."""
    assert retried(strategy, attempts, reason) is again


def test_an_attempt_is_told_as_the_documents_tell_it() -> None:
    """Three attempts, three training jobs of the renamed request, milliseconds, the last reason."""
    outcomes = iter([Script(platform_failure=INTERNAL), Script(platform_failure=INTERNAL), Script(seconds=30)])
    queue = Queue(twin(lambda *_: next(outcomes)))
    told = queue.ended(
        queue.submit("my-job", retryStrategy={"attempts": 3, "evaluateOnExit": RETRY_INTERNAL}, tags={"k": "v"})
    )
    assert told["status"] == "SUCCEEDED" and told["tags"] == {"k": "v"}
    reasons = [attempt["statusReason"] for attempt in told["attempts"]]
    assert (
        reasons
        == [f"{PREFIX} {INTERNAL}"] * 2 + [f"{PREFIX} Training job completed"]
        == [
            *reasons[:2],
            told["statusReason"],
        ]
    )
    arns = [attempt["serviceResourceId"]["value"] for attempt in told["attempts"]]
    assert told["latestAttempt"]["serviceResourceId"] == {"name": "TrainingJobArn", "value": arns[-1]}
    start = "arn:aws:sagemaker:us-east-1:123456789012:training-job/AWSBatchmy-job"
    assert all(arn.startswith(start) and len(arn) == len(start) + 32 for arn in arns) and len(set(arns)) == 3
    assert told["createdAt"] <= told["startedAt"] < told["stoppedAt"]
    assert told["stoppedAt"] - told["startedAt"] == pytest.approx(32_000, abs=1)


def test_a_payload_is_judged_when_it_is_sent() -> None:
    """Batch takes what SageMaker refuses; the job fails with SageMaker's reason."""
    queue = Queue(twin(training_quota={"*": 0}))
    assert queue.ended(queue.submit("no-json", serviceRequestPayload="{"))["statusReason"].startswith(
        f"{PREFIX} ValidationException: "
    )
    endless = payload("endless").replace('"InstanceCount": 1', '"InstanceCount": 1e999')
    assert queue.ended(queue.submit("endless", serviceRequestPayload=endless))["status"] == "FAILED"
    told = queue.ended(queue.submit("no-quota"))
    assert told["status"] == "FAILED" and "ResourceLimitExceeded" in told["statusReason"]
    assert "latestAttempt" not in told and "serviceResourceId" not in told["attempts"][0]


def test_no_capacity_is_no_attempt_until_its_time_is_up() -> None:
    """The job is sent again and again; only the last training job is kept; a time limit of the queue ends it."""
    limit = {"state": "RUNNABLE", "maxTimeSeconds": 600, "action": "TERMINATE"}
    reason = "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY"
    queue = Queue(
        twin(Script(seconds=0, platform_failure=CAPACITY), cold_start_s=100),
        jobStateTimeLimitActions=[{**limit, "reason": reason}],
    )
    job = queue.submit("hungry")
    queue.twin.clock.sleep(130)
    waiting = queue.describe(job)
    assert waiting["status"] == "RUNNABLE" and waiting["attempts"] == []
    assert waiting["statusReason"] == f"{reason} - Unable to provision requested compute resources"
    told = queue.ended(job)
    assert told["statusReason"] == f"Terminated by JobStateTimeLimit action due to reason: {reason}"
    assert len(queue.twin.service.jobs) == 1


def test_a_job_larger_than_its_environment_holds_the_queue_up_until_its_time_is_up() -> None:
    """The queue says why; then the next one goes."""
    limit = {"state": "RUNNABLE", "maxTimeSeconds": 600, "action": "TERMINATE"}
    reason = "MISCONFIGURATION:SERVICE_ENVIRONMENT_MAX_RESOURCE"
    queue = Queue(twin(), jobStateTimeLimitActions=[{**limit, "reason": reason}])
    large = queue.submit("large", serviceRequestPayload=payload("large", instances=5))
    small = queue.submit("small")
    queue.twin.clock.sleep(599)
    assert [queue.describe(job)["status"] for job in (large, small)] == ["RUNNABLE", "RUNNABLE"]
    assert queue.describe(large)["statusReason"].startswith(f"{reason} - ")
    queue.twin.clock.sleep(1)
    assert queue.describe(large)["statusReason"] == f"Terminated by JobStateTimeLimit action due to reason: {reason}"
    assert queue.ended(small)["status"] == "SUCCEEDED"


def test_termination() -> None:
    """A waiting job ends at once, a running one with its training job; what was done before stays done."""
    queue = Queue(twin(Script(seconds=100, stops_in=5)), capacity=1)
    running, waiting = queue.submit("running"), queue.submit("waiting")
    strategy = {"retryStrategy": {"attempts": 3}}
    behind = queue.submit("behind", **strategy)
    queue.twin.clock.sleep(50)
    for job in (waiting, running):
        assert queue.twin.request("TerminateServiceJob", {"jobId": job, "reason": "enough"}) == {}
    assert queue.describe(waiting)["status"] == "FAILED"
    stopping = queue.describe(running)
    assert (stopping["status"], stopping["isTerminated"]) == ("RUNNING", True)
    told = queue.ended(running)
    assert (told["status"], told["statusReason"]) == ("FAILED", "enough")
    assert queue.twin.service.jobs[queue.twin.batch.jobs[running].training_job or ""].status.value == "Stopped"
    queue.twin.clock.sleep(103)  # its container has ended, and it uploads
    queue.twin.request("TerminateServiceJob", {"jobId": behind, "reason": "too late"})
    told = queue.ended(behind)
    assert (told["status"], len(told["attempts"])) == ("FAILED", 1) or told["status"] == "SUCCEEDED"
    queue.twin.request("TerminateServiceJob", {"jobId": behind, "reason": "twice"})
    assert queue.describe(behind) == told


def test_an_attempt_that_lasts_too_long_is_the_last() -> None:
    """Its training job is stopped."""
    queue = Queue(twin(Script(seconds=1000)))
    told = queue.ended(
        queue.submit("slow", timeoutConfig={"attemptDurationSeconds": 60}, retryStrategy={"attempts": 3})
    )
    assert (told["status"], told["statusReason"]) == ("FAILED", "Job attempt duration exceeded timeout")
    assert len(told["attempts"]) == 1 and told["stoppedAt"] - told["startedAt"] < 70_000


@pytest.mark.parametrize("rejects", [True, False])
def test_the_same_request_with_the_same_token_makes_one_job(rejects: bool) -> None:
    """It is rejected, or gets the same answer; another payload or token makes another job."""
    queue = Queue(twin(batch_rejects_replay=rejects))
    first = queue.submit("once", clientToken="t")
    if rejects:
        with pytest.raises(ServiceError, match="clientToken"):
            queue.submit("once", clientToken="t")
    else:
        assert queue.submit("once", clientToken="t") == first
    others = {queue.submit("once"), queue.submit("once", clientToken="u"), queue.submit("once", tags={"a": "b"})}
    assert len(others | {first}) == 4


def test_a_queue_that_is_deleted_ends_its_jobs_and_goes_when_they_have_ended() -> None:
    """As the documents say: it takes no jobs first, and has none in the end."""
    queue = Queue(twin(Script(seconds=100, stops_in=5)), capacity=1)
    running, waiting = queue.submit("running"), queue.submit("waiting")
    queue.twin.clock.sleep(10)
    with pytest.raises(ServiceError, match="must be DISABLED first"):
        queue.twin.apply("DeleteJobQueue", {"jobQueue": "q"})
    queue.twin.apply("UpdateJobQueue", {"jobQueue": "q", "state": "DISABLED"})
    queue.twin.apply("DeleteJobQueue", {"jobQueue": "q"})
    (told,) = queue.twin.apply("DescribeJobQueues", {})["jobQueues"]
    assert (told["status"], queue.describe(waiting)["status"]) == ("DELETING", "FAILED")
    assert queue.ended(running)["statusReason"] == "The job queue was deleted"
    assert queue.twin.apply("DescribeJobQueues", {})["jobQueues"] == []


def test_an_engine_that_is_stopped_leaves_no_job_that_would_go_on_later() -> None:
    """What waits ends at once, and what runs is not tried again."""
    queue = Queue(twin(Script(seconds=100)), capacity=1)
    jobs = [queue.submit(f"j{n}", retryStrategy={"attempts": 3}) for n in range(3)]
    queue.twin.batch.terminate_all("The engine was stopped", queue.twin.clock.now())
    assert [queue.ended(job)["statusReason"] for job in jobs] == ["The engine was stopped"] * 3
    assert len(queue.twin.service.jobs) == 1


def test_five_calls_a_second() -> None:
    """The real service takes no more."""
    queue = Queue(twin(batch_submit_rate=5))
    for n in range(5):
        queue.submit(f"j{n}")
    with pytest.raises(ServiceError, match="TooManyRequests"):
        queue.submit("j5")
    queue.twin.clock.sleep(1.1)
    queue.submit("j5")


def test_a_restart_changes_nothing(tmp_path: Path) -> None:
    """After every step a service that has read the records tells the same, and would do the same next."""
    world = Twin.drawn(3, behaviour=lambda _, rng: Script(seconds=60 + 100 * rng.random()))
    world.quiet()
    queue = Queue(world, policy={"shareDecaySeconds": 900})
    store = Store(tmp_path / "engine.db")
    jobs = []
    for n in range(12):
        jobs.append(queue.submit(f"j{n}", shareIdentifier="AB"[n % 2], timeoutConfig={"attemptDurationSeconds": 120}))
        world.clock.sleep(40)
        world.advance(now := world.clock.now())
        service, batch = world.service, world.batch
        store.save(
            {name: service.jobs.get(name) for name in service.ledger.changed_jobs},
            {key: service.pools.get(key) for key in service.ledger.changed_pools},
            {record: batch.dump(record) for record in batch.changed},
        )
        batch.changed.clear()
        again = Service(service.settings)
        again.restore(*store.load())
        other = Batch(again, dict)  # type: ignore[arg-type]
        other.restore(store.load_batch())
        other.advance(now)
        assert other.next_due() == batch.next_due()
        for operation, params in [("DescribeServiceJob", {"jobId": job}) for job in jobs] + [
            ("GetJobQueueSnapshot", {"jobQueue": "q"}),
            ("DescribeJobQueues", {}),
        ]:
            assert other.call(operation, params, now) == batch.call(operation, params, now)
    store.close()
