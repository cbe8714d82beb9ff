"""`sweep.optuna` in an experiment file."""

from __future__ import annotations

from typing import Any

import pytest

from sweeper.core.chain import Chain

pytest.importorskip("optuna")

SWEEP = "sweep: {optuna: {count: 5, of: {hyperparameters.lr: {loguniform: [1e-4, 1]}, hyperparameters.rank: [4, 8]}}}\n"
GOAL = "objective: {metric: accuracy, goal: maximize}\n"


def test_a_search_is_declared(project: Any) -> None:
    """The keys are known, the number of trials as well; the values come one by one, with an identity by value."""
    project.experiment(SWEEP + GOAL)
    sweep = project.sweep()
    assert len(sweep.trials) == 5
    assert sweep.trials.keys == ("hyperparameters.lr", "hyperparameters.rank")
    trial = sweep.search(Chain()).propose(Chain()).trial
    assert sweep.resolve(trial)["hyperparameters"]["rank"] in (4, 8)
    rank, lr = trial.values["hyperparameters.rank"], trial.values["hyperparameters.lr"]
    project.experiment(GOAL)
    (same,) = project.sweep(f"hyperparameters.rank={rank}", f"hyperparameters.lr={lr}").trials
    assert same.id == trial.id


@pytest.mark.parametrize(
    ("text", "words", "line"),
    [
        (SWEEP, [], "experiments/x.yaml:13:9: sweep.optuna: needs an objective, which says what is better"),
        (
            SWEEP.replace("sweep: {", "sweep: {grid: {environment.MODE: [a]}, ") + GOAL,
            [],
            "experiments/x.yaml:13:9: sweep.grid: cannot stand beside optuna, which proposes one trial after another",
        ),
        (
            SWEEP + GOAL,
            ["environment.MODE=a,b"],
            "command line: environment.MODE: cannot be swept beside sweep.optuna, "
            "which proposes one trial after another",
        ),
        (
            SWEEP + GOAL,
            ["hyperparameters.lr=1"],
            "command line: hyperparameters.lr: belongs to sweep.optuna (experiments/x.yaml:13:33): change it there",
        ),
        (
            SWEEP.replace("count: 5", "count: 5, sampler: tpee") + GOAL,
            [],
            "experiments/x.yaml:13:28: sweep.optuna.sampler: 'tpee' is not one of tpe, gp, cmaes, qmc, random; "
            "did you mean 'tpe'?",
        ),
        (
            SWEEP.replace("[1e-4, 1]", "[0, 1]") + GOAL,
            [],
            "experiments/x.yaml:13:33: sweep.optuna.of.hyperparameters.lr: loguniform takes numbers greater than 0",
        ),
    ],
)
def test_refusals(project: Any, text: str, words: list[str], line: str) -> None:
    """What makes no sense is refused at its place."""
    project.experiment(text)
    assert project.refused(*words) == [line]
