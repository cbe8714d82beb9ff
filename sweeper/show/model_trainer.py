"""A training job as a script of SageMaker's SDK, version 3: a `ModelTrainer` that sends the same request. Pure."""

from __future__ import annotations

import copy
import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sweeper.config.theirs import RUNNERS
from sweeper.core import pool_caches
from sweeper.core.members import snake, take
from sweeper.core.ports import Request
from sweeper.core.request import FINGERPRINT, decode_hyperparameters
from sweeper.core.secrets import looks_secret, user_info
from sweeper.core.text import harmless
from sweeper.driver.arguments import arguments
from sweeper.errors import UsageError

WIDTH = 100
CONFIGS, SHAPES = "sagemaker.core.training.configs", "sagemaker.core.shapes"
DISTRIBUTED, TRAINER = "sagemaker.train.distributed", "sagemaker.train"
SCRIPTS = (".py", ".sh")
"""What the SDK starts by itself."""
_ARGUMENTS: Mapping[str, str] = {
    "StoppingCondition": "StoppingCondition",
    "OutputDataConfig": "OutputDataConfig",
    "CheckpointConfig": "CheckpointConfig",
}
"""Members that the trainer takes as an object of the same name."""
_METHODS: Mapping[str, str] = {
    "TensorBoardOutputConfig": "with_tensorboard_output_config",
    "RetryStrategy": "with_retry_strategy",
    "InfraCheckConfig": "with_infra_check_config",
    "SessionChainingConfig": "with_session_chaining_config",
    "RemoteDebugConfig": "with_remote_debug_config",
}
"""Members that it is told by a method."""
_NETWORKING = (
    *("VpcConfig.Subnets", "VpcConfig.SecurityGroupIds"),
    *("EnableNetworkIsolation", "EnableInterContainerTrafficEncryption"),
)
"""Members that are one object."""


class Code(str):
    """Text that is Python itself."""


@dataclass(frozen=True)
class Call:
    """An object that is made; an argument without a name stands by its place."""

    name: str
    arguments: Mapping[str, Any]
    module: str = CONFIGS


@dataclass(frozen=True)
class Exported:
    """A script, and what of the request no ModelTrainer says."""

    text: str
    left: Sequence[str]


@dataclass(frozen=True)
class Start:
    """What a job starts, as the SDK's `SourceCode` and its distributed runner have it."""

    source: Mapping[str, Any] = field(default_factory=dict)
    distributed: Call | None = None


def started(code: Mapping[str, Any], hyperparameters: Mapping[str, str], job: Mapping[str, Any]) -> Start:
    """What our driver has started, for the SDK's own, else the command with which ours has called it.

    `code`: where it lies. Raises UsageError for several processes that are called as the SDK calls none.
    """
    entry, styles = str(job["entry_script"]), job.get("arguments")
    runner = next((theirs for theirs, ours in RUNNERS.items() if ours == job.get("launcher")), None)
    count = job.get("processes_per_host")
    if not styles and entry.endswith(SCRIPTS) and all(map(_stays, hyperparameters.values())):
        options = {"process_count_per_node": count} if count else {}
        return Start({**code, "entry_script": entry}, Call(runner, options, DISTRIBUTED) if runner else None)
    if runner:
        raise UsageError(f"no ModelTrainer calls {entry} as it was called and starts it by {job['launcher']} too")
    shell = "/bin/sh" if entry.endswith(".sh") else "python3"
    return Start({**code, "command": f"{shell} {shlex.quote(entry)}", "args": arguments(hyperparameters, styles)})


def _stays(value: str) -> bool:
    """Does the SDK's driver hand it on as it is? It reads it as JSON and writes it anew."""
    try:
        read = json.loads(value)
    except ValueError:
        return True
    return value == (read if isinstance(read, str) else json.dumps(read))


def script(
    request: Request, start: Start, *, name: str, head: Sequence[str], tags: Mapping[str, str], hidden: Sequence[str]
) -> Exported:
    """The script that sends this request. `hidden`: hyperparameters that hold a secret; environment variables that
    look like one are known by their names. Such values are read from the environment of who runs the script.
    """
    left = copy.deepcopy(dict(request))
    take(left, "TrainingJobName")
    take(left, "ResourceConfig.KeepAlivePeriodInSeconds")  # nobody would let go of the pool
    made = Call("ModelTrainer", {k: v for k, v in _arguments(left, start, name, tags, hidden) if v}, TRAINER)
    told = [
        rendered(Call(f"trainer.{method}", {"": Call(member, _snake(said))}))
        for member, method in _METHODS.items()
        if (said := left.pop(member, None))
    ]
    if metrics := take(left, "AlgorithmSpecification.MetricDefinitions"):
        definitions = [Call("MetricDefinition", _snake(metric)) for metric in metrics]
        told.insert(0, rendered(Call("trainer.with_metric_definitions", {"": definitions})))
    begin = ["logging.basicConfig(level=logging.INFO)  # the log of the job", ""]
    body = [*begin, f"trainer = {rendered(made)}", *told, "trainer.train()"]
    lines = [*(f"# {harmless(line)}".rstrip() for line in head), *_imports("\n".join(body)), "", *body]
    return Exported("\n".join(lines) + "\n", sorted(_members(left)))


def _arguments(
    left: Request, start: Start, name: str, tags: Mapping[str, str], hidden: Sequence[str]
) -> Iterator[tuple[str, Any]]:
    """The arguments of the trainer; what they say is taken out of the request."""
    algorithm = "AlgorithmSpecification"
    yield "training_image", take(left, f"{algorithm}.TrainingImage")
    yield "algorithm_name", take(left, f"{algorithm}.AlgorithmName")
    image = take(left, f"{algorithm}.TrainingImageConfig")
    yield "training_image_config", image and Call("TrainingImageConfig", _snake(image))
    mode = take(left, f"{algorithm}.TrainingInputMode")
    yield "training_input_mode", mode if mode != "File" else None
    yield "role", take(left, "RoleArn")
    yield "base_job_name", name
    yield "source_code", start.source and Call("SourceCode", start.source)
    yield "distributed", start.distributed
    spot = {"enable_managed_spot_training": True} if take(left, "EnableManagedSpotTraining") else {}
    yield "compute", Call("Compute", {**_snake(left.pop("ResourceConfig", {})), **spot})
    network = {snake(member.rpartition(".")[2]): take(left, member) for member in _NETWORKING}
    yield "networking", any(network.values()) and Call("Networking", {k: v for k, v in network.items() if v})
    for member, kind in _ARGUMENTS.items():
        said = left.pop(member, None)
        yield snake(member), said and Call(kind, _snake(said))
    yield "input_data_config", [_channel(channel) for channel in left.pop("InputDataConfig", [])]
    yield "environment", dict(_environment(pool_caches.without(left.pop("Environment", {}))))
    values = decode_hyperparameters(left.pop("HyperParameters", {}))
    yield "hyperparameters", {**values, **{name: _asked(name) for name in hidden if name in values}}
    yield "tags", [Call("Tag", {"key": key, "value": value}) for key, value in tags.items()]


def _channel(channel: Request) -> Call:
    """A channel in the short form where that says all of it."""
    usual = {"S3DataType": "S3Prefix", "S3DataDistributionType": "FullyReplicated"}
    place = channel["DataSource"].get("S3DataSource", {})
    short = channel.keys() <= {"ChannelName", "DataSource", "ContentType"}
    if short and {**usual, "S3Uri": place.get("S3Uri")} == place:
        kind = {"content_type": channel["ContentType"]} if "ContentType" in channel else {}
        source = {"channel_name": channel["ChannelName"], "data_source": place["S3Uri"]}
        return Call("InputData", {**source, **kind})
    return Call("Channel", _snake(channel))


def _environment(values: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if name != FINGERPRINT:
            yield name, _asked(name) if looks_secret(name) or user_info(value) else value


def _asked(name: str) -> Code:
    return Code(f"os.environ[{rendered(re.sub(r'[^A-Za-z0-9_]', '_', name))}]")


def _snake(value: Any) -> Any:
    """A piece of a request as the SDK's shapes have it: their keys in its style."""
    if isinstance(value, Mapping):
        return {snake(name): _snake(inner) for name, inner in value.items()}
    return [_snake(inner) for inner in value] if isinstance(value, list) else value


def _members(left: Mapping[str, Any]) -> Iterator[str]:
    """What is left of a request, by dotted names."""
    for name, value in left.items():
        if isinstance(value, Mapping) and value:
            yield from (f"{name}.{inner}" for inner in _members(value))
        elif value not in (None, False, [], {}):
            yield name


def _imports(body: str) -> Iterator[str]:
    """What a script needs, by module."""
    yield from ["", "import logging", *(["import os"] if "os.environ[" in body else []), ""]
    places = {"ModelTrainer": TRAINER, "Torchrun": DISTRIBUTED, "MPI": DISTRIBUTED}
    used = sorted(set(re.findall(r"\b(\w+)\(", re.sub(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'', "", body))))
    classes = [name for name in used if name[0].isupper()]
    for module in (CONFIGS, TRAINER, DISTRIBUTED):
        names = [name for name in classes if places.get(name, CONFIGS) == module]
        if names:
            yield f"from {module} import {', '.join(names)}"


# -- Python ---------------------------------------------------------------------------------------------------------


def rendered(value: Any, indent: int = 0) -> str:
    """A value as Python: on one line where that is short, else a part on each."""
    parts = _parts(value)
    if parts is None:
        return _plain(value)
    begin, inner, end = parts
    line = begin + ", ".join(f"{key}{rendered(part)}" for key, part in inner) + end
    if len(line) + indent <= WIDTH and "\n" not in line:
        return line
    blank = " " * (indent + 4)
    lines = [f"{blank}{key}{rendered(part, indent + 4)}," for key, part in inner]
    return "\n".join([begin, *lines, " " * indent + end])


def _parts(value: Any) -> tuple[str, list[tuple[str, Any]], str] | None:
    """How a compound value begins, its parts, each with what stands before it, and how it ends."""
    if isinstance(value, Call):
        return f"{value.name}(", [(f"{name}=" if name else "", part) for name, part in value.arguments.items()], ")"
    if isinstance(value, Mapping):
        return "{", [(f"{rendered(name)}: ", part) for name, part in value.items()], "}"
    if isinstance(value, (list, tuple)):
        return "[", [("", part) for part in value], "]"
    return None


def _plain(value: Any) -> str:
    if isinstance(value, Code):
        return str(value)
    if isinstance(value, str) and value.isprintable() and not set(value) & {'"', "\\"}:
        return f'"{value}"'
    return repr(value)
