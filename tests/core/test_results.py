"""The rows of results.csv, from hand-made pasts: no result vanishes, and every number is the one that people see."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sweeper.core import events as ev
from sweeper.core.chain import Chain, fold
from sweeper.core.decide import Submit, decide
from sweeper.core.declared import withdrawn
from sweeper.core.model import Goal, MetricDefinition, Objective, Sweep, Trial
from sweeper.core.results import Results, best, equals, filling, results
from sweeper.core.resume import resume
from sweeper.core.search import search_for
from sweeper.core.secrets import Redactor
from tests.core.test_decide import OPENED, Listed, a_sweep, done, intent

OBJECTIVE = Objective("m", Goal.MAXIMIZE)
METRICS = (MetricDefinition("m", "m=(.*)"),)
STOPPED = ev.Stopping("stopped by SIGINT")


def a_table(*events: ev.Event, trials: int = 2, **more: Any) -> Results:
    """The rows after these events."""
    return results(a_sweep(trials, metrics=METRICS, **more), fold([OPENED, *events]))


def scored(i: int, value: float, **more: Any) -> list[ev.Event]:
    """A trial that completed with this value and left a model."""
    return done(i, metrics={"m": value}, model=f"s3://models/{i}", **more)


def interrupted(i: int, attempt: int = 2) -> list[ev.Event]:
    """An attempt that a signal ended."""
    return [*done(i, "interrupted", attempt, message="stopped by SIGINT"), ev.Finished("stopped")]


def test_rows_are_numbered_from_1_and_what_was_added_goes_on() -> None:
    """One numbering: declared trials by their place, queued ones after them, also when the declaration has grown."""
    queued = ev.Added(f"{9:016x}", 2, "x=9", {"x": 9})
    assert [row["index"] for row in a_table(queued).rows] == [1, 2, 3]
    assert [row["index"] for row in a_table(queued, trials=4).rows] == [1, 2, 3, 4, 5]
    assert Trial(0, "", "", {}).number == 1


@pytest.mark.parametrize("after", [[], interrupted(0), [*interrupted(0), *interrupted(0, 3)]])
def test_an_interrupted_retry_does_not_take_a_result_away(after: list[ev.Event]) -> None:
    """The last completed attempt's result stays the trial's; the next run still takes the trial."""
    events = [*scored(0, 0.9), *scored(1, 0.1), ev.Finished("done"), ev.Reopened(intent(0).trial), OPENED, *after]
    sweep = a_sweep(2, metrics=METRICS)
    table = a_table(*events)
    assert [(row["status"], row["metric.m"], row["model"]) for row in table.rows] == [
        ("completed", 0.9, "s3://models/0"),
        ("completed", 0.1, "s3://models/1"),
    ]
    assert best(table, OBJECTIVE) is table.rows[0]
    assert ("interrupted" if after else "opened again") in str(table.rows[0]["message"])
    chain = fold([OPENED, *events, OPENED])
    move = decide(sweep, search_for(sweep), chain, 0.0)
    assert isinstance(move, Submit) and move.trial.index == 0


def test_a_trial_that_runs_again_is_still_the_best() -> None:
    """While the second attempt runs, the row says so and keeps the metrics of the first."""
    table = a_table(*scored(0, 0.9), *scored(1, 0.1), ev.Reopened(intent(0).trial), intent(0, 2))
    assert (table.rows[0]["status"], table.rows[0]["metric.m"]) == ("running", 0.9)
    assert best(table, OBJECTIVE) is table.rows[0]


def test_a_later_attempt_that_came_to_something_counts() -> None:
    """A retry that fails or completes replaces what was there before."""
    assert a_table(*scored(0, 0.9), *done(0, "failed", 2, failure="x")).rows[0]["status"] == "failed"
    assert a_table(*scored(0, 0.9), *done(0, attempt=2, metrics={"m": 0.5})).rows[0]["metric.m"] == 0.5


def test_what_is_not_declared_any_more_stays_and_is_never_best() -> None:
    """Its row comes last, without a number, with everything that it has come to."""
    table = a_table(*scored(7, 0.99), *scored(0, 0.5))
    gone = table.rows[-1]
    assert (gone["index"], gone["declared"], gone["status"], gone["metric.m"]) == (None, False, "completed", 0.99)
    assert (gone["x"], gone["model"], len(table.declared)) == (7, "s3://models/7", 2)
    found = best(table, OBJECTIVE)
    assert found is not None and found["metric.m"] == 0.5


def test_a_skipped_trial_says_so_and_is_not_new() -> None:
    """`stopped` alone would not tell why; the next run counts it as left out."""
    skipped = ev.Skipped(intent(1).trial, "x=1")
    table = a_table(skipped)
    assert (table.rows[1]["status"], table.rows[1]["message"]) == ("stopped", "skipped by `sweeper skip`")
    found = resume(a_sweep(2), fold([OPENED, *scored(0, 1.0), skipped]))
    assert (found.skipped, found.new, found.nothing_to_do) == (("x=1",), 0, True)


def test_ties_are_counted() -> None:
    """The first of equals is the best; how many others there are is known."""
    table = a_table(*scored(0, 0.5), *scored(1, 0.5))
    chosen = best(table, OBJECTIVE)
    assert chosen is table.rows[0]
    assert equals(table, OBJECTIVE) == 1


class Uneven(Listed):
    """Three trials, of which each sets what the others leave alone."""

    keys = ("hyperparameters.lr", "hyperparameters.a.b", "environment.TOKEN")

    def __init__(self) -> None:
        rows: list[dict[str, Any]] = [{}, {"hyperparameters.lr": 0.5}, {"hyperparameters.a.b": 9}]
        self.all = [Trial(i, f"{i:016x}", f"point{i}", row) for i, row in enumerate(rows)]


def uneven() -> Sweep:
    """A sweep of them over a base, with a secret."""

    def resolve(trial: Trial, *taken: Any) -> dict[str, Any]:
        return {
            "hyperparameters": {"lr": trial.values.get("hyperparameters.lr", 0.1), "a.b": 3, "twice": "secret-value"},
            "environment": {"TOKEN": "secret-value"},
        }

    return replace(a_sweep(3), trials=Uneven(), resolve=resolve)


def test_a_value_that_a_trial_does_not_set_is_the_one_that_it_runs_with() -> None:
    """The base value under every key that others change, names with dots included; secrets stay masked."""
    sweep = uneven()
    table = results(sweep, Chain(), filling(sweep, Redactor({"TOKEN": "secret-value"})))
    assert [row["hyperparameters.lr"] for row in table.rows] == [0.1, 0.5, 0.1]
    assert [row["hyperparameters.a.b"] for row in table.rows] == [3, 3, 9]
    assert {row["environment.TOKEN"] for row in table.rows} == {"***"}


def test_a_queued_trial_of_another_version_is_withdrawn() -> None:
    """When script or base values have changed, what was queued is none of these trials any more."""
    queued = ev.Added("a" * 16, 2, "x=9", {"x": 9})
    sweep = a_sweep(2, make=lambda values, index: Trial(index, "a" * 16, "x=9", values))
    chain = fold([OPENED, queued, *scored(0, 1.0)])
    assert withdrawn(sweep, chain) == []
    edited = replace(sweep, make=lambda values, index: Trial(index, "b" * 16, "x=9", values))
    assert withdrawn(edited, chain) == [queued]
    assert len(results(edited, fold([OPENED, queued, ev.Withdrawn(queued.trial, "x=9")])).declared) == 2
