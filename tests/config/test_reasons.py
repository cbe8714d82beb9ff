"""Rules and remedies that could never fire, or not be kept, are refused before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest

from sweeper.core.remedies import Next

METRICS = "job: {metrics: [{name: m, regex: 'm=(.*)'}]}\n"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ["stop.budget_usd=5"],
            "stop.budget_usd: needs the price of ml.x9.large: set prices.usd_per_hour.ml.x9.large",
        ),
        (
            ["stop.budget_usd=0.01", "+prices.usd_per_hour.ml.x9.large=3.6"],
            "stop.budget_usd: 0.01 is less than one shortest job may cost with its pool: 0.6600 USD for 660 s",
        ),
        (
            ["stop.budget_usd=50", "engine=aws", "engine.region=eu-west-1", "locked.instance_type=ml.g5.xlarge"],
            "stop.budget_usd: needs the price of ml.g5.xlarge in eu-west-1: set prices.region=eu-west-1 and "
            "prices.usd_per_hour.ml.g5.xlarge",
        ),
        (
            [
                *("stop.budget_usd=0.01", "engine=aws", "engine.region=eu-west-1", "locked.instance_type=ml.g5.xlarge"),
                *("prices.region=eu-west-1", "prices.usd_per_hour.ml.g5.xlarge=3.6"),
            ],
            "stop.budget_usd: 0.01 is less than one shortest job may cost with its pool: 0.9600 USD for 960 s",
        ),
        (["stop.deadline=tomorrow"], "stop.deadline: is not a time such as 2030-01-31T18:00:00Z"),
        (
            ["stop.no_improvement={trials: 2}"],
            "stop.no_improvement: needs an objective, which says what is better",
        ),
        (["prune.median={min_trials: 2}"], "prune: needs an objective, which says what is better"),
        (
            ["stop.all=[{budget_usd: 5}]", "+prices.usd_per_hour.ml.x9.large=3.6"],
            "stop.all.0.budget_usd: cannot stand under all: a budget that waits for another rule is none",
        ),
        (
            ["+on_failure.out_of_memory={patch: {hyperparameters.rnk: value // 2}}"],
            "on_failure.out_of_memory.patch.hyperparameters.rnk: is not a parameter; "
            "did you mean 'hyperparameters.rank'?",
        ),
        (
            ["+on_failure.out_of_memory={patch: {hyperparameters.rank: vlue // 2}}"],
            "on_failure.out_of_memory.patch.hyperparameters.rank: 'vlue' is not a parameter",
        ),
        (
            ["+on_failure.out_of_memory={next: {locked.instance_type: [ml.x9.xlarge]}}"],
            "on_failure.out_of_memory.next.locked.instance_type: cannot be changed: only keys of hyperparameters, job, "
            "dependencies, vars",
        ),
    ],
)
def test_what_cannot_be_kept_is_refused(project: Any, words: list[str], line: str) -> None:
    """One line that says what is missing, and nothing is called."""
    project.experiment()
    (found,) = project.refused("locked.instance_type=ml.x9.large", *words)
    assert line in found


def test_a_declared_reason_arrives_in_the_sweep(project: Any) -> None:
    """The rules, the prices and the remedies of a file are what the chain is decided by."""
    project.experiment(
        "stop:\n  any: [{max_trials: 2}, {max_failures: 0.5}]\n  on_until: finish\n  deadline: 2030-01-31T18:00:00Z\n"
        "prices: {usd_per_hour: {ml.g5.xlarge: 3.6}}\n"
        "pool: {keep_alive_s: auto}\n"
        "on_failure: {dependency: {next: {dependencies.peft: ['0.10', '0.11']}}}\n"
    )
    sweep = project.sweep()
    assert [rule.name for rule in sweep.stop] == ["deadline", "max_trials", "max_failures"]
    assert (sweep.on_until, sweep.pool.keep_alive_s) == ("finish", "auto")
    assert sweep.rate is not None and sweep.rate.usd_per_second == pytest.approx(0.001)
    assert sweep.on_failure.after("dependency") == Next({"dependencies.peft": ["0.10", "0.11"]})


def test_a_trial_can_be_made_of_values_and_is_known_by_them(project: Any) -> None:
    """One with the values of a declared trial is that trial."""
    project.experiment("sweep: {grid: {hyperparameters.rank: [1, 2]}}\n")
    sweep = project.sweep()
    made = sweep.make({"hyperparameters.rank": 2}, 7)
    assert (made.id, made.index) == (sweep.trials[1].id, 7)
    assert sweep.make({"hyperparameters.rank": 3}, 7).id not in {trial.id for trial in sweep.trials}
