"""Another tool's words in an experiment: each is told ours, where it stands."""

from __future__ import annotations

import re
from typing import Any

import pytest

from sweeper.config import theirs
from sweeper.config.foreign import notation
from sweeper.config.requests import settable
from sweeper.config.schema import SECTIONS, stop_schema
from sweeper.core.members import snake
from sweeper.core.pieces import ALONE, REFUSED
from tests.config.conftest import Project


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("method: grid\n", "13:1: method: is not a section; here it is sweep.grid, sweep.random or sweep.optuna"),
        ("parameters: {lr: 1}\n", "13:1: parameters: is not a section; here it is hyperparameters for what has one "),
        ("metric: {name: x}\n", "13:1: metric: is not a section; here it is objective: {metric: NAME, goal: maximize}"),
        ("early_terminate: {}\n", "13:1: early_terminate: is not a section; here it is prune.halving"),
        ("hyperparameter_ranges: {}\n", "13:1: hyperparameter_ranges: is not a section; here it is of, below sweep."),
        ("ParameterRanges: {}\n", "13:1: ParameterRanges: is not a section; here it is of, below sweep."),
        ("HyperParameterTuningJobConfig: {}\n", "13:1: HyperParameterTuningJobConfig: is not a section; here it is "),
        ("entry_point: x\n", "13:1: entry_point: is not a section; here it is job.entry_script"),
        (
            "distributed: {}\n",
            "13:1: distributed: is not a section; here it is job.launcher and job.processes_per_host",
        ),
        ("TrainingImage: x\n", "13:1: TrainingImage: is not a section; here it is job.image_uri"),
        ("InstanceType: x\n", "13:1: InstanceType: is not a section; here it is locked.instance_type, "),
        ("InputDataConfig: []\n", "13:1: InputDataConfig: is not a section; here it is job.inputs"),
        ("DebugHookConfig: {}\n", "13:1: DebugHookConfig: is not a section; here it is request.DebugHookConfig"),
        (
            "sweep: {n_trials: 3}\n",
            "13:9: sweep.n_trials: is not a field of sweep; here it is count of sweep.random or",
        ),
        (
            "objective: {type: Maximize}\n",
            "13:13: objective.type: is not a field of objective; here it is objective.goal",
        ),
        ("hydra: {sweeper: {n_trials: 3}}\n", "13:19: hydra.sweeper.n_trials: cannot be set in an experiment: it is "),
    ],
)
def test_a_key_of_another_tool_is_told_ours(project: Project, more: str, said: str) -> None:
    """Where it stands, and what an experiment says in its place."""
    project.experiment(more)
    (line,) = [line for line in project.refused() if "here it is" in line]
    assert line.startswith(f"experiments/x.yaml:{said}")


def test_every_member_of_a_request_is_told_what_says_it() -> None:
    """By its own name, by the SDKs' and by that of what holds it; of a channel's members those of a channel."""
    said = {**settable(), **{one: f"request.{one}" for one in ALONE}}
    ours = {option.partition(".")[2] for where in said.values() for option in where.split(", ")}
    for member, where in said.items():
        names, (option, *_) = member.split("."), where.split(", ")
        at = ("job", "inputs", "train") if option.startswith("job.inputs.NAME") else ()
        assert option in theirs.our_word(names[-1], at) or names[-1] in theirs.THEIRS
        assert all(theirs.our_word(name, ()) and theirs.our_word(name, ("job",)) for name in names)
        others = {snake(name) for name in names} - ours
        assert all(theirs.our_word(name, ()) for name in others if "_" in name)
    for member, why in REFUSED.items():
        assert theirs.our_word(member.split(".")[-1], ()) == f"; it cannot be set: {why}"
    assert theirs.our_word("local_path", ("job", "inputs", "train")) == theirs.our_word("seed", ("sweep",)) == ""


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("{distribution: uniform, min: 0, max: 1}", "{uniform: [0, 1]}"),
        ("{min: 1, max: 9}", "{int: [1, 9]}"),
        ("{values: [1, 2]}", "[1, 2]"),
        ("{MinValue: '0.1', MaxValue: '1', ScalingType: Logarithmic}", "{loguniform: [0.1, 1.0]}"),
        ("'interval(0, 1)'", "{uniform: [0.0, 1.0]}"),
        ("'tag(log, interval(0.1, 1))'", "{loguniform: [0.1, 1.0]}"),
        ("IntegerParameter(1, 5)", "{int: [1, 5]}"),
        ("'ContinuousParameter(0.1, 1, scaling_type=\"Logarithmic\")'", "{loguniform: [0.1, 1.0]}"),
        ("'CategoricalParameter([1, 2])'", "[1, 2]"),
        ("'tune.loguniform(0.1, 1)'", "{loguniform: [0.1, 1]}"),
        ("'tune.qrandint(1, 8, 2)'", "{quniform: [0, 8, 2]}"),
        ("'trial.suggest_int(\"x\", 1, 4)'", "{int: [1, 4]}"),
    ],
)
def test_a_range_of_another_notation_is_written_in_ours(project: Project, theirs: str, ours: str) -> None:
    """What a search draws from, as each tool says it; ours is taken when it is put there."""
    sweep = "sweep:\n  random:\n    count: 2\n    of:\n      hyperparameters.lr: "
    project.experiment(f"{sweep}{theirs}\n")
    (line,) = project.refused()
    assert line.startswith("experiments/x.yaml:17:7: sweep.random.of.hyperparameters.lr: must be a list to choose from")
    assert line.endswith(f"; write {ours}")
    project.experiment(f"{sweep}{ours}\n")
    assert len(project.sweep().trials) == 2


@pytest.mark.parametrize(
    ("theirs", "said"),
    [
        ("{values: [1, 2]}", "; write [1, 2]"),
        ("{min: 1, max: 3}", "; write {range: [1, 4, 1]}"),
        ("interval(0, 1)", "; to draw from it write sweep.random or sweep.optuna, with {uniform: [0.0, 1.0]} under of"),
        ("IntegerParameter(1, 5)", "is not a sweep expression; write {range: [1, 6, 1]}"),
        ("uniform(0, 1)", "; to draw from it write sweep.random or sweep.optuna, with {uniform: [0, 1]} under of"),
        ("{min: 3, max: 1}", "not {'min': 3, 'max': 1}"),
        ("nothing(1)", "is not a sweep expression: HydraException while evaluating 'nothing(1)': Unknown function"),
    ],
)
def test_a_range_in_a_grid_is_a_list_or_belongs_to_a_search(project: Project, theirs: str, said: str) -> None:
    """A grid has a finite list of it, or is told what draws; what is no range in any notation stays as it is told."""
    project.experiment(f"sweep:\n  grid:\n    hyperparameters.lr: {theirs}\n")
    (line,) = project.refused()
    assert line.startswith("experiments/x.yaml:15:5: sweep.grid.hyperparameters.lr: ") and said in line


def test_hydras_own_place_for_sweeps_is_told_the_same(project: Project) -> None:
    """An interval in `hydra.sweeper.params` is refused where it stands in the file, with our theirs."""
    project.experiment("hydra: {sweeper: {params: {hyperparameters.lr: 'interval(0, 1)'}}}\n")
    assert project.refused() == [
        "experiments/x.yaml:13:28: hydra.sweeper.params.hyperparameters.lr: has no finite number of values; to draw "
        "from it write sweep.random or sweep.optuna, with {uniform: [0.0, 1.0]} under of"
    ]


def test_every_word_that_is_told_is_one_of_ours() -> None:
    """What stands with a dot in an answer is a key that an experiment has."""
    ours = [*theirs.THEIRS.values(), *(f"{section}.{option}" for section, option in theirs.SDK.values())]
    told = {word for text in ours for word in re.findall(r"\b([a-z_]+\.[a-z_]+)\b", text)}
    assert len(told) > 20
    for word in told:
        section, key = word.split(".")
        schema = stop_schema({}) if section == "stop" else SECTIONS[section]
        assert key in schema.get("anyOf", [schema])[0]["properties"], word


@pytest.mark.parametrize("value", [None, 3, "", "(", "f(", "x" * 500 + "(", "uniform(1)", "a.b()", {}, {"min": 1}, []])
def test_what_is_in_no_notation_is_told_nothing(value: Any) -> None:
    """Whatever stands there, no word of ours is made up for it, and nothing is raised."""
    assert notation.hint(value, drawn=True) == notation.hint(value, drawn=False) == ""
