"""backend=batch on a queue with quota shares: what is borrowed is taken away, and the sweep waits and finishes."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from sweeper.aws import queues
from sweeper.aws.batch import BatchApi, calls
from sweeper.backends.batch import Batch
from sweeper.core.costs import Rate, spent
from sweeper.core.events import TrialStatus
from sweeper.core.model import Sweep
from sweeper.core.ports import TrainingApi
from sweeper.core.queued import QueueOptions, envelope
from sweeper.core.remedies import on_failure
from sweeper.core.request import FINGERPRINT
from sweeper.core.results import results
from sweeper.engine.training.settings import ServiceSettings
from sweeper.engine.training.states import INTERNAL
from sweeper.errors import SweeperError, UsageError
from sweeper.testing.draws import drawn
from sweeper.testing.twin import Faults, Script, VirtualClock
from tests.laws.outside import Crash, Outside, Troubled, make_sweep, scripts
from tests.laws.test_batch import DONE, Risky

KIND, TYPE = "SAGEMAKER_TRAINING", "ml.m5.large"


@dataclass
class Sharing(Outside):
    """The outside of a sweep that goes by way of its quota share."""

    @property
    def api(self) -> TrainingApi:
        """Batch and SageMaker, as the port puts them together."""
        assert self.sweep.backend.through is not None
        return BatchApi(self.twin.ask, self.twin, self.sweep.backend.through)

    def submit(self, share: str, name: str, **script: Any) -> None:
        """Somebody else's job."""
        payload = {
            "TrainingJobName": name,
            "ResourceConfig": {"InstanceType": TYPE, "InstanceCount": 1},
            "HyperParameters": {"x": name},
            "OutputDataConfig": {"S3OutputPath": "s3://theirs"},
        }
        made = {"jobName": name, "jobQueue": "q", "serviceJobType": KIND, "quotaShareName": share}
        self.twin.apply("SubmitServiceJob", {**made, "serviceRequestPayload": json.dumps(payload)})


def on_type(sweep: Sweep) -> Sweep:
    """The same on machines of which there are two in the queue."""
    return replace(sweep, locked={**sweep.locked, "instance_type": TYPE, "instance_count": 1})


def shared(
    folder: Path,
    backend: Batch,
    service: ServiceSettings | None = None,
    twin: Troubled | None = None,
    sweep: Mapping[str, Any] | None = None,
    **theirs: Script,
) -> Sharing:
    """Two shares of one machine each; a colleague has the one that is ours, so that the sweep borrows the other."""
    clock = VirtualClock()
    settings = service or ServiceSettings(cold_start_s=90.0)
    behaviour = scripts(xlong=Script(3_600_000), **theirs)
    twin = twin or Troubled(clock, settings=settings, faults=Faults(), behaviour=behaviour)
    twin.clock, twin.world.containers.behaviour = clock, behaviour
    room = [{"maxCapacity": 2, "capacityUnit": TYPE}]
    environment = {"serviceEnvironmentName": "e", "serviceEnvironmentType": KIND, "capacityLimits": room}
    twin.apply("CreateServiceEnvironment", environment)
    policy = {"name": "p", "quotaSharePolicy": {"idleResourceAssignmentStrategy": "FIFO"}}
    arn = twin.apply("CreateSchedulingPolicy", policy)["arn"]
    queue = {"jobQueueName": "q", "priority": 1, "serviceEnvironmentOrder": [{"order": 1, "serviceEnvironment": "e"}]}
    twin.apply("CreateJobQueue", {**queue, "schedulingPolicyArn": arn})
    for name in ("ours", "theirs"):
        share = {"quotaShareName": name, "jobQueue": "q", "capacityLimits": [{**room[0], "maxCapacity": 1}]}
        share |= {"resourceSharingConfiguration": {"strategy": "LEND_AND_BORROW"}}
        twin.apply("CreateQuotaShare", {**share, "preemptionConfiguration": {"inSharePreemption": "DISABLED"}})
    made = Sharing(folder, on_type(make_sweep(backend=backend, **(sweep or {}))), twin, clock)
    made.submit("ours", "long")
    clock.sleep(300)
    twin.advance(clock.now())
    return made


def takes_back(here: Sharing, at: str = "RUNNING", times: int = 1) -> None:
    """Whoever owns what we borrow wants it as soon as our job is there, so often."""
    left = [f"owner{number}" for number in range(times)]

    def submit(_: object, operation: str, answer: dict[str, Any]) -> dict[str, Any]:
        mine = operation == "DescribeServiceJob" and answer.get("status") == at
        if mine and left and "statusReason" not in answer:
            here.submit("theirs", left.pop(0))
        return answer

    here.twin.alter = submit


@pytest.mark.parametrize("seed", [None, 1])
def test_a_preempted_sweep_finishes_and_tells_when_and_why_it_waited(tmp_path: Path, seed: int | None) -> None:
    """It is one attempt of ours; journal and table say when its machines went, why, and for how long."""
    settings = drawn(seed, random.Random(seed)) if seed else ServiceSettings(cold_start_s=90.0)
    settings = replace(settings, batch_preempts_youngest=True, pending_s=0.0, stopping_s=0.0)
    here = shared(tmp_path, Batch("q", quota_share="ours"), settings, xowner0=Script(600))
    takes_back(here)
    assert here.run().why == "every trial is done"
    assert here.statuses == DONE
    outcome = here.chain.outcomes[0].outcome
    assert outcome is not None and outcome.trial_status == TrialStatus.COMPLETED.value
    ((begun, until, why),) = outcome.interruptions
    assert why.endswith("(Cross-share preemption triggered to reclaim borrowed capacity)") and until - begun > 600
    assert why.startswith("preempted at 20") and here.chain.outcomes[0].phases.interrupted == pytest.approx(
        until - begun
    )
    first, second = results(here.sweep, here.chain).rows
    assert first["message"].startswith(f"{why}, waited 1") and second["message"] is None
    assert (first["attempts"], first["interruptions"], second["interruptions"]) == (1, 1, 0)
    assert first["interrupted_seconds"] == pytest.approx(until - begun)
    assert "secondary='Interrupted'" in here.said
    (service,) = [job for job in here.twin.batch.jobs.values() if job.preemptions]
    trained = [job for job in here.twin.service.jobs.values() if service.name in job.name]
    billed = [here.twin.describe_training_job(job.name)["BillableTimeInSeconds"] for job in trained]
    assert outcome.output == f"s3://bucket/out/{service.training_job}/output/"
    assert len(billed) == 2 and outcome.billable_seconds == sum(billed) > max(billed)  # what was lost is paid for


def test_seconds_that_batch_does_not_tell_any_more_are_not_known(tmp_path: Path) -> None:
    """Only the latest preemptions are told: a sum without the others would be too little."""
    here = shared(tmp_path, Batch("q", quota_share="ours", preemption_retries=9), xowner0=Script(600))
    takes_back(here)
    known = here.twin.alter

    def forgotten(twin: Any, operation: str, answer: dict[str, Any]) -> dict[str, Any]:
        if "preemptionSummary" in answer:
            answer["preemptionSummary"]["preemptedAttemptCount"] += 1
        return known(twin, operation, answer)

    here.twin.alter = forgotten
    here.run()
    job, other = here.chain.outcomes if here.chain.outcomes[0].outcome.interruptions else here.chain.outcomes[::-1]
    assert job.outcome is not None and other.outcome is not None
    assert job.outcome.interruptions and job.outcome.billable_seconds is None and other.outcome.billable_seconds
    per = Rate(1.0, runs=10)
    assert spent(here.chain, per) - other.outcome.billable_seconds > 600  # the wait is counted rather than too little


def test_a_job_that_is_preempted_too_often_fails_for_want_of_machines(tmp_path: Path) -> None:
    """What follows is on_failure's; nobody else has stopped it."""
    here = shared(tmp_path, Batch("q", quota_share="ours", preemption_retries=0), xowner0=Script(600))
    takes_back(here)
    here.run()
    failed = here.chain.outcomes[0].outcome
    assert failed is not None and (failed.trial_status, failed.failure) == ("failed", "capacity")
    assert failed.message == "Cross-share preemption triggered to reclaim borrowed capacity"


def test_batch_tries_again_and_ends_an_attempt_that_lasts_too_long(tmp_path: Path) -> None:
    """Both are told as what they are, with the seconds of every attempt."""
    tries = iter([Script(seconds=30, platform_failure=INTERNAL), Script(30, metrics={"m": 1.0})])
    backend = Batch("q", quota_share="ours", attempts=2, attempt_duration_s=300)
    here = shared(tmp_path, backend)
    known = here.twin.world.containers.behaviour
    here.twin.world.containers.behaviour = lambda request, rng: (
        next(tries, None) or (Script(1000) if request["HyperParameters"]["x"] == "1" else known(request, rng))
    )
    here.run()
    first, second = (job.outcome for job in here.chain.outcomes)
    assert first is not None and first.trial_status == "completed" and len(first.interruptions) == 1
    assert (
        first.interruptions[0][2].startswith("tried again at ") and "InternalServerError" in first.interruptions[0][2]
    )
    assert first.billable_seconds is not None and first.billable_seconds > 60
    assert second is not None and (second.trial_status, second.failure) == ("failed", "timeout")
    assert second.message == "Job attempt duration exceeded timeout"


def test_what_is_submitted_says_what_was_declared() -> None:
    """Retries know both spellings of a reason and end with one for all others; what is not said is not sent."""
    request = {"TrainingJobName": "s0", "ResourceConfig": {"TrainingPlanArn": "arn:aws:sagemaker:::training-plan/p"}}
    tagged = {**request, "Tags": [{"Key": "k", "Value": "v"}]}
    plain = envelope(tagged, QueueOptions("q"))
    assert plain["retryStrategy"] == {"attempts": 1}
    assert plain.keys() & {"quotaShareName", "preemptionConfiguration", "timeoutConfig", "shareIdentifier"} == set()
    made = envelope(tagged, Batch("q", quota_share="s", preemption_retries=0, attempts=3, attempt_duration_s=60))
    assert (made["quotaShareName"], made["timeoutConfig"]) == ("s", {"attemptDurationSeconds": 60})
    assert made["preemptionConfiguration"] == {"preemptionRetriesBeforeTermination": 0}
    assert json.loads(made["serviceRequestPayload"]) == request and made["tags"] == {"k": "v"}
    rules = [(rule["action"], rule["onStatusReason"]) for rule in made["retryStrategy"]["evaluateOnExit"]]
    start = "Received status from SageMaker:"
    assert rules == [
        ("RETRY", f"{start} InternalServerError*"),
        ("RETRY", f"{start}InternalServerError*"),
        ("EXIT", "*"),
    ]


def test_a_queue_with_quota_shares_is_looked_at_before_anything_is_sent(tmp_path: Path) -> None:
    """A share that is missing, not said, disabled or of other machines is told; the local engine's is made once."""
    call = shared(tmp_path, Batch("q", quota_share="ours")).twin.ask
    for options, kind, text in (
        (QueueOptions("q"), TYPE, "say whose the jobs use; there is ours, theirs"),
        (QueueOptions("q", "ann"), TYPE, "q has no fair-share policy"),
        (QueueOptions("q", quota_share="x"), TYPE, "q has no share x; there is ours, theirs"),
        (QueueOptions("q", quota_share="ours"), "ml.g5.xlarge", "machines of ml.m5.large, and none of ml.g5.xlarge"),
        (QueueOptions("f", quota_share="ours"), TYPE, "f has no quota shares: leave it out"),
    ):
        queues.ensure(call, QueueOptions("f"), 1, TYPE)
        with pytest.raises(UsageError, match=text):
            queues.check(call, options, kind)
    assert queues.has_priorities(call, "q") and not queues.has_priorities(call, "f")
    made = QueueOptions("made", quota_share="new")
    assert queues.ensure(call, made, 2, TYPE) and not queues.ensure(call, made, 2, TYPE)
    assert queues.check(call, made, TYPE) == []
    limit = {"reason": "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY", "state": "RUNNABLE", "action": "TERMINATE"}
    call("UpdateJobQueue", {"jobQueue": "f", "jobStateTimeLimitActions": [{**limit, "maxTimeSeconds": 600}]})
    assert queues.check(call, QueueOptions("f", scheduling_priority=1)) == [
        "f is first in, first out: backend.scheduling_priority changes nothing there",
        "f ends a job at its head that waits for 10:00 min because of CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY",
    ]
    (arn,) = [one["quotaShareArn"] for one in call("ListQuotaShares", {"jobQueue": "made"})["quotaShares"]]
    call("UpdateQuotaShare", {"quotaShareArn": arn, "state": "DISABLED"})
    with pytest.raises(UsageError, match="new is disabled"):
        queues.check(call, made, TYPE)


@pytest.mark.parametrize("seed", range(3))
def test_preemptions_crashes_and_faults_all_at_once(tmp_path: Path, seed: int) -> None:
    """Whenever its machines go and whenever the runner dies: nothing runs twice, no second is lost, all ends well."""
    drawn = Risky.drawn(seed)
    assert isinstance(drawn, Risky)
    drawn.faults = replace(drawn.faults, human_stops=0.0)
    again = {"on_failure": on_failure({"internal_error": {"retry": 3}})}
    owners = {f"xowner{number}": Script(300.0 + 100 * number) for number in range(3)}
    here = shared(tmp_path, Batch("q", quota_share="ours"), None, drawn, again, **owners)
    drawn.caught = here.caught
    takes_back(here, times=3)
    drawn.risk = 0.01
    for round_ in range(20):
        if round_ == 8:
            drawn.quiet()
            drawn.risk = 0.0
        try:
            ending = here.run()
        except Crash:
            drawn.dead = False
            here.clock.sleep(random.Random(f"{seed} {round_}").choice((1.0, 300.0, 3000.0)))
            continue
        except SweeperError:
            continue
        if not ending.unreleased:
            break
    assert ending.why == "every trial is done" and here.statuses == DONE
    ours = [job for job in drawn.batch.jobs.values() if FINGERPRINT in job.request["serviceRequestPayload"]]
    assert len({job.name for job in ours}) == len(ours) and all(job.status.terminal for job in ours)
    drawn.quiet()
    for job in here.chain.outcomes:
        made = [drawn.describe_training_job(name) for name in drawn.service.jobs if job.name in name]
        trained = [one for one in made if not one.get("FailureReason", "").startswith("CapacityError")]
        billed = sum(one.get("BillableTimeInSeconds", 0) for one in trained)
        assert job.outcome is not None and job.outcome.billable_seconds == billed
    assert sum(job.preemptions for job in ours) == sum(len(job.outcome.interruptions) for job in here.chain.outcomes)


def test_a_botocore_that_is_too_old_for_quota_shares_is_told_with_what_to_do() -> None:
    """One line, and no traceback, whichever operation it lacks."""

    class Old:
        def client(self, service: str, attempts: int) -> object:
            """A client without anything."""
            return object()

    with pytest.raises(UsageError, match="older than AWS Batch's ListQuotaShares: pip install -U boto3"):
        calls(Old)("ListQuotaShares", {})  # type: ignore[arg-type]
