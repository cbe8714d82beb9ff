"""The inverse of building a request: what an experiment has to say for it, by the same table. Pure."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sweeper.core import pieces, pool_caches
from sweeper.core.channels import Channel
from sweeper.core.job import Job, Locked
from sweeper.core.members import members, put, said_by, take
from sweeper.core.model import Launch
from sweeper.core.options import defaults_of
from sweeper.core.ports import Request
from sweeper.core.request import FINGERPRINT

DEFAULT_RUNTIME_S = 86400
"""What the service takes where a request says no MaxRuntimeInSeconds."""
_USUAL = {"data_type": "S3Prefix", "distribution": "FullyReplicated"}


@dataclass(frozen=True)
class Unbuilt:
    """What an experiment says, by section; the backend that asks for such machines; what cannot be said, and why."""

    sections: Mapping[str, Any]
    backend: str
    refused: Mapping[str, str]


def experiment_of(request: Request) -> Unbuilt:
    """The experiment whose only trial is this CreateTrainingJob. What no option says becomes its `request`."""
    left = _without_null(copy.deepcopy(dict(request)))
    left.pop("TrainingJobName", None)
    tags = {t["Key"]: t["Value"] for t in left.pop("Tags", []) if not t["Key"].lower().startswith(pieces.RESERVED)}
    hyperparameters, environment = left.pop("HyperParameters", {}), left.pop("Environment", {})
    inputs, rest = _inputs(left.pop("InputDataConfig", []))
    backend, machines = _backend(left)
    if "pool" in machines and not left.get("EnableNetworkIsolation"):
        machines["pool"] |= {} if pool_caches.are_in(environment) else {"caches": False}
        environment = pool_caches.without(environment) if pool_caches.are_in(environment) else environment
    locked = _unlike_defaults(Locked, said_by(Locked, left))
    job = _unlike_defaults(Job, said_by(Job, left))
    if job.get("input_mode") == "File":
        del job["input_mode"]
    refused = {".".join(map(str, path)): what for path, what in pieces.refused(left)}
    image = {} if "image_uri" in job else {"image_uri": None}
    job = {**image, "launch": Launch.IMAGE.value, "max_runtime_s": DEFAULT_RUNTIME_S, **job}
    sections = {
        **machines,
        "locked": locked,
        "job": {**job, **{key: said for key, said in (("inputs", inputs), ("tags", tags)) if said}},
        "hyperparameters": hyperparameters,
        "environment": {name: value for name, value in environment.items() if name != FINGERPRINT},
        "request": {**left, **({"InputDataConfig": rest} if rest else {})},
    }
    return Unbuilt({section: said for section, said in sections.items() if said}, backend, refused)


def _backend(left: Request) -> tuple[str, dict[str, Any]]:
    """Which backend asks for such machines, and what it is told; taken out of the request."""
    kept = take(left, "ResourceConfig.KeepAlivePeriodInSeconds")
    wait, spot = take(left, "StoppingCondition.MaxWaitTimeInSeconds"), left.pop("EnableManagedSpotTraining", False)
    if spot:
        longest = left.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", DEFAULT_RUNTIME_S)
        anew = {} if take(copy.deepcopy(left), "CheckpointConfig.S3Uri") else {"allow_restart": True}
        return "spot", {"backend": {"wait_s": (wait or longest) - longest, **anew}}
    return ("warm_pool", {"pool": {"keep_alive_s": kept}}) if kept else ("on_demand", {})


def requested(description: Mapping[str, Any]) -> Request:
    """The request behind an answer of DescribeTrainingJob, without what the service has filled in."""
    known = {member.partition(".")[0] for options in (Locked, Job) for member, _ in members(options)}
    known |= {member.partition(".")[0] for group in (pieces.REFUSED, pieces.DECIDED, pieces.ALONE) for member in group}
    found: Request = _without_null({name: copy.deepcopy(value) for name, value in description.items() if name in known})
    for channel in found.get("InputDataConfig", []):
        for name in ("CompressionType", "RecordWrapperType"):
            if channel.get(name) == "None":
                del channel[name]
    filled_in = {"OutputDataConfig.KmsKeyId": "", "AlgorithmSpecification.EnableSageMakerMetricsTimeSeries": False}
    filled_in |= {"ResourceConfig.KeepAlivePeriodInSeconds": 0, "ResourceConfig.InstanceCount": 0}
    for member, usual in filled_in.items():
        value = take(found, member)
        if value is not None and value != usual:
            put(found, member, value)
    for name in ("SelectedInstanceType", "SelectedInstanceCount"):
        take(found, f"ResourceConfig.{name}")
    return found


def _without_null(value: Any) -> Any:
    """Without what is null: it is as if it were not there."""
    if isinstance(value, Mapping):
        return {name: _without_null(inner) for name, inner in value.items() if inner is not None}
    return [_without_null(inner) for inner in value] if isinstance(value, list) else value


def _unlike_defaults(options: type, said: Mapping[str, Any]) -> dict[str, Any]:
    defaults = defaults_of(options)
    return {name: value for name, value in said.items() if name not in defaults or defaults[name] != value}


def _inputs(channels: list[Request]) -> tuple[dict[str, Any], list[Request]]:
    """The channels by name, and of each what no option says."""
    inputs: dict[str, Any] = {}
    rest: list[Request] = []
    for channel in channels:
        left = copy.deepcopy(dict(channel))
        name = left.pop("ChannelName")
        said = said_by(Channel, left)
        said = {key: value for key, value in said.items() if _USUAL.get(key) != value}
        inputs[name] = said["uri"] if said.keys() == {"uri"} else said
        if left:
            rest.append({"ChannelName": name, **left})
    return inputs, rest
