"""`only_if`: parameters that are there only for some trials, whatever proposes them."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from sweeper.core import events as ev
from sweeper.core.chain import Chain, fold
from tests.config.conftest import Project

P = "hyperparameters."
BASE = "objective: {metric: accuracy, goal: maximize}\nsweep:\n"
AXES: dict[str, list[Any]] = {"opt": ["adam", "sgd"], "momentum": [0.0, 0.9], "nesterov": [True, False]}
ONLY_IF = f"  only_if:\n    {P}nesterov: momentum > 0\n    {P}momentum: opt == 'sgd'\n"


def declare(project: Project, sweep: str) -> None:
    """The experiment with these hyperparameters, null where they are not there."""
    project.experiment(f"{BASE}{sweep}")
    path = project.root / "experiments/x.yaml"
    known = "hyperparameters: {rank: 8, lr: 0.01, opt: adam, momentum: null, nesterov: null}"
    path.write_text(path.read_text().replace("hyperparameters: {rank: 8, lr: 0.01}", known))


def there(values: dict[str, Any]) -> dict[str, Any]:
    """What the conditions leave of all values, in Python."""
    kept = dict(values)
    if kept["opt"] != "sgd":
        del kept["momentum"]
    if not kept.get("momentum"):
        kept.pop("nesterov", None)
    return kept


def short(values: Any) -> dict[str, Any]:
    """Values by the last part of their keys."""
    return {key.removeprefix(P): value for key, value in values.items()}


@pytest.mark.parametrize("rule", ["", "  exclude: [momentum > 0.5 and rank == 2, {hyperparameters.rank: 1}]\n"])
@pytest.mark.parametrize("order", [("opt", "momentum", "rank", "nesterov"), ("nesterov", "rank", "momentum", "opt")])
def test_a_grid_has_each_combination_that_there_is_once(project: Project, order: tuple[str, ...], rule: str) -> None:
    """In every order of its axes; a rule leaves out what it is true of, and not what lacks a parameter it looks at."""
    axes = {**AXES, "rank": [1, 2]}
    declare(project, f"  grid: {{{', '.join(f'{P}{key}: {axes[key]}'.lower() for key in order)}}}\n{ONLY_IF}{rule}")
    sweep = project.sweep()
    rows = [there(dict(zip(order, row, strict=True))) for row in itertools.product(*(axes[key] for key in order))]
    every = [row for at, row in enumerate(rows) if row not in rows[:at]]
    kept = [row for row in every if not rule or not (row["rank"] == 1 or row.get("momentum", 0) > 0.5)]
    found = [short(trial.values) for trial in sweep.trials]
    assert sorted(map(repr, map(sorted, map(dict.items, found)))) == sorted(repr(sorted(row.items())) for row in kept)
    assert (sweep.trials.declared, len({trial.id for trial in sweep.trials})) == (len(every), len(kept))
    resolved = [sweep.resolve(trial)["hyperparameters"] for trial in sweep.trials]
    assert [one["momentum"] for one in resolved] == [row.get("momentum") for row in found]


def test_what_is_not_there_is_as_it_is_without_the_sweep(project: Project) -> None:
    """A value of the axis that the base has too is another trial than the one without it: by the rest of its values."""
    declare(project, f"  grid: {{{P}opt: [adam, sgd], {P}lr: [0.01, 0.1]}}\n  only_if: {{{P}lr: opt == 'sgd'}}\n")
    sweep = project.sweep()
    assert [short(trial.values) for trial in sweep.trials] == [
        {"opt": "adam"}, {"opt": "sgd", "lr": 0.01}, {"opt": "sgd", "lr": 0.1}
    ]  # fmt: skip
    assert [sweep.resolve(trial)["hyperparameters"]["lr"] for trial in sweep.trials] == [0.01, 0.01, 0.1]
    (alone,) = project.sweep(f"{P}opt=adam").trials
    assert alone.id == sweep.trials[0].id
    declare(project, "  {}\n")
    assert project.sweep().trials[0].id == alone.id  # as if nobody had ever swept it


def test_a_condition_that_no_trial_meets_is_told(project: Project) -> None:
    """Its parameter varies nowhere: probably a value is misspelt. One that some trial meets is not told of."""
    grid = f"  grid: {{{P}opt: [adam, sgd], {P}momentum: [0.1, 0.9], {P}lr: [0.1]}}\n"
    declare(project, f"{grid}  only_if: {{{P}momentum: opt == 'sdg', {P}lr: opt == 'sgd'}}\n")
    told = f"sweep.only_if.{P}momentum: opt == 'sdg' is true of no trial: {P}momentum does not vary"
    assert project.sweep().warnings == (told,)


DRAWN = f"of: {{{P}momentum: {{uniform: [0, 1]}}, {P}opt: [adam, sgd], {P}nesterov: [true, false]}}"


def test_a_random_search_draws_as_many_different_ones(project: Project) -> None:
    """What is not there tells no draws apart, and a longer list begins with the shorter one."""
    conditions = ONLY_IF.replace("> 0", "> 0.5")
    declare(project, f"  random: {{count: 5, {DRAWN}}}\n{conditions}")
    few = [short(trial.values) for trial in project.sweep().trials]
    declare(project, f"  random: {{count: 12, {DRAWN}}}\n{conditions}")
    rows = [short(trial.values) for trial in project.sweep().trials]
    assert (rows[:5], len(rows)) == (few, 12)
    assert sum(row == {"opt": "adam"} for row in rows) == 1
    assert all(("momentum" in row) is (row["opt"] == "sgd") for row in rows)
    assert {"nesterov" in row for row in rows if row.get("momentum", 0) > 0.5} == {True}


def test_optuna_proposes_what_there_is_and_a_restart_proposes_the_same(project: Project) -> None:
    """Each proposal has the parameters that its values ask for, in the order of the file."""
    pytest.importorskip("optuna")
    declare(project, f"  optuna: {{count: 12, startup: 4, {DRAWN}}}\n{ONLY_IF.replace('> 0', '> 0.5')}")

    def proposed(after: int) -> list[dict[str, Any]]:
        events: list[Any] = []
        search = project.sweep().search(Chain())
        while proposal := search.propose(fold(events)):
            trial = proposal.trial
            intent = ev.Intent(trial.id, trial.id, trial.index, trial.name, trial.values, 1, "m", 0, 1, "")
            events += [intent, ev.Outcome(trial.id, "Completed", "completed", {"accuracy": len(trial.values)})]
            if len(events) == 2 * after:
                search = project.sweep().search(fold(events))
        return [short(event.values) for event in events if isinstance(event, ev.Intent)]

    rows = proposed(0)
    assert proposed(7) == rows
    assert len(rows) == 12 and {len(row) for row in rows} == {1, 2, 3}
    for row in rows:
        assert ("momentum" in row) is (row["opt"] == "sgd")
        assert ("nesterov" in row) is (row.get("momentum", 0) > 0.5)
    assert [*next(row for row in rows if len(row) == 3)] == ["momentum", "opt", "nesterov"]


@pytest.mark.parametrize(
    ("sweep", "line"),
    [
        (
            f"  grid: {{{P}opt: [a, b]}}\n  only_if: {{{P}opt: rank > 1, {P}lr: opt == 'a'}}\n",
            f"16:44: sweep.only_if.{P}lr: is varied by no grid, random or optuna here; did you mean '{P}opt'?",
        ),
        (
            f"  points: {{a: {{{P}opt: x}}}}\n  only_if: {{{P}opt: rank > 1}}\n",
            f"16:13: sweep.only_if.{P}opt: is varied by no grid, random or optuna here; what lists its trials says so "
            "itself: points, each with the keys that it has",
        ),
        (
            f"  grid: {{{P}opt: [a, b]}}\n  only_if: {{{P}opt: rnk > 1}}\n",
            f"16:13: sweep.only_if.{P}opt: there is no 'rnk'; did you mean 'rank'?",
        ),
        (
            f"  grid: {{{P}opt: [a], {P}lr: [1]}}\n  only_if: {{{P}opt: lr > 1, {P}lr: opt == 'a'}}\n",
            f"16:13: sweep.only_if.{P}opt: waits for itself: a parameter is there or not by those before it",
        ),
        (
            f"  grid: {{{P}opt: [a], {P}lr: [1]}}\n  only_if: {{{P}lr: opt > 3}}\n",
            f"16:13: sweep.only_if.{P}lr: cannot be worked out for {P}opt=\"a\": "
            "'>' not supported between instances of 'str' and 'int'",
        ),
        (
            f"  grid: {{{P}opt: [a]}}\n  random: {{count: 1, of: {{{P}lr: [1]}}}}\n  only_if: {{{P}lr: opt == 'a'}}\n",
            f"17:13: sweep.only_if.{P}lr: looks at {P}opt, which is not drawn together with it",
        ),
        (
            f"  concat: [{{grid: {{{P}lr: [1]}}}}]\n  only_if: {{{P}lr: rank > 1}}\n",
            "16:3: sweep.only_if: cannot stand beside concat: put it into the items that it is for",
        ),
    ],
)  # fmt: skip
def test_refusals(project: Project, sweep: str, line: str) -> None:
    """What makes no sense is refused at its place."""
    declare(project, sweep)
    assert project.refused() == [f"experiments/x.yaml:{line}"]
