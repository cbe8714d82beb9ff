"""The pure service under a virtual clock."""

from __future__ import annotations

import random
from typing import Any

import pytest

from sweeper.engine.errors import ServiceError
from sweeper.engine.training.effects import DropPool, SignalContainer, StartContainer, UploadArtifacts
from sweeper.engine.training.service import Service
from sweeper.engine.training.settings import ServiceSettings
from sweeper.engine.training.states import Signal


class World:
    """A service, a clock that a test moves, and containers that do what a test says."""

    def __init__(self, **settings: Any) -> None:
        self.service = Service(ServiceSettings(**settings), random.Random(1))
        self.now = 1_000_000.0

    def create(self, name: str, keep_alive: int | None = 300, **changes: Any) -> dict[str, Any]:
        resources = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 30}
        if keep_alive is not None:
            resources["KeepAlivePeriodInSeconds"] = keep_alive
        params = {
            "TrainingJobName": name,
            "RoleArn": "arn:aws:iam::123456789012:role/r",
            "AlgorithmSpecification": {"TrainingImage": "i", "TrainingInputMode": "File"},
            "ResourceConfig": resources | changes.pop("resources", {}),
            "OutputDataConfig": {"S3OutputPath": "s3://b/o"},
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
            **changes,
        }
        return self.service.call("CreateTrainingJob", params, self.now)

    def __call__(self, operation: str, name: str, **params: Any) -> dict[str, Any]:
        return self.service.call(operation, {"TrainingJobName": name, **params}, self.now)

    def describe(self, name: str) -> dict[str, Any]:
        return self("DescribeTrainingJob", name)

    def pool(self, name: str) -> str | None:
        status = self.describe(name).get("WarmPoolStatus")
        return None if status is None else str(status["Status"])

    def update(self, name: str, keep_alive: int) -> None:
        self("UpdateTrainingJob", name, ResourceConfig={"KeepAlivePeriodInSeconds": keep_alive})

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.service.tick(self.now)

    def finish(self, name: str, seconds: float = 10, exit_code: int = 0, failure: str = "") -> None:
        self.service.reports.container_started(name, self.now)
        self.wait(seconds)
        self.service.reports.container_exited(name, exit_code, failure, self.now)
        self.service.reports.artifacts_uploaded(name, self.now)

    def run(self, name: str, keep_alive: int | None = 300, settle: float = 1.0, **changes: Any) -> None:
        self.create(name, keep_alive, **changes)
        self.wait(0)
        self.finish(name)
        self.wait(settle)


def refused(code: str, text: str = "") -> Any:
    """The call inside is refused with this code and text."""
    return pytest.raises(ServiceError, match=f"{code}.*{text}")


def test_a_completed_job_retains_its_pool_after_a_gap() -> None:
    """WarmPoolStatus is absent for a while after a terminal status, then Available."""
    world = World(settle_gap_s=15)
    world.run("a", settle=14.9)
    assert world.pool("a") is None
    world.wait(0.1)
    assert world.pool("a") == "Available"


def test_a_matching_job_takes_the_pool() -> None:
    """The predecessor says Reused and by whom; the successor is warm, runs InUse, and has a keep-alive of its own."""
    world = World()
    world.run("a", keep_alive=300)
    world.wait(99)
    world.create("b", keep_alive=60)
    assert world.describe("a")["WarmPoolStatus"] == {
        "Status": "Reused",
        "ReusedByJob": "b",
        "ResourceRetainedBillableTimeInSeconds": 100,
    }
    assert world.describe("a")["SecondaryStatusTransitions"][-1]["StatusMessage"] == (
        "Resource reused by training job: b"
    )
    assert world.pool("b") == "InUse"
    world.wait(0)
    world.finish("b")
    world.wait(1)
    assert world.pool("b") == "Available"
    world.wait(60)
    assert world.pool("b") == "Terminated"


@pytest.mark.parametrize(
    "changes",
    [
        {"resources": {"VolumeSizeInGB": 31}},
        {"resources": {"InstanceType": "ml.m5.xlarge"}},
        {"resources": {"InstanceCount": 2}},
        {"resources": {"VolumeKmsKeyId": "k"}},
        {"RoleArn": "arn:aws:iam::123456789012:role/other"},
        {"EnableNetworkIsolation": True},
        {"EnableInterContainerTrafficEncryption": True},
        {"VpcConfig": {"Subnets": ["s-1"], "SecurityGroupIds": ["g-1"]}},
        {"SessionChainingConfig": {"EnableSessionTagChaining": True}},
    ],
)
def test_a_job_that_differs_in_a_matching_field_starts_cold(changes: dict[str, Any]) -> None:
    """Every documented matching field keeps a job off the pool, which stays Available."""
    world = World()
    world.run("a")
    world.create("b", **changes)
    assert world.pool("a") == "Available"
    assert world.service.jobs["b"].warm is False


@pytest.mark.parametrize(
    "changes",
    [
        {"HyperParameters": {"x": "1"}},
        {"Environment": {"X": "1"}},
        {"AlgorithmSpecification": {"TrainingImage": "other", "TrainingInputMode": "File"}},
        {"StoppingCondition": {"MaxRuntimeInSeconds": 1}},
        {"Tags": [{"Key": "k", "Value": "v"}]},
        {"keep_alive": None},
    ],
)
def test_what_is_not_a_matching_field_may_differ(changes: dict[str, Any]) -> None:
    """Image, hyperparameters, environment, limits, tags and keep-alive do not keep a job off the pool."""
    world = World()
    world.run("a")
    world.create("b", **changes)
    assert world.pool("a") == "Reused"


def test_the_order_of_subnets_matters_only_where_it_is_set_to() -> None:
    """Whether the service compares lists or sets is unknown: it is a setting."""
    for matters, expected in ((False, "Reused"), (True, "Available")):
        world = World(network_order_matters=matters)
        world.run("a", VpcConfig={"Subnets": ["s-1", "s-2"], "SecurityGroupIds": ["g"]})
        world.create("b", VpcConfig={"Subnets": ["s-2", "s-1"], "SecurityGroupIds": ["g"]})
        assert world.pool("a") == expected


def test_in_the_gap_a_pool_cannot_be_taken() -> None:
    """A job created before the predecessor's pool is Available starts cold."""
    world = World(settle_gap_s=15)
    world.run("a", settle=14)
    world.create("b")
    world.wait(2)
    assert world.pool("a") == "Available"


def test_of_two_matching_jobs_one_gets_the_pool() -> None:
    """A pool serves one job at a time."""
    world = World()
    world.run("a")
    world.create("b")
    world.create("c")
    assert [world.service.jobs[n].warm for n in "bc"] == [True, False]


def test_a_last_job_without_keep_alive_releases_the_pool_it_reuses() -> None:
    """Keep-alive is not a matching field: the last job can take the pool and let it go."""
    world = World()
    world.run("a")
    world.run("b", keep_alive=None)
    assert world.service.jobs["b"].warm
    assert world.pool("b") == "Terminated"
    assert world.service.idle_pools == []


@pytest.mark.parametrize(("keep_alive", "pool", "billed"), [(300, "Available", None), (60, "Terminated", 60)])
def test_a_job_that_ended_unseen_ended_then_and_so_its_pool_bills_from_then(
    keep_alive: int, pool: str, billed: int | None
) -> None:
    """Its exit is told 100 s late: its times are its own, and a keep-alive that ran out meanwhile has run out."""
    world = World()
    world.create("a", keep_alive)
    world.wait(0)
    world.service.reports.container_started("a", world.now)
    world.wait(110)
    world.service.reports.container_exited("a", 0, "", world.now, world.now - 100)
    world.service.reports.artifacts_uploaded("a", world.now)
    world.wait(0)
    found = world.describe("a")
    assert (found["TrainingEndTime"], found["TrainingTimeInSeconds"]) == (world.now - 100, 10)
    assert found["WarmPoolStatus"]["Status"] == pool
    assert found["WarmPoolStatus"].get("ResourceRetainedBillableTimeInSeconds") == billed


def test_a_job_without_keep_alive_never_has_a_warm_pool_status() -> None:
    """A plain cold job shows no WarmPoolStatus."""
    world = World()
    world.run("a", keep_alive=None)
    assert world.pool("a") is None


def test_billing_stops_at_the_update_and_is_shown_once_terminated() -> None:
    """Update(0) ends billing at the call; the status follows later, with the billable seconds."""
    world = World(release_lag_s=20)
    world.run("a", settle=1)
    world.wait(41)
    world.update("a", 0)
    assert world.describe("a")["WarmPoolStatus"] == {"Status": "Available"}
    world.create("b")
    assert world.service.jobs["b"].warm is False
    world.wait(20)
    assert world.describe("a")["WarmPoolStatus"] == {
        "Status": "Terminated",
        "ResourceRetainedBillableTimeInSeconds": 42,
    }


@pytest.mark.parametrize(("from_now", "lives"), [(True, 151), (False, 101)])
def test_a_longer_keep_alive_counts_from_the_update_or_from_the_end(from_now: bool, lives: int) -> None:
    """What an extension counts from is unknown: it is a setting."""
    world = World(update_from_now=from_now)
    world.run("a", keep_alive=100, settle=50)
    world.update("a", 101)
    world.wait(lives - 50 - 0.5)
    assert world.pool("a") == "Available"
    world.wait(0.5)
    assert world.pool("a") == "Terminated"


def test_update_is_refused_unless_available() -> None:
    """The keep-alive period can be changed while the pool is Available, and only then."""
    world = World(settle_gap_s=5)
    world.create("a")
    world.wait(0)
    with refused("ValidationException", "Available"):
        world.update("a", 0)
    world.finish("a")
    with refused("ValidationException", "Available"):
        world.update("a", 0)
    world.wait(5)
    world.update("a", 0)
    world.wait(5)
    with refused("ValidationException", "Terminated"):
        world.update("a", 0)
    with refused("ValidationException", "Requested resource not found"):
        world.update("missing", 0)
    with refused("ValidationException", "the request cannot be empty"):
        world("UpdateTrainingJob", "a")


@pytest.mark.parametrize(
    ("exit_code", "pool"),
    [(0, "Available"), (1, "Available")],
)
def test_an_algorithm_error_retains_the_pool(exit_code: int, pool: str) -> None:
    """A pool outlives a job that failed by its own fault."""
    world = World()
    world.create("a")
    world.wait(0)
    world.finish("a", exit_code=exit_code, failure="ValueError: no")
    world.wait(1)
    assert world.pool("a") == pool


def test_an_internal_error_does_not_retain_the_pool() -> None:
    """Where the cluster may be broken no pool is kept."""
    world = World()
    world.create("a")
    world.wait(0)
    world.service.reports.platform_failed("a", "InternalServerError: We encountered an internal error.", world.now)
    world.wait(1)
    assert world.pool("a") == "Terminated"


@pytest.mark.parametrize("reason", ["InternalServerError: it is lost", "ClientError: no input", "CapacityError: none"])
def test_a_job_that_is_being_stopped_ends_as_stopped_whatever_becomes_of_it(reason: str) -> None:
    """A machine or a container that is lost meanwhile is no failure of a job that was not to go on."""
    world = World()
    world.create("a", keep_alive=300)
    world.wait(0)
    world("StopTrainingJob", "a")
    world.service.reports.platform_failed("a", reason, world.now)
    answer = world.describe("a")
    assert (answer["TrainingJobStatus"], answer["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert "FailureReason" not in answer


def test_the_reason_of_a_failure_stands_in_its_own_member_alone() -> None:
    """The last transition says no more than that the job has failed."""
    world = World()
    world.create("a")
    world.wait(0)
    world.finish("a", exit_code=1, failure="ValueError: no")
    assert told(world, "a")[-1] == ("Failed", "Training job failed")
    assert world.describe("a")["FailureReason"] == "AlgorithmError: ValueError: no, exit code: 1"


def test_failure_reason_has_the_services_form() -> None:
    """AlgorithmError, the text of the failure file, the exit code, and never more than 1024 characters."""
    world = World()
    for name, text in (("a", "ValueError: no"), ("b", "x" * 5000)):
        world.create(name, keep_alive=None)
        world.wait(0)
        world.finish(name, exit_code=3, failure=text)
    assert world.describe("a")["FailureReason"] == "AlgorithmError: ValueError: no, exit code: 3"
    long = world.describe("b")["FailureReason"]
    assert len(long) == 1024
    assert long.endswith(", exit code: 3")
    assert world.describe("a")["TrainingJobStatus"] == world.describe("a")["SecondaryStatus"] == "Failed"


@pytest.mark.parametrize("retains", [True, False])
def test_a_stopped_job_retains_its_pool_or_not(retains: bool) -> None:
    """What a stop does to the pool is contested: it is a setting."""
    world = World(stop_retains_pool=retains)
    world.create("a")
    world.wait(0)
    world.service.reports.container_started("a", world.now)
    world("StopTrainingJob", "a")
    assert world.describe("a")["TrainingJobStatus"] == "Stopping"
    assert SignalContainer("a", Signal.TERM) in world.service.drain()
    world.service.reports.container_exited("a", 143, "", world.now)
    world.service.reports.artifacts_uploaded("a", world.now)
    world.wait(1)
    assert world.describe("a")["TrainingJobStatus"] == world.describe("a")["SecondaryStatus"] == "Stopped"
    assert world.pool("a") == ("Available" if retains else "Terminated")
    with refused("ValidationException", "The request was rejected because the training job is in status Stopped"):
        world("StopTrainingJob", "a")


def test_a_job_that_does_not_stop_is_killed_after_its_grace() -> None:
    """TERM, then 120 seconds, then KILL."""
    world = World()
    world.create("a")
    world.wait(0)
    world("StopTrainingJob", "a")
    world.service.drain()
    world.wait(119)
    assert world.service.drain() == []
    world.wait(1)
    assert world.service.drain() == [SignalContainer("a", Signal.KILL)]


def test_stopped_before_launch_there_is_nothing_to_retain() -> None:
    """A job stopped before its cluster exists never gets a WarmPoolStatus and starts no container."""
    world = World(cold_start_s=90)
    world.create("a")
    world.wait(30)
    world("StopTrainingJob", "a")
    world.wait(300)
    answer = world.describe("a")
    assert answer["TrainingJobStatus"] == "Stopped"
    assert "WarmPoolStatus" not in answer
    assert "TrainingStartTime" not in answer
    assert world.service.drain() == []


def told(world: World, name: str) -> list[tuple[str, str]]:
    """Each transition of a job: its status and what is said of it."""
    return [(t["Status"], t["StatusMessage"]) for t in world.describe(name)["SecondaryStatusTransitions"]]


PENDING = [
    ("Starting", "Starting the training job"),
    ("Pending", "Training job waiting for capacity"),
    ("Pending", "Preparing the instances for training"),
]


def test_a_job_tells_of_itself_in_the_services_words_and_order() -> None:
    """As published answers do: each transition with its message, and what the service fills in."""
    world = World(cold_start_s=90)
    world.create("a", InputDataConfig=[{"ChannelName": "train"}])
    begun = world.describe("a")
    assert told(world, "a") == [("Starting", "Starting the training job")]
    assert begun["AlgorithmSpecification"]["EnableSageMakerMetricsTimeSeries"] is False
    filled = {"ChannelName": "train", "CompressionType": "None", "RecordWrapperType": "None"}
    assert begun["InputDataConfig"] == [filled]
    world.wait(90)
    world.finish("a", seconds=10)
    assert told(world, "a") == [
        ("Starting", "Preparing the instances for training"),
        ("Downloading", "Downloading input data"),
        ("Training", "Training image download completed. Training in progress."),
        ("Uploading", "Uploading generated training model"),
        ("Completed", "Resource retained for reuse"),
    ]


def test_without_capacity_a_job_is_pending_and_bills_nothing() -> None:
    """It says what it waits for, has no TrainingStartTime, and trains once it has a machine. A warm job never is."""
    world = World(pending_s=600, cold_start_s=90)
    world.create("a")
    world.wait(599)
    assert told(world, "a") == PENDING[:2]
    world.wait(90)
    answer = world.describe("a")
    assert (answer["TrainingJobStatus"], answer["SecondaryStatus"]) == ("InProgress", "Pending")
    assert told(world, "a") == PENDING
    assert "TrainingStartTime" not in answer
    world.wait(1)
    assert world.describe("a")["SecondaryStatus"] == "Downloading"
    world.finish("a", seconds=10)
    assert world.describe("a")["BillableTimeInSeconds"] == 10
    world.wait(1)
    world.create("b")
    world.wait(0)
    assert world.describe("b")["SecondaryStatus"] == "Downloading"


@pytest.mark.parametrize("after", [0, 600, 650])
def test_a_stop_while_pending_ends_as_stopped_with_nothing_billed(after: int) -> None:
    """There is no machine yet, hence no pool, no container and no seconds."""
    world = World(pending_s=600, cold_start_s=90)
    world.create("a")
    world.wait(after)
    world("StopTrainingJob", "a")
    answer = world.describe("a")
    assert (answer["TrainingJobStatus"], answer["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert not {"TrainingStartTime", "BillableTimeInSeconds", "FailureReason"} & set(answer)
    world.wait(5000)
    assert world.pool("a") is None
    assert world.service.drain() == []


def test_a_service_may_notice_late_that_a_job_runs_too_long() -> None:
    """As the real one was seen to."""
    world = World(max_runtime_late_s=290)
    world.create("a")
    world.wait(0)
    world.service.reports.container_started("a", world.now)
    world.wait(600 + 289)
    assert world.describe("a")["TrainingJobStatus"] == "InProgress"
    world.wait(1)
    assert world.describe("a")["TrainingJobStatus"] == "Stopping"


def test_max_runtime_stops_the_job() -> None:
    """A job that runs too long is Stopped, with MaxRuntimeExceeded."""
    world = World()
    world.create("a")
    world.wait(0)
    world.service.reports.container_started("a", world.now)
    world.wait(600)
    assert world.describe("a")["TrainingJobStatus"] == "Stopping"
    world.service.reports.container_exited("a", 143, "", world.now)
    world.service.reports.artifacts_uploaded("a", world.now)
    answer = world.describe("a")
    assert (answer["TrainingJobStatus"], answer["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert "FailureReason" not in answer


def test_a_duplicate_name_is_refused_in_the_services_words() -> None:
    """Names are unique within an account and Region."""
    world = World()
    world.create("a")
    with refused("ResourceInUse", "Training job names must be unique within an AWS account and region"):
        world.create("a")


def test_idle_pools_count_against_the_training_quota() -> None:
    """A stranded pool can make the next Create fail with ResourceLimitExceeded."""
    world = World(training_quota={"ml.m5.large": 1})
    world.run("a")
    with refused("ResourceLimitExceeded", "ml.m5.large for training job usage' is 1 Instances, with current"):
        world.create("b", resources={"VolumeSizeInGB": 99})
    world.create("c")
    assert world.service.jobs["c"].warm


def test_without_a_warm_pool_quota_nothing_is_retained() -> None:
    """The job itself succeeds; its pool is silently not kept."""
    world = World(warm_pool_quota={"*": 0})
    world.run("a")
    assert world.describe("a")["TrainingJobStatus"] == "Completed"
    assert world.pool("a") == "Terminated"


def test_a_chain_of_jobs_lives_28_days() -> None:
    """A pool ends 28 days after its first job began, whatever its keep-alive."""
    world = World()
    world.run("a", keep_alive=3600)
    for number in range(29 * 24):
        world.wait(3500)
        world.run(f"n{number}", keep_alive=3600)
    cold = [name for name, job in world.service.jobs.items() if not job.warm]
    assert len(cold) == 2


def test_a_patch_update_may_end_an_idle_pool_early() -> None:
    """By rate, an idle pool is terminated before its keep-alive is over."""
    world = World(pool_patch_rate=1.0)
    world.run("a", keep_alive=300, settle=299)
    assert world.pool("a") == "Terminated"


def test_describe_may_lag_behind_create() -> None:
    """Right after a Create the job may not be found; its name is taken all the same."""
    world = World(describe_lag_s=5)
    world.create("a")
    with refused("ValidationException", "Requested resource not found"):
        world.describe("a")
    with refused("ResourceInUse"):
        world.create("a")
    world.wait(5)
    assert world.describe("a")["TrainingJobName"] == "a"


def test_delete_needs_a_terminal_job_without_a_live_pool() -> None:
    """A deleted job is gone with its tags, and its name is free again."""
    world = World()
    world.create("a", keep_alive=300)
    with refused("ResourceInUse"):
        world("DeleteTrainingJob", "a")
    world.wait(0)
    world.finish("a")
    world.wait(1)
    with refused("ResourceInUse", "warm pool"):
        world("DeleteTrainingJob", "a")
    world.update("a", 0)
    world.wait(1)
    world("DeleteTrainingJob", "a")
    with refused("ValidationException", "Requested resource not found"):
        world.describe("a")
    world.create("a")


def test_effects_come_in_order() -> None:
    """Start, upload, drop the pool: what the world is asked to do, once each."""
    world = World()
    world.create("a", keep_alive=None)
    world.wait(0)
    world.finish("a")
    assert world.service.drain() == [StartContainer("a"), UploadArtifacts("a"), DropPool("a")]


def test_times_and_transitions_are_told() -> None:
    """Describe tells when training began and ended, for how long, and every secondary status in order."""
    world = World(cold_start_s=90)
    world.create("a", keep_alive=None)
    begin = world.now
    world.wait(90)
    world.finish("a", seconds=42.4)
    answer = world.describe("a")
    assert answer["CreationTime"] == begin
    assert answer["TrainingStartTime"] == begin + 90
    assert answer["TrainingEndTime"] == begin + 132.4
    assert answer["TrainingTimeInSeconds"] == answer["BillableTimeInSeconds"] == 42
    stages = [t["Status"] for t in answer["SecondaryStatusTransitions"]]
    assert stages == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert all("EndTime" in t for t in answer["SecondaryStatusTransitions"])


def test_list_filters_by_status_after_it_has_cut_the_page() -> None:
    """An empty page with a NextToken is normal."""
    world = World()
    for number in range(6):
        world.run(f"job-{number}", keep_alive=None)
    world.create("running", keep_alive=None)
    call = world.service.call
    page = call("ListTrainingJobs", {"MaxResults": 4, "StatusEquals": "InProgress"}, world.now)
    assert page["TrainingJobSummaries"] == []
    last = call(
        "ListTrainingJobs", {"MaxResults": 4, "StatusEquals": "InProgress", "NextToken": page["NextToken"]}, world.now
    )
    assert [job["TrainingJobName"] for job in last["TrainingJobSummaries"]] == ["running"]
    assert "NextToken" not in last


def test_tags_are_added_listed_and_deleted() -> None:
    """AddTags merges with what Create brought; DeleteTags takes those away that are there."""
    world = World()
    arn = world.create("a", Tags=[{"Key": "k", "Value": "1"}])["TrainingJobArn"]
    call = world.service.call
    call("AddTags", {"ResourceArn": arn, "Tags": [{"Key": "k", "Value": "2"}, {"Key": "l", "Value": "3"}]}, world.now)
    tags = call("ListTags", {"ResourceArn": arn}, world.now)["Tags"]
    assert tags == [{"Key": "k", "Value": "2"}, {"Key": "l", "Value": "3"}]
    call("DeleteTags", {"ResourceArn": arn, "TagKeys": ["k", "never there"]}, world.now)
    assert call("ListTags", {"ResourceArn": arn}, world.now)["Tags"] == [{"Key": "l", "Value": "3"}]


def test_a_job_without_keep_alive_takes_a_pool_and_ends_it_or_not() -> None:
    """As documented it takes the pool that matches and ends it; by the settings it starts cold, or leaves it kept."""
    found = {}
    for settings in ({}, {"unkept_ends_pool": False}, {"unkept_takes_pool": False}):
        world = World(settle_gap_s=0.0, **settings)
        world.create("one", 300)
        world.finish("one")
        world.create("two", None)
        world.finish("two")
        found[str(settings)] = (world.pool("one"), world.pool("two"))
    assert list(found.values()) == [("Reused", "Terminated"), ("Reused", "Available"), ("Available", None)]


def test_what_a_job_leaves_that_failed_or_had_no_machine() -> None:
    """Whether the pool of a failed script is kept, and whether one that never was is shown, are settings."""
    world = World(settle_gap_s=0.0, failure_retains_pool=False, early_stop_shows_terminated=True, cold_start_s=60.0)
    world.create("early", 300)
    world("StopTrainingJob", "early")
    assert world.pool("early") == "Terminated"
    world.create("failed", 300)
    world.wait(60)
    world.finish("failed", exit_code=1)
    assert world.pool("failed") == "Terminated"


def test_a_refusal_has_the_words_that_are_set() -> None:
    """Code and text of what is refused are a setting, which may let it pass; the job's name stands in the text."""
    world = World(
        settle_gap_s=0.0, refusals={"update_running": "", "update_terminated": "ResourceInUse: {name} is gone."}
    )
    world.create("one", 300)
    world.update("one", 200)
    world.finish("one")
    world.update("one", 0)
    world.wait(1)
    with pytest.raises(ServiceError, match="ResourceInUse: one is gone"):
        world.update("one", 100)


def test_a_release_may_be_billed_until_it_shows() -> None:
    """Until when a released pool is billed is a setting."""
    billed = []
    for until_it_shows in (False, True):
        world = World(settle_gap_s=0.0, release_lag_s=20.0, release_bills_lag=until_it_shows)
        world.create("one", 300)
        world.finish("one")
        world.wait(10)
        world.update("one", 0)
        world.wait(60)
        billed.append(world.describe("one")["WarmPoolStatus"]["ResourceRetainedBillableTimeInSeconds"])
    assert billed == [10, 30]


def test_final_metrics_may_come_late() -> None:
    """With a lag a job shows no final metrics before so long after its end."""
    world = World(metrics_lag_s=30.0)
    world.create("one", None)
    world.service.reports.metrics_seen("one", {"loss": (0.5, world.now)})
    shown = ["FinalMetricDataList" in world.describe("one")]
    world.finish("one")
    shown.append("FinalMetricDataList" in world.describe("one"))
    world.wait(30)
    shown.append("FinalMetricDataList" in world.describe("one"))
    assert shown == [False, False, True]


def test_an_error_of_the_service_itself_is_tried_again_as_often_as_was_asked() -> None:
    """The job goes back to its beginning under its name, on another machine; the last error fails it, as any other."""
    world = World()
    world.create("a", RetryStrategy={"MaximumRetryAttempts": 1})
    for _ in range(2):
        world.wait(0)
        world.service.reports.container_started("a", world.now)
        world.wait(5)
        world.service.reports.platform_failed("a", "InternalServerError: it is lost", world.now)
        world.service.reports.vacated("a", world.now)
        world.wait(1)
    answer = world.describe("a")
    statuses = [transition["Status"] for transition in answer["SecondaryStatusTransitions"]]
    once = ["Starting", "Downloading", "Training"]
    assert statuses == [*once, *once, "Failed"]
    assert (answer["TrainingJobStatus"], answer["FailureReason"]) == ("Failed", "InternalServerError: it is lost")


def test_no_other_error_is_tried_again_and_none_of_a_job_that_is_being_stopped() -> None:
    """What is wrong with the data is wrong again; who asked for an end has it."""
    world = World()
    world.create("a", RetryStrategy={"MaximumRetryAttempts": 3})
    world.create("b", RetryStrategy={"MaximumRetryAttempts": 3})
    world.wait(0)
    world.service.reports.platform_failed("a", "ClientError: no input", world.now)
    world.service.reports.platform_failed("b", "InternalServerError: it is lost", world.now)
    world("StopTrainingJob", "b")
    world.service.reports.vacated("b", world.now)
    assert [world.describe(name)["TrainingJobStatus"] for name in ("a", "b")] == ["Failed", "Stopped"]


def planned(name: str = "mine", count: int = 1) -> dict[str, Any]:
    """Machines of a training plan."""
    arn = f"arn:aws:sagemaker:us-east-1:123456789012:training-plan/{name}"
    return {"InstanceType": "ml.p5.48xlarge", "InstanceCount": count, "TrainingPlanArn": arn}


def test_a_training_plan_has_machines_of_its_own_for_which_jobs_wait_their_turn() -> None:
    """They count against no quota; who finds none is Pending, unbilled, until a job or its pool has let some go."""
    world = World(training_plans={"mine": 2}, training_quota={"*": 1}, pending_s=600.0, cold_start_s=5.0)
    with refused("ValidationException", "Training plan other is neither Scheduled nor Active"):
        world.create("no", resources=planned("other"))
    world.create("one", None, resources=planned())
    world.create("two", 300, resources=planned())
    world.create("three", None, resources=planned(count=2))
    world.create("four", None, resources=planned())
    world.create("beside", None, resources={"InstanceType": "ml.p5.48xlarge"})  # the quota's only one
    world.wait(5)
    for name in ("one", "two"):
        world.finish(name)
    assert world.describe("three")["SecondaryStatus"] == "Pending"  # the pool of the second still holds a machine
    assert world.describe("four")["SecondaryStatus"] == "Downloading"  # it was given the other one
    world.finish("four", 20)
    world.update("two", 0)
    world.wait(0)
    told = world.describe("three")
    assert (told["SecondaryStatus"], told["SecondaryStatusTransitions"][-1]["StatusMessage"]) == (
        "Pending",
        "Preparing the instances for training",
    )
    world.wait(5)
    world.finish("three", 30)
    told = world.describe("three")
    assert (told["TrainingJobStatus"], told["BillableTimeInSeconds"]) == ("Completed", 30)


def test_a_pool_of_a_training_plan_is_for_jobs_of_the_plan() -> None:
    """What was reserved is not handed to a job that asks for any machine, nor the other way round."""
    world = World()
    world.run("reserved", resources=planned())
    world.run("any", resources={"InstanceType": "ml.p5.48xlarge"})
    world.run("again", resources=planned())
    assert [world.pool(name) for name in ("reserved", "any", "again")] == ["Reused", "Available", "Available"]


def test_who_waits_for_a_plan_too_long_is_told_so() -> None:
    """MaxPendingTimeInSeconds stops the job; without it two days are the most, and the job fails."""
    world = World(training_plans={"mine": 1})
    world.create("first", resources=planned(), StoppingCondition={"MaxRuntimeInSeconds": 10**6})
    world.create("short", resources=planned(), StoppingCondition={"MaxPendingTimeInSeconds": 7200})
    world.create("long", resources=planned())
    world.wait(0)
    world.wait(7200)
    assert world.describe("short")["TrainingJobStatus"] == "Stopped"
    world.wait(2 * 86400)
    assert world.describe("long")["FailureReason"].startswith("InsufficientCapacityError")
    assert world.describe("first")["SecondaryStatus"] == "Downloading"


@pytest.mark.parametrize(("kind", "status"), [("ml.g5.xlarge", "Stopped"), ("ml.m5.large", "InProgress")])
def test_an_accelerated_job_waits_for_a_machine_no_longer_than_it_was_told(kind: str, status: str) -> None:
    """Whoever waits longer is stopped, and was never billed; on other types the service does not heed the limit."""
    world = World(pending_s=9000.0)
    stopping = {"MaxRuntimeInSeconds": 600, "MaxPendingTimeInSeconds": 1800}
    world.create("a", resources={"InstanceType": kind}, StoppingCondition=stopping)
    world.wait(1800)
    answer = world.describe("a")
    assert answer["TrainingJobStatus"] == status
    assert "TrainingStartTime" not in answer


PREFERRED = [
    {"InstanceType": "ml.g5.xlarge", "InstanceCount": 1},
    {"InstanceType": "ml.g4dn.xlarge", "InstanceCount": 2},
]
CHOICE = {"VolumeSizeInGB": 30, "InstancePreferences": PREFERRED}


@pytest.mark.parametrize(
    ("lacking", "chosen"),
    [((), ("ml.g5.xlarge", 1)), (("ml.g5.xlarge",), ("ml.g4dn.xlarge", 2)), (("ml.g5.xlarge", "ml.g4dn.xlarge"), None)],
)
def test_a_job_gets_the_first_type_that_it_prefers_and_that_there_is(lacking: Any, chosen: Any) -> None:
    """Describe tells which it was once it has been chosen; without capacity for any of them the job fails."""
    world = World(no_capacity=lacking, cold_start_s=60)
    world.create("a", None, ResourceConfig=CHOICE)
    assert "SelectedInstanceType" not in world.describe("a")["ResourceConfig"]
    world.wait(60)
    told = world.describe("a")
    if chosen is None:
        assert told["TrainingJobStatus"] == "Failed" and told["FailureReason"].startswith("CapacityError: ")
        return
    resources = told["ResourceConfig"]
    assert (resources["SelectedInstanceType"], resources["SelectedInstanceCount"]) == chosen
    world.finish("a")
    assert world.describe("a")["TrainingJobStatus"] == "Completed" and world.pool("a") is None


def test_each_type_that_a_job_prefers_needs_its_quota() -> None:
    """All of those that it may get are counted until it has one, and then that one alone."""
    world = World(training_quota={"ml.g5.xlarge": 1, "ml.g4dn.xlarge": 3}, cold_start_s=60)
    world.create("a", None, ResourceConfig=CHOICE)
    with refused("ResourceLimitExceeded", "ml.g4dn.xlarge for training job usage' is 3"):
        world.create("b", None, resources={"InstanceType": "ml.g4dn.xlarge", "InstanceCount": 2})
    world.wait(60)
    world.create("b", None, resources={"InstanceType": "ml.g4dn.xlarge", "InstanceCount": 2})
    with refused("ResourceLimitExceeded", "ml.g5.xlarge for training job usage' is 1"):
        world.create("c", None, ResourceConfig=CHOICE)
