"""Rows 31 to 48 of the fault matrix: what may happen to a Create, and that there is one job an attempt all the same."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from sweeper.aws.lease import HEARTBEAT_S
from sweeper.core import events as ev
from sweeper.core.events import TrialStatus
from sweeper.core.model import PoolSettings
from sweeper.core.request import Staged, build, job_name
from sweeper.core.stop import rules
from sweeper.core.verify import verify
from sweeper.engine.errors import ServiceError
from sweeper.engine.training.settings import ServiceSettings
from sweeper.errors import ApiError, ApiErrorKind, ForeignNameError
from sweeper.run.submitting import BACKOFF_MOST_S, STAGING_S
from sweeper.simulation.drawn import NAME, SCOPE
from sweeper.simulation.simulation import OWNER
from sweeper.testing.twin import Faults
from tests.laws.outside import CRASH, GONE, LOST, STAGED, Outside, Trouble, denied, invalid, make_sweep

Make = Callable[..., Outside]
CREATE = "CreateTrainingJob"
DONE = [TrialStatus.COMPLETED, TrialStatus.COMPLETED]
TAKEN = ServiceError("ResourceInUse", "Training job names must be unique within an AWS account and region.")
FULL = ServiceError(
    "ResourceLimitExceeded",
    "The account-level service limit 'ml.m5.large for training job usage' is 1 Instances, with current utilization "
    "of 1 Instances and a request delta of 1 Instances. Please contact AWS support to request an increase.",
)
THROTTLED = ServiceError("ThrottlingException", "Rate exceeded")


def goes_on_to_the_end(outside: Outside) -> None:
    """The next run completes every trial once, and closes everything."""
    outside.run()
    assert outside.statuses == DONE
    assert len(outside.ledger.jobs) == 2
    assert outside.whole()


def test_row_31_a_death_before_the_intent_leaves_nothing(outside: Make) -> None:
    """Killed before the intent is durable, no job exists and no pool is owed."""
    here = outside()
    here.dies(before=ev.Intent)
    assert (here.twin.service.jobs, here.chain.debts) == ({}, {})
    goes_on_to_the_end(here)


def test_row_32_a_death_after_the_intent_creates_the_same_name_later(outside: Make) -> None:
    """Killed between the intent and the Create, the next run finds no job and creates the intended one."""
    here = outside()
    here.dies(after=ev.Intent)
    intended = next(event for event in here.journal if isinstance(event, ev.Intent))
    assert here.twin.service.jobs == {}
    goes_on_to_the_end(here)
    assert here.ledger.jobs[0].name == intended.name
    assert [event.name for event in here.journal if isinstance(event, ev.Intent)].count(intended.name) == 1


@pytest.mark.parametrize("applied", [False, True])
def test_row_33_34_a_lost_create_is_proved_by_describe_or_sent_again(outside: Make, applied: bool) -> None:
    """Whether the request or only its answer was lost: one job of the intended name, adopted where it exists."""
    here = outside(Trouble(CREATE, GONE if applied else LOST, applied=applied))
    goes_on_to_the_end(here)
    adopted = [event for event in here.journal if isinstance(event, ev.Adopted)]
    assert len(adopted) == applied
    assert len({call.name for call in here.calls(CREATE)}) == 2


@pytest.mark.parametrize("applied", [False, True])
def test_row_33_34_a_death_in_the_middle_of_a_create_is_no_second_job(outside: Make, applied: bool) -> None:
    """Killed before or after the service took the Create, the next run finds the one job or sends the same again."""
    here = outside(Trouble(CREATE, CRASH, applied=applied))
    here.dies()
    assert len(here.twin.service.jobs) == applied
    goes_on_to_the_end(here)


def test_row_35_a_name_in_use_with_our_fingerprint_is_our_job(outside: Make) -> None:
    """A Create that was applied and answered ResourceInUse (a blind retry below us) is adopted."""
    here = outside(Trouble(CREATE, TAKEN, applied=True))
    goes_on_to_the_end(here)
    assert any(isinstance(event, ev.Adopted) for event in here.journal)


def squat(here: Outside, trial: int) -> str:
    """Someone else has a job of the name that this trial's would get."""
    config = here.sweep.resolve(here.sweep.trials[trial])
    name = job_name(OWNER, SCOPE, NAME, here.sweep.trials[trial].id, 1)
    marks: Mapping[str, Any] = {"mark": "another/one/entirely/1", "sweep": "theirs"}
    region = SCOPE.region
    request = build({**config, "environment": {}}, name=name, max_runtime_s=600, staged=STAGED, region=region, **marks)
    here.twin.apply(CREATE, request)
    return name


def test_row_36_a_foreign_job_of_our_name_is_not_touched(outside: Make) -> None:
    """ResourceInUse with another's fingerprint ends the sweep; their job trains on and our own pool is closed."""
    here = outside()
    name = squat(here, 1)
    with pytest.raises(ForeignNameError, match=name):
        here.run()
    assert not [call for call in here.twin.calls if call.name == name and call.operation.startswith(("Stop", "Update"))]
    assert here.nothing_is_open()


def test_row_37_a_sweep_without_its_journal_adopts_what_it_ran_before(outside: Make) -> None:
    """The same sweep from another place finds its jobs by name and fingerprint: nothing is trained twice."""
    here = outside()
    here.run()
    here.path.unlink()
    here.run()
    assert here.statuses == DONE
    assert len(here.ledger.jobs) == 2
    assert here.said.count(f"another run of this sweep, of the owner {OWNER}, has made it") == 2
    assert here.whole()


def test_row_37_a_job_is_kept_as_long_as_its_creator_asked_whatever_we_meant(outside: Make) -> None:
    """The journal is lost while a pool idles, and the next run takes that job for its last: the pool is closed."""
    here = outside(sweep=make_sweep(2))
    here.dies(after=ev.Outcome)
    here.path.unlink()
    here.sweep = replace(here.sweep, stop=rules({"max_trials": 1}), pool=PoolSettings(keep_alive_s=300))
    here.run()
    (job,) = here.chain.jobs.values()
    assert (job.intent.keep_alive_s, here.pools) == (300, ["terminated"])
    assert here.whole()


def test_row_37_an_attempt_that_never_was_keeps_its_name(outside: Make) -> None:
    """Given up before it reached the service, it is the same attempt the next time: no journal is needed to find it."""
    caught: list[int] = []

    def pressed(twin: Any) -> bool:
        caught.append(2)
        return True

    here = outside(Trouble(CREATE, THROTTLED, when=pressed), sweep=make_sweep(1))
    here.caught = caught
    assert here.run().signal == 2
    assert here.pools == ["never_had_pool"] and not here.ledger.jobs
    caught.clear()
    here.run()
    assert [job.name[-3:] for job in here.ledger.jobs] == ["a01"]
    assert verify(here.journal) == []
    here.path.unlink()
    here.run()
    assert here.statuses == [TrialStatus.COMPLETED]
    assert len(here.ledger.jobs) == 1 and here.whole()


def test_row_38_a_job_that_was_deleted_is_lost_and_never_created_again(outside: Make) -> None:
    """An acknowledged job that is gone is told as lost_remote; its free name is not used again."""
    here = outside()
    deleted: list[str] = []

    def delete(twin: Any, operation: str, answer: dict[str, Any]) -> dict[str, Any]:
        if operation == "DescribeTrainingJob" and answer["TrainingJobStatus"] == "InProgress" and not deleted:
            deleted.append(str(answer["TrainingJobName"]))
            del twin.service.jobs[deleted[0]]
        return answer

    here.twin.alter = delete
    here.run()
    assert here.statuses == [TrialStatus.FAILED, TrialStatus.COMPLETED]
    assert here.failures == ["lost_remote", ""]
    assert [call.name for call in here.calls(CREATE)].count(deleted[0]) == 1


def test_row_39_a_burst_of_throttling_is_waited_out_with_growing_pauses(outside: Make) -> None:
    """Every refused Create is sent again, each time later, and no two sweeps of a team in the same step."""
    here = outside(Trouble(CREATE, THROTTLED, times=6))
    goes_on_to_the_end(here)
    times = [call.at for call in here.calls(CREATE)][:7]
    pauses = [b - a for a, b in pairwise(times)]
    assert all(b > a for a, b in pairwise(pauses))
    assert all(pause != round(pause) for pause in pauses)


def test_row_40_a_full_quota_closes_own_pools_and_waits(outside: Make) -> None:
    """ResourceLimitExceeded releases the pool that occupies the quota, then tries again after 30 s or more."""
    here = outside(Trouble(CREATE, FULL, times=2, when=lambda twin: len(twin.service.jobs) == 1))
    here.run()
    assert here.statuses == DONE
    tries = [call.at for call in here.calls(CREATE)][1:]
    assert all(b - a >= 30 for a, b in pairwise(tries))
    released = next(call.at for call in here.calls("UpdateTrainingJob"))
    assert tries[0] < released < tries[1]
    assert here.warmth == ["cold", "cold"]
    assert here.whole()


def limited(limit: int, delta: int) -> str:
    """What the service says of a quota, and of a request that wants so many instances."""
    usage = f"is {limit} Instances, with current utilization of 0 Instances and a request delta of {delta} Instances"
    return f"The account-level service limit 'ml.m5.large for training job usage' {usage}."


IN_VAIN = [
    "The requested resource training-job/ml.t3.medium is not available in this region",
    "Some wording that nobody knows yet",
    limited(0, 1),
    limited(2, 4),
]


@pytest.mark.parametrize("text", IN_VAIN)
def test_row_40_a_limit_that_time_does_not_change_is_an_end_at_once(outside: Make, text: str) -> None:
    """A type that the region does not have, no quota, a request above it: told as it is, not waited for."""
    here = outside(Trouble(CREATE, ServiceError("ResourceLimitExceeded", text), times=1e9))
    begun = here.clock.now()
    with pytest.raises(ApiError, match=text[:30]):
        here.run()
    assert (len(here.calls(CREATE)), here.failures) == (1, ["quota"])
    assert here.clock.now() - begun < 30 and here.nothing_is_open()


PROPAGATION = [
    "Could not assume role arn:aws:iam::123456789012:role/x. Please ensure that the role exists and allows principal "
    "'sagemaker.amazonaws.com' to assume the role.",
    "Access denied to OutputDataConfig S3 bucket: sagemaker-us-east-1-123456789012",
]


@pytest.mark.parametrize("text", PROPAGATION)
def test_row_41_what_is_too_new_to_be_seen_is_tried_again(outside: Make, text: str) -> None:
    """A role or bucket that the service does not see yet is no end for two minutes."""
    here = outside(Trouble(CREATE, invalid(text), times=5))
    goes_on_to_the_end(here)


def test_row_40_who_waits_for_a_quota_is_told_again_and_a_time_limit_counts(outside: Make) -> None:
    """The line comes every ten minutes; `stop.max_seconds` ends the wait as it ends anything else."""
    here = outside(Trouble(CREATE, FULL, times=1e9), sweep=make_sweep(2, stop=rules({"max_seconds": 3600})))
    begun = here.clock.now()
    here.run()
    told = [line for line in here.listener.lines if line.startswith("waiting for quota")]
    assert 3 <= len(told) <= 7
    assert "so far)" in told[-1]
    assert here.clock.now() - begun < 3600 + 900
    assert here.nothing_is_open()


def test_row_40_the_lease_is_kept_while_a_full_quota_is_waited_for(outside: Make) -> None:
    """The pauses grow to ten minutes; nobody is silent for longer than a heartbeat meanwhile."""
    here = outside(Trouble(CREATE, FULL, times=11))
    asked: list[float] = []

    def held() -> bool:
        asked.append(here.clock.now())
        return True

    here.lease_held = held
    goes_on_to_the_end(here)
    assert max(b - a for a, b in pairwise(asked)) <= HEARTBEAT_S
    sent = [call.at for call in here.calls(CREATE)]
    assert max(b - a for a, b in pairwise(sent)) > 600


def expiring(here: Outside, kind: ApiErrorKind, seconds: float) -> list[float]:
    """From its second trial on, for so many seconds nothing can be staged; returns the times of the attempts."""
    asked: list[float] = []

    def stage(config: Mapping[str, Any]) -> Staged:
        if here.twin.service.jobs:
            asked.append(here.clock.now())
            if here.clock.now() < asked[0] + seconds:
                raise ApiError(kind, "PutObject", "Code", "run `aws sso login`")
        return STAGED

    here.stage = stage
    return asked


@pytest.mark.parametrize(
    ("kind", "seconds"), [(ApiErrorKind.EXPIRED, 1200.0), (ApiErrorKind.UNAVAILABLE, 300.0), (ApiErrorKind.LOST, 90.0)]
)
def test_row_41_what_cannot_be_staged_for_a_while_is_waited_for(
    outside: Make, kind: ApiErrorKind, seconds: float
) -> None:
    """An outage of S3 and a session that is renewed after 20 minutes lose nothing, and cost no second cold start."""
    here = outside(sweep=make_sweep(3, pool=PoolSettings(keep_alive_s=3600, last_job_releases=False)))
    asked = expiring(here, kind, seconds)
    here.run()
    assert here.statuses == [TrialStatus.COMPLETED] * 3
    assert [job.pool_word for job in here.chain.jobs.values()] == ["cold", "reused", "reused"]
    assert asked[-1] - asked[0] >= seconds
    assert "run `aws sso login`" in here.said
    if kind is ApiErrorKind.EXPIRED:
        assert re.search(
            r"waiting for new credentials, while the pool of \S+ idles until \d\d:\d\d:\d\d UTC at most", here.said
        )
    assert here.whole()


def test_row_41_an_outage_of_s3_that_does_not_end_ends_the_sweep(outside: Make) -> None:
    """After ten minutes the error is told, and the pool closed."""
    here = outside(sweep=make_sweep(3))
    asked = expiring(here, ApiErrorKind.UNAVAILABLE, 1e9)
    with pytest.raises(ApiError):
        here.run()
    assert STAGING_S <= asked[-1] - asked[0] <= STAGING_S + 2 * BACKOFF_MOST_S
    assert here.nothing_is_open()


def test_row_41_who_gives_up_while_nothing_can_be_staged_is_heard_soon(outside: Make) -> None:
    """Ctrl-C while new credentials are waited for closes the pool as soon as the service can be asked."""
    here = outside(sweep=make_sweep(3))
    asked = expiring(here, ApiErrorKind.EXPIRED, 1e9)
    stage = here.stage

    def interrupted(config: Mapping[str, Any]) -> Staged:
        here.caught[:] = [2] if len(asked) == 3 else []
        return stage(config)

    here.stage = interrupted
    here.run()
    assert here.clock.now() - asked[0] < 300
    assert here.nothing_is_open()


def test_row_41_what_stays_invisible_is_an_end_after_two_minutes(outside: Make) -> None:
    """After two minutes the trial is told as failed with the service's own text, and the chain closes."""
    here = outside(Trouble(CREATE, invalid(PROPAGATION[0]), times=1e9))
    with pytest.raises(ApiError, match="Could not assume role"):
        here.run()
    assert here.statuses == [TrialStatus.FAILED, TrialStatus.INTERRUPTED]
    assert here.twin.service.jobs == {}
    assert "Could not assume role" in here.said


def test_row_42_a_refused_request_fails_its_trial_and_the_chain_goes_on(outside: Make) -> None:
    """Any other ValidationException is the outcome of that trial; the next runs, and everything is closed."""
    text = "1 validation error detected: Value at 'hyperParameters' failed to satisfy constraint"
    here = outside(Trouble(CREATE, invalid(text)))
    here.run()
    assert here.statuses == [TrialStatus.FAILED, TrialStatus.COMPLETED]
    assert here.failures == ["request", ""]
    assert here.whole()


def test_row_42_a_second_refusal_in_the_same_words_ends_the_sweep(outside: Make) -> None:
    """What two trials are refused for alike is no trial's fault: no other is tried, nor is the second judged."""
    text = "Input data configuration of JOB is larger than the volume"
    here = outside(Trouble(CREATE, invalid(text), times=1e9), sweep=make_sweep(5))
    with pytest.raises(ApiError, match="larger than the volume"):
        here.run()
    assert len(here.calls(CREATE)) == 2
    assert here.statuses == [TrialStatus.FAILED, TrialStatus.INTERRUPTED, *[TrialStatus.PLANNED] * 3]
    assert "a second trial is refused for the same reason" in here.said
    assert here.nothing_is_open()


def test_row_42_a_refusal_of_what_is_locked_ends_the_sweep_at_once(outside: Make) -> None:
    """An unknown instance type is every trial's: one Create, the service's text without its 225 types, none judged."""
    values = ", ".join(f"ml.m5.{n}xlarge" for n in range(225))
    text = (
        "1 validation error detected: Value 'ml.nope' at 'resourceConfig.instanceType' failed to satisfy constraint: "
        f"Member must satisfy enum value set: [{values}]"
    )
    here = outside(Trouble(CREATE, invalid(text), times=1e9))
    with pytest.raises(ApiError, match=r"'ml\.nope' .*: \[ml\.m5\.0xlarge, .*, \.\.\.\]\Z") as caught:
        here.run()
    assert len(str(caught.value)) < 400
    assert len(here.calls(CREATE)) == 1
    assert here.statuses == [TrialStatus.INTERRUPTED, TrialStatus.PLANNED]
    assert here.nothing_is_open()


@pytest.mark.parametrize("after", [0, 1])
def test_row_43_a_denied_create_ends_the_sweep_and_closes_the_pool(outside: Make, after: int) -> None:
    """AccessDenied on Create, before or after another job: an error, the older pool closed, the trial not judged."""
    refusal = denied("sagemaker:CreateTrainingJob")
    here = outside(Trouble(CREATE, refusal, times=1e9, when=lambda twin: len(twin.service.jobs) == after))
    with pytest.raises(ApiError) as caught:
        here.run()
    assert caught.value.kind is ApiErrorKind.DENIED
    assert here.nothing_is_open()
    assert here.statuses[after] is TrialStatus.INTERRUPTED


def test_row_44_ten_minutes_of_server_errors_are_waited_out(outside: Make) -> None:
    """A storm of 503 is no end: the same Create goes out until it is answered."""
    storm = ServiceError("ServiceUnavailable", "Service Unavailable", 503)
    here = outside()
    begun = here.clock.now()
    here.twin.troubles = [Trouble(CREATE, storm, times=1e9, when=lambda twin: twin.clock.now() < begun + 600)]
    goes_on_to_the_end(here)
    assert here.clock.now() > begun + 600


SKEWED = "Signature expired: 20261121T000000Z is now earlier than 20261121T002500Z (20261121T003000Z - 5 min.)"


def test_row_45_a_wrong_clock_is_told_and_waited_for(outside: Make) -> None:
    """A signature from the wrong time is no fault of the trial: it is said clearly, and the Create is sent again."""
    here = outside(Trouble(CREATE, ServiceError("InvalidSignatureException", SKEWED, 403), times=3))
    goes_on_to_the_end(here)
    assert "clock" in "\n".join(line for line in here.listener.lines if "Signature" in line)


def test_row_46_a_pool_that_a_stranger_took_is_told_and_the_next_job_starts_cold(outside: Make) -> None:
    """A foreign job on our pool is only named in a warning; our own later pool is closed."""
    here = outside(faults=Faults(foreign_takes=1), sweep=make_sweep(2, pool=PoolSettings(keep_alive_s=60)))
    # The successor is held up long enough for the stranger to come first.
    here.twin.troubles = [Trouble(CREATE, THROTTLED, times=8, when=lambda twin: len(twin.service.jobs) >= 1)]
    here.run()
    assert here.statuses == DONE
    assert "foreign-1" in here.said
    assert here.warmth[1] == "cold"
    assert not [c for c in here.twin.calls if c.name.startswith("foreign") and not c.operation.startswith("Describe")]
    assert here.whole()


def test_row_47_a_pool_that_shows_itself_too_late_is_closed_beside_the_next_one(outside: Make) -> None:
    """After the longest wait the next job goes out cold; both pools are closed in the end."""
    here = outside(settings=ServiceSettings(settle_gap_s=150.0, cold_start_s=90.0))
    here.run()
    assert (here.statuses, here.warmth) == (DONE, ["cold", "cold"])
    assert all(here.pools)
    assert here.whole()


def test_row_48_a_pool_that_a_patch_ended_is_a_cold_start_and_counted(outside: Make) -> None:
    """When the service ends the idle pool for a patch, the next job is told as cold."""
    here = outside(
        Trouble(CREATE, THROTTLED, times=8, when=lambda twin: len(twin.service.jobs) >= 1),
        settings=ServiceSettings(pool_patch_rate=1.0, settle_gap_s=2.0, cold_start_s=90.0),
    )
    here.run()
    assert (here.statuses, here.warmth) == (DONE, ["cold", "cold"])
    assert here.whole()


def test_row_40_a_release_that_failed_once_and_then_succeeded_is_not_held_against_it(outside: Make) -> None:
    """Denied while waiting for quota and allowed later: the pool was seen closed, and nothing is named."""
    here = outside(
        Trouble(CREATE, FULL, times=2, when=lambda twin: len(twin.service.jobs) == 1),
        Trouble("UpdateTrainingJob", denied()),
    )
    assert here.run().unreleased == []
    assert here.statuses == DONE
    assert here.whole()
