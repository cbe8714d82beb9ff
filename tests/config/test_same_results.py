"""What another tool's file says is what its experiment gives: the files of docs/coming-from.md, run in virtual time.

The left file is read here by other means than ours: by YAML, JSON, Hydra's own parser and Optuna itself. The right one
is composed, and run by the real runner on the twin, whose containers work a metric out of the request that they get.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep

from sweeper.core.chain import Chain
from sweeper.core.model import Sweep
from sweeper.core.ports import Request
from sweeper.core.results import best, results
from sweeper.run.runner import Runner
from sweeper.run.world import World
from sweeper.simulation.drawn import SCOPE
from sweeper.simulation.heard import Listener, staged
from sweeper.testing.journals import MemoryJournal
from sweeper.testing.twin import Script, Twin, VirtualClock
from tests.coming_from import PAGE, made, pairs
from tests.config.conftest import Project

PAIRS = {Path(pair.file).name: pair for pair in pairs(PAGE.read_text(encoding="utf-8"))}
Values = Mapping[str, Any]


def ran(sweep: Sweep, value_of: Callable[[Values], float]) -> tuple[list[Request], Chain]:
    """The requests of its jobs in order, and what came of them; a job's metric is this of its hyperparameters."""
    assert sweep.objective is not None
    sent: list[Request] = []
    metric = sweep.objective.metric

    def behave(request: Request, _rng: random.Random) -> Script:
        sent.append(request)
        return Script(60.0, metrics={metric: value_of(request["HyperParameters"])})

    clock = VirtualClock()
    twin = Twin(clock, behaviour=behave)
    ending = Runner(sweep, SCOPE, "me", World(twin, MemoryJournal(), clock, Listener(), staged)).run()
    assert not ending.unreleased
    return sent, ending.chain


def composed(project: Project, file: str) -> tuple[str, Sweep]:
    """The left file as it is on the page, and the sweep of the right one, made of it."""
    pair = PAIRS[file]
    assert made(pair, project.root) == pair.ours
    return pair.theirs, project.sweep(*pair.words, name=pair.name)


def rows(sweep: Sweep, chain: Chain, *keys: str) -> list[tuple[Any, ...]]:
    """These hyperparameters and the objective of every trial, in the order of the table."""
    assert sweep.objective is not None
    table = results(sweep, chain).rows
    assert {row["status"] for row in table} == {"completed"}
    return [
        (*(row[f"hyperparameters.{key}"] for key in keys), row[f"metric.{sweep.objective.metric}"]) for row in table
    ]


def test_a_wandb_grid_gives_every_combination_and_its_result(project: Project) -> None:
    """Exactly: each set of arguments that W&B's agents start the program with, its result, and the best of them."""

    def loss(values: Values) -> float:
        return int(values["batch_size"]) / (2 if values["optimizer"] == "adam" else 1) + int(values["epochs"])

    theirs, sweep = composed(project, "sweep.yaml")
    parameters = yaml.safe_load(theirs)["parameters"]
    listed = {name: said["values"] if "values" in said else [said["value"]] for name, said in parameters.items()}
    every = [dict(zip(listed, chosen, strict=True)) for chosen in itertools.product(*listed.values())]
    sent, chain = ran(sweep, loss)
    assert [request["HyperParameters"] for request in sent] == [
        {name: str(value) for name, value in one.items()} for one in every
    ]
    found = rows(sweep, chain, "optimizer", "batch_size")
    assert found == [(one["optimizer"], one["batch_size"], loss(one)) for one in every]
    row = best(results(sweep, chain), sweep.objective)
    assert row is not None and row["metric.val_loss"] == min(map(loss, every))


def test_the_optuna_sweeper_and_the_experiment_propose_the_same_trials(project: Project) -> None:
    """Exactly: the twenty trials, their order and their results, to the six digits that a value is written with.

    Hydra's sweeper asks a study with this sampler and seed for each parameter in turn, and tells it what the task
    returned; so does this test, with Optuna alone.
    """
    optuna = pytest.importorskip("optuna")

    def loss(values: Values) -> float:
        return abs(float(values["lr"]) - 0.02) * int(values["layers"]) + (values["optimizer"] == "sgd")

    def distribution(text: str) -> Any:
        found: Any = OverridesParser.create().parse_override(f"x={text}").value()
        if isinstance(found, ChoiceSweep):
            return optuna.distributions.CategoricalDistribution(found.list)
        if isinstance(found.start, int):
            return optuna.distributions.IntDistribution(found.start, found.end)
        return optuna.distributions.FloatDistribution(found.start, found.end, log="log" in found.tags)

    theirs, sweep = composed(project, "config.yaml")
    said = yaml.safe_load(theirs)["hydra"]["sweeper"]
    space = {name: distribution(text) for name, text in said["params"].items()}
    sampler = optuna.samplers.TPESampler(seed=said["sampler"]["seed"])
    study = optuna.create_study(direction=said["direction"], sampler=sampler)
    for _ in range(said["n_trials"]):
        trial = study.ask(space)
        study.tell(trial, loss(trial.params))
    _, chain = ran(sweep, loss)
    found = rows(sweep, chain, "optimizer", "lr", "layers")
    expected = [(*(one.params[name] for name in ("optimizer", "lr", "layers")), one.value) for one in study.trials]
    assert [row[::2] for row in found] == [one[::2] for one in expected]
    for row, one in zip(found, expected, strict=True):
        assert row[1] == pytest.approx(one[1], rel=1e-5) and row[3] == pytest.approx(one[3], rel=1e-3, abs=1e-6)
    row = best(results(sweep, chain), sweep.objective)
    assert row is not None and row["index"] == study.best_trial.number + 1


def test_an_amt_request_gives_its_jobs_within_its_ranges(project: Project) -> None:
    """Exactly: image, machine, role, limits, channels, metrics, static values and number of jobs; the best is the best.

    What the service's own search proposes nobody else can: the values lie in its ranges, of its types, all different.
    """
    pytest.importorskip("optuna")

    def auc(values: Values) -> float:
        return 1 - abs(float(values["eta"]) - 0.3) - int(values["max_depth"]) / 100

    theirs, sweep = composed(project, "tuning.json")
    request = json.loads(theirs)
    config, job = request["HyperParameterTuningJobConfig"], request["TrainingJobDefinition"]
    sent, chain = ran(sweep, auc)
    assert len(sent) == config["ResourceLimits"]["MaxNumberOfTrainingJobs"]
    ranges = config["ParameterRanges"]
    tuned = [one for kind in ("IntegerParameterRanges", "ContinuousParameterRanges") for one in ranges[kind]]
    for ours in sent:
        told, algorithm = dict(ours["HyperParameters"]), ours["AlgorithmSpecification"]
        for one in tuned:
            text = told.pop(one["Name"])
            assert float(one["MinValue"]) <= float(text) <= float(one["MaxValue"])
            assert one not in ranges["IntegerParameterRanges"] or text.isdigit()
        assert told == job["StaticHyperParameters"]
        assert algorithm["TrainingImage"] == job["AlgorithmSpecification"]["TrainingImage"]
        assert algorithm["MetricDefinitions"] == job["AlgorithmSpecification"]["MetricDefinitions"]
        assert (ours["RoleArn"], ours["StoppingCondition"]) == (job["RoleArn"], job["StoppingCondition"])
        assert ours["ResourceConfig"].items() >= job["ResourceConfig"].items()
        assert [(one["ChannelName"], one["ContentType"]) for one in ours["InputDataConfig"]] == [
            (one["ChannelName"], one["ContentType"]) for one in job["InputDataConfig"]
        ]
    assert len({json.dumps(ours["HyperParameters"], sort_keys=True) for ours in sent}) == len(sent)
    row, objective = best(results(sweep, chain), sweep.objective), config["HyperParameterTuningJobObjective"]
    assert objective["Type"] == "Maximize" and row is not None
    assert row[f"metric.{objective['MetricName']}"] == max(auc(ours["HyperParameters"]) for ours in sent)


def test_a_tuner_of_ray_gives_each_of_its_grid_as_often_as_it_samples(project: Project) -> None:
    """Exactly: the grid, how often, the constants; the samples lie in their ranges and at their steps."""

    def loss(values: Values) -> float:
        return abs(float(values["lr"]) - 0.1) + 1 / int(values["layers"])

    _, sweep = composed(project, "tuner.py")
    sent, chain = ran(sweep, loss)
    optimizers = [request["HyperParameters"]["optimizer"] for request in sent]
    assert (optimizers.count("adam"), optimizers.count("sgd"), len(sent)) == (5, 5, 10)
    for optimizer, lr, layers, dropout, value in rows(sweep, chain, "optimizer", "lr", "layers", "dropout"):
        assert optimizer in ("adam", "sgd") and 1e-4 <= lr <= 1e-1 and layers in (1, 2, 3, 4)
        assert dropout in (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
        assert value == loss({"lr": lr, "layers": layers})
    assert {request["HyperParameters"]["epochs"] for request in sent} == {"10"}
