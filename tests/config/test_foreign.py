"""What other tools were told, as experiments: each source as people publish it, and drawn ones."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sweeper import cli
from sweeper.config.foreign import detect, hydra_params, ray_tune, sdk_script, tuning_job, wandb
from sweeper.config.foreign.converted import Converted
from sweeper.core.model import Sweep
from sweeper.core.space.optuna_search import unproposable
from sweeper.errors import UsageError
from tests.config.conftest import Project

ROLE = "arn:aws:iam::123456789012:role/r"


def experiment(project: Project, found: Converted, name: str = "made") -> Sweep:
    """The sweep of what was converted, from its file."""
    if "source_dir" not in found.section("job"):
        found.script("code/train.py")
    project.write(f"experiments/{name}.yaml", found.text(name, "the test"))
    return project.sweep(name=name)


def values(sweep: Sweep) -> list[dict[str, Any]]:
    """The swept hyperparameters of every trial, in order."""
    return [{key.removeprefix("hyperparameters."): v for key, v in trial.values.items()} for trial in sweep.trials]


# -- W&B ----------------------------------------------------------------------------------------------------------

GRID: dict[str, Any] = {
    "program": "code/train.py",
    "method": "grid",
    "metric": {"name": "val/loss", "goal": "minimize"},
    "parameters": {
        "optimizer": {"values": ["adam", "sgd"]},
        "batch_size": {"values": [32, 64, 128]},
        "epochs": {"value": 5},
    },
}


def test_a_grid_of_wandb_has_the_same_product(project: Project) -> None:
    """Every combination in W&B's order, what has one value as a hyperparameter, the metric read from the log."""
    sweep = experiment(project, wandb.convert(GRID))
    assert values(sweep) == [
        {"optimizer": optimizer, "batch_size": size} for optimizer in ("adam", "sgd") for size in (32, 64, 128)
    ]
    resolved = sweep.resolve(sweep.trials[0])
    assert resolved["hyperparameters"] == {"optimizer": "adam", "batch_size": 32, "epochs": 5}
    assert resolved["job"]["source_dir"] == "code" and resolved["job"]["entry_script"] == "train.py"
    assert sweep.objective and (sweep.objective.metric, sweep.objective.goal.value) == ("val/loss", "minimize")


_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))  # no file of ours holds others
_NUMBERS = st.integers(-5, 5) | st.floats(allow_nan=False, allow_infinity=False, width=32)
_VALUES = st.one_of(_NUMBERS, st.booleans(), st.none(), _TEXT)
_NAMES = st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(_NAMES, st.lists(_VALUES, min_size=1, max_size=3, unique_by=repr), min_size=1, max_size=3))
def test_any_grid_of_wandb_has_the_same_product(project: Project, axes: dict[str, list[Any]]) -> None:
    """Whatever values its lists hold, the trials are their product, in its order, each value as it was."""
    said = {"method": "grid", "parameters": {name: {"values": several} for name, several in axes.items()}}
    product = [dict(zip(axes, row, strict=True)) for row in itertools.product(*axes.values())]
    assert list(map(repr, values(experiment(project, wandb.convert(said))))) == list(map(repr, product))


@pytest.mark.parametrize(
    ("spec", "drawn"),
    [
        ({"min": 1, "max": 8}, {"int": [1, 8]}),
        ({"min": 0.1, "max": 0.5}, {"uniform": [0.1, 0.5]}),
        ({"distribution": "uniform", "min": 0, "max": 1}, {"uniform": [0, 1]}),
        ({"distribution": "int_uniform", "min": 1, "max": 3}, {"int": [1, 3]}),
        ({"distribution": "log_uniform_values", "min": 1e-5, "max": 0.1}, {"loguniform": [1e-5, 0.1]}),
        ({"distribution": "log_uniform", "min": -2, "max": 0}, {"loguniform": [0.135335, 1.0]}),
        ({"distribution": "inv_log_uniform", "min": 0, "max": 2}, {"loguniform": [0.135335, 1.0]}),
        ({"distribution": "inv_log_uniform_values", "min": 0.1, "max": 2}, {"loguniform": [0.1, 2]}),
        ({"distribution": "q_uniform", "min": 0, "max": 1, "q": 0.25}, {"quniform": [0, 1, 0.25]}),
        ({"distribution": "q_uniform", "min": 16, "max": 64, "q": 16}, {"quniform": [16, 64, 16]}),
        ({"distribution": "q_log_uniform_values", "min": 1, "max": 4}, {"logint": [1, 4]}),
        ({"distribution": "q_log_uniform", "min": 0, "max": 5, "q": 2}, {"qloguniform": [2, 148, 2]}),
        ({"distribution": "normal", "mu": 1, "sigma": 0.5}, {"normal": [1, 0.5]}),
        ({"mu": 0, "sigma": 1}, {"normal": [0, 1]}),
        ({"distribution": "q_normal", "mu": 0, "sigma": 1, "q": 2}, {"qnormal": [0, 1, 2]}),
        ({"distribution": "log_normal", "mu": 0, "sigma": 1}, {"lognormal": [0, 1]}),
        ({"distribution": "q_log_normal", "mu": 0, "sigma": 0.5}, {"qlognormal": [0, 0.5, 1]}),
        ({"distribution": "beta", "a": 2, "b": 5}, {"uniform": [0.0, 1.0]}),
        ({"distribution": "q_beta", "a": 2, "b": 5, "q": 0.5}, {"quniform": [0, 1, 0.5]}),
        ({"values": [1, "a"], "probabilities": [0.1, 0.9]}, [1, "a"]),
        ({"distribution": "categorical", "values": [True, None]}, [True, None]),
    ],
)
def test_a_distribution_of_wandb_is_a_domain_of_ours(spec: dict[str, Any], drawn: Any) -> None:
    """Each with its ends, its scale and its steps; what has no counterpart is said."""
    found = wandb.convert({"method": "random", "parameters": {"x": spec, "y": {"min": 0, "max": 99}}})
    assert found.problems == []
    assert found.sections["sweep"]["random"]["of"]["hyperparameters.x"] == drawn
    beta = "beta" in spec.get("distribution", "")
    assert bool([line for line in found.left if line.startswith("parameters.x: ")]) >= beta


@pytest.mark.parametrize(
    ("spec", "drawn"),
    [
        ({"distribution": "normal", "mu": 1, "sigma": 0.5}, {"uniform": [0.0, 2.0]}),
        ({"distribution": "q_normal", "mu": 0, "sigma": 1, "q": 2}, {"quniform": [-2, 2, 2]}),
        ({"distribution": "log_normal", "mu": 0, "sigma": 1}, {"loguniform": [0.135335, 7.38906]}),
        ({"distribution": "q_log_normal", "mu": 0, "sigma": 0.5, "q": 2}, [0, 2]),
        ({"distribution": "q_log_uniform_values", "min": 4, "max": 8, "q": 4}, [4, 8]),
    ],
)
def test_what_optuna_cannot_draw_from_has_something_in_its_place(spec: dict[str, Any], drawn: Any) -> None:
    """A bell gets ends and logarithmic steps become a list, and both are said; Optuna takes it."""
    metric = {"name": "m"}
    found = wandb.convert({"method": "bayes", "metric": metric, "parameters": {"x": spec, "y": {"min": 0, "max": 99}}})
    assert found.sections["sweep"]["optuna"]["of"]["hyperparameters.x"] == drawn
    assert [line for line in found.left if line.startswith("parameters.x: ")]
    domain = next(iter(drawn.items())) if isinstance(drawn, dict) else ("choice", drawn)
    assert unproposable(*domain) == ""


def test_a_search_of_wandb_keeps_what_it_was_told(project: Project) -> None:
    """bayes, the target, hyperband, nested parameters, the command's constants and style, and the cap of its runs."""
    said = {
        **GRID,
        "method": "bayes",
        "run_cap": 7,
        "metric": {"name": "acc", "goal": "maximize", "target": 0.9},
        "parameters": {
            "lr": {"min": 0.1, "max": 1.0},
            "opt": {"parameters": {"kind": {"values": ["a", "b"]}, "beta": {"value": 2}}},
        },
        "early_terminate": {"type": "hyperband", "max_iter": 27, "s": 2, "eta": 3},
        "command": ["${env}", "python3", "${program}", "--data", "/x", "--fast=1", "${args_no_boolean_flags}"],
        "project": "mine",
    }
    found = wandb.convert(said)
    sweep = experiment(project, found)
    config = found.sections
    assert config["sweep"]["optuna"]["count"] == len(sweep.trials) == 7
    assert config["stop"] == {"until": {"metric": "acc", "op": ">=", "value": 0.9}, "on_until": "finish"}
    assert config["prune"] == {"halving": {"first": 3, "factor": 3}}
    assert config["hyperparameters"] == {"data": "/x", "fast": "1", "lr": None, "opt": {"kind": None, "beta": 2}}
    assert config["job"]["arguments"] == "flags"
    assert list(config["sweep"]["optuna"]["of"]) == ["hyperparameters.lr", "hyperparameters.opt.kind"]
    assert [line.split(":")[0] for line in found.left] == ["project", "method"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"method": "bayse"},
            "sweep.yaml:1:1: method: 'bayse' is not one of grid, random, bayes; did you mean 'bayes'?",
        ),
        ({"parameters": {"x": {"min": 1}}}, "sweep.yaml:4:3: parameters.x: needs value, values, or min and max"),
        ({"parameters": {"x": {"values": []}}}, "sweep.yaml:4:3: parameters.x: has no values"),
        ({"parameters": {"x": {"min": 0.1, "max": 1.0}}}, "parameters.x: has no finite number of values, which a grid"),
        ({"parameters": {"x": {"distribution": "uniformly"}}}, "is no distribution of W&B; did you mean 'uniform'?"),
        ({"metric": {"name": "x", "goal": "low"}}, "sweep.yaml:2:23: metric.goal: 'low' is not one of minimize"),
        ({"run_cap": 0}, "run_cap: must be a whole number, 1 or more, not 0"),
    ],
)
def test_what_says_no_sweep_is_refused_at_its_place(project: Project, change: dict[str, Any], said: str) -> None:
    """A file that W&B would not take either is one line with file, line and column."""
    whole = {"method": "grid", "metric": {"name": "x"}, "parameters": {"x": {"values": [1]}}, **change}
    text = "".join(f"{key}: {json.dumps(value) if key != 'parameters' else ''}\n" for key, value in whole.items())
    text = text.replace('"grid"', "grid")
    parameters = "".join(f"  {name}: {json.dumps(spec)}\n" for name, spec in whole["parameters"].items())
    file = project.write("sweep.yaml", text.replace("parameters: \n", f"parameters:\n{parameters}"))
    with pytest.raises(UsageError) as refused:
        detect.converted(file)
    assert said in str(refused.value)


# -- Hydra --------------------------------------------------------------------------------------------------------


def hydra(params: dict[str, Any], defaults: list[Any] | None = None, **sweeper: Any) -> Converted:
    """A configuration of Hydra's with these parameters, converted."""
    return hydra_params.convert({"defaults": defaults or [], "hydra": {"sweeper": {**sweeper, "params": params}}})


def test_hydras_own_sweeper_is_a_grid(project: Project) -> None:
    """The product in its order; the script is called as before, with names that have dots, and with what it adds."""
    params = {
        "lr": "0.1,0.01",
        "db": "choice(mysql,postgresql)",
        "+n": "range(1,4)",
        "model.layers": "[1,2],[3]",
        "k": 7,
    }
    sweep = experiment(project, hydra(params))
    expected = itertools.product([0.1, 0.01], ["mysql", "postgresql"], [1, 2, 3], [[1, 2], [3]])
    assert [tuple(row.values()) for row in values(sweep)] == list(expected)
    assert sweep.resolve(sweep.trials[0])["hyperparameters"] == {
        "lr": 0.1, "db": "mysql", "+n": 1, "model.layers": [1, 2], "k": 7
    }  # fmt: skip
    assert sweep.resolve(sweep.trials[0])["job"]["arguments"] == "hydra"


@pytest.mark.parametrize(
    ("said", "drawn"),
    [
        ("interval(0, 1)", {"uniform": [0.0, 1.0]}),
        ("int(interval(1, 8))", {"int": [1, 8]}),
        ("tag(log, interval(0.0001, 1))", {"loguniform": [0.0001, 1.0]}),
        ("tag(log, int(interval(1, 4)))", {"logint": [1, 4]}),
        ("range(1, 5)", {"int": [1, 5]}),
        ("range(0, 8, step=4)", {"quniform": [0, 8, 4]}),
        ("range(1, 8, step=4)", [1, 5]),
        ("range(-1.0, 1.0, step=0.5)", {"quniform": [-1, 1, 0.5]}),
        ("choice(-5, 0, 5)", [-5, 0, 5]),
        ("a,b", ["a", "b"]),
    ],
)
def test_what_optunas_sweeper_draws_from(said: str, drawn: Any) -> None:
    """As that sweeper reads Hydra's grammar: a range has both its ends, a tag says the scale."""
    found = hydra({"x": said, "y": "interval(0, 1)"}, n_trials=3)
    assert found.problems == []
    assert found.sections["sweep"]["optuna"]["of"]["hyperparameters.x"] == drawn


def test_optunas_sweeper_keeps_what_it_was_told(project: Project) -> None:
    """Sampler, seed, direction, number of trials, the old search_space; what is not as it was is said."""
    space = {
        "z": {"type": "float", "low": 1, "high": 2},
        "n": {"type": "int", "low": 1, "high": 9, "step": 4},
        "c": {"type": "categorical", "choices": ["p", "q"]},
    }
    sampler = {"_target_": "optuna.samplers.CmaEsSampler", "seed": 5, "sigma0": 1}
    told = {"direction": "maximize", "n_trials": 4, "n_jobs": 2, "storage": "sqlite:///x", "max_failure_rate": 0.5}
    found = hydra({"x": "interval(0, 1)"}, search_space=space, sampler=sampler, **told)
    experiment(project, found)
    optuna = found.sections["sweep"]["optuna"]
    assert (optuna["count"], optuna["sampler"], optuna["seed"]) == (4, "cmaes", 5)
    assert list(optuna["of"].values()) == [{"uniform": [0.0, 1.0]}, {"uniform": [1, 2]}, [1, 5, 9], ["p", "q"]]
    assert found.sections["objective"] == {"metric": "objective", "goal": "maximize"}
    assert found.sections["stop"] == {"max_failures": 0.5}
    assert [line.split(":")[0] for line in found.left] == ["n_jobs", "storage", "sampler.sigma0"]
    chosen = [{"override hydra/sweeper": "optuna"}, {"override hydra/sweeper/sampler": "random"}]
    assert hydra({"x": "a,b"}, chosen).sections["sweep"]["optuna"]["sampler"] == "random"


# -- AMT ----------------------------------------------------------------------------------------------------------


def amt(strategy: str = "Bayesian", static: dict[str, str] | None = None, **config: Any) -> dict[str, Any]:
    """A request of CreateHyperParameterTuningJob."""
    return {
        "HyperParameterTuningJobName": "t",
        "HyperParameterTuningJobConfig": {
            "Strategy": strategy,
            "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "auc"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 10, "MaxParallelTrainingJobs": 1},
            "ParameterRanges": {
                "CategoricalParameterRanges": [{"Name": "booster", "Values": ["gbtree", "dart"]}],
                "IntegerParameterRanges": [{"Name": "max_depth", "MinValue": "1", "MaxValue": "10"}],
                "ContinuousParameterRanges": [
                    {"Name": "eta", "MinValue": "0.001", "MaxValue": "1", "ScalingType": "Logarithmic"}
                ],
            },
            **config,
        },
        "TrainingJobDefinition": {
            "AlgorithmSpecification": {
                "TrainingImage": "1.dkr.ecr.us-east-1.amazonaws.com/xgboost:1",
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": "auc", "Regex": "auc=([0-9.]+)"}],
            },
            "InputDataConfig": [
                {
                    "ChannelName": "train",
                    "ContentType": "csv",
                    "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://b/train"}},
                }
            ],
            "OutputDataConfig": {"S3OutputPath": "s3://b/out"},
            "ResourceConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.xlarge", "VolumeSizeInGB": 10},
            "RoleArn": ROLE,
            "StaticHyperParameters": static or {"num_round": "100", "x": '"quoted"'},
            "StoppingCondition": {"MaxRuntimeInSeconds": 1800},
        },
    }


def test_a_tuning_job_is_an_experiment(project: Project) -> None:
    """Its ranges as a search, its definition as locked and job, its static values as they are sent."""
    found = tuning_job.convert(amt(TrainingJobEarlyStoppingType="Auto", RandomSeed=3))
    project.write("experiments/made.yaml", found.text("made", "the test"))
    sweep = project.sweep("engine=aws", name="made")
    assert len(sweep.trials) == 10
    assert found.sections["sweep"]["optuna"] == {
        "count": 10,
        "seed": 3,
        "of": {
            "hyperparameters.max_depth": {"int": [1, 10]},
            "hyperparameters.eta": {"loguniform": [0.001, 1.0]},
            "hyperparameters.booster": ["gbtree", "dart"],
        },
    }
    assert sweep.locked["instance_type"] == "ml.m5.xlarge" and sweep.locked["role_arn"] == ROLE
    job = found.sections["job"]
    assert job["inputs"] == {"train": {"uri": "s3://b/train", "content_type": "csv"}}
    assert (job["launch"], job["max_runtime_s"], job["output_path"]) == ("image", 1800, "s3://b/out")
    assert found.sections["hyperparameters"]["x"] == '"quoted"'
    assert found.sections["prune"] == {"median": {}}
    assert found.left == [
        "HyperParameterTuningJobName: names are made of the sweep's",
        "Strategy: Bayesian: Optuna's tpe proposes the trials (pip install 'sweeper[optuna]')",
    ]


def test_a_tuning_job_of_a_script_reads_its_values_as_the_toolkit_sends_them() -> None:
    """What the SDK wrote as JSON is read as JSON; the folder with the code is asked for."""
    static = {
        "sagemaker_program": '"train.py"',
        "sagemaker_submit_directory": '"s3://b/code.tar.gz"',
        "lr": "0.1",
        "name": '"x"',
    }
    request = amt("Grid", static)
    categorical = {"CategoricalParameterRanges": [{"Name": "opt", "Values": ['"adam"', '"sgd"']}]}
    request["HyperParameterTuningJobConfig"]["ParameterRanges"] = categorical
    found = tuning_job.convert(request)
    assert found.sections["hyperparameters"] == {"lr": 0.1, "name": "x", "opt": None}
    assert found.sections["sweep"] == {"grid": {"hyperparameters.opt": ["adam", "sgd"]}}
    job = found.sections["job"]
    assert (job["launch"], job["entry_script"], job["source_dir"]) == ("toolkit", "train.py", "???")


def test_the_rest_of_a_tuning_job_is_kept_or_said() -> None:
    """Hyperband, criteria, spot and limits have our words; nothing else goes without a line."""
    criteria = {
        "TargetObjectiveMetricValue": 0.9,
        "BestObjectiveNotImproving": {"MaxNumberOfTrainingJobsNotImproving": 5},
        "ConvergenceDetected": {"CompleteOnConvergence": "Enabled"},
    }
    bands = {"HyperbandStrategyConfig": {"MinResource": 2, "MaxResource": 8}}
    request = amt("Hyperband", TuningJobCompletionCriteria=criteria, StrategyConfig=bands)
    limits = {"MaxNumberOfTrainingJobs": 10, "MaxParallelTrainingJobs": 4, "MaxRuntimeInSeconds": 7200}
    request["HyperParameterTuningJobConfig"]["ResourceLimits"] = limits
    definition = request["TrainingJobDefinition"]
    definition.update(EnableManagedSpotTraining=True, CheckpointConfig={"S3Uri": "s3://b/c"})
    definition["InputDataConfig"][0]["DataSource"]["FileSystemDataSource"] = {"DirectoryPath": "/x"}
    found = tuning_job.convert({**request, "WarmStartConfig": {}})
    assert found.sections["stop"] == {
        "max_seconds": 7200,
        "until": {"metric": "auc", "op": ">=", "value": 0.9},
        "no_improvement": {"trials": 5},
    }
    assert found.sections["prune"] == {"halving": {"first": 2}}
    assert found.sections["defaults"] == [{"override /backend": "spot"}, "_self_"]
    assert [line.split(":")[0] for line in found.left] == [
        "HyperParameterTuningJobName",
        "WarmStartConfig",
        "InputDataConfig.train.DataSource.FileSystemDataSource.DirectoryPath",
        "MaxParallelTrainingJobs",
        "HyperbandStrategyConfig.MaxResource",
        "ConvergenceDetected",
    ]


# -- the SDK's scripts --------------------------------------------------------------------------------------------

TRAINER = """\
import os
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData, OutputDataConfig, SourceCode, StoppingCondition

open("ran", "w")
BUCKET = "my-bucket"
role = get_execution_role()
compute = Compute(instance_type="ml.g5.xlarge", volume_size_in_gb=100, keep_alive_period_in_seconds=600)
trainer = ModelTrainer(
    training_image="1.dkr.ecr.us-east-1.amazonaws.com/train:1",
    source_code=SourceCode(source_dir="code", entry_script="train.py"),
    compute=compute,
    role=role,
    hyperparameters={"lr": 0.1, "seed": int(os.environ["SEED"]), "price": "${x}"},
    environment={"MODE": os.environ.get("MODE", "fast")},
    stopping_condition=StoppingCondition(max_runtime_in_seconds=2 * 3600),
    output_data_config=OutputDataConfig(s3_output_path=f"s3://{BUCKET}/out"),
    distributed=Torchrun(process_count_per_node=4, smp=x),
).with_metric_definitions([MetricDefinition(name="loss", regex="loss=(.+)")])
trainer.train(input_data_config=[InputData(channel_name="train", data_source=f"s3://{BUCKET}/train")])
"""
ESTIMATOR = """\
from sagemaker.pytorch import PyTorch
from sagemaker.tuner import HyperparameterTuner, ContinuousParameter, CategoricalParameter, IntegerParameter
estimator = PyTorch(
    "train.py", source_dir="code", role="arn:aws:iam::123456789012:role/r", instance_count=1,
    instance_type="ml.p3.2xlarge", framework_version="2.1", py_version="py310", image_uri="repo/train:1",
    use_spot_instances=True, max_run=3600, max_wait=7200, checkpoint_s3_uri="s3://b/c",
)
estimator.set_hyperparameters(epochs=4)
metrics = [{"Name": "loss", "Regex": "loss=(.*?);"}]
ranges = {"lr": ContinuousParameter(1e-4, 1e-1, scaling_type="Logarithmic"), "batch": CategoricalParameter([32, 64]),
          "layers": IntegerParameter(1, 4)}
tuner = HyperparameterTuner(estimator, "loss", ranges, metric_definitions=metrics, max_jobs=9, max_parallel_jobs=3,
                            objective_type="Minimize", strategy="Random")
tuner.fit({"train": TrainingInput("s3://b/train", content_type="text/csv"), "test": "file://data"})
"""


def test_a_model_trainer_is_read_and_not_run(project: Project) -> None:
    """What the script says is in the experiment; what it computes is to be written, and said with its line."""
    file = project.write("trainer.py", TRAINER)
    found = detect.converted(file)
    assert not Path("ran").exists()
    text = found.text("made", "trainer.py")
    assert "# role_arn: get_execution_role() (line 7) is computed when the script runs: write it here" in text
    assert "# seed: int(os.environ['SEED']) (line 14) is computed when the script runs: write it here" in text
    assert [line.split(":")[0] for line in found.left] == ["Torchrun.smp"]
    project.write("experiments/made.yaml", text)
    lines = project.refused(name="made")
    assert [line.split(": ", 1)[1] for line in lines] == [
        "locked.role_arn: is missing: it has no default",
        "hyperparameters.seed: is missing: it has no default",
    ]
    sweep = project.sweep(f"locked.role_arn={ROLE}", "hyperparameters.seed=1", name="made")
    resolved = sweep.resolve(sweep.trials[0])
    assert resolved["hyperparameters"] == {"lr": 0.1, "seed": 1, "price": "${x}"}
    assert resolved["environment"] == {"MODE": "fast"}
    assert resolved["job"]["inputs"] == {"train": "s3://my-bucket/train"}
    assert (resolved["job"]["launcher"], resolved["job"]["processes_per_host"]) == ("torchrun", 4)
    assert (resolved["job"]["output_path"], resolved["job"]["max_runtime_s"]) == ("s3://my-bucket/out", 7200)
    assert (sweep.locked["instance_type"], sweep.locked["volume_size_in_gb"]) == ("ml.g5.xlarge", 100)
    assert sweep.pool.keep_alive_s == 600 and sweep.metrics[0].regex == "loss=(.+)"


def test_an_estimator_with_a_tuner_is_a_search(project: Project) -> None:
    """A framework's estimator, spot, a tuner's ranges by position or name, channels with a content type."""
    project.write("data/x", "")
    found = sdk_script.convert(ESTIMATOR)
    sweep = experiment(project, found)
    assert len(sweep.trials) == 9
    assert found.sections["sweep"]["random"]["of"] == {
        "hyperparameters.lr": {"loguniform": [1e-4, 1e-1]},
        "hyperparameters.batch": [32, 64],
        "hyperparameters.layers": {"int": [1, 4]},
    }
    assert found.sections["job"]["inputs"] == {
        "train": {"uri": "s3://b/train", "content_type": "text/csv"},
        "test": "data",
    }
    assert sweep.objective and (sweep.objective.metric, sweep.objective.goal.value) == ("loss", "minimize")
    assert sweep.backend.keeps_pool is False
    left = ["framework_version", "py_version", "max_wait", "max_parallel_jobs"]
    assert [line.split(":")[0] for line in found.left] == left


COMMAND = """\
trainer = ModelTrainer(
    training_image="repo/x:1", role="arn:aws:iam::1:role/r", source_code=SourceCode(command="python3 -u", args=ARGS{})
)
ARGS = ["/opt/train.py", 3]
"""


def test_a_command_without_a_source_is_the_containers_own() -> None:
    """What `SourceCode` starts in place of an entry script is started; of one in a source the script is asked for."""
    made = sdk_script.convert(COMMAND.format(""))
    job = made.section("job")
    assert (job["launch"], job["container_entrypoint"]) == ("image", ["python3", "-u"])
    assert job["container_arguments"] == ["/opt/train.py", "3"]
    job = sdk_script.convert(COMMAND.format(", source_dir='code'")).section("job")
    assert job["entry_script"] == "???" and "container_entrypoint" not in job


@pytest.mark.parametrize("text", ["x = 1", "def f(:", "ModelTrainer", "print('ModelTrainer()')"])
def test_a_script_without_a_trainer_is_refused(project: Project, text: str) -> None:
    """Python that trains nothing, or is none, is refused in one line."""
    with pytest.raises(
        UsageError, match=r"^x\.py: is not a W&B sweep, .* or a Python script or notebook with a ModelTrainer"
    ):
        detect.converted(project.write("x.py", text))


# -- whatever they are given --------------------------------------------------------------------------------------

_NUMBERS = st.one_of(st.integers(-3, 9), st.floats(-2, 2), st.sampled_from(["1", "x", None, True, 1e400]))
_SPECS = st.fixed_dictionaries(
    {},
    optional={
        "distribution": st.sampled_from([*wandb.DISTRIBUTIONS, "other"]),
        "values": st.lists(_NUMBERS, max_size=3),
        "min": _NUMBERS,
        "max": _NUMBERS,
        "mu": _NUMBERS,
        "sigma": _NUMBERS,
        "q": _NUMBERS,
    },
)
_SAID = st.one_of(
    st.builds(
        lambda method, spec, metric, ends: {"method": method, "parameters": {"x": spec}, **metric, **ends},
        st.sampled_from([*wandb.METHODS, "custom", None]),
        _SPECS,
        st.sampled_from([{}, {"metric": {"name": "m", "goal": "maximize"}}, {"metric": 3}]),
        st.sampled_from([{}, {"run_cap": 3}, {"early_terminate": {"type": "hyperband", "min_iter": 2}}]),
    ),
    st.builds(
        lambda text, other, told: {"hydra": {"sweeper": {"params": {"x": text, "y": other}, **told}}},
        st.sampled_from(
            ["1,2", "interval(0,1)", "tag(log, interval(0, 1))", "range(5)", "range(1,2,0)", "choice(", "7"]
        ),
        st.one_of(_NUMBERS, st.sampled_from(["a,b", "shuffle(range(3))", "glob(*)", "choice(1,2),3"])),
        st.sampled_from([{}, {"n_trials": 5}, {"n_trials": -1}, {"direction": ["minimize", "maximize"]}]),
    ),
    st.builds(
        lambda strategy, low, high, scale: {
            "Strategy": strategy,
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 4},
            "ParameterRanges": {
                "ContinuousParameterRanges": [{"Name": "x", "MinValue": low, "MaxValue": high, "ScalingType": scale}]
            },
        },
        st.sampled_from([*tuning_job.STRATEGIES, "Other"]),
        _NUMBERS.map(str),
        _NUMBERS.map(str),
        st.sampled_from(["Auto", "Linear", "Logarithmic", "ReverseLogarithmic", "Square"]),
    ),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_SAID)
def test_whatever_is_said_there_is_a_file_that_plans_or_a_reason(project: Project, said: dict[str, Any]) -> None:
    """A converter gives an experiment that is declared without a complaint, or says at which key it cannot, and why."""
    file = project.write("said.json", json.dumps(said))
    try:
        found = detect.converted(file)
    except UsageError as error:
        assert all(line.startswith("said.json:") and len(line.split(": ", 2)) > 1 for line in str(error).splitlines())
        return
    found.script("code/train.py")
    found.section("job").pop("launch", None)
    assert experiment(project, found).trials or found.sections["sweep"]


JUNK = [None, 0, -1, "", "x", "${a}", True, [], {}, [1], ["a", None], {"a": {"b": []}}, [[]], [{}], 10**30, "1e400"]
_OPTUNA = {
    "sampler": {"_target_": "a.TPESampler", "seed": 1},
    "direction": ["minimize", "maximize"],
    "n_trials": 3,
    "params": {"a": "1,2", "b": "interval(0,1)"},
    "search_space": {"z": {"type": "float", "low": 1, "high": 2, "step": 0.5}},
}
_SPECS_OF_ALL = {
    "a": {"min": 1, "max": 3},
    "b": {"distribution": "q_uniform", "min": 1, "max": 3, "q": 1},
    "c": {"parameters": {"d": {"values": [1]}}},
    "e": {"values": [1, 2], "probabilities": [0.1, 0.9]},
}
WHOLE: list[dict[str, Any]] = [
    {**GRID, "parameters": _SPECS_OF_ALL, "run_cap": 3, "early_terminate": {"type": "hyperband", "min_iter": 3}},
    {
        **GRID,
        "method": "random",
        "parameters": _SPECS_OF_ALL,
        "command": ["python", "${program}", "--a", "b", "${args}"],
    },
    {"defaults": ["a", {"override hydra/sweeper": "optuna"}], "hydra": {"mode": "x", "sweeper": _OPTUNA}},
    amt("Hyperband", TuningJobCompletionCriteria={"BestObjectiveNotImproving": {}}, StrategyConfig={}),
]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of everything within a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield (*path, key)
        yield from places(one, (*path, key))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(WHOLE), st.randoms(use_true_random=False), st.sampled_from(JUNK))
def test_no_shape_of_a_file_is_more_than_refused(project: Project, whole: Any, rng: Random, junk: Any) -> None:
    """Whatever stands in a place where something else belongs: an experiment, or a UsageError, and nothing else."""
    said = json.loads(json.dumps(whole))
    *above, last = rng.choice(list(places(said)))
    inner = said
    for key in above:
        inner = inner[key]
    inner[last] = junk
    file = project.write("said.json", json.dumps(said))
    try:
        assert detect.converted(file).text("made", "the test")
    except UsageError as error:
        assert str(error).startswith("said.json")


# -- the verb -----------------------------------------------------------------------------------------------------


def test_init_writes_the_experiment_and_says_what_is_not_as_it_was(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """The reasons stand on stderr and at the head of the file; what is there is not overwritten."""
    project.write("sweep.yaml", json.dumps({**GRID, "project": "mine"}))
    assert cli.main(["init", "--from", "sweep.yaml", "--name", "mine"]) == 0
    told = capsys.readouterr()
    assert told.out.startswith("wrote experiments/mine.yaml\n\nnext:\n  sweeper plan +experiment=mine ")
    reason = "project: no server keeps the runs: they lie in runs/"
    assert told.err == f"sweeper: not as it was: {reason}\n"
    assert f"# * {reason}\n" in (project.root / "experiments/mine.yaml").read_text()
    assert len(project.sweep(name="mine").trials) == 6
    assert cli.main(["init", "--from", "sweep.yaml", "--name", "mine"]) == 2
    assert capsys.readouterr().err.startswith("sweeper: experiments/mine.yaml: is there already")


def test_init_says_what_is_left_to_write(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    """A script with Hydra's decorator is found beside its configuration; where there is none it is asked for."""
    config = "hydra:\n  sweeper:\n    params:\n      x: 1,2\n"
    project.write("conf/config.yaml", config)
    assert cli.main(["init", "--from", "conf/config.yaml"]) == 0
    told = capsys.readouterr().err
    assert "sweeper: experiments/config.yaml does not plan yet; it needs\n" in told
    assert "there is no folder 'experiments/scripts/config'" in told
    project.write("app/my_app.py", "import hydra\n@hydra.main()\ndef main(cfg): ...\n")
    project.write("app/conf/config.yaml", config)
    assert cli.main(["init", "--from", "app/conf/config.yaml", "--name", "found"]) == 0
    assert capsys.readouterr().err == ""
    job = project.sweep(name="found").composed["job"]
    assert (job["source_dir"], job["entry_script"]) == ("app", "my_app.py")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("x.yaml", "a: 1\n", "x.yaml: is not a W&B sweep, Hydra's hydra.sweeper, an AMT request, or "),
        ("x.yaml", "a: [\n", "x.yaml:2:1: not valid YAML"),
        ("x.json", '{"a": }', "x.json:1:7: not valid JSON: Expecting value"),
        ("x.json", "[1]", "x.json:1:1: not a mapping"),
        ("x.json", "[" * 100_000, "x.json: is nested too deeply"),
    ],
)
def test_what_is_none_of_them_is_refused_in_one_line(
    project: Project, capsys: pytest.CaptureFixture[str], name: str, text: str, said: str
) -> None:
    """No traceback, nothing written, exit code 2."""
    project.write(name, text)
    assert cli.main(["init", "--from", name]) == 2
    assert capsys.readouterr().err.startswith(f"sweeper: {said}")
    assert not (project.root / "experiments").exists()
    assert cli.main(["init", "--from", "nowhere"]) == 2
    assert capsys.readouterr().err == "sweeper: nowhere: No such file or directory\n"


def ray(space: str, rest: str = "", before: str = "") -> Converted:
    """A script with this param_space."""
    config = f"tune_config=tune.TuneConfig(metric='loss', mode='max', {rest})"
    return ray_tune.convert(f"{before}\ntuner = tune.Tuner(train, param_space={space}, {config})\n")


@pytest.mark.parametrize(
    ("said", "drawn"),
    [
        ("tune.uniform(0, 1)", {"uniform": [0, 1]}),
        ("tune.loguniform(lower=LOW, upper=0.1)", {"loguniform": [0.01, 0.1]}),
        ("tune.quniform(0, 1, 0.25)", {"quniform": [0, 1, 0.25]}),
        ("tune.qloguniform(2, 64, 2)", {"qloguniform": [2, 64, 2]}),
        ("tune.randint(1, 9)", {"int": [1, 8]}),
        ("tune.lograndint(1, 9)", {"logint": [1, 8]}),
        ("tune.qrandint(8, 64, q=8)", {"quniform": [8, 64, 8]}),
        ("tune.qlograndint(8, 64, 8)", {"qloguniform": [8, 64, 8]}),
        ("tune.randn(0, 2)", {"normal": [0, 2]}),
        ("ray.tune.qrandn(mean=0, sd=2, q=0.5)", {"qnormal": [0, 2, 0.5]}),
        ("choice(['a', 'b'])", ["a", "b"]),
    ],
)
def test_a_distribution_of_ray_is_a_domain_of_ours(said: str, drawn: Any) -> None:
    """Each with its ends, an upper one that Ray leaves out left out, and its steps; names of constants are known."""
    found = ray(f"{{'x': {said}, 'y': tune.uniform(0, 1)}}", "num_samples=2", "LOW = 0.01")
    assert (found.problems, found.left) == ([], [])
    assert found.sections["sweep"]["random"]["of"]["hyperparameters.x"] == drawn
    assert found.sections["objective"] == {"metric": "loss", "goal": "maximize"}


def test_how_a_tuner_searches_and_ends(project: Project) -> None:
    """A grid times its samples, a search by results, a scheduler, a budget; nested, fixed and computed values."""
    space = "{'o': grid_search([1, 2]), 'm': {'w': tune.choice([3, 4]), 'k': 5}, 'c': tune.sample_from(f), "
    space += "'n': tune.randn(0, 1)}"
    stops = "num_samples=3, time_budget_s=60, max_concurrent_trials=2, scheduler=ASHAScheduler(grace_period=2)"
    found = ray(space, stops)
    assert len(experiment(project, found).trials) == 6
    assert found.sections["hyperparameters"] == {"o": None, "m": {"w": None, "k": 5}, "c": None, "n": None}
    assert (found.sections["prune"], found.sections["stop"]) == (
        {"halving": {"first": 2, "factor": 4}},
        {"max_seconds": 60},
    )
    assert [line.split(":")[0] for line in found.left] == ["c", "num_samples", "max_concurrent_trials"]
    by_results = ray(space, "num_samples=3, search_alg=HyperOptSearch(), scheduler=MedianStoppingRule()")
    of = by_results.sections["sweep"]["optuna"]["of"]
    assert (of["hyperparameters.o"], of["hyperparameters.n"]) == ([1, 2], {"uniform": [-2, 2]})
    assert by_results.sections["prune"] == {"median": {"min_trials": 3}}
    repeated = ray_tune.convert("tune.run(f, config={'o': tune.grid_search([1, 2])}, num_samples=2)")
    assert repeated.sections["sweep"] == {
        "grid": {"hyperparameters.o": [1, 2]}, "repeat": {"times": 2, "seed": None}
    }  # fmt: skip
    ((where, what),) = ray("make()").problems
    assert (where, what) == ((), "line 2 has no param_space that can be read without running the script")


def test_a_notebook_is_read_as_the_script_of_its_cells(project: Project) -> None:
    """What IPython alone understands is left out; the experiment is that of the script."""
    script = "from ray import tune\nt = tune.Tuner(f, param_space={'x': tune.grid_search([1, 2])})\n"
    cells = [
        {"cell_type": "markdown", "source": "text"},
        {"cell_type": "code", "source": ["%pip install ray\n", "from ray import tune\n", "!ls\n", "tune?"]},
        {"cell_type": "code", "source": "%%bash\nls ("},
        {"cell_type": "code", "source": script.splitlines()[1]},
    ]
    book = detect.converted(project.write("n.ipynb", json.dumps({"cells": cells})))
    assert book.sections == detect.converted(project.write("n.py", script)).sections
    for text, what in (("{", "not valid JSON"), ("{}", "is not a W&B sweep"), ('{"cells": [1]}', "is not a W&B sweep")):
        with pytest.raises(UsageError, match=what):
            detect.converted(project.write("n.ipynb", text))
