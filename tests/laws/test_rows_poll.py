"""Rows 49 to 71 of the fault matrix: what a look at a job may show, its log and its metrics."""

from __future__ import annotations

import math
import os
import random
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from sweeper.aws.clients import Clients, Endpoint, SageMakerApi
from sweeper.backends.on_demand import OnDemand
from sweeper.backends.spot import Spot
from sweeper.core import events as ev
from sweeper.core.chain import Job
from sweeper.core.events import TrialStatus
from sweeper.core.measured import Readings
from sweeper.core.model import PoolSettings
from sweeper.core.remedies import on_failure
from sweeper.core.results import best
from sweeper.core.results import results as table
from sweeper.core.stop import rules
from sweeper.engine.errors import ServiceError
from sweeper.engine.training.settings import ServiceSettings
from sweeper.errors import ApiError, ApiErrorKind
from sweeper.testing.hook import attach
from sweeper.testing.twin import Faults, Script, Twin, VirtualClock
from tests.laws.outside import CRASH, LOST, Outside, Trouble, Troubled, make_sweep, scripts

Make = Callable[..., Outside]
DESCRIBE = "DescribeTrainingJob"
DONE = [TrialStatus.COMPLETED, TrialStatus.COMPLETED]
EXPIRED = ServiceError("ExpiredTokenException", "The security token included in the request is expired")


def completes(here: Outside, jobs: int = 2) -> None:
    """Every trial completes in so many jobs, and nothing stays open."""
    here.run()
    assert here.statuses == DONE
    assert len(here.ledger.jobs) == jobs
    assert here.whole()


def test_row_49_a_job_that_describe_does_not_know_yet_is_no_end(outside: Make) -> None:
    """NotFound in the first minute after a Create is lag."""
    completes(outside(settings=ServiceSettings(describe_lag_s=50.0, settle_gap_s=2.0)))


def test_row_50_a_look_that_is_denied_at_first_is_tried_again(outside: Make) -> None:
    """AccessDenied on Describe for minutes after a Create is propagation."""
    completes(outside(faults=Faults(denied_after_create_s=200.0)))


def test_row_50_a_look_that_stays_denied_is_an_error_that_names_the_pool(outside: Make) -> None:
    """After 300 s it is told, with the pool that may still bill."""
    here = outside(Trouble(DESCRIBE, ServiceError("AccessDeniedException", "not authorized"), times=1e9))
    with pytest.raises(ApiError) as caught:
        here.run()
    assert [pool.name for pool in caught.value.unreleased] == [job.name for job in here.ledger.jobs]  # type: ignore[attr-defined]


def test_row_51_an_older_answer_changes_nothing(outside: Make) -> None:
    """A Describe that lags behind never makes an ended job run again."""
    here = outside()
    first: dict[str, Any] = {}
    chance = random.Random(0)

    def now_and_then_stale(twin: Twin, operation: str, answer: dict[str, Any]) -> dict[str, Any]:
        if operation != DESCRIBE:
            return answer
        first.setdefault(answer["TrainingJobName"], answer)
        return first[answer["TrainingJobName"]] if chance.random() < 0.3 else answer

    here.twin.alter = now_and_then_stale
    completes(here)
    assert len([event for event in here.journal if isinstance(event, ev.Outcome)]) == 2


def test_row_52_a_status_that_nobody_knows_is_looked_at_again(outside: Make) -> None:
    """A word that the service has learnt since is never taken for an end."""
    here = outside()

    def new_words(twin: Twin, operation: str, answer: dict[str, Any]) -> dict[str, Any]:
        if answer.get("TrainingJobStatus") == "InProgress":
            return {**answer, "TrainingJobStatus": "Pausing", "SecondaryStatus": "Dreaming"}
        return answer

    here.twin.alter = new_words
    completes(here)


def test_row_53_two_hours_without_a_network_are_waited_out(outside: Make) -> None:
    """The job goes on meanwhile, and its result is read afterwards."""
    here = outside(behaviour=scripts(x0=Script(3000.0, metrics={"m": 0.5})), sweep=make_sweep(1))
    down = here.clock.now() + 300
    offline = Trouble(DESCRIBE, LOST, times=1e9, when=lambda twin: down < twin.clock.now() < down + 7200)
    here.twin.troubles = [offline]
    here.run()
    assert here.statuses == [TrialStatus.COMPLETED]
    assert here.clock.now() > down + 7200
    assert here.whole()


def test_row_54_expired_credentials_are_told_and_waited_for(outside: Make) -> None:
    """ExpiredToken while a job runs ends nothing; a person is told, and the sweep goes on with new ones."""
    here = outside(Trouble(DESCRIBE, EXPIRED, times=40))
    completes(here)
    assert "security token included in the request is expired" in here.said


def test_row_54_a_session_that_is_renewed_in_time_loses_nothing(outside: Make) -> None:
    """Expired between two looks and renewed 20 minutes later: every trial once, no second cold start, all closed."""
    pool = PoolSettings(keep_alive_s=3600, last_job_releases=False)
    here = outside(sweep=make_sweep(3, pool=pool), behaviour=scripts(x0=Script(900.0), x1=Script(900.0)))
    since = here.clock.now() + 600
    late = lambda twin: since < twin.clock.now() < since + 1200  # noqa: E731
    here.twin.troubles = [Trouble(kind, EXPIRED, times=1e9, when=late) for kind in (DESCRIBE, "CreateTrainingJob")]
    here.run()
    assert here.clock.now() > since + 1200
    assert [job.pool_word for job in here.chain.jobs.values()] == ["cold", "reused", "reused"]
    assert here.said.count("waiting for new credentials") == 1
    assert here.whole()


def test_row_54_a_session_that_is_not_renewed_ends_with_the_pool_its_end_and_the_command(outside: Make) -> None:
    """The last words of who waits in vain: which pool, until when it is paid for at most, and what releases it."""
    here = outside(sweep=make_sweep(2, pool=PoolSettings(keep_alive_s=1800, last_job_releases=False)))
    ended = lambda twin: any(job.status.terminal for job in twin.service.jobs.values())  # noqa: E731
    kinds = (DESCRIBE, "CreateTrainingJob", "UpdateTrainingJob")
    here.twin.troubles = [Trouble(kind, EXPIRED, times=1e9, when=ended) for kind in kinds]
    here.after_append = lambda events: here.caught.extend(
        [2] if any(isinstance(event, ev.Intent) and event.index for event in events) else []
    )
    ending = here.run()
    assert any("nobody pays for it after" in pool.why for pool in ending.unreleased)
    assert all(pool.name in pool.command for pool in ending.unreleased)


def test_row_54_a_person_who_gives_up_on_expired_credentials_is_told_what_bills(outside: Make) -> None:
    """Ctrl-C twice without credentials ends with exit code 3's list: the names and the command."""
    here = outside(Trouble(DESCRIBE, EXPIRED, times=1e9))
    here.after_append = lambda events: here.caught.extend(
        [2, 2] if any(isinstance(event, ev.Created) for event in events) else []
    )
    ending = here.run()
    (left,) = ending.unreleased
    assert left.name in left.command


@pytest.mark.parametrize("again", [False, True])
def test_row_54_the_end_of_a_job_that_may_start_again_is_not_foretold(outside: Make, again: bool) -> None:
    """Who gives up on a spot job in the middle is told no moment after which it is paid no more; of others it is."""
    here = outside(sweep=make_sweep(1, backend=Spot(allow_restart=True) if again else OnDemand()))
    trains = lambda twin: any(job.secondary == "Training" for job in here.chain.jobs.values())  # noqa: E731
    here.twin.troubles = [Trouble(DESCRIBE, EXPIRED, times=1e9, when=trains)]

    def gives_up(twin: Twin, operation: str, answer: dict[str, Any]) -> dict[str, Any]:
        here.caught.extend([2, 2] if answer.get("SecondaryStatus") == "Training" else [])
        return answer

    here.twin.alter = gives_up
    (left,) = here.run().unreleased
    assert ("nobody pays for it after" in left.why) is not again


class Sleeper(VirtualClock):
    """A laptop whose lid is closed once, at its n-th sleep, for eight hours."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self._left = n

    def sleep(self, seconds: float) -> None:
        """Sleep, or sleep long."""
        self._left -= 1
        super().sleep(8 * 3600.0 if self._left == 0 else seconds)


@pytest.mark.parametrize("n", [3, 20, 40])
def test_row_55_a_laptop_that_sleeps_loses_nothing(outside: Make, n: int) -> None:
    """After eight hours the job has ended and the pool is gone: the result is read, the next job starts cold."""
    here = outside(clock=Sleeper(n))
    completes(here)


def test_row_56_what_a_job_waits_for_is_told_and_kept(outside: Make) -> None:
    """Pending may last for hours: each of its messages is told once, and stands in the journal while it lasts."""
    settings = ServiceSettings(pending_s=60.0, cold_start_s=90.0, settle_gap_s=2.0)
    here, seen = outside(sweep=make_sweep(1), settings=settings), set()

    def looked(twin: Twin, operation: str, answer: dict[str, Any]) -> dict[str, Any]:
        seen.update(job.phase for job in here.chain.unfinished.values())
        return answer

    here.twin.alter = looked
    here.run()
    told = ["Training job waiting for capacity", "Preparing the instances for training"]
    assert [e.message for e in here.journal if isinstance(e, ev.Observed) and e.secondary == "Pending"] == told
    assert seen - {"Downloading", "Training"} == {"", *(f"Pending - {message}" for message in told)}
    assert len(seen) > 3  # and nobody reads that it is Pending while it trains
    assert here.statuses == [TrialStatus.COMPLETED] and here.whole()


def test_row_56_a_job_that_never_gets_a_machine_is_stopped_by_a_limit_of_time(outside: Make) -> None:
    """Where the service waits for ever, `max_seconds` does not: the job is stopped unlaunched and leaves no pool."""
    sweep = make_sweep(stop=rules({"max_seconds": 3600}))
    here = outside(sweep=sweep, settings=ServiceSettings(cold_start_s=1e7, settle_gap_s=2.0))
    begun = here.clock.now()
    ending = here.run()
    assert ending.why == "3600 s are over"
    assert 3600 <= here.calls("StopTrainingJob")[0].at - begun <= 3610
    assert here.clock.now() - begun <= 4000
    assert here.statuses == [TrialStatus.INTERRUPTED, TrialStatus.PLANNED]  # the next run takes them
    assert here.pools == ["never_had_pool"]
    assert here.whole()


def test_row_57_no_capacity_is_tried_again_as_the_experiment_says(outside: Make) -> None:
    """CapacityError is a failure of the job with a retry of its own; no pool is left of it."""
    fails_once = scripts(x0=Script(1.0, platform_failure="CapacityError: Unable to provision requested ML compute"))
    here = outside(sweep=make_sweep(1, on_failure=on_failure({"capacity": {"retry": 1}})), behaviour=fails_once)
    here.run()
    assert here.failures == ["capacity", "capacity"]
    assert [job.name[-3:] for job in here.ledger.jobs] == ["a01", "a02"]
    assert here.whole()


def test_row_58_an_internal_error_is_a_new_attempt_under_a_new_name(outside: Make) -> None:
    """InternalServerError is tried again so often as the experiment says, each time as the next attempt."""
    here = outside(
        faults=Faults(internal=1.0), sweep=make_sweep(1, on_failure=on_failure({"internal_error": {"retry": 2}}))
    )
    here.run()
    assert here.failures == ["internal_error"] * 3
    assert [job.name[-3:] for job in here.ledger.jobs] == ["a01", "a02", "a03"]
    assert here.whole()


def test_row_59_a_script_that_fails_keeps_the_pool_for_the_next(outside: Make) -> None:
    """AlgorithmError fails its trial; the chain goes on, warm."""
    here = outside(behaviour=scripts(x0=Script(10.0, 1, "AlgorithmError: ValueError: no")))
    here.run()
    assert here.statuses == [TrialStatus.FAILED, TrialStatus.COMPLETED]
    assert here.warmth == ["cold", "reused"]
    assert here.whole()


@pytest.mark.parametrize("retained", [True, False])
def test_row_61_a_job_that_ran_too_long_is_a_timeout_and_its_pool_is_verified(outside: Make, retained: bool) -> None:
    """MaxRuntimeExceeded fails the trial as a timeout, whether the pool stays or not."""
    here = outside(
        behaviour=scripts(x0=Script(1e5)), settings=ServiceSettings(settle_gap_s=2.0, timeout_retains_pool=retained)
    )
    here.run()
    assert here.failures == ["timeout", ""]
    assert here.whole()


def test_row_62_a_job_that_someone_else_stopped_says_so(outside: Make) -> None:
    """Stopped in the console: the trial is told as stopped_external, and the chain closes everything."""
    here = outside(faults=Faults(human_stops=1.0))
    here.run()
    assert here.statuses == [TrialStatus.STOPPED, TrialStatus.STOPPED]
    assert here.failures == ["stopped_external", "stopped_external"]
    assert here.whole()


@pytest.mark.parametrize("kept", [True, False])
def test_row_62_a_job_that_we_stopped_never_fails_its_trial(outside: Make, kept: bool) -> None:
    """The service calls the job that a signal stopped Failed: its trial is interrupted, and the next run trains it."""
    caught: list[int] = []

    def failing(twin: Twin, operation: str, answer: dict[str, Any]) -> dict[str, Any]:
        if answer.get("SecondaryStatus") == "Training" and not caught:
            caught.append(15)
        if caught and answer.get("TrainingJobStatus") == "Stopped":
            answer.update(TrainingJobStatus="Failed", SecondaryStatus="Failed", FailureReason="InternalServerError: x")
        return answer

    settings = ServiceSettings(cold_start_s=90.0, settle_gap_s=2.0, stop_retains_pool=kept)
    here = outside(sweep=make_sweep(1), settings=settings)
    here.caught, here.twin.alter = caught, failing
    assert here.run().signal == 15
    assert (here.statuses, here.failures) == ([TrialStatus.INTERRUPTED], [""])
    assert here.nothing_is_open()
    caught.clear()
    here.caught, here.twin.alter = [], lambda twin, operation, answer: answer
    here.run()
    assert here.statuses == [TrialStatus.COMPLETED] and here.nothing_is_open()


def test_row_63_a_killed_runner_is_taken_over_by_the_watchdog_and_the_next_run(outside: Make) -> None:
    """Killed while a job runs: the watchdog lets it end and closes its pool; the next run reads the result."""
    here = outside(Trouble(DESCRIBE, CRASH, when=lambda twin: len(twin.calls) > 5))
    here.dies()
    here.watchdog()
    assert here.nothing_is_open()
    completes(here)
    assert here.warmth == ["cold", "cold"]


def test_row_64_after_a_reboot_the_bound_holds_and_the_next_run_adopts(outside: Make) -> None:
    """With nobody left the pool ends with its keep-alive; the next run reads what the job came to."""
    here = outside(Trouble(DESCRIBE, CRASH, when=lambda twin: len(twin.calls) > 5))
    here.dies()
    here.clock.sleep(200.0 + 300.0 + 3.0)
    assert here.nothing_is_open()
    completes(here)


def test_row_66_a_log_that_cannot_be_read_ends_nothing(outside: Make) -> None:
    """Without the log a metric may be missing, which is said; the sweep goes on and closes everything."""
    here = outside(behaviour=scripts(x0=Script(60.0)))

    def refused(job: Job) -> Readings:
        raise ApiError(ApiErrorKind.DENIED, "GetLogEvents", "AccessDeniedException", "not authorized")

    here.log_metrics = refused
    here.run()
    assert here.statuses == [TrialStatus.METRIC_MISSING, TrialStatus.COMPLETED]
    assert "not authorized" in here.said
    assert here.nothing_is_open()


def test_row_66_a_throttled_log_is_asked_again(outside: Make) -> None:
    """A log that cannot be read for a while is read when it can."""
    here = outside(behaviour=scripts(x0=Script(60.0)))
    tries: list[float] = []

    def busy(job: Job) -> Readings:
        tries.append(here.clock.now())
        if len(tries) < 5:
            raise ApiError(ApiErrorKind.THROTTLED, "GetLogEvents", "ThrottlingException", "Rate exceeded")
        return Readings({"m": 0.25})

    here.log_metrics = busy
    here.run()
    assert here.statuses == DONE
    outcome = here.chain.outcomes[0].outcome
    assert outcome is not None
    assert outcome.metrics == {"m": 0.25}


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_row_69_what_is_no_number_is_told_and_is_never_the_best(outside: Make, value: float) -> None:
    """NaN is a value that a script printed, and it is never the best one."""
    here = outside(behaviour=scripts(x0=Script(60.0, metrics={"m": value}), x1=Script(60.0, metrics={"m": 0.1})))
    here.run()
    chosen = best(table(here.sweep, here.chain), here.sweep.objective)
    assert chosen is not None
    assert here.statuses == DONE
    assert chosen["name"] == ("x=1" if math.isnan(value) else "x=0")


def test_row_69_a_metric_that_never_comes_is_missing_and_not_run_again(outside: Make) -> None:
    """A completed job without its metric is metric_missing: neither dropped nor repeated."""
    here = outside(behaviour=scripts(x0=Script(60.0)))
    for _ in range(2):
        here.run()
        assert here.statuses == [TrialStatus.METRIC_MISSING, TrialStatus.COMPLETED]
        assert len(here.ledger.jobs) == 2


@pytest.mark.parametrize("late_s", [20.0, 50.0])
def test_row_70_final_metrics_that_come_late_are_waited_for(outside: Make, late_s: float) -> None:
    """FinalMetricDataList may be filled up to a minute after the job has ended."""
    here = outside()

    def late(twin: Twin, operation: str, answer: dict[str, Any]) -> dict[str, Any]:
        ended = answer.get("TrainingEndTime")
        if operation == DESCRIBE and ended is not None and twin.clock.now() < float(ended) + late_s:
            return {key: value for key, value in answer.items() if key != "FinalMetricDataList"}
        return answer

    here.twin.alter = late
    completes(here)


def idle(here: Outside) -> list[float]:
    """Seconds from the end of each job to the beginning of the next."""
    jobs = sorted(here.ledger.jobs, key=lambda job: job.created)
    return [after.created - float(before.ended or 0) for before, after in pairwise(jobs)]


def test_row_68_a_log_is_stored_when_its_pool_is_closed_and_holds_nothing_up(outside: Make) -> None:
    """By then its last lines have come. However long it takes, the next job waits for a single step at most."""
    step, steps = 0.25, list[tuple[str, bool]]()

    def keep(job: Job) -> Iterator[None]:
        for _ in range(1000):
            steps.append((job.name, job.in_debt))
            long.clock.sleep(step)
            yield

    short, long = outside(sweep=make_sweep(4)), outside(sweep=make_sweep(4))
    long.folder, long.keep = short.folder / "long", keep
    long.folder.mkdir()
    short.run()
    long.run()
    assert steps == [(job.name, False) for job in long.ledger.jobs for _ in range(1000)]
    assert all(b <= a + long.sweep.waits.usual_s + step for a, b in zip(idle(short), idle(long), strict=True))


def test_row_68_what_a_killed_invocation_did_not_store_the_next_one_does(outside: Make) -> None:
    """The last logs of a chain are looked for when it is continued, and those before them are not."""
    here = outside(sweep=make_sweep(2))
    stored: list[str] = []

    def keep(job: Job) -> Iterator[None]:
        stored.append(job.name)
        yield

    here.run()
    first, second = (job.name for job in here.ledger.jobs)
    here.keep, here.kept = keep, lambda job: job.name == first
    here.run()
    assert stored == [second]


def test_row_54_new_credentials_in_a_file_are_read_when_the_old_ones_have_expired(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever renews the credentials file while the sweep waits is answered at the next look."""
    path = tmp_path / "credentials"
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(path))
    path.write_text("[default]\naws_access_key_id = OLD\naws_secret_access_key = x\n")
    clients = Keyed()
    api = SageMakerApi(lambda: clients)
    with pytest.raises(ApiError) as caught:
        api.describe_training_job("job")
    assert caught.value.kind is ApiErrorKind.EXPIRED
    path.write_text("[default]\naws_access_key_id = NEW\naws_secret_access_key = x\n")
    with pytest.raises(ApiError) as caught:
        api.describe_training_job("job")
    assert caught.value.kind is ApiErrorKind.NOT_FOUND


class Keyed(Clients):
    """Clients of a service for which the old key has expired."""

    def __init__(self) -> None:
        super().__init__(Endpoint("http://twin.invalid", "us-east-1"))

    def client(self, service: str, attempts: int = 5, patience_s: float = 60) -> Any:
        """One attempt, answered by a twin."""
        made = super().client(service, attempts=1)
        expired = self.session.get_credentials().access_key == "OLD"
        twin = Troubled()
        twin.troubles = [Trouble(DESCRIBE, EXPIRED, times=1e9)] if expired else []
        attach(made, twin)
        return made
