"""Our word for each of theirs: what W&B, Hydra's sweepers, AMT and SageMaker's SDKs call what an experiment says."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache

from sweeper.config.problems import KeyPath
from sweeper.config.requests import settable
from sweeper.core.members import snake
from sweeper.core.pieces import ALONE, REFUSED
from sweeper.driver.launchers import MPIRUN, TORCHRUN

SDK: Mapping[str, tuple[str, str]] = {
    "role": ("locked", "role_arn"),
    "instance_type": ("locked", "instance_type"),
    "instance_count": ("locked", "instance_count"),
    "volume_size": ("locked", "volume_size_in_gb"),
    "volume_size_in_gb": ("locked", "volume_size_in_gb"),
    "volume_kms_key": ("locked", "volume_kms_key_id"),
    "volume_kms_key_id": ("locked", "volume_kms_key_id"),
    "training_plan_arn": ("locked", "training_plan_arn"),
    "subnets": ("locked", "subnets"),
    "security_group_ids": ("locked", "security_group_ids"),
    "encrypt_inter_container_traffic": ("locked", "enable_inter_container_traffic_encryption"),
    "enable_inter_container_traffic_encryption": ("locked", "enable_inter_container_traffic_encryption"),
    "enable_network_isolation": ("locked", "enable_network_isolation"),
    "image_uri": ("job", "image_uri"),
    "training_image": ("job", "image_uri"),
    "algorithm_name": ("job", "algorithm_name"),
    "source_dir": ("job", "source_dir"),
    "entry_point": ("job", "entry_script"),
    "entry_script": ("job", "entry_script"),
    "requirements": ("job", "requirements"),
    "max_run": ("job", "max_runtime_s"),
    "max_runtime_in_seconds": ("job", "max_runtime_s"),
    "output_path": ("job", "output_path"),
    "s3_output_path": ("job", "output_path"),
    "output_kms_key": ("job", "output_kms_key_id"),
    "kms_key_id": ("job", "output_kms_key_id"),
    "compression_type": ("job", "output_compression"),
    "checkpoint_s3_uri": ("job", "checkpoint_s3_uri"),
    "s3_uri": ("job", "checkpoint_s3_uri"),
    "checkpoint_local_path": ("job", "checkpoint_local_path"),
    "local_path": ("job", "checkpoint_local_path"),
    "input_mode": ("job", "input_mode"),
    "training_input_mode": ("job", "input_mode"),
    "max_retry_attempts": ("job", "max_retry_attempts"),
    "maximum_retry_attempts": ("job", "max_retry_attempts"),
    "container_entry_point": ("job", "container_entrypoint"),
    "container_arguments": ("job", "container_arguments"),
    "keep_alive_period_in_seconds": ("pool", "keep_alive_s"),
}
"""Each argument of the SDKs, and of the objects that they take, with the option that it is."""

RUNNERS: Mapping[str, str] = {"Torchrun": TORCHRUN, "MPI": MPIRUN}
"""The classes of version 3 that start several processes, with the job.launcher that each is."""

_SEARCHES = "sweep.random or sweep.optuna"
_COUNT = f"count of {_SEARCHES}"
_OF = "of, below sweep.random or sweep.optuna (or sweep.grid)"
_ONE = "backend.max_in_flight, on another backend than a warm pool: there jobs run one after another"
_CONVERTS = "`sweeper init --from FILE` writes it as an experiment"
_SPOT = "defaults: [{override /backend: spot}, _self_]"
THEIRS: Mapping[str, str] = {
    # W&B
    "method": f"sweep.grid, {_SEARCHES}",
    "parameters": f"hyperparameters for what has one value, and sweep.grid, {_SEARCHES} for what varies",
    "metric": "objective: {metric: NAME, goal: maximize}",
    "run_cap": f"{_COUNT}, or stop.max_trials",
    "program": "job.source_dir and job.entry_script",
    "command": "job.entry_script and job.arguments",
    "early_terminate": "prune.halving",
    # Hydra's sweepers, Optuna
    "params": f"sweep.grid, or {_OF}",
    "search_space": _OF,
    "n_trials": _COUNT,
    "direction": "objective.goal",
    "sampler": "sweep.optuna.sampler",
    "n_jobs": _ONE,
    "study_name": "name",
    "max_failure_rate": "stop.max_failures",
    # AMT, and the SDKs' tuner
    "HyperParameterTuningJobConfig": f"sweep, objective, stop and prune: {_CONVERTS}",
    "TrainingJobDefinition": f"locked, job, hyperparameters and environment: {_CONVERTS}",
    "TrainingJobDefinitions": f"one experiment for each: {_CONVERTS}",
    "HyperParameterTuningJobObjective": "objective",
    "HyperParameterTuningJobName": "name",
    "ParameterRanges": _OF,
    "HyperParameterRanges": _OF,
    "IntegerParameterRanges": f"{_OF}: {{int: [low, high]}}",
    "ContinuousParameterRanges": f"{_OF}: {{uniform: [low, high]}} or {{loguniform: [low, high]}}",
    "CategoricalParameterRanges": f"{_OF}: a list",
    "StaticHyperParameters": "hyperparameters",
    "HyperParameters": "hyperparameters",
    "Environment": "environment",
    "ResourceLimits": f"{_COUNT}, and stop.max_seconds",
    "MaxNumberOfTrainingJobs": _COUNT,
    "MaxParallelTrainingJobs": _ONE,
    "Strategy": f"sweep.grid, {_SEARCHES}",
    "strategy": f"sweep.grid, {_SEARCHES}",
    "TrainingJobEarlyStoppingType": "prune.median",
    "early_stopping_type": "prune.median",
    "TuningJobCompletionCriteria": "stop.until and stop.no_improvement",
    "hyperparameter_ranges": _OF,
    "objective_metric_name": "objective.metric",
    "objective_type": "objective.goal",
    "max_jobs": _COUNT,
    "max_parallel_jobs": _ONE,
    "RandomSeed": f"seed of {_SEARCHES}",
    # the SDKs' trainers
    "estimator": f"locked and job: {_CONVERTS}",
    "base_job_name": "name",
    "metric_definitions": "job.metrics",
    "MetricDefinitions": "job.metrics",
    "InputDataConfig": "job.inputs",
    "input_data_config": "job.inputs",
    "use_spot_instances": _SPOT,
    "enable_managed_spot_training": _SPOT,
    "EnableManagedSpotTraining": _SPOT,
    "KeepAlivePeriodInSeconds": "pool.keep_alive_s",
    "source_code": "job.source_dir and job.entry_script",
    "compute": "locked.instance_type and its like",
    "distributed": "job.launcher and job.processes_per_host",
    "stopping_condition": "job.max_runtime_s",
    "output_data_config": "job.output_path",
}
"""What they call it, and where an experiment says it."""
_OBJECTIVE = {
    "name": "objective.metric",
    "metric_name": "objective.metric",
    "MetricName": "objective.metric",
    "type": "objective.goal",
    "Type": "objective.goal",
}
_CHANNEL = {
    "ChannelName": "the key, job.inputs.NAME",
    "channel_name": "the key, job.inputs.NAME",
    "s3_data": "job.inputs.NAME.uri",
    "record_wrapping": "job.inputs.NAME.record_wrapper",
}
_SPOKEN = ("sweep", "locked", "job", "objective")
"""The sections in which they are looked for, beside the top of the file."""


def our_word(key: object, path: KeyPath) -> str:
    """`; here it is X`, for a key of another tool's that stands at this path of an experiment; else nothing.

    A member that no request of ours has is told why not.
    """
    if path and path[0] not in _SPOKEN:
        return ""
    if path[:2] == ("job", "inputs"):
        known = {**_members(".".join(("job.inputs.NAME", *map(str, path[3:])))), **_CHANNEL}
    else:
        request = _members("") if path[:1] in ((), ("locked",), ("job",)) else {}
        known = {**request, **THEIRS, **(_OBJECTIVE if path[:1] == ("objective",) else {})}
    if why := _never().get(str(key)):
        return f"; it cannot be set: {why}"
    ours = known.get(str(key))
    return f"; here it is {ours}" if ours else ""


@lru_cache
def _members(at: str) -> Mapping[str, str]:
    """What says a member of a request, by its own name or that of what holds it; of the options below `at` alone.

    Each name stands in both its spellings, SageMaker's and that of the SDKs, where that is more than one common word.
    """
    found: dict[str, dict[str, None]] = {}
    for member, where in {**settable(), **{alone: f"request.{alone}" for alone in ALONE}}.items():
        for option in (one for one in where.split(", ") if one.startswith(at)):
            for name in member.split("."):
                found.setdefault(name, {})[option] = None
    words = {name: ", ".join(sorted(_outermost(options), key=_depth)) for name, options in found.items()}
    sdk = {theirs: f"{section}.{option}" for theirs, (section, option) in SDK.items() if not at and theirs != option}
    spelt = {snake(name): options for name, options in words.items()}
    ours = {option.partition(".")[2] for options in found.values() for option in options}
    return {**sdk, **{name: options for name, options in spelt.items() if "_" in name and name not in ours}, **words}


def _outermost(options: Collection[str]) -> list[str]:
    """Without those of what is named itself: efs.id where there is efs."""
    return [one for one in options if not any(one.startswith(f"{other}.") for other in options)]


def _depth(option: str) -> int:
    return option.count(".")


@lru_cache(maxsize=1)
def _never() -> Mapping[str, str]:
    """Why no request of ours has a member, by its own name."""
    names = {member.rpartition(".")[2]: why for member, why in REFUSED.items()}
    return {**names, **{snake(name): why for name, why in names.items()}}
