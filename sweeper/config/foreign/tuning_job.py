"""An automatic model tuning job (AMT): the request of CreateHyperParameterTuningJob. Pure."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sweeper.config.foreign import ranges
from sweeper.config.foreign.converted import MISSING, Converted, lose_all, mapping_of, printed, whole
from sweeper.config.foreign.ranges import Range, is_number
from sweeper.config.problems import KeyPath, brief, nearest
from sweeper.core.channels import Channel
from sweeper.core.identity import flatten
from sweeper.core.job import Job, Locked
from sweeper.core.members import said_by, take
from sweeper.engine.wire import rules

CONFIG, DEFINITION = "HyperParameterTuningJobConfig", "TrainingJobDefinition"
DEFINITIONS = "TrainingJobDefinitions"
STRATEGIES = ("Bayesian", "Random", "Hyperband", "Grid")
_USUAL: Mapping[str, str] = {
    "data_type": "S3Prefix",
    "distribution": "FullyReplicated",
    "compression": "None",
    "record_wrapper": "None",
}
_OF_TOOLKIT = "sagemaker_"
"""How the hyperparameters begin that tell SageMaker's toolkit what to run."""
_WHY = {
    "WarmStartConfig": "a finished trial of the same sweep is kept anyhow; another job's are not taken over",
    "Autotune": "says nothing that an experiment could",
    "HyperParameterTuningJobName": "names are made of the sweep's",
    "TrainingJobDefinitions": "one definition is one experiment; the first is taken",
    "Tags": "of the tuning job; job.tags are those of the training jobs",
}


def looks_like(said: Mapping[str, Any]) -> bool:
    """True for a request of CreateHyperParameterTuningJob, or its configuration alone."""
    return CONFIG in said or ("ParameterRanges" in said and "Strategy" in said)


def convert(said: Mapping[str, Any]) -> Converted:
    """A tuning job as an experiment."""
    converted = Converted("an AMT tuning job")
    request: Mapping[str, Any] = said if CONFIG in said else {CONFIG: said}
    converted.problems += _misshapen(request, () if CONFIG in said else (CONFIG,))
    if converted.problems:
        return converted
    config = mapping_of(converted, request, CONFIG)
    several = request.get(DEFINITIONS)
    first = several[0] if isinstance(several, list) and several and isinstance(several[0], Mapping) else {}
    definition = copy.deepcopy(dict(mapping_of(converted, request, DEFINITION) or first))
    alone = isinstance(several, list) and len(several) == 1
    known = (CONFIG, DEFINITION, *([DEFINITIONS] if alone else []))
    lose_all(converted, request, known, _WHY)
    text = _job(converted, definition) if definition else str
    own = definition.get("HyperParameterRanges")
    at: KeyPath = (CONFIG, "ParameterRanges") if own is None else (DEFINITION, "HyperParameterRanges")
    objective = config.get("HyperParameterTuningJobObjective") or definition.pop("TuningObjective", None)
    _objective(converted, objective)
    axes = dict(_axes(converted, own or mapping_of(converted, config, "ParameterRanges", (CONFIG,)), at, text))
    for key, axis in axes.items():
        converted.fix(key, None)
        if axis.note:
            converted.lose(key, axis.note)
    _strategy(converted, config, axes)
    _ends(converted, config)
    converted.assume_machine()
    return converted


def _misshapen(request: Mapping[str, Any], above: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    """What the service's own model does not allow; `above`: what the file leaves out."""
    judged = {key: request[key] for key in (CONFIG, DEFINITION, DEFINITIONS) if key in request}
    for path, what in rules.of_piece("CreateHyperParameterTuningJob", judged):
        yield path[len(above) :], what


# -- ranges and strategy ------------------------------------------------------------------------------------------

_RANGES = ("IntegerParameterRanges", "ContinuousParameterRanges", "CategoricalParameterRanges")


def _axes(
    converted: Converted, said: Mapping[str, Any], at: KeyPath, decoded: Callable[[str], Any]
) -> Iterator[tuple[str, Range]]:
    lose_all(converted, said, _RANGES, {"AutoParameters": "the service finds their ranges by itself; say them"})
    for kind in _RANGES:
        for number, one in enumerate(said.get(kind) or []):
            path = (*at, kind, number)
            if not isinstance(one, Mapping) or not isinstance(one.get("Name"), str):
                converted.wrong(path, "needs a Name")
                continue
            try:
                yield one["Name"], _range(kind, one, decoded).at(path)
            except (ValueError, OverflowError) as error:
                converted.wrong(path, f"{one['Name']}: {error}")


def _range(kind: str, said: Mapping[str, Any], decoded: Callable[[str], Any]) -> Range:
    """A range of the request. Raises ValueError."""
    if kind == "CategoricalParameterRanges":
        values = said.get("Values")
        if not isinstance(values, list):
            raise ValueError("needs Values, a list")
        return ranges.choice([decoded(str(value)) for value in values])
    low, high = (_end(said, key, kind == "IntegerParameterRanges") for key in ("MinValue", "MaxValue"))
    return scaled(low, high, said.get("ScalingType", "Auto"))


def guessed(said: Mapping[str, Any]) -> Range:
    """A range that is said without its kind. Raises ValueError."""
    if "Values" in said:
        return _range("CategoricalParameterRanges", said, str)
    whole_ends = all(re.fullmatch(r"[-+]?\d+", str(said.get(key))) for key in ("MinValue", "MaxValue"))
    return _range("IntegerParameterRanges" if whole_ends else "ContinuousParameterRanges", said, str)


def scaled(low: float, high: float, scaling: object) -> Range:
    """A range of numbers under a ScalingType; whole ends are whole numbers. Raises ValueError."""
    whole_ends = isinstance(low, int) and isinstance(high, int)
    if scaling == "Logarithmic":
        return ranges.log_integers(int(low), int(high)) if whole_ends else ranges.log_uniform(low, high)
    note = ""
    if scaling == "ReverseLogarithmic":
        note = "ScalingType ReverseLogarithmic has no counterpart: drawn evenly"
    elif scaling not in ("Auto", "Linear"):
        raise ValueError(f"{brief(scaling)} is no ScalingType")
    return ranges.integers(int(low), int(high), note) if whole_ends else ranges.uniform(low, high, note)


def _end(said: Mapping[str, Any], key: str, is_whole: bool) -> float:
    try:
        number = float(said[key])
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"{key} must be a number, not {brief(said.get(key))}") from None
    if is_whole and number != int(number):
        raise ValueError(f"{key} must be a whole number, not {brief(said[key])}")
    return int(number) if is_whole else number


def _strategy(converted: Converted, config: Mapping[str, Any], axes: Mapping[str, Range]) -> None:
    limits = mapping_of(converted, config, "ResourceLimits", (CONFIG,))
    count = whole(limits.get("MaxNumberOfTrainingJobs"))
    strategy = config.get("Strategy")
    if strategy not in STRATEGIES:
        what = f"{brief(strategy)} is not one of {', '.join(STRATEGIES)}{nearest(strategy, STRATEGIES)}"
        return converted.wrong((CONFIG, "Strategy"), what)
    if strategy == "Grid":
        return converted.grid(axes)
    if count is None:
        return converted.wrong((CONFIG, "ResourceLimits", "MaxNumberOfTrainingJobs"), "is needed: how many trials")
    seed = {"seed": config["RandomSeed"]} if isinstance(config.get("RandomSeed"), int) else {}
    if strategy == "Random":
        return converted.search("random", axes, count, **seed)
    if strategy == "Bayesian":
        converted.lose("Strategy: Bayesian", "Optuna's tpe proposes the trials (pip install 'sweeper[optuna]')")
    return converted.search("optuna", axes, count, **seed)


def _ends(converted: Converted, config: Mapping[str, Any]) -> None:
    """What ends a job, or all of it, early."""
    limits = mapping_of(converted, config, "ResourceLimits", (CONFIG,))
    parallel = whole(limits.get("MaxParallelTrainingJobs")) or 1
    if parallel > 1:
        converted.lose(
            f"MaxParallelTrainingJobs: {parallel}",
            "jobs run one after another on one warm pool; elsewhere see backend.max_in_flight",
        )
    if seconds := whole(limits.get("MaxRuntimeInSeconds")):
        converted.section("stop")["max_seconds"] = seconds
    bands = mapping_of(converted, mapping_of(converted, config, "StrategyConfig", (CONFIG,)), "HyperbandStrategyConfig")
    if config.get("Strategy") == "Hyperband":
        converted.section("prune")["halving"] = {"first": whole(bands.get("MinResource")) or 1}
        if "MaxResource" in bands:
            converted.lose("HyperbandStrategyConfig.MaxResource", "say the epochs as a hyperparameter")
    elif config.get("TrainingJobEarlyStoppingType") == "Auto":
        converted.section("prune")["median"] = {}
    if "prune" in converted.sections and "objective" not in converted.sections:
        del converted.sections["prune"]
        converted.lose("early stopping", "needs an objective, which says what is better")
    _criteria(converted, mapping_of(converted, config, "TuningJobCompletionCriteria", (CONFIG,)))
    known = (
        "Strategy", "StrategyConfig", "HyperParameterTuningJobObjective", "ResourceLimits", "ParameterRanges",
        "TrainingJobEarlyStoppingType", "TuningJobCompletionCriteria", "RandomSeed",
    )  # fmt: skip
    lose_all(converted, config, known, {})


def _criteria(converted: Converted, said: Mapping[str, Any]) -> None:
    objective, target = converted.sections.get("objective"), said.get("TargetObjectiveMetricValue")
    if objective and is_number(target):
        op = ">=" if objective["goal"] == "maximize" else "<="
        converted.section("stop")["until"] = {"metric": objective["metric"], "op": op, "value": target}
    stuck = mapping_of(converted, said, "BestObjectiveNotImproving").get("MaxNumberOfTrainingJobsNotImproving")
    if objective and (trials := whole(stuck)):
        converted.section("stop")["no_improvement"] = {"trials": trials}
    if "ConvergenceDetected" in said:
        converted.lose("ConvergenceDetected", "the service's own judgement; stop.no_improvement is ours")


# -- objective and job --------------------------------------------------------------------------------------------


def _objective(converted: Converted, said: Any) -> None:
    """The objective; a metric that no definition finds gets one, to be checked."""
    if said is None:
        return None
    name = said.get("MetricName") if isinstance(said, Mapping) else None
    goal = str(said.get("Type", "")).lower() if isinstance(said, Mapping) else ""
    if not isinstance(name, str) or not name or goal not in ("maximize", "minimize"):
        path = (CONFIG, "HyperParameterTuningJobObjective")
        return converted.wrong(path, "needs a MetricName, and Maximize or Minimize as its Type")
    metrics = converted.section("job").setdefault("metrics", [])
    if name not in [metric.get("name") for metric in metrics]:
        metrics.append({"name": name, "regex": printed(name)})
        converted.note("job", f"no MetricDefinitions find {name}: its regex is a guess, check it against a log")
    converted.sections["objective"] = {"metric": name, "goal": goal}


def _job(converted: Converted, definition: dict[str, Any]) -> Callable[[str], Any]:
    """What every job of it runs. Returns how the text of a hyperparameter is read."""
    channels = definition.pop("InputDataConfig", None) or []
    static = definition.pop("StaticHyperParameters", None) or {}
    environment = definition.pop("Environment", None) or {}
    if definition.pop("EnableManagedSpotTraining", False):
        converted.sections["defaults"] = [{"override /backend": "spot"}, "_self_"]
        take(definition, "StoppingCondition.MaxWaitTimeInSeconds")
    _tuning_machine(definition)
    converted.section("locked").update(said_by(Locked, definition))
    job = converted.section("job")
    job.update(said_by(Job, definition))
    if job.get("input_mode") == "File":
        del job["input_mode"]
    for channel in channels:
        left = copy.deepcopy(channel)
        name = left.pop("ChannelName", "train")
        said = {key: value for key, value in said_by(Channel, left).items() if _USUAL.get(key) != value}
        job.setdefault("inputs", {})[name] = said["uri"] if said.keys() == {"uri"} else said
        _lose_members(converted, f"InputDataConfig.{name}", left)
    ours = ("HyperParameterRanges", "TuningObjective", "DefinitionName")
    _lose_members(converted, DEFINITION, {key: value for key, value in definition.items() if key not in ours})
    converted.section("environment").update(environment)
    return _hyperparameters(converted, static)


def _tuning_machine(definition: dict[str, Any]) -> None:
    """The tuning job's own way of saying machines, as ResourceConfig says them."""
    own = definition.pop("HyperParameterTuningResourceConfig", None)
    if isinstance(own, Mapping):
        machines = own.get("InstanceConfigs")
        first = machines[0] if isinstance(machines, list) and machines else own
        plain = {key: first.get(key, own.get(key)) for key in ("InstanceType", "InstanceCount", "VolumeSizeInGB")}
        plain["VolumeKmsKeyId"] = own.get("VolumeKmsKeyId")
        definition.setdefault("ResourceConfig", {key: value for key, value in plain.items() if value is not None})


def _lose_members(converted: Converted, at: str, left: Mapping[str, Any]) -> None:
    for path, value in flatten(left):
        if path and value not in (None, {}, [], False):
            converted.lose(f"{at}.{'.'.join(path)}", "no option of an experiment says it")


def _hyperparameters(converted: Converted, static: Mapping[str, Any]) -> Callable[[str], Any]:
    """The static hyperparameters, and how this job's are to be read: the SDK sends a script's as JSON."""
    job = converted.section("job")
    told = {key: value for key, value in static.items() if key.startswith(_OF_TOOLKIT)}
    by_script = "sagemaker_program" in told
    decoded: Callable[[str], Any] = _decoded if by_script else str
    for key, value in static.items():
        if key not in told:
            converted.fix(key, decoded(str(value)))
    if by_script:
        script = str(_decoded(str(told["sagemaker_program"])))
        source = _decoded(str(told.get("sagemaker_submit_directory", "")))
        job.update(source_dir=MISSING, entry_script=script, launch="toolkit")
        converted.note("job", f"source_dir: the folder of {script} on this machine; it was sent as {source}")
        for key in told.keys() - {"sagemaker_program", "sagemaker_submit_directory"}:
            converted.lose(key, "the toolkit is told so by the runner")
    elif "source_dir" not in job:
        job["launch"] = "image"
    return decoded


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
