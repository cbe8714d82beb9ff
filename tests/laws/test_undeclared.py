"""What is not declared any more decides nothing: each rule, each remedy and each hand-over, on the same past twice."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeper.core import events as ev
from sweeper.core.chain import Chain, fold
from sweeper.core.costs import Rate
from sweeper.core.decide import Decide, Submit, decide
from sweeper.core.declared import ended, find
from sweeper.core.handover import next_takes
from sweeper.core.model import Sweep
from sweeper.core.prune import pruning
from sweeper.core.remedies import on_failure
from sweeper.core.results import best, results
from sweeper.core.search import search_for
from sweeper.core.shown import Seen, judge
from sweeper.core.stop import rules
from sweeper.core.stop.budget import Budget
from sweeper.core.watch import Watch
from sweeper.simulation.drawn import draw_sweep
from tests.core.test_decide import OPENED, a_sweep, done, intent

FOREIGN = 100
"""Trials from this number on are of another declaration."""
RULES: Mapping[str, Mapping[str, Any]] = {
    "until": {"until": {"metric": "m", "op": ">=", "value": 0.5}},
    "until for 2": {"until": {"metric": "m", "op": ">=", "value": 0.5, "for": 2}},
    "max_trials": {"max_trials": 2},
    "max_failures": {"max_failures": 1},
    "max_failures, a share": {"max_failures": 0.1},
    "no_improvement": {"no_improvement": {"trials": 1}},
    "all": {"all": [{"max_trials": 1}, {"no_improvement": {"trials": 1}}]},
}
ATTEMPTS = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 2, FOREIGN, FOREIGN + 1, FOREIGN + 2]),
        st.sampled_from(["completed", "failed", "pruned", "metric_missing", "interrupted"]),
        st.sampled_from([0.1, 0.9, float("nan")]),
    ),
    max_size=8,
)


def lives(attempts: list[tuple[int, str, float]]) -> Iterator[ev.Event]:
    """The events of these attempts, one after another, each pool closed by the next."""
    count: dict[int, int] = {}
    for trial, status, value in attempts:
        count[trial] = count.get(trial, 0) + 1
        metrics = {} if status in ("failed", "metric_missing") else {"m": value}
        failure = "algorithm_error" if status == "failed" else ""
        yield from done(trial, status, count[trial], metrics=metrics, failure=failure, message=failure)


def without_foreign(attempts: list[tuple[int, str, float]]) -> list[tuple[int, str, float]]:
    """The same past as if only what is declared had ever run."""
    return [attempt for attempt in attempts if attempt[0] < FOREIGN]


def decided(sweep: Sweep, attempts: list[tuple[int, str, float]], *, killed: bool) -> object:
    """The next move of a run after this past; `killed`: of the same run, which was killed and goes on."""
    between = [OPENED] if killed else [ev.Finished("done"), OPENED]
    chain = fold([OPENED, *lives(attempts), *between])
    move = decide(sweep, search_for(sweep), chain, 0.0)
    return (
        (move.trial.id, move.attempt) if isinstance(move, Submit) else move if isinstance(move, Decide) else type(move)
    )


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.sampled_from(sorted(RULES)), ATTEMPTS, st.booleans())
def test_no_rule_looks_at_what_is_not_declared_any_more(
    name: str, attempts: list[tuple[int, str, float]], killed: bool
) -> None:
    """The next move is the same whether trials of another declaration ever ran or not."""
    remedies = {"same_error_limit": 2, "internal_error": {"retry": 1}}
    sweep = a_sweep(3, stop=rules(RULES[name]), on_failure=on_failure(remedies))
    assert decided(sweep, attempts, killed=killed) == decided(sweep, without_foreign(attempts), killed=killed)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(ATTEMPTS)
def test_nothing_is_compared_with_or_taken_over_from_what_is_not_declared(
    attempts: list[tuple[int, str, float]],
) -> None:
    """The best, `${prev:...}`, and the finished trials that a running one is measured by."""
    drawn = draw_sweep(random.Random(0))
    prune = {"median": {"after_steps": 1, "min_trials": 1}}
    sweep = a_sweep(4, objective=drawn.objective, metrics=drawn.metrics, prune=pruning(prune))
    chains = [fold([OPENED, *lives(past), OPENED, intent(3)]) for past in (attempts, without_foreign(attempts))]
    found = [(_best(sweep, chain), _taken(sweep, chain), _judged(sweep, chain)) for chain in chains]
    assert repr(found[0]) == repr(found[1])


def _best(sweep: Sweep, chain: Chain) -> object:
    row = best(results(sweep, chain), sweep.objective)
    return row and (row["trial"], row["metric.m"])


def _taken(sweep: Sweep, chain: Chain) -> object:
    return next_takes(replace(sweep, prev=("trial", "best.trial")), chain)


def _judged(sweep: Sweep, chain: Chain) -> object:
    job = next(iter(chain.unfinished.values()))

    def value_of(other: Any) -> list[tuple[str, float]]:
        return [("m", other.outcome.metrics["m"])]

    watch = Watch(sweep, lambda name: None, value_of)
    seen = Seen(points=[("m", 0.5)])
    return judge(sweep, chain, job, seen, lambda: watch._rivals(chain))


def test_money_that_is_spent_counts_whoever_spent_it() -> None:
    """A budget is the one rule that looks at everything that was billed."""
    sweep = a_sweep(1, stop=(Budget(5.0),), rate=Rate(0.01), max_runtime_s=60)
    past = [OPENED, *done(FOREIGN, billable_seconds=400.0), ev.PoolClosed(intent(FOREIGN).name, "terminated", "", 90.0)]
    assert isinstance(decide(sweep, search_for(sweep), fold(past), 0.0), Decide)


@pytest.mark.parametrize("name", ["until", "max_failures", "max_trials"])
def test_a_trial_that_was_opened_again_runs_again(name: str) -> None:
    """`sweeper retry` of the trial that a rule went by: what it came to is no reason not to run it."""
    sweep = a_sweep(1, stop=rules({**RULES[name], **({"max_trials": 1} if name == "max_trials" else {})}))
    status = "failed" if name == "max_failures" else "completed"
    past = [OPENED, *done(0, status, metrics={"m": 0.9}), ev.Finished("done"), ev.Reopened(intent(0).trial), OPENED]
    move = decide(sweep, search_for(sweep), fold(past), 0.0)
    assert isinstance(move, Submit) and move.attempt == 2


def test_what_was_added_is_declared() -> None:
    """A trial that someone queued counts like the others."""
    sweep, added = a_sweep(1), ev.Added(f"{7:016x}", 1, "x=7", {"x": 7})
    chain = fold([OPENED, added, *done(7)])
    assert find(sweep, chain, added.trial, 1) is not None
    assert [job.intent.trial for job in ended(replace(sweep), chain)] == [added.trial]
