"""A script that trains with SageMaker's SDK, v3 `ModelTrainer` or v2 `Estimator`: it is read and never run. Pure."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sweeper.config.foreign import ranges
from sweeper.config.foreign.constants import Computed, Constants, called, calls
from sweeper.config.foreign.converted import HYPERPARAMETERS, MISSING, Converted, printed, whole
from sweeper.config.foreign.ranges import Range
from sweeper.config.foreign.tuning_job import scaled
from sweeper.config.problems import brief
from sweeper.config.theirs import RUNNERS, SDK

TRAINERS = ("ModelTrainer",)
FRAMEWORKS = ("PyTorch", "TensorFlow", "HuggingFace", "SKLearn", "XGBoost", "MXNet", "Chainer")
ESTIMATORS = ("Estimator", "Framework", *FRAMEWORKS)
TUNER = "HyperparameterTuner"
DEFAULTS = {"ModelTrainer": ("ml.m5.xlarge", 3600)}
"""What v3 takes for the machine and the longest run where nothing is said."""
DEFAULT_RUNTIME_S = 86400
"""The same in v2."""

_LOCKED, _JOB = "locked", "job"
_OBJECTS = (
    "SourceCode",
    "Compute",
    "Networking",
    "StoppingCondition",
    "OutputDataConfig",
    "CheckpointConfig",
    "RetryStrategy",
)
"""What `ModelTrainer` takes in parts; the arguments of each are fields."""
_SILENT = ("sagemaker_session", "base_job_name", "disable_output_compression")
_SPOT = ("use_spot_instances", "enable_managed_spot_training")
_WHY = {
    "framework_version": "chooses the image, which is to be written",
    "py_version": "chooses the image, which is to be written",
    "transformers_version": "chooses the image, which is to be written",
    "pytorch_version": "chooses the image, which is to be written",
    "tensorflow_version": "chooses the image, which is to be written",
    "distributed": "job.launcher starts several processes: torchrun or mpirun",
    "distribution": "job.launcher starts several processes: torchrun or mpirun",
    "max_wait": "backend.wait_s is how long a spot job may wait",
    "max_wait_time_in_seconds": "backend.wait_s is how long a spot job may wait",
    "dependencies": "put what the script needs into source_dir",
    "git_config": "source_dir is a folder of this machine",
}


@dataclass
class _Script:
    """The calls of a script that say something of its training."""

    tree: ast.Module
    constants: Constants
    converted: Converted
    calls: list[ast.Call] = field(default_factory=list)
    started: dict[str, Any] = field(default_factory=dict)
    """The command and its args that `SourceCode` has in place of an entry script."""

    def named(self, *names: str) -> list[ast.Call]:
        """The calls of these classes or methods, in the order of the script."""
        return [call for call in self.calls if called(call) in names]


def looks_like(text: str) -> bool:
    """True for a Python script that makes a trainer or an estimator."""
    try:
        found = calls(ast.parse(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return any(called(call) in (*TRAINERS, *ESTIMATORS) for call in found)


def convert(text: str) -> Converted:
    """The training of a script as an experiment; what is computed when it runs is left to be written."""
    tree = ast.parse(text)
    trains = [call for call in calls(tree) if called(call) in (*TRAINERS, *ESTIMATORS)]
    made = trains[0]
    name = called(made)
    converted = Converted(f"a script with SageMaker's {name}")
    for other in trains[1:]:
        converted.lose(f"{called(other)} in line {other.lineno}", "one experiment is one trainer; the first is taken")
    script = _Script(tree, Constants(tree), converted, calls(tree))
    _arguments(script, made)
    _methods(script)
    _tuned(script)
    _command(script)
    _complete(converted, name)
    return converted


# -- the trainer --------------------------------------------------------------------------------------------------


def _arguments(script: _Script, call: ast.Call) -> None:
    converted, own = script.converted, called(call)
    if call.args and own in ESTIMATORS and own != "Estimator":
        _said(script, "entry_point", call.args[0])
    elif call.args and own == "Estimator":
        for name, node in zip(("image_uri", "role", "instance_count", "instance_type"), call.args, strict=False):
            _said(script, name, node)
    for word in call.keywords:
        if word.arg is None:
            converted.lose(f"**{ast.unparse(word.value)}", "what it holds is computed when the script runs")
        else:
            _said(script, word.arg, word.value)


def _said(script: _Script, name: str, node: ast.expr) -> None:
    """One argument of the trainer, or of an object that it takes."""
    converted = script.converted
    node = script.constants.node(node)
    if isinstance(node, ast.Call) and called(node) in _OBJECTS:
        for word in node.keywords:
            _said(script, str(word.arg), word.value)
        return
    value = script.constants.value(node)
    if value is None or name in _SILENT:
        return
    if name in ("command", "args"):
        script.started[name] = value
    elif name == "distributed" and isinstance(node, ast.Call) and called(node) in RUNNERS:
        _launcher(script, node)
    elif name in SDK:
        section, key = SDK[name]
        converted.section(section)[key] = _known(converted, section, key, value)
    elif name in (HYPERPARAMETERS, "environment"):
        _mapping(converted, name, value)
    elif name == "metric_definitions":
        _metrics(script, node)
    elif name in ("inputs", "input_data_config"):
        _inputs(script, node)
    elif name == "tags":
        _tags(converted, value)
    elif name in _SPOT:
        if value is not False:
            converted.sections["defaults"] = [{"override /backend": "spot"}, "_self_"]
    else:
        converted.lose(name, _WHY.get(name, "no option of an experiment says it"))


def _launcher(script: _Script, made: ast.Call) -> None:
    """What starts several processes: one of version 3's objects."""
    job = script.converted.section(_JOB)
    job["launcher"] = RUNNERS[called(made)]
    for word, value in _object(script, made).items():
        if word == "process_count_per_node":
            job["processes_per_host"] = _known(script.converted, _JOB, "processes_per_host", value)
        else:
            script.converted.lose(f"{called(made)}.{word}", "no option of an experiment says it")


_SHELL = re.compile(r"[^\w\s./:=,@%+-]")
"""What a shell makes something of."""


def _command(script: _Script) -> None:
    """A command that needs no source is the container's own; the SDK prefers it to an entry script."""
    job, command, args = script.converted.section(_JOB), script.started.get("command"), script.started.get("args", [])
    plain = isinstance(command, str) and not _SHELL.search(command)
    if plain and "source_dir" not in job and _are_words(args):
        job.pop("entry_script", None)
        job["container_entrypoint"] = str(command).split()
        job["container_arguments"] = [str(word) for word in args]
        script.converted.lose("command", "starts without the SDK's driver, and the variables that it sets (SM_HPS)")
        return
    for name in script.started:
        script.converted.lose(name, "the driver starts entry_script, with the hyperparameters as its arguments")
    if script.started and "entry_script" not in job:
        script.converted.note(_JOB, "entry_script: a command starts it in the script: write it here")
        job["entry_script"] = MISSING


def _are_words(args: Any) -> bool:
    return isinstance(args, list) and all(isinstance(word, (str, int, float)) for word in args)


def _known(converted: Converted, section: str, key: str, value: Any) -> Any:
    """The value, or what says that it is yet to be written, and a comment."""
    if isinstance(value, Computed):
        converted.note(section, f"{key}: {value}: write it here")
        return MISSING
    if isinstance(value, list):
        return [_known(converted, section, key, item) for item in value]
    if isinstance(value, Mapping):
        return {name: _known(converted, section, f"{key}.{name}", item) for name, item in value.items()}
    return value


def _mapping(converted: Converted, section: str, value: Any) -> None:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            converted.section(section)[name] = _known(converted, section, name, inner)
    elif isinstance(value, Computed):
        converted.note(section if section in converted.sections else _JOB, f"{section}: {value}: write them here")
        converted.lose(section, str(value))
    else:
        converted.lose(section, f"{brief(value)} is another file: write its values here")


def _tags(converted: Converted, value: Any) -> None:
    for tag in value if isinstance(value, list) else []:
        if isinstance(tag, Mapping) and isinstance(key := tag.get("Key"), str):
            converted.section(_JOB).setdefault("tags", {})[key] = _known(
                converted, _JOB, f"tags.{key}", tag.get("Value")
            )


def _metrics(script: _Script, node: ast.expr) -> None:
    """Metric definitions: mappings with Name and Regex, or `MetricDefinition(name=, regex=)`."""
    node = script.constants.node(node)
    if not isinstance(node, (ast.List, ast.Tuple)):
        return script.converted.lose("metric_definitions", str(script.constants.value(node)))
    metrics = script.converted.section(_JOB).setdefault("metrics", [])
    for item in node.elts:
        said = _object(script, item)
        pair = {key: said.get(key, said.get(key.capitalize())) for key in ("name", "regex")}
        if all(isinstance(value, str) for value in pair.values()) and pair not in metrics:
            metrics.append(pair)
        elif pair not in metrics:
            script.converted.lose("metric_definitions", f"{ast.unparse(item)} is computed when the script runs")
    return None


def _object(script: _Script, node: ast.expr) -> dict[str, Any]:
    """The arguments of an object, or a mapping, by name."""
    node = script.constants.node(node)
    if isinstance(node, ast.Call):
        return {str(word.arg): script.constants.value(word.value) for word in node.keywords}
    found = script.constants.value(node)
    return found if isinstance(found, dict) else {}


# -- channels -----------------------------------------------------------------------------------------------------

_CHANNEL = {"content_type": "content_type", "input_mode": "input_mode", "s3_data_type": "data_type"}


def _inputs(script: _Script, node: ast.expr) -> None:
    """The channels, as `fit` and `train` take them."""
    node = script.constants.node(node)
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            name = script.constants.value(key) if key is not None else None
            if isinstance(name, str):
                _channel(script, name, value)
    elif isinstance(node, (ast.List, ast.Tuple)):
        for item in node.elts:
            said = {word.arg: word.value for word in item.keywords} if isinstance(item, ast.Call) else {}
            name = script.constants.value(said["channel_name"]) if "channel_name" in said else None
            if isinstance(name, str) and "data_source" in said:
                _channel(script, name, said["data_source"])
    else:
        _channel(script, "training", node)


def _channel(script: _Script, name: str, node: ast.expr) -> None:
    """Where a channel's data lies, and how it comes."""
    node, said = script.constants.node(node), {}
    place = script.constants.value(node)
    if isinstance(node, ast.Call):
        said = _object(script, node)
        place = said.get("s3_data", said.get("s3_uri", script.constants.value(node.args[0]) if node.args else place))
    more = {ours: said[theirs] for theirs, ours in _CHANNEL.items() if isinstance(said.get(theirs), str)}
    where = _known(script.converted, _JOB, f"inputs.{name}", place)
    if isinstance(where, str):
        where = where.removeprefix("file://") if where.startswith("file://") else where
        key = "uri" if where.startswith("s3:") or where == MISSING else "folder"
        made = {key: where, **{k: v for k, v in more.items() if v != "S3Prefix"}}
        script.converted.section(_JOB).setdefault("inputs", {})[name] = made if len(made) > 1 else where


# -- what is said after it is made ---------------------------------------------------------------------------------


def _methods(script: _Script) -> None:
    """What the trainer is told by its methods."""
    for call in script.named("with_metric_definitions"):
        for node in call.args or [word.value for word in call.keywords]:
            _metrics(script, node)
    for call in script.named("set_hyperparameters"):
        for word in call.keywords:
            if word.arg:
                _mapping(script.converted, HYPERPARAMETERS, {word.arg: script.constants.value(word.value)})
    for call in script.named("fit", "train"):
        nodes = [*call.args[:1], *(w.value for w in call.keywords if w.arg in ("inputs", "input_data_config"))]
        for node in nodes:
            _inputs(script, node)


_TUNED = ("estimator", "objective_metric_name", "hyperparameter_ranges", "metric_definitions", "strategy")
"""What a tuner takes without saying the names."""


def _tuned(script: _Script) -> None:
    """A tuner's ranges, as a search."""
    converted = script.converted
    for call in script.named(TUNER)[:1]:
        said = dict(zip(_TUNED, call.args, strict=False))
        said |= {str(word.arg): word.value for word in call.keywords}
        if "metric_definitions" in said:
            _metrics(script, said["metric_definitions"])
        _objective(script, said)
        axes = dict(_axes(script, said.get("hyperparameter_ranges")))
        for key, axis in axes.items():
            converted.fix(key, None)
            if axis.note:
                converted.lose(key, axis.note)
        strategy = _text(script, said, "strategy", "Bayesian")
        count = whole(script.constants.value(said["max_jobs"])) if "max_jobs" in said else 1
        if strategy == "Grid":
            converted.grid(axes)
        elif count is None:
            converted.lose("max_jobs", "is computed when the script runs: one trial here")
            count = 1
        if strategy != "Grid" and count:
            converted.search("random" if strategy == "Random" else "optuna", axes, count)
        if strategy == "Hyperband" or _text(script, said, "early_stopping_type", "Off") == "Auto":
            converted.section("prune").update({"halving": {}} if strategy == "Hyperband" else {"median": {}})
        if "max_parallel_jobs" in said:
            converted.lose(
                "max_parallel_jobs",
                "jobs run one after another on one warm pool; elsewhere see backend.max_in_flight",
            )


def _text(script: _Script, said: Mapping[str, ast.expr], key: str, usual: str) -> str:
    value = script.constants.value(said[key]) if key in said else usual
    return value if isinstance(value, str) else usual


def _objective(script: _Script, said: Mapping[str, ast.expr]) -> None:
    name, goal = _text(script, said, "objective_metric_name", ""), _text(script, said, "objective_type", "Maximize")
    if not name:
        return
    metrics = script.converted.section(_JOB).setdefault("metrics", [])
    if name not in [metric["name"] for metric in metrics]:
        metrics.append({"name": name, "regex": printed(name)})
        script.converted.note(_JOB, f"no metric_definitions find {name}: its regex is a guess, check it against a log")
    script.converted.sections["objective"] = {"metric": name, "goal": goal.lower()}


def _axes(script: _Script, node: ast.expr | None) -> Iterator[tuple[str, Range]]:
    node = script.constants.node(node) if node is not None else None
    if not isinstance(node, ast.Dict):
        if node is not None:
            script.converted.lose("hyperparameter_ranges", str(script.constants.value(node)))
        return
    for key, value in zip(node.keys, node.values, strict=True):
        name, made = script.constants.value(key) if key is not None else None, script.constants.node(value)
        if not isinstance(name, str) or not isinstance(made, ast.Call):
            script.converted.lose("hyperparameter_ranges", f"{ast.unparse(value)} is computed when the script runs")
            continue
        try:
            yield name, range_of(made, script.constants)
        except (ValueError, OverflowError) as error:
            script.converted.lose(f"hyperparameter_ranges.{name}", str(error))


RANGES = ("CategoricalParameter", "IntegerParameter", "ContinuousParameter")


def range_of(call: ast.Call, constants: Constants | None = None) -> Range:
    """`ContinuousParameter(low, high)` and its kin. Raises ValueError."""
    known = constants or Constants(call)
    words = {str(word.arg): known.value(word.value) for word in call.keywords}
    given = [known.value(node) for node in call.args]
    if called(call) == "CategoricalParameter":
        values = words.get("values", given[0] if given else None)
        if not isinstance(values, list) or any(isinstance(value, Computed) for value in values):
            raise ValueError(f"{ast.unparse(call)} is computed when the script runs")
        return ranges.choice(values)
    low, high = (words.get(key, given[at] if at < len(given) else None) for at, key in enumerate(_ENDS))
    if not (ranges.is_number(low) and ranges.is_number(high)):
        raise ValueError(f"{ast.unparse(call)} is computed when the script runs")
    if called(call) == "IntegerParameter":
        return scaled(int(low), int(high), words.get("scaling_type", "Auto"))
    return scaled(float(low), float(high), words.get("scaling_type", "Auto"))


_ENDS = ("min_value", "max_value")


def _complete(converted: Converted, name: str) -> None:
    """What the SDK takes where the script says nothing, and what has to be said."""
    machine, longest = DEFAULTS.get(name, (MISSING, DEFAULT_RUNTIME_S))
    locked, job = converted.section(_LOCKED), converted.section(_JOB)
    for section, key, usual in ((_LOCKED, "role_arn", MISSING), (_LOCKED, "instance_type", machine)):
        if key not in converted.section(section):
            converted.section(section)[key] = usual
            if usual == MISSING:
                converted.note(section, f"{key}: is not said in the script: write it here")
    if "image_uri" not in job and "algorithm_name" not in job:
        converted.note(_JOB, f"image_uri: {name} looks it up when the script runs: write it here")
        job["image_uri"] = MISSING
    job.setdefault("max_runtime_s", longest)
    if "entry_script" not in job:
        job["launch"] = "image"
    elif "source_dir" not in job and isinstance(job["entry_script"], str) and job["entry_script"] != MISSING:
        converted.script(job["entry_script"])
    if locked.get("instance_type") in ("local", "local_gpu"):
        locked["instance_type"] = MISSING
        converted.note(_LOCKED, "instance_type: was the SDK's local mode: write a machine; engine=local needs none")
