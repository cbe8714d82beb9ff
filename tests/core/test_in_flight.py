"""Several jobs at once: how many, which next, and what ends all of them. Decisions alone, without a runner."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sweeper.backends.on_demand import OnDemand
from sweeper.core import events as ev
from sweeper.core import paces, plan
from sweeper.core.chain import Chain, fold
from sweeper.core.costs import Rate
from sweeper.core.decide import Decide, Decision, Finish, Held, Release, StopJob, Submit, Wait, decide
from sweeper.core.model import Sweep
from sweeper.core.remedies import on_failure
from sweeper.core.search import search_for
from sweeper.core.stop import rules
from sweeper.core.verify import verify
from tests.laws.outside import make_sweep

OPENED = ev.Opened("d", "s", "l", "x", "me", in_flight=3)


def a_sweep(trials: int = 6, most: int = 3, **changes: Any) -> Sweep:
    """A sweep of jobs of which several may be at work."""
    return make_sweep(trials, backend=OnDemand(most), **changes)


def begun(sweep: Sweep, *numbers: int, attempt: int = 1) -> list[ev.Event]:
    """The jobs of these trials, sent and acknowledged."""
    found: list[ev.Event] = []
    for trial in (sweep.trials[number] for number in numbers):
        name = f"s-{trial.index}-a{attempt:02d}"
        made = ev.Intent(name, trial.id, trial.index, trial.name, trial.values, attempt, "m", 0, 3600, "")
        found += [made, ev.Created(name, "arn")]
    return found


def ended(number: int, status: str = "completed", attempt: int = 1, **told: Any) -> list[ev.Event]:
    """The end of such a job."""
    name = f"s-{number}-a{attempt:02d}"
    of_service = {"completed": "Completed", "failed": "Failed"}.get(status, "Stopped")
    return [ev.Outcome(name, of_service, status, **told), ev.PoolClosed(name, "never_had_pool")]


def move(sweep: Sweep, *events: ev.Event, now: float = 0.0, held: Held | None = None) -> Decision:
    """The next move after these events."""
    chain: Chain = fold([OPENED, *events])
    return decide(sweep, search_for(sweep, chain), chain, now, held or Held())


def test_no_more_jobs_are_sent_than_may_be_in_flight() -> None:
    """The next trial goes out while there is room; then all are waited for, until one has ended."""
    sweep = a_sweep()
    sent: list[ev.Event] = []
    for number in range(3):
        assert move(sweep, *sent) == Submit(sweep.trials[number], 1)
        sent += begun(sweep, number)
    assert move(sweep, *sent) == Wait(("s-0-a01", "s-1-a01", "s-2-a01"))
    assert move(sweep, *sent, *ended(1)) == Submit(sweep.trials[3], 1)
    assert verify([OPENED, *sent, *ended(1), *begun(sweep, 3)]) == []
    assert verify([OPENED, *sent, *begun(sweep, 3)])[0].startswith("event 8: I3:")


def test_a_job_that_is_not_proved_to_exist_keeps_the_next_back() -> None:
    """It is sent again when it may be, and what runs is looked at meanwhile."""
    sweep = a_sweep()
    unsent = begun(sweep, 0, 1)[:-1]
    assert move(sweep, *unsent, now=10.0, held=Held(creates=20.0)) == Wait(("s-0-a01",), until=20.0)
    again = move(sweep, *unsent, now=20.0, held=Held(creates=20.0))
    assert isinstance(again, Submit) and (again.trial, again.attempt) == (sweep.trials[1], 1)


def test_every_failed_trial_gets_its_next_attempt_and_a_pause_keeps_nobody_else_back() -> None:
    """Two that fail at once are both tried again; while one has to wait another trial goes out."""
    sweep = a_sweep(on_failure=on_failure({"internal_error": {"retry": 1}, "capacity": {"retry": 1}}))
    sent = begun(sweep, 0, 1, 2)
    failed = [*ended(0, "failed", failure="internal_error"), *ended(1, "failed", failure="internal_error")]
    first = move(sweep, *sent, *failed)
    assert isinstance(first, Submit) and (first.trial.index, first.attempt) == (0, 2)
    second = move(sweep, *sent, *failed, *begun(sweep, 0, attempt=2))
    assert isinstance(second, Submit) and (second.trial.index, second.attempt) == (1, 2)
    waits = ended(0, "failed", failure="capacity", ended_at=1000.0)
    assert move(sweep, *sent, *waits, now=1001.0) == Submit(sweep.trials[3], 1)
    later = move(sweep, *sent, *waits, now=1060.0)
    assert isinstance(later, Submit) and (later.trial.index, later.attempt) == (0, 2)
    last = a_sweep(3, on_failure=sweep.on_failure)
    assert move(last, *sent, *waits, now=1001.0) == Wait(("s-1-a01", "s-2-a01"), until=1060.0)


def test_a_stopped_sweep_tries_again_what_had_to_wait() -> None:
    """Where several were at work, the last outcome is not the only one whose next attempt may be missing."""
    sweep = a_sweep(on_failure=on_failure({"capacity": {"retry": 1}}))
    past = [*begun(sweep, 0, 1), *ended(0, "failed", failure="capacity", ended_at=1.0), *ended(1)]
    again = move(sweep, *past, ev.Stopping("asked"), ev.Finished("asked"), OPENED, now=100.0)
    assert isinstance(again, Submit) and (again.trial.index, again.attempt) == (0, 2)


def test_at_most_so_many_trials_finish_whatever_is_in_flight() -> None:
    """`max_trials` counts those that may still finish; one of them that is interrupted makes room."""
    sweep = a_sweep(stop=rules({"max_trials": 3}))
    sent = begun(sweep, 0, 1)
    assert move(sweep, *sent) == Submit(sweep.trials[2], 1)
    assert move(sweep, *begun(sweep, 0, 1, 2), *ended(0)) == Wait(("s-1-a01", "s-2-a01"))
    interrupted = ended(0, "interrupted")
    assert move(sweep, *begun(sweep, 0, 1, 2), *interrupted) == Submit(sweep.trials[0], 2)


def test_a_budget_counts_the_worst_case_of_all_that_is_in_flight() -> None:
    """What does not fit beside it waits for what it really costs; nothing is shortened or ended for that."""
    sweep = a_sweep(rate=Rate(1.0, overrun_s=400.0), max_runtime_s=3600, stop=rules({"budget_usd": 9000.0}))
    assert move(sweep, *begun(sweep, 0)) == Submit(sweep.trials[1], 1)
    assert move(sweep, *begun(sweep, 0, 1)) == Wait(("s-0-a01", "s-1-a01"))
    assert move(sweep, *begun(sweep, 0, 1), *ended(0, billable_seconds=100)) == Submit(sweep.trials[2], 1)
    dear = [*begun(sweep, 0, 1), *ended(0, billable_seconds=3600), *ended(1, billable_seconds=3600)]
    assert move(sweep, *dear) == Submit(sweep.trials[2], 1, most_s=1400, clamped="budget_usd")


@pytest.mark.parametrize("stopping", [True, False], ids=["by a signal", "by the goal"])
def test_everything_in_flight_is_stopped_and_seen_ended(stopping: bool) -> None:
    """Each is asked, none twice at once; what stops already is waited for; then it is over."""
    sweep = a_sweep(stop=rules({"until": {"metric": "m", "op": ">=", "value": 0.9}}))
    past = begun(sweep, 0, 1, 2)
    if stopping:
        past.append(ev.Stopping("stopped by SIGINT", signal=2))
    else:
        past += ended(0, metrics={"m": 0.95})
        decided = move(sweep, *past)
        assert isinstance(decided, Decide) and decided.now
        past.append(ev.Decided(decided.rule, decided.why, decided.now))
    running = [name for name, job in fold(past).unfinished.items() if job]
    asked: dict[str, float] = {}
    for name in running:
        stop = move(sweep, *past, held=Held(stops=asked))
        assert isinstance(stop, StopJob) and stop.name == name
        past.append(ev.StopSent(name, stop.reason))
        asked[name] = 10.0
    assert move(sweep, *past, held=Held(stops=asked)) == Wait(tuple(running), until=10.0)
    assert isinstance(move(sweep, *past, now=10.0, held=Held(stops=asked)), StopJob)
    past += [ev.Observed(name, "Stopping", "Stopping") for name in running]
    assert move(sweep, *past, now=10.0) == Wait(tuple(running))
    past += [event for name in running for event in ended(int(name[2]), "interrupted")]
    assert isinstance(move(sweep, *past), (Finish, Release))


def test_what_waits_for_a_machine_is_stopped_before_what_has_one() -> None:
    """Else the end of one job would hand its machine to the next, which is paid for from then on."""
    past = [*begun(sweep := a_sweep(), 0, 1, 2), ev.Observed("s-0-a01", "InProgress", "Training")]
    past += [ev.Observed("s-1-a01", "InProgress", "Pending"), ev.Stopping("stopped by SIGINT", signal=2)]
    asked: dict[str, float] = {}
    for name in ("s-1-a01", "s-2-a01", "s-0-a01"):
        assert move(sweep, *past, held=Held(stops=asked)) == StopJob(name, "stopped by SIGINT")
        asked[name] = 10.0


def test_a_goal_lets_the_others_finish_where_jobs_may() -> None:
    """With `on_until: finish` nothing that runs is stopped, and nothing new is sent."""
    sweep = a_sweep(stop=rules({"until": {"metric": "m", "op": ">=", "value": 0.9}}), on_until="finish")
    past = [*begun(sweep, 0, 1), *ended(0, metrics={"m": 0.95})]
    decided = move(sweep, *past)
    assert isinstance(decided, Decide) and not decided.now
    assert move(sweep, *past, ev.Decided(decided.rule, decided.why)) == Wait(("s-1-a01",))


def test_other_rules_let_what_runs_finish() -> None:
    """Too many failures: nothing new is sent, and what is in flight counts to its end."""
    sweep = a_sweep(stop=rules({"max_failures": 1}))
    past = [*begun(sweep, 0, 1), *ended(0, "failed", failure="algorithm_error")]
    decided = move(sweep, *past)
    assert isinstance(decided, Decide) and not decided.now
    past.append(ev.Decided(decided.rule, decided.why))
    assert move(sweep, *past) == Wait(("s-1-a01",))


def test_a_job_that_there_was_no_room_for_is_not_sent_once_the_end_is_decided() -> None:
    """It waits for quota while a rule ends the chain: it is closed, not sent when there is room, and costs nothing."""
    sweep = a_sweep(stop=rules({"max_failures": 1}))
    past = [*begun(sweep, 0, 1, 2)[:-1], *ended(0, "failed", failure="algorithm_error")]
    decided = move(sweep, *past, held=Held(creates=20.0))
    assert isinstance(decided, Decide) and not decided.now
    past.append(ev.Decided(decided.rule, decided.why))
    assert move(sweep, *past) == Release(("s-2-a01",))
    past.append(ev.PoolClosed("s-2-a01", "never_had_pool"))
    assert move(sweep, *past) == Wait(("s-1-a01",))


def test_what_takes_over_from_the_trial_before_goes_one_by_one() -> None:
    """`${prev:...}` needs an order, whatever the backend has room for; a plan counts on no more."""
    free = a_sweep()
    sweep = replace(free, prev=("best.model",))
    assert sweep.in_flight == 1
    assert move(sweep, *begun(sweep, 0)) == Wait(("s-0-a01",))
    cold, one_by_one = (plan.estimates(one, 6, paces.assumed(one, Chain()), None)[0] for one in (free, sweep))
    assert (cold.way, one_by_one.way) == ("cold, 3 jobs at a time", "cold, every job by itself")
    assert cold.seconds is not None and (one_by_one.seconds or 0) > 2 * cold.seconds
