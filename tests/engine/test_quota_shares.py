"""Quota shares of AWS Batch in virtual time: what is a share's own, what it borrows, and who makes room for whom."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from sweeper.engine.batch.service import Batch
from sweeper.engine.batch.sharing import CROSS_SHARE, IN_SHARE
from sweeper.engine.errors import ServiceError
from sweeper.engine.store import Store
from sweeper.engine.training.service import Service
from sweeper.engine.wire import rules
from sweeper.testing.twin import Script, Twin
from tests.engine.test_batch import Queue, payload, shares_at_work, twin

TYPE = "ml.m5.large"
BORROWS = {"strategy": "LEND_AND_BORROW"}


class Divided(Queue):
    """A client of a queue with so many machines of one type, divided between quota shares."""

    def __init__(self, world: Twin, capacity: int = 4, **shares: dict[str, Any]) -> None:
        self.twin = world
        kind, order = "SAGEMAKER_TRAINING", [{"order": 1, "serviceEnvironment": "e"}]
        limits = [{"maxCapacity": capacity, "capacityUnit": TYPE}]
        environment = {"serviceEnvironmentName": "e", "serviceEnvironmentType": kind, "capacityLimits": limits}
        policy = {"name": "p", "quotaSharePolicy": {"idleResourceAssignmentStrategy": "FIFO"}}
        self.ask("CreateServiceEnvironment", **environment)
        arn = self.ask("CreateSchedulingPolicy", **policy)["arn"]
        queue = {"jobQueueName": "q", "jobQueueType": kind, "priority": 1, "serviceEnvironmentOrder": order}
        self.ask("CreateJobQueue", **queue, schedulingPolicyArn=arn)
        self.arns = {name: self.share(name, **told) for name, told in shares.items()}

    def ask(self, operation: str, **params: Any) -> dict[str, Any]:
        """One call, whose request and answer are what botocore's model has."""
        told = self.twin.apply(operation, rules.validated(operation, params, "batch"))
        if "Share" in operation or "Snapshot" in operation:
            assert rules.broken(operation, rules.shaped(operation, told, "batch"), "batch") == []
        return told

    def share(self, name: str, own: int = 2, preempts: str = "DISABLED", **sharing: Any) -> str:
        """CreateQuotaShare; returns the ARN."""
        made = {
            "quotaShareName": name,
            "jobQueue": "q",
            "capacityLimits": [{"maxCapacity": own, "capacityUnit": TYPE}],
            "resourceSharingConfiguration": sharing or BORROWS,
            "preemptionConfiguration": {"inSharePreemption": preempts},
        }
        return str(self.ask("CreateQuotaShare", **made)["quotaShareArn"])

    def wait(self, seconds: float) -> None:
        """Let so much time pass, and happen what it brings."""
        self.twin.clock.sleep(seconds)
        self.twin.advance(self.twin.clock.now())

    def fill(self, share: str, count: int, **changes: Any) -> list[str]:
        """Submit so many jobs to a share, a second between them."""
        made = []
        for _ in range(count):
            name = f"{share}{len(self.twin.batch.jobs)}"
            made.append(self.submit(name, quotaShareName=share, **changes))
            self.twin.clock.sleep(1)
        return made


def test_borrowed_capacity_is_given_back_and_the_preempted_finish() -> None:
    """Who borrowed last makes room, waits its turn, and ends well later; each step is told as the documents do."""
    queue = Divided(twin(Script(seconds=300, stops_in=20)), a={}, b={})
    lent = queue.fill("a", 4)
    assert shares_at_work(queue.twin) == {"a": 4}
    owner = queue.fill("b", 2)
    told = queue.describe(lent[3])
    assert (told["status"], told["statusReason"]) == ("RUNNING", f"PREEMPTION_IN_PROGRESS: {CROSS_SHARE}")
    assert not [job for job in lent[:2] if "statusReason" in queue.describe(job)]  # what is its own it keeps
    queue.wait(60)
    assert shares_at_work(queue.twin) == {"a": 2, "b": 2}
    told = queue.describe(lent[3])
    (attempt,) = told["preemptionSummary"]["recentPreemptedAttempts"]
    assert (told["status"], told["statusReason"]) == ("RUNNABLE", CROSS_SHARE)
    assert (told["preemptionSummary"]["preemptedAttemptCount"], attempt["statusReason"]) == (1, CROSS_SHARE)
    assert attempt["serviceResourceId"] == told["latestAttempt"]["serviceResourceId"]
    assert attempt["startedAt"] < attempt["stoppedAt"] and "isTerminated" not in told and told["attempts"] == []
    ended = [queue.ended(job) for job in (*owner, *lent)]
    assert {job["status"] for job in ended} == {"SUCCEEDED"}
    assert [len(job["attempts"]) for job in ended] == [1] * 6


@pytest.mark.parametrize(("retries", "status"), [(0, "FAILED"), (1, "RUNNABLE"), (None, "RUNNABLE")])
def test_a_job_is_preempted_so_often_as_it_says(retries: int | None, status: str) -> None:
    """With 0 the first preemption fails it, whatever its retries; where nothing is said there is no end to them."""
    queue = Divided(twin(Script(seconds=300, stops_in=5)), capacity=2, a={"own": 1}, b={"own": 1})
    limit = {} if retries is None else {"preemptionRetriesBeforeTermination": retries}
    borrower = queue.fill("a", 2, preemptionConfiguration=limit, retryStrategy={"attempts": 3})[1]
    queue.wait(30)
    queue.fill("b", 1)
    queue.wait(60)
    told = queue.describe(borrower)
    assert (told["status"], told["statusReason"]) == (status, CROSS_SHARE)
    assert told["preemptionSummary"]["preemptedAttemptCount"] == 1


def test_in_a_share_the_higher_priority_takes_the_place_of_the_lower() -> None:
    """Only where the share says so, also when the priority is changed later; an equal one waits."""
    queue = Divided(twin(Script(seconds=600, stops_in=5)), capacity=2, a={"preempts": "ENABLED"})
    first, second = queue.fill("a", 2, schedulingPriority=3)
    (equal,) = queue.fill("a", 1, schedulingPriority=3)
    queue.wait(30)
    assert queue.describe(equal)["status"] == "RUNNABLE"
    assert queue.ask("UpdateServiceJob", jobId=equal, schedulingPriority=4)["jobId"] == equal
    queue.ask("UpdateServiceJob", jobId=first, schedulingPriority=1)
    queue.wait(30)
    assert [queue.describe(job)["status"] for job in (first, second, equal)] == ["RUNNABLE", "RUNNING", "RUNNING"]
    (attempt,) = queue.describe(first)["preemptionSummary"]["recentPreemptedAttempts"]
    assert attempt["statusReason"] == IN_SHARE
    queue.ask(
        "UpdateQuotaShare", quotaShareArn=queue.arns["a"], preemptionConfiguration={"inSharePreemption": "DISABLED"}
    )
    queue.fill("a", 1, schedulingPriority=9)
    queue.wait(30)
    assert queue.describe(second)["status"] == "RUNNING"


@pytest.mark.parametrize(
    ("sharing", "at_work"),
    [
        ({"strategy": "LEND"}, {"a": 2}),
        ({"strategy": "LEND_AND_BORROW", "borrowLimit": 50}, {"a": 3}),
        ({"strategy": "LEND_AND_BORROW", "borrowLimit": -1}, {"a": 4}),
    ],
)
def test_a_share_borrows_what_it_may(sharing: dict[str, Any], at_work: dict[str, int]) -> None:
    """Nothing, so many percent of its own, or all that is idle; what another share reserves stays idle."""
    lender = Divided(twin(Script(seconds=600)), capacity=4, a=dict(sharing), b={"strategy": "LEND"})
    lender.fill("a", 5)
    assert shares_at_work(lender.twin) == at_work
    reserver = Divided(twin(Script(seconds=600)), capacity=4, a=dict(sharing), b={"strategy": "RESERVE"})
    reserver.fill("a", 5)
    assert shares_at_work(reserver.twin) == {"a": 2}


def test_a_snapshot_tells_each_share() -> None:
    """What stands first in each, what each uses, by instance type."""
    queue = Divided(twin(Script(seconds=600)), a={}, b={})
    queue.fill("a", 3)
    queue.fill("b", 1)
    waits = queue.fill("b", 2)[1]
    queue.wait(120)
    told = queue.ask("GetJobQueueSnapshot", jobQueue="q")
    fronts = told["frontOfQuotaShares"]["quotaShares"]
    assert [front["jobArn"].rpartition("/")[2] for front in fronts["b"]] == [waits]
    use = {
        one["quotaShareName"]: one["capacityUsage"]
        for one in told["queueUtilization"]["quotaShareUtilization"]["topCapacityUtilization"]
    }
    assert use == {name: [{"capacityUnit": TYPE, "quantity": 2.0}] for name in "ab"}
    assert told["queueUtilization"]["totalCapacityUsage"] == [{"capacityUnit": TYPE, "quantity": 4.0}]
    found = queue.ask(
        "ListServiceJobs", jobQueue="q", jobStatus="RUNNABLE", filters=[{"name": "QUOTA_SHARE_NAME", "values": ["b"]}]
    )["jobSummaryList"]
    assert [(job["jobId"], job["quotaShareName"]) for job in found] == [(waits, "b")]
    assert found[0]["capacityUsage"] == [{"capacityUnit": TYPE, "quantity": 1.0}]


def test_what_quota_shares_refuse() -> None:
    """Nothing is half made, and each refusal says what is wrong."""
    queue = Divided(twin(), a={})
    limits, sharing = [{"maxCapacity": 1, "capacityUnit": TYPE}], {"resourceSharingConfiguration": BORROWS}
    made = {"quotaShareName": "b", "jobQueue": "q", "capacityLimits": limits, **sharing}
    made["preemptionConfiguration"] = {"inSharePreemption": "ENABLED"}
    lends = {"strategy": "LEND", "borrowLimit": 1}
    submitted = {"jobName": "j", "jobQueue": "q", "serviceJobType": "SAGEMAKER_TRAINING"}
    submitted["serviceRequestPayload"] = payload("j")
    arn = queue.ask("DescribeJobQueues")["jobQueues"][0]["schedulingPolicyArn"]
    plain = {"serviceEnvironmentName": "plain", "serviceEnvironmentType": "SAGEMAKER_TRAINING"}
    queue.ask("CreateServiceEnvironment", **plain, capacityLimits=[{"maxCapacity": 1, "capacityUnit": "NUM_INSTANCES"}])
    order = [{"order": 1, "serviceEnvironment": "plain"}]
    refused: list[tuple[str, dict[str, Any], str]] = [
        ("CreateQuotaShare", {**made, "quotaShareName": "a"}, "already exists: a"),
        ("CreateQuotaShare", {**made, "capacityLimits": limits * 2}, "each capacityUnit once"),
        ("CreateQuotaShare", {**made, "capacityLimits": []}, "1 to 5"),
        ("CreateQuotaShare", {**made, "resourceSharingConfiguration": lends}, "borrowLimit can only"),
        ("SubmitServiceJob", submitted, "quotaShareName must be specified"),
        ("SubmitServiceJob", {**submitted, "quotaShareName": "x"}, "has no quota share x"),
        ("SubmitServiceJob", {**submitted, "quotaShareName": "a", "shareIdentifier": "s"}, "must not be specified"),
        ("DeleteQuotaShare", {"quotaShareArn": queue.arns["a"]}, "must be DISABLED"),
        ("CreateSchedulingPolicy", {"name": "x", "fairsharePolicy": {}, "quotaSharePolicy":
         {"idleResourceAssignmentStrategy": "FIFO"}}, "Only one"),
        ("UpdateSchedulingPolicy", {"arn": arn, "fairsharePolicy": {}}, "can't be changed"),
        ("CreateJobQueue", {"jobQueueName": "x", "priority": 1, "serviceEnvironmentOrder": order,
                            "schedulingPolicyArn": arn}, "need each other"),
    ]  # fmt: skip
    for operation, params, text in refused:
        with pytest.raises(ServiceError, match=text):
            queue.ask(operation, **params)
    assert [told["quotaShareName"] for told in queue.ask("ListQuotaShares", jobQueue="q")["quotaShares"]] == ["a"]


def test_a_share_that_is_deleted_ends_its_jobs_and_goes_with_the_last() -> None:
    """It takes no jobs first."""
    queue = Divided(twin(Script(seconds=600, stops_in=5)), a={}, b={})
    running, waiting = queue.fill("a", 1), queue.fill("a", 4)[3:]
    arn = queue.arns["a"]
    queue.ask("UpdateQuotaShare", quotaShareArn=arn, state="DISABLED")
    with pytest.raises(ServiceError, match="accepts no jobs"):
        queue.fill("a", 1)
    queue.ask("DeleteQuotaShare", quotaShareArn=arn)
    assert queue.ask("DescribeQuotaShare", quotaShareArn=arn)["status"] == "DELETING"
    reasons = {queue.ended(job)["statusReason"] for job in (*running, *waiting)}
    assert reasons == {"The quota share was deleted"}
    with pytest.raises(ServiceError, match="does not exist"):
        queue.ask("DescribeQuotaShare", quotaShareArn=arn)


@pytest.mark.parametrize("seed", range(4))
def test_shares_of_any_service_keep_their_own_and_lose_nothing(seed: int, tmp_path: Path) -> None:
    """Whatever is drawn: capacity is never exceeded, a share that has work has its own, every job ends once and well.

    A service that reads back what was stored goes on the same.
    """
    rng = random.Random(f"shares {seed}")
    world = Twin.drawn(seed, behaviour=lambda _, dice: Script(seconds=60 + 300 * dice.random(), stops_in=10))
    world.quiet()
    queue = Divided(world, capacity=6, a={"preempts": "ENABLED"}, b={}, c={})
    store, jobs = Store(tmp_path / "engine.db"), []
    for _ in range(30):
        share = rng.choice("aab" if len(jobs) < 15 else "abc")
        jobs += queue.fill(
            share, 1, schedulingPriority=rng.randrange(3), serviceRequestPayload=payload("j", rng.choice((1, 1, 2)))
        )
        world.clock.sleep(rng.choice((0.2, 30.0)))
        _written(store, world)
    for turn in range(3000):
        world.clock.sleep(20)
        world.advance(now := world.clock.now())
        used = Counter[str]()
        for job in world.batch.jobs.values():
            used[job.share or ""] += job.instances * job.status.dispatched
        assert sum(used.values()) <= 6 and used.keys() <= {"a", "b", "c"}
        if turn == 5:
            _written(store, world)
            _goes_on_alike(store, world, [*jobs], [*queue.arns.values()], now)
        if all(job.status.terminal for job in world.batch.jobs.values()):
            break
    store.close()
    assert {job.status.value for job in world.batch.jobs.values()} == {"SUCCEEDED"}
    assert len(world.batch.jobs) == 30 and world.service.running == [] and world.batch.next_due() is None


def _written(store: Store, world: Twin) -> None:
    service, batch = world.service, world.batch
    store.save(service.jobs, service.pools, {record: batch.dump(record) for record in batch.changed})
    batch.changed.clear()


def _goes_on_alike(store: Store, world: Twin, jobs: list[str], shares: list[str], now: float) -> None:
    again = Service(world.service.settings)
    again.restore(*store.load())
    other = Batch(again, dict)  # type: ignore[arg-type]
    other.restore(store.load_batch())
    asked = [("DescribeServiceJob", {"jobId": job}) for job in jobs]
    asked += [("DescribeQuotaShare", {"quotaShareArn": arn}) for arn in shares]
    for operation, params in [*asked, ("GetJobQueueSnapshot", {"jobQueue": "q"})]:
        assert other.call(operation, params, now) == world.batch.call(operation, params, now)
