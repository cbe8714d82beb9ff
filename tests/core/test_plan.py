"""What a plan tells of time, money and ends: only what is known, and a guess is called one."""

from __future__ import annotations

import os

import pytest

from sweeper.backends.batch import Batch
from sweeper.backends.on_demand import OnDemand
from sweeper.core import costs, paces, plan
from sweeper.core import events as ev
from sweeper.core.chain import Chain, fold
from sweeper.core.model import Goal, Objective, Sweep
from sweeper.core.prune import pruning
from sweeper.core.remedies import on_failure
from sweeper.core.scope import EngineKind
from sweeper.core.stop import rules
from sweeper.run.job_queue import room_here
from tests.core.test_decide import OPENED, a_sweep, done

ASSUME = {"assume": {"cold_start_s": 300, "warm_start_s": 20, "train_s": 600}}
RATE = costs.Rate(0.01)


def past(*events: list[ev.Event]) -> Chain:
    """The chain after that past."""
    return fold([OPENED, *(event for some in events for event in some)])


def ran(i: int, seconds: float, status: str = "completed") -> list[ev.Event]:
    """A trial that trained so long."""
    return done(i, status, train_seconds=seconds)


def a_plan(**more: object) -> Sweep:
    """A sweep of four trials."""
    return a_sweep(4, composed=ASSUME, **more)


def test_what_was_measured_takes_the_place_of_the_guess() -> None:
    """The mean of the jobs that came to their end; one that failed at once says nothing about the others."""
    sweep = a_plan()
    assert (paces.assumed(sweep, past()).train_s, paces.assumed(sweep, past()).measured) == (600, 0)
    found = paces.assumed(sweep, past(ran(0, 10), ran(1, 1, "failed"), ran(2, 30), ran(3, 2, "pruned")))
    assert (found.train_s, found.measured) == (20, 2)


def test_the_local_engine_takes_what_was_measured_and_nothing_is_billed() -> None:
    """Before the first job nobody knows; then its own seconds count, and the starts that the engine simulates."""
    sweep = a_plan(engine_options={"cold_start_s": 5, "warm_start_s": 1})
    assert plan.here(sweep, 4, paces.assumed(sweep, past()), 1) is None
    given = paces.assumed(sweep, past(ran(0, 10)))
    assert plan.here(sweep, 3, given, 1) == plan.Estimate("here", 5 + 1 + 1 + 30, 0.0)
    cold = a_plan(engine_options={"cold_start_s": 5, "warm_start_s": 1}, backend=OnDemand())
    assert plan.here(cold, 3, given, 1) == plan.Estimate("here", 15 + 30, 0.0)
    assert plan.here(a_plan(engine=EngineKind.AWS), 3, given, 1) is None
    assert plan.here(sweep, 0, given, 1) is None


def test_a_local_queue_is_planned_with_the_room_that_it_is_made_with() -> None:
    """Of many in flight no more run at once than there are cores; without a queue all do."""
    queued = a_plan(backend=Batch("q", max_in_flight=1000))
    given = paces.assumed(queued, past(ran(0, 10)))
    assert room_here(queued) == os.cpu_count()
    assert room_here(a_plan(backend=OnDemand(8))) == 8
    both = plan.here(queued, 4, given, 2)
    assert both is not None and both.seconds == 20


@pytest.mark.parametrize(("most", "left"), [(1, 0), (2, 1), (5, 3), (None, 3)])
def test_a_plan_counts_no_trial_that_a_rule_leaves_out(most: int | None, left: int) -> None:
    """`max_trials` ends the chain before the list is done."""
    assert plan.jobs_left(a_plan(stop=rules({"max_trials": most})), past(ran(0, 1)), 3) == left


def test_what_may_end_a_sweep_early_is_told() -> None:
    """The objective, each rule in its words, what prunes and what follows a failure."""
    declared = {
        "until": {"metric": "m", "op": ">=", "value": 0.95, "for": 2},
        "max_trials": 20,
        "max_seconds": 90,
        "max_failures": 0.5,
        "no_improvement": {"trials": 3},
        "budget_usd": 5,
        "deadline": "2030-01-31T18:00:00Z",
        "all": [{"max_trials": 3}, {"max_failures": 2}],
    }
    sweep = a_plan(
        stop=rules(declared),
        objective=Objective("m", Goal.MINIMIZE),
        prune=pruning({"median": {"after_steps": 2}, "nan": True}),
        on_failure=on_failure({"internal_error": {"retry": 3}}),
        max_runtime_s=100,
    )
    told = dict(plan.terms(sweep, past(), RATE))
    assert told == {
        "objective": "minimize m",
        "ends early when": "m >= 0.95 for 2 trials; or 20 trials finished; or 50% of the trials failed; or "
        "3 trials brought nothing better; or one more job could cost more than is left of 5 USD; or 1:30 min are over; "
        "or it is 2030-01-31T18:00:00Z; or 3 trials finished and 2 trials failed",
        "budget": "0.00 of 5 USD are spent at worst; a job may cost 7.00 at worst",
        "prunes by": "nan true, median (after_steps 2)",
        "on failure": "internal_error (retry 3)",
    }
    assert not dict(plan.terms(a_plan(), past(), RATE))
