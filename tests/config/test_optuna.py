"""`sweep.optuna` in an experiment file."""

from __future__ import annotations

from typing import Any

import pytest

from sweeper.core import events as ev
from sweeper.core.chain import Chain, fold

pytest.importorskip("optuna")

SWEEP = "sweep: {optuna: {count: 5, of: {hyperparameters.lr: {loguniform: [1e-4, 1]}, hyperparameters.rank: [4, 8]}}}\n"
RANK, LR = "hyperparameters.rank", "hyperparameters.lr"
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
    "rule", ["when: rank == 8 or lr > 0.1", "exclude: ['rank == 4 and lr <= 0.1', MODE == 'slow']"]
)
def test_rules_leave_proposals_out(project: Any, rule: str) -> None:
    """Only what the rules keep is proposed, and a restart proposes the same."""
    text = SWEEP.replace("count: 5", "count: 15").replace("sweep: {", f"sweep: {{{rule}, ")
    project.experiment(text + GOAL)

    def proposed() -> list[tuple[int, float]]:
        events: list[Any] = []
        search = project.sweep().search(Chain())
        while proposal := search.propose(fold(events)):
            trial = proposal.trial
            intent = ev.Intent(trial.id, trial.id, trial.index, trial.name, trial.values, 1, "m", 0, 1, "")
            events += [intent, ev.Outcome(trial.id, "Completed", "completed", {"accuracy": len(events)})]
        return [(e.values[RANK], e.values[LR]) for e in events if isinstance(e, ev.Intent)]

    found = proposed()
    assert len(found) == 15
    assert {rank for rank, _ in found} == {4, 8}
    assert all(rank == 8 or lr > 0.1 for rank, lr in found)
    assert proposed() == found


def test_a_rule_that_leaves_everything_out_ends_the_search(project: Any) -> None:
    """There is nothing to propose: no endless search for it."""
    project.experiment(SWEEP.replace("sweep: {", "sweep: {when: rank > 8, ") + GOAL)
    assert project.sweep().search(Chain()).propose(Chain()) is None


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
            SWEEP.replace("sweep: {", "sweep: {when: rank > 'a', ") + GOAL,
            [],
            "experiments/x.yaml:13:9: sweep.when: cannot be worked out for hyperparameters.rank=4: "
            "'>' not supported between instances of 'int' and 'str'",
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
            SWEEP.replace("count: 5", "count: 5, sampler: qmc, warm_start: [y]") + GOAL,
            [],
            "experiments/x.yaml:13:42: sweep.optuna.warm_start: qmc makes nothing of trials that it has not proposed: "
            "take tpe or gp",
        ),
        (
            SWEEP.replace("count: 5", "count: 5, warm_start: [y, x]") + GOAL,
            [],
            "experiments/x.yaml:13:28: sweep.optuna.warm_start: is this sweep itself, which knows its own trials",
        ),
        (
            SWEEP.replace("{loguniform: [1e-4, 1]}", "{normal: [0, 1]}") + GOAL,
            [],
            "experiments/x.yaml:13:33: sweep.optuna.of.hyperparameters.lr: Optuna has no normal distribution: give it "
            "ends, with uniform or loguniform, or take sweep.random",
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
