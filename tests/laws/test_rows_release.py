"""Rows 72 to 83 of the fault matrix: deciding, closing pools and reporting, whatever happens meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from sweeper.core import events as ev
from sweeper.core.costs import Rate
from sweeper.core.events import TrialStatus
from sweeper.core.model import PoolSettings
from sweeper.core.stop import rules
from sweeper.engine.errors import ServiceError
from sweeper.engine.training.settings import ServiceSettings
from sweeper.record.locks import held
from sweeper.run.registry import Account, Debt, Registry
from sweeper.run.watchdog import act
from sweeper.testing.twin import Script, Twin
from tests.laws.outside import CRASH, GONE, LOST, Outside, Trouble, code_of, denied, invalid, make_sweep, scripts

Make = Callable[..., Outside]
UPDATE = "UpdateTrainingJob"
LONG = PoolSettings(keep_alive_s=3600, last_job_releases=False)
DONE = [TrialStatus.COMPLETED, TrialStatus.COMPLETED]


@pytest.mark.parametrize("rule", [{"until": {"metric": "m", "op": ">=", "value": 0.5}}, {"max_trials": 1}])
def test_row_72_a_death_between_result_and_decision_changes_no_decision(outside: Make, rule: dict[str, object]) -> None:
    """Killed once the outcome is durable, the next run decides what the first would have."""
    reached = scripts(x0=Script(60.0, metrics={"m": 0.9}))
    here = outside(sweep=make_sweep(2, stop=rules(rule)), behaviour=reached)
    here.dies(after=ev.Outcome)
    here.run()
    assert here.statuses == [TrialStatus.COMPLETED, TrialStatus.PLANNED]
    assert [event.rule for event in here.journal if isinstance(event, ev.Decided)] == [next(iter(rule))]
    assert here.whole()


@pytest.mark.parametrize("error", [ServiceError("ThrottlingException", "Rate exceeded"), denied()], ids=str)
def test_row_63_one_call_that_fails_after_a_long_wait_is_not_the_end(outside: Make, error: ServiceError) -> None:
    """Time counts from the last answer: a watchdog that has waited an hour for a job still releases its pool."""
    behaviour = scripts(x0=Script(3000.0))
    here = outside(
        Trouble("DescribeTrainingJob", error, when=lambda twin: not twin.service.running), behaviour=behaviour
    )
    here.dies(after=ev.Created)
    here.watchdog()
    assert here.nothing_is_open()


@pytest.mark.parametrize("gap_s", [0.0, 30.0, 90.0])
def test_row_75_a_pool_that_is_not_shown_yet_is_waited_for(outside: Make, gap_s: float) -> None:
    """No status for up to 90 s after the end is not taken for no pool: it is released once it shows."""
    here = outside(settings=ServiceSettings(settle_gap_s=gap_s), sweep=make_sweep(1))
    here.run()
    assert here.pools == ["terminated"]
    assert here.whole()


@pytest.mark.parametrize("applied", [False, True])
def test_row_76_a_lost_update_is_what_describe_says(outside: Make, applied: bool) -> None:
    """Whether the release or its answer was lost, it is over when the pool is seen Terminated."""
    here = outside(Trouble(UPDATE, GONE if applied else LOST, applied=applied, times=2))
    here.run()
    assert here.pools[-1] == "terminated"
    assert here.whole()


@pytest.mark.parametrize("applied", [False, True])
def test_row_76_a_death_in_the_middle_of_a_release_leaves_it_to_the_next(outside: Make, applied: bool) -> None:
    """Killed before or after the service took the release, the next run or the watchdog sees it through."""
    here = outside(Trouble(UPDATE, CRASH, applied=applied))
    here.dies()
    here.watchdog()
    assert here.nothing_is_open()
    here.run()
    assert here.statuses == DONE
    assert here.whole()


def test_row_77_a_pool_that_cannot_be_released_yet_is_released_later(outside: Make) -> None:
    """ValidationException on Update (not Available yet) is asked again."""
    here = outside(Trouble(UPDATE, invalid("Cannot update the keep alive period of a job that is not Available"), 5))
    here.run()
    assert len(here.calls(UPDATE)) == 6
    assert here.whole()


def test_row_78_a_denied_release_is_an_alarm_with_the_command(
    outside: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    """AccessDenied on Update ends with exit code 3, the name and the exact command, told last."""
    here = outside(Trouble(UPDATE, denied(), times=1e9))
    ending = here.run()
    name = here.ledger.jobs[-1].name
    assert code_of(here, ending) == 3
    last = capsys.readouterr().err.splitlines()[-1]
    assert ending.unreleased[0].command in last
    assert name in last
    on_aws = replace(ending.unreleased[0], flags="--region eu-west-1").command
    assert on_aws.startswith("aws sagemaker update-training-job --region eu-west-1")
    assert on_aws.endswith(f"--training-job-name {name} --resource-config KeepAlivePeriodInSeconds=0")


def test_row_78_a_stray_pool_that_cannot_be_released_leaves_no_job_running(outside: Make) -> None:
    """When an older pool's release is denied while a job runs, that job is stopped and its own pool is closed."""
    late = ServiceSettings(settle_gap_s=150.0, cold_start_s=90.0)
    here = outside(settings=late, behaviour=scripts(x1=Script(3000.0)), sweep=make_sweep(2, pool=LONG))
    here.twin.troubles = [Trouble(UPDATE, denied())]
    ending = here.run()
    first, second = here.ledger.jobs
    assert [pool.name for pool in ending.unreleased] == [first.name]
    assert second.ended is not None
    assert here.ledger.open_pools() == [first.name]


def test_row_79_a_pool_that_lingers_is_watched_and_told_until_it_is_gone(outside: Make) -> None:
    """An Update that takes ten minutes to show is waited for, and a person is told of it meanwhile."""
    here = outside(settings=ServiceSettings(settle_gap_s=2.0, release_lag_s=600.0))
    released: list[float] = []
    here.after_append = lambda events: released.extend(
        here.clock.now() for event in events if isinstance(event, ev.PoolClosed)
    )
    here.run()
    assert released[-1] > here.calls(UPDATE)[0].at + 590
    assert len([line for line in here.listener.lines if line.startswith("still releasing")]) >= 5
    assert here.whole()


@pytest.mark.parametrize("at", [ev.Intent, ev.Created, ev.Outcome, ev.PoolClosed])
@pytest.mark.parametrize("signals", [[2], [2, 2], [15, 15], [1]])
def test_row_80_signals_never_skip_the_release(outside: Make, at: type[object], signals: list[int]) -> None:
    """Ctrl-C once or twice, SIGTERM or SIGHUP, at any step: every pool is closed, and the first signal is told."""
    here = outside()

    def arrives(events: Sequence[ev.Event]) -> None:
        if any(isinstance(event, at) for event in events) and not here.caught:
            here.caught.extend(signals)

    here.after_append = arrives
    ending = here.run()
    assert (ending.signal, ending.unreleased) == (signals[0], [])
    assert here.nothing_is_open()
    here.caught.clear()
    here.after_append = lambda events: None
    here.run()
    assert here.statuses == DONE
    assert here.whole()


def test_row_81_an_exception_in_the_middle_closes_every_pool(outside: Make) -> None:
    """A bug of ours (in staging, in storing a log) reaches the caller after the pools are closed."""
    here = outside(sweep=make_sweep(2))

    def breaks(job: object) -> Iterator[None]:
        raise RuntimeError("a bug")

    here.keep = breaks
    with pytest.raises(RuntimeError, match="a bug"):
        here.run()
    assert here.nothing_is_open()


def test_row_82_a_watchdog_leaves_a_sweep_to_the_runner_that_came_back(
    outside: Make, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """While a new runner holds the lock the watchdog does nothing and says why; the debt stays recorded."""
    here = outside()
    here.dies(after=ev.Outcome)
    account = Account("local", "us-east-1", engine_folder=str(tmp_path))
    debt = Debt("sweep", str(here.folder), account, here.sweep.waits)
    state = tmp_path / "state"
    Registry(state).record(debt)
    before = len(here.twin.calls)
    with held(here.folder / ".lock", "the sweep", 0.0):
        assert act(debt.to_json(), str(state)) == 0
    assert "nothing to do" in capfd.readouterr().err
    assert (len(here.twin.calls), len(list(Registry(state)))) == (before, 1)


def test_row_82_a_release_after_a_release_harms_nobody(outside: Make) -> None:
    """The watchdog after the runner, the runner after the watchdog: the second finds everything closed."""
    here = outside()
    here.run()
    before = len(here.calls(UPDATE))
    here.watchdog()
    here.run()
    assert len(here.calls(UPDATE)) == before
    assert here.whole()


def test_row_82_nothing_is_sent_to_a_job_that_took_our_name(outside: Make) -> None:
    """A job of our name with another's fingerprint is left alone by the release."""
    here = outside()
    here.dies(after=ev.Created)
    name = here.ledger.jobs[0].name

    def theirs(twin: Twin, operation: str, answer: dict[str, object]) -> dict[str, object]:
        return {**answer, "Environment": {"OWNER": "other"}} if answer.get("TrainingJobName") == name else answer

    here.twin.alter = theirs
    here.watchdog()
    assert not here.calls("StopTrainingJob")
    assert not here.calls(UPDATE)


def test_row_44_40_errors_of_the_release_itself_do_not_end_it(outside: Make) -> None:
    """Throttling, 5xx, expired credentials: the release goes on until Describe shows the end."""
    storm = [
        Trouble(operation, ServiceError(code, "no", status), times=15)
        for code, status in (("ThrottlingException", 400), ("InternalFailure", 500), ("ExpiredTokenException", 400))
        for operation in (UPDATE, "DescribeTrainingJob")
    ]
    here = outside(*storm)
    here.run()
    assert here.statuses == DONE
    assert here.whole()


def test_row_73_a_rule_that_is_met_while_a_job_trains_stops_it_and_closes_the_pool(outside: Make) -> None:
    """`until` on a metric that the running job shows: that job is stopped, no other is sent, its value counts."""
    reaches = scripts(x0=Script(3000.0, points=[(100.0, {"m": 0.9})]))
    rule = rules({"until": {"metric": "m", "op": ">=", "value": 0.5}})
    here = outside(sweep=make_sweep(2, stop=rule), behaviour=reaches)
    begun = here.clock.now()
    here.run()
    assert len(here.ledger.jobs) == 1
    assert here.calls("StopTrainingJob")
    assert here.clock.now() - begun < 1500
    assert here.statuses[1] is TrialStatus.PLANNED
    assert here.nothing_is_open()


@pytest.mark.parametrize("budget", [0.01, 1.0])
def test_row_74_a_budget_that_is_reached_sends_no_job_more(outside: Make, budget: float) -> None:
    """When the worst case of one more job does not fit, none is sent; the pool is closed; exit code 5."""
    rate = Rate(3.6 / 3600)
    here = outside(sweep=make_sweep(9, stop=rules({"budget_usd": budget}), rate=rate))
    ending = here.run()
    assert code_of(here, ending) == 5
    assert len(here.ledger.jobs) < 9
    cost = rate.usd_per_second * sum(job.ended - job.created for job in here.ledger.jobs if job.ended is not None)
    assert cost <= budget
    assert here.nothing_is_open()


def test_a_job_that_completes_while_it_is_released_keeps_its_result(outside: Make) -> None:
    """The answer to its Create was lost, Ctrl-C came, it could not be stopped, and its metrics come late."""
    troubles = Trouble("CreateTrainingJob", GONE, applied=True), Trouble("StopTrainingJob", LOST, times=99)
    settings = ServiceSettings(cold_start_s=30.0, describe_lag_s=5.0, metrics_lag_s=20.0)
    here = outside(*troubles, sweep=make_sweep(1), settings=settings)
    here.after_append = lambda events: here.caught.extend(2 for event in events if isinstance(event, ev.Intent))
    here.run()
    assert here.statuses == [TrialStatus.COMPLETED] and here.nothing_is_open()
    assert here.ending is not None and here.ending.signal == 2
