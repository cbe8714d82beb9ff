"""backend=batch: a sweep whose jobs wait in a queue that others use too, with everything going wrong on the way."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from sweeper.aws import queues
from sweeper.aws.batch import BatchApi
from sweeper.backends.batch import Batch
from sweeper.core import events as ev
from sweeper.core.events import Closed, TrialStatus
from sweeper.core.ports import TrainingApi
from sweeper.core.queued import QueueOptions
from sweeper.core.remedies import on_failure
from sweeper.core.request import FINGERPRINT
from sweeper.engine.batch.records import ServiceJob
from sweeper.engine.errors import ServiceError
from sweeper.engine.training.settings import ServiceSettings
from sweeper.errors import SweeperError, UsageError
from sweeper.testing.twin import Faults, Script, VirtualClock
from tests.laws.outside import CRASH, GONE, LOST, Crash, Outside, Trouble, Troubled, make_sweep, scripts

QUEUE = Batch("q", max_in_flight=1)
DONE = [TrialStatus.COMPLETED, TrialStatus.COMPLETED]


class Risky(Troubled):
    """A twin at whose every call the runner may die, or a person may press Ctrl-C."""

    risk = 0.0
    signals = 0.0
    caught: list[int]

    def request(self, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """One call."""
        dice = random.Random(f"risk {self._seed} {len(self.calls)}").random()
        if not self.dead and dice < self.risk:
            raise self.die()
        if 1 - dice < self.signals:
            self.caught.append(2)
        return super().request(operation, params)


@dataclass
class Queued(Outside):
    """The outside of a sweep that goes by way of the queue."""

    @property
    def api(self) -> TrainingApi:
        """Batch and SageMaker, as the port puts them together."""
        return BatchApi(self.twin.ask, self.twin, QUEUE)

    @property
    def ours(self) -> list[ServiceJob]:
        """The service jobs that this sweep has submitted."""
        found = self.twin.batch.jobs.values()
        return [job for job in found if FINGERPRINT in job.request["serviceRequestPayload"]]

    def open(self) -> list[str]:
        """Our service jobs that wait or run."""
        self.twin.advance(self.clock.now())
        return [job.name for job in self.ours if not job.status.terminal]

    def right(self) -> bool:
        """One service job an attempt, one at a time, and every result is what SageMaker has."""
        jobs = self.ours
        assert len({job.name for job in jobs}) == len(jobs)
        for before, after in pairwise(jobs):
            assert before.stopped is not None and before.stopped <= after.created
        known = self.chain.jobs
        for job in jobs:
            trained = self.twin.service.jobs.get(job.training_job or "")
            outcome = known[job.name].outcome
            completed = trained is not None and trained.status.value == "Completed"
            told = outcome is not None and outcome.trial_status == TrialStatus.COMPLETED.value
            assert completed is told
            if trained is not None and outcome is not None and completed:
                assert outcome.metrics == {name: value for name, (value, _) in trained.metrics.items()}
        assert not [call for call in self.twin.calls if call.operation in ("CreateTrainingJob", "UpdateTrainingJob")]
        return True


def queued(
    folder: Path,
    *troubles: Trouble,
    twin: Risky | None = None,
    service: Mapping[str, Any] | None = None,
    strangers: int = 0,
    **sweep: Any,
) -> Queued:
    """A queue with room for one, in which strangers may stand already."""
    clock = VirtualClock()
    settings = ServiceSettings(cold_start_s=90.0, **(service or {}))
    twin = twin or Risky(clock, settings=settings, faults=Faults(), behaviour=scripts())
    twin.clock, twin.troubles, twin.caught = clock, troubles, []
    made = Queued(folder, make_sweep(backend=QUEUE, **sweep), twin, clock, caught=twin.caught)
    kind = "SAGEMAKER_TRAINING"
    limits = [{"maxCapacity": 1, "capacityUnit": "NUM_INSTANCES"}]
    environment = {"serviceEnvironmentName": "e", "serviceEnvironmentType": kind, "capacityLimits": limits}
    twin.apply("CreateServiceEnvironment", environment)
    order = [{"order": 1, "serviceEnvironment": "e"}]
    twin.apply("CreateJobQueue", {"jobQueueName": "q", "priority": 1, "serviceEnvironmentOrder": order})
    for number in range(strangers):
        theirs = {
            "TrainingJobName": f"theirs-{number}",
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
            "HyperParameters": {"x": "9"},
            "OutputDataConfig": {"S3OutputPath": "s3://theirs"},
        }
        submitted = {"jobName": f"theirs-{number}", "jobQueue": "q", "serviceJobType": kind}
        twin.apply("SubmitServiceJob", {**submitted, "serviceRequestPayload": json.dumps(theirs)})
        clock.sleep(1)
    return made


def test_a_sweep_through_a_queue(tmp_path: Path) -> None:
    """It waits behind the others; nothing of it is a pool; the names are those that Batch has room for."""
    here = queued(tmp_path, strangers=2)
    assert here.run().why == "every trial is done"
    assert here.statuses == DONE and here.right() and here.open() == []
    assert here.pools == [Closed.NEVER_HAD_POOL.value] * 2
    assert all(len(job.name) == 20 and len(job.training_job or "") == 60 for job in here.ours)
    first = here.chain.outcomes[0].outcome
    assert first is not None and first.billable_seconds is not None and first.billable_seconds < 100


@pytest.mark.row(84)
@pytest.mark.parametrize("trouble", [LOST, GONE], ids=["never arrived", "the answer lost"])
@pytest.mark.parametrize(
    "service",
    [
        {"batch_rejects_replay": True},
        {"batch_rejects_replay": False},
        {"batch_list_lag_s": 20.0},
        {"batch_list_lag_s": 20.0, "batch_rejects_replay": False},
        {"batch_token_kept_s": 0.5},
    ],
)
def test_row_84_a_lost_submission(tmp_path: Path, trouble: BaseException, service: dict[str, Any]) -> None:
    """Whether it was applied or not, there is one job: by its token while the list is late, by the list after that."""
    here = queued(tmp_path, Trouble("SubmitServiceJob", trouble, applied=trouble is GONE), service=service)
    here.run()
    assert here.statuses == DONE and here.right()


@pytest.mark.row(84)
def test_row_84_a_refusal_that_is_a_replay(tmp_path: Path) -> None:
    """The list is late and the submission is rejected in words that nobody knows: the job is found all the same."""
    unknown = ServiceError("ClientException", "words that nobody knows")
    here = queued(
        tmp_path,
        Trouble("SubmitServiceJob", unknown, applied=True),
        Trouble("ListServiceJobs", ServiceError("ClientException", "not yet"), times=1, when=lambda t: bool(t.calls)),
    )
    here.run()
    assert here.statuses == DONE and here.right()


@pytest.mark.row(84)
def test_row_84_a_crash_after_the_submission(tmp_path: Path) -> None:
    """The next run finds the job in the queue, also when its token is forgotten by then."""
    here = queued(tmp_path, Trouble("SubmitServiceJob", CRASH, applied=True), service={"batch_token_kept_s": 600.0})
    with pytest.raises(Crash):
        here.run()
    here.twin.dead = False
    here.clock.sleep(1000)
    here.run()
    assert here.statuses == DONE and here.right()


@pytest.mark.row(84)
def test_row_84_no_capacity_is_no_end(tmp_path: Path) -> None:
    """A job that Batch sends again stays one attempt of ours."""
    scarce = iter([Script(seconds=0, platform_failure="CapacityError: none")] * 3)
    here = queued(tmp_path)
    here.twin.world.containers.behaviour = lambda request, rng: next(scarce, None) or scripts()(request, rng)
    here.run()
    assert here.statuses == DONE and here.right()
    assert [job.sent for job in here.ours] == [4, 1]


@pytest.mark.row(84)
@pytest.mark.parametrize("after_s", [1.0, 200.0, 260.0])
def test_row_84_a_signal_ends_what_was_submitted(tmp_path: Path, after_s: float) -> None:
    """In the queue, starting or training: the service job is terminated, and its trial runs again the next time."""
    here = queued(tmp_path, strangers=1)
    begun = here.clock.now()

    def interrupt(_: object, operation: str, answer: dict[str, Any]) -> dict[str, Any]:
        if here.clock.now() > begun + after_s and not here.caught:
            here.caught.append(15)
        return answer

    here.twin.alter = interrupt
    ending = here.run()
    assert ending.signal == 15 and not ending.unreleased
    assert here.open() == [] and here.right()
    assert here.statuses[0] is TrialStatus.INTERRUPTED
    assert [job.sent for job in here.ours] == ([0] if after_s < 150 else [1])  # none was made only to be stopped
    here.twin.alter = lambda twin, operation, answer: answer
    here.caught.clear()
    assert here.run().why == "every trial is done"
    assert here.statuses == DONE and here.right()


@pytest.mark.row(84)
def test_row_84_a_signal_while_there_is_no_capacity(tmp_path: Path) -> None:
    """What never found a machine is stopped, and has not failed."""
    here = queued(tmp_path)
    none = Script(seconds=0, platform_failure="CapacityError: none")
    here.twin.world.containers.behaviour = lambda request, rng: none

    def interrupt(_: object, operation: str, answer: dict[str, Any]) -> dict[str, Any]:
        if answer.get("statusReason", "").startswith("CAPACITY") and not here.caught:
            here.caught.append(2)
        return answer

    here.twin.alter = interrupt
    assert here.run().signal == 2
    assert here.open() == [] and here.right()
    assert here.statuses[0] is TrialStatus.INTERRUPTED


def test_a_queue_that_would_refuse_the_jobs_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    """None of its name, a disabled one, shares that are missing or not wanted; the local engine's is made once."""
    call = queued(tmp_path).twin.ask
    for options, text in (
        (QueueOptions("nowhere"), "there is no job queue nowhere"),
        (QueueOptions("q", "ann"), "q has no fair-share policy: leave it out"),
    ):
        with pytest.raises(UsageError, match=text):
            queues.check(call, options)
    queues.check(call, QUEUE)
    fair = QueueOptions("fair", "ann")
    call("CreateSchedulingPolicy", {"name": "fair"})  # as far as an earlier run has come
    assert queues.ensure(call, fair, 2) and not queues.ensure(call, fair, 2)
    by_arn = QueueOptions("arn:aws:batch:us-east-1:123456789012:job-queue/other")
    assert queues.ensure(call, by_arn, 1)
    queues.check(call, by_arn)
    queues.check(call, fair)
    with pytest.raises(UsageError, match="fair has a fair-share policy: say whose"):
        queues.check(call, QueueOptions("fair"))
    call("UpdateJobQueue", {"jobQueue": "fair", "state": "DISABLED"})
    with pytest.raises(UsageError, match="fair is disabled"):
        queues.check(call, fair)


def test_a_refused_submission_fails_its_trial(tmp_path: Path) -> None:
    """A refusal that stays one, and a request that Batch cannot carry, are the trial's failure."""
    gone = ServiceError("ClientException", "The job queue is disabled")
    here = queued(tmp_path, Trouble("SubmitServiceJob", gone, times=6))
    here.run()
    assert here.statuses == [TrialStatus.FAILED, TrialStatus.COMPLETED]
    job = here.chain.outcomes[0].outcome
    assert job is not None and "The job queue is disabled" in job.message
    assert not here.ours[0].name.endswith("a02")


@pytest.mark.row(84)
@pytest.mark.parametrize("seed", range(30))
def test_row_84_everything_at_once(tmp_path: Path, seed: int) -> None:
    """Faults, crashes and signals: nothing runs twice or is left behind, no result is lost, and the sweep ends."""
    rng = random.Random(f"batch {seed}")
    drawn = Risky.drawn(seed, behaviour=scripts(x1=Script(60, 1, "ValueError: no")))
    assert isinstance(drawn, Risky)
    drawn.faults = replace(drawn.faults, human_stops=0.0)
    here = queued(
        tmp_path, twin=drawn, strangers=rng.choice((0, 2)), on_failure=on_failure({"internal_error": {"retry": 3}})
    )
    drawn.risk, drawn.signals = 0.01, rng.choice((0.0, 0.005))
    for round_ in range(20):
        if round_ == 8:
            drawn.quiet()
            drawn.risk = drawn.signals = 0.0
        here.caught.clear()
        try:
            ending = here.run()
        except Crash:
            drawn.dead = False
            here.clock.sleep(rng.choice((1.0, 300.0, 3000.0)))
            if rng.random() < 0.3:
                watched, drawn.risk = drawn.risk, 0.0
                here.watchdog()
                drawn.risk = watched
                assert here.open() == []
            continue
        except SweeperError as error:
            here.listener.say(str(error))
            continue
        assert ending.unreleased or here.open() == []
        if not ending.signal and not ending.unreleased:
            break
    assert ending.why == "every trial is done"
    assert here.statuses[1] is TrialStatus.FAILED
    assert here.right() and here.open() == []
    assert all(isinstance(event, ev.Event) for event in here.journal)
