"""Requests judged as the service does, from botocore's own model plus what botocore's validator skips."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timezone
from difflib import get_close_matches
from functools import cache
from typing import Any

from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StringShape, StructureShape

from sweeper.engine.errors import ServiceError, invalid

_MAX_TEXT = 60_000
_NUMBERS = ("integer", "long", "float", "double")
_BITS = {"integer": 31, "long": 63}
_JSON_TYPES: dict[str, tuple[type, ...]] = {
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "boolean": (bool,),
    "timestamp": (int, float, str),
}
_KINDS = {"structure": "a mapping", "map": "a mapping", "list": "a list", "string": "text", "boolean": "true or false"}
_KINDS |= {"integer": "a whole number", "long": "a whole number", "float": "a number", "double": "a number"}
# Java's character classes that Python's re does not know
_CLASSES = ((r"\p{L}\p{Z}\p{N}", r"\w\s"), (r"\p{Alnum}", "a-zA-Z0-9"))


_LOADER = Loader()  # it looks through every service there is, once


@cache
def model(service: str = "sagemaker") -> ServiceModel:
    """The service model that ships with botocore."""
    return ServiceModel(_LOADER.load_service_model(service, "service-2"))


@cache
def operation(name: str, service: str = "sagemaker") -> OperationModel | None:
    """An operation's model; None when the service has no such operation."""
    known = model(service)
    return known.operation_model(name) if name in known.operation_names else None


def validated(name: str, params: object, service: str = "sagemaker") -> dict[str, Any]:
    """The parameters with timestamps as epoch seconds and unknown members dropped, or a ValidationException."""
    shape = _input(name, service)
    if not isinstance(params, dict):
        raise ServiceError("SerializationException", "Start of structure or map found where not expected.")
    try:
        cleaned = _clean(shape, params)
    except RecursionError as error:
        raise ServiceError("SerializationException", "The request is nested too deeply.") from error
    assert isinstance(cleaned, dict)
    problems = list(_constraints(shape, cleaned, ""))
    if problems:
        several = "errors" if len(problems) > 1 else "error"
        raise invalid(f"{len(problems)} validation {several} detected: {'; '.join(problems)}"[:_MAX_TEXT])
    for rule in _RULES.get(name, ()):
        rule(cleaned)
    return cleaned


def of_piece(name: str, piece: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """What the model does not allow in a piece of an operation's parameters, by its path; nothing has to be there."""
    return _of_piece(_input(name, "sagemaker"), piece, ())


def of_whole(name: str, params: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """The same of all of its parameters, where what is required has to be there."""
    return _of_piece(_input(name, "sagemaker"), params, (), whole=True)


def across(name: str, params: Mapping[str, Any]) -> Iterator[str]:
    """What is refused of several members together, each of which the model allows."""
    for rule in _RULES.get(name, ()):
        try:
            rule(params)
        except ServiceError as error:
            yield error.message


def _of_piece(
    shape: Shape, value: Any, path: tuple[str | int, ...], *, whole: bool = False
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    kind = shape.type_name
    fits = isinstance(value, _JSON_TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))
    if not fits:
        yield path, f"must be {_KINDS.get(kind, kind)}"
        return
    yield from ((path, reason) for reason in _own(shape, value))
    if isinstance(shape, StructureShape):
        for name, inner in value.items():
            if name in shape.members:
                yield from _of_piece(shape.members[name], inner, (*path, name), whole=whole)
            else:
                yield (*path, name), f"is no member of {shape.name}{_meant(name, shape)}"
        missing = [name for name in shape.required_members if name not in value] if whole else []
        yield from (((*path, name), "Member must not be null") for name in missing)
    elif isinstance(shape, ListShape):
        for position, inner in enumerate(value):
            yield from _of_piece(shape.member, inner, (*path, position), whole=whole)
    elif isinstance(shape, MapShape):
        for name, inner in value.items():
            yield from _of_piece(shape.value, inner, (*path, name), whole=whole)


def _meant(name: str, shape: StructureShape) -> str:
    near = get_close_matches(name, shape.members, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; there is {', '.join(shape.members)}"


def shaped(name: str, answer: Mapping[str, Any], service: str = "sagemaker") -> dict[str, Any]:
    """The answer as it goes over the wire: members the model does not know are dropped, times are epoch seconds."""
    model_of = operation(name, service)
    if model_of is None or model_of.output_shape is None:
        return {}
    out = _shape(model_of.output_shape, answer)
    assert isinstance(out, dict)
    return out


def broken(name: str, answer: Mapping[str, Any], service: str = "sagemaker") -> list[str]:
    """What of an answer of ours the model's own constraints would not allow."""
    model_of = operation(name, service)
    if model_of is None or model_of.output_shape is None:
        return []
    return list(_constraints(model_of.output_shape, answer, ""))


def _input(name: str, service: str) -> Shape:
    known = operation(name, service)
    assert known is not None and known.input_shape is not None, f"{name} takes no parameters"
    return known.input_shape


def _shape(shape: Shape, value: Any) -> Any:
    if isinstance(shape, StructureShape):
        return {k: _shape(shape.members[k], v) for k, v in value.items() if k in shape.members and v is not None}
    if isinstance(shape, ListShape):
        return [_shape(shape.member, v) for v in value]
    if isinstance(shape, MapShape):
        return {k: _shape(shape.value, v) for k, v in value.items()}
    return round(value, 3) if shape.type_name == "timestamp" else value


def _clean(shape: Shape, value: Any) -> Any:
    """Parse as the service's own deserialiser does: a wrong type is a SerializationException."""
    kind = shape.type_name
    if not isinstance(value, _JSON_TYPES[kind]) or (isinstance(value, bool) and kind != "boolean"):
        raise ServiceError("SerializationException", f"{type(value).__name__} value cannot be converted to {kind}")
    if isinstance(value, int) and kind in _BITS and abs(value) >= 1 << _BITS[kind]:
        raise ServiceError("SerializationException", f"{str(value)[:40]} is too large for {kind}")
    return _parse(shape, value)


def _parse(shape: Shape, value: Any) -> Any:
    if isinstance(shape, StructureShape):
        return {k: _clean(shape.members[k], v) for k, v in value.items() if k in shape.members and v is not None}
    if isinstance(shape, ListShape):
        return [_clean(shape.member, v) for v in value if v is not None]
    if isinstance(shape, MapShape):
        return {k: _clean(shape.value, v) for k, v in value.items() if v is not None}
    return _epoch(value) if shape.type_name == "timestamp" else value


def _epoch(value: float | str) -> float:
    if not isinstance(value, str):
        return float(value)
    try:
        parsed = datetime.fromisoformat(value.replace("Z", "+00:00"))
    except ValueError as error:
        raise ServiceError("SerializationException", f"{value[:40]!r} is not a timestamp") from error
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=timezone.utc)).timestamp()


def _constraints(shape: Shape, value: Any, path: str) -> Iterator[str]:
    """Every constraint of the model this value breaks, in the service's words."""
    yield from (f"Value {_quoted(value)} at '{path}' failed to satisfy constraint: {c}" for c in _own(shape, value))
    if isinstance(shape, (ListShape, MapShape)) and len(value) > shape.metadata.get("max", len(value)):
        return  # one reason is enough: what is wrong with each of too many helps nobody
    if isinstance(shape, StructureShape):
        for name in shape.required_members:
            if name not in value:
                at = _join(path, name)
                yield f"Value null at '{at}' failed to satisfy constraint: Member must not be null"
        for name, inner in value.items():
            yield from _constraints(shape.members[name], inner, _join(path, name))
    elif isinstance(shape, ListShape):
        for number, inner in enumerate(value, start=1):
            yield from _constraints(shape.member, inner, f"{path}.{number}.member")
    elif isinstance(shape, MapShape):
        for name, inner in value.items():
            yield from _constraints(shape.key, name, path)
            yield from _constraints(shape.value, inner, f"{path}.{name}.member")


def _own(shape: Shape, value: Any) -> Iterator[str]:
    limits, kind = shape.metadata, shape.type_name
    if kind in _NUMBERS:
        yield from _bounds(value, limits, "value")
    elif kind in ("string", "list", "map"):
        yield from _bounds(len(value), limits, "length")
    if isinstance(shape, StringShape):
        if shape.enum and value not in shape.enum:
            yield f"Member must satisfy enum value set: [{', '.join(shape.enum)}]"
        pattern = limits.get("pattern")
        if pattern is not None and _compiled(str(pattern)).fullmatch(value) is None:
            yield f"Member must satisfy regular expression pattern: {pattern}"


def _bounds(size: float, limits: Mapping[str, Any], word: str) -> Iterator[str]:
    if "min" in limits and size < limits["min"]:
        yield f"Member must have {word} greater than or equal to {limits['min']}"
    if "max" in limits and size > limits["max"]:
        yield f"Member must have {word} less than or equal to {limits['max']}"


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    for java, python in _CLASSES:
        pattern = pattern.replace(java, python)
    # the service's dot does not match a line end, but its `.*` on values is meant for any text
    return re.compile(pattern, re.DOTALL if pattern.endswith(".*") else 0)


def _quoted(value: Any) -> str:
    return f"'{str(value)[:200]}'"


def _join(path: str, name: str) -> str:
    """The service spells members in lower camel case and joins them with dots."""
    member = name[0].lower() + name[1:]
    return f"{path}.{member}" if path else member


# ---------------------------------------------------------------------- rules over several fields

Rule = Callable[[Mapping[str, Any]], None]
# Types with local NVMe storage take no volume of their own, hence no key for it.
_LOCAL_STORAGE = re.compile(
    r"ml\.(g4dn|g5|g6|g6e|gr6|g7|g7e|p4d|p4de|p5|p5e|p5en|p6.*|trn1|trn1n|trn2|[a-z]+\d+[a-z]*d[a-z]*)\."
)


_MOST_WAIT_WITHOUT_CHECKPOINTS_S = 3600


def _algorithm(params: Mapping[str, Any]) -> None:
    algorithm = params.get("AlgorithmSpecification")
    if algorithm is None:
        if "ServerlessJobConfig" not in params:
            raise invalid("AlgorithmSpecification must be specified.")
        return
    if ("TrainingImage" in algorithm) == ("AlgorithmName" in algorithm):
        raise invalid(
            "You must specify either a TrainingImage or an AlgorithmName in AlgorithmSpecification, and not both."
        )
    names = [metric["Name"] for metric in algorithm.get("MetricDefinitions", [])]
    if len(set(names)) != len(names):
        raise invalid("MetricDefinitions must have unique names.")


def _resources(params: Mapping[str, Any]) -> None:
    resources = params.get("ResourceConfig")
    if resources is None:
        if "ServerlessJobConfig" not in params:
            raise invalid("ResourceConfig must be specified.")
        return
    plain = [k for k in ("InstanceType", "InstanceCount") if k in resources]
    if resources.get("InstanceGroups"):
        if plain:
            raise invalid("You cannot specify both InstanceGroups and InstanceType or InstanceCount in ResourceConfig.")
    elif not resources.get("InstancePreferences") and len(plain) < 2:
        raise invalid("InstanceType and InstanceCount must be specified in ResourceConfig.")
    if resources.get("InstanceCount", 1) < 1:
        raise invalid("InstanceCount must be greater than or equal to 1.")
    if "VolumeKmsKeyId" in resources and _LOCAL_STORAGE.match(resources.get("InstanceType", "")):
        raise invalid(
            "VolumeKmsKeyId is not supported for instance types with local storage: "
            f"{resources['InstanceType']} encrypts it by hardware."
        )


def _preferences(params: Mapping[str, Any]) -> None:
    resources = params.get("ResourceConfig", {})
    if not (preferred := resources.get("InstancePreferences")):
        return
    for other in ("InstanceType", "InstanceGroups", "InstancePlacementConfig"):
        if resources.get(other):
            raise invalid(f"InstancePreferences cannot be specified together with {other} in ResourceConfig.")
    if params.get("EnableManagedSpotTraining"):
        raise invalid("InstancePreferences is not supported when EnableManagedSpotTraining is set to true.")
    if len({one["InstanceType"] for one in preferred}) < len(preferred):
        raise invalid("InstancePreferences must have unique instance types.")
    counts = ["InstanceCount" in one for one in (resources, *preferred)]
    if counts not in ([True] + [False] * len(preferred), [False] + [True] * len(preferred)):
        raise invalid(
            "InstancePreferences must have InstanceCount on every preference, or on none and then in ResourceConfig."
        )
    if resources.get("TrainingPlanArn") and any(one.get("TrainingPlanArns") for one in preferred):
        raise invalid("InstancePreferences with TrainingPlanArns cannot be specified together with TrainingPlanArn.")


def _selected(params: Mapping[str, Any]) -> None:
    for name in ("SelectedInstanceType", "SelectedInstanceCount"):
        if name in params.get("ResourceConfig", {}):
            raise invalid(f"{name} is read-only and cannot be specified in ResourceConfig.")


def _warm_pool(params: Mapping[str, Any]) -> None:
    resources = params.get("ResourceConfig", {})
    if not resources.get("KeepAlivePeriodInSeconds"):
        return
    if resources.get("InstanceGroups"):
        raise invalid("KeepAlivePeriodInSeconds is not supported for heterogeneous clusters.")


def _waiting(params: Mapping[str, Any]) -> None:
    stopping = params.get("StoppingCondition", {})
    wait = stopping.get("MaxWaitTimeInSeconds")
    if not params.get("EnableManagedSpotTraining"):
        if wait is not None:
            raise invalid(
                "Invalid MaxWaitTimeInSeconds. It is only supported when EnableManagedSpotTraining is set to true"
            )
        return
    if wait is None:
        raise invalid("MaxWaitTimeInSeconds must be specified when EnableManagedSpotTraining is set to true")
    if wait < stopping.get("MaxRuntimeInSeconds", 86400):
        raise invalid("Invalid MaxWaitTimeInSeconds. It must be equal to or greater than MaxRuntimeInSeconds")
    built_in = "AlgorithmName" in params.get("AlgorithmSpecification", {})
    if built_in and wait > _MOST_WAIT_WITHOUT_CHECKPOINTS_S and "CheckpointConfig" not in params:
        raise invalid(
            "Invalid MaxWaitTimeInSeconds. Without a CheckpointConfig a built-in or marketplace algorithm is limited "
            f"to {_MOST_WAIT_WITHOUT_CHECKPOINTS_S} seconds"
        )


def _channels(params: Mapping[str, Any]) -> None:
    names = [channel["ChannelName"] for channel in params.get("InputDataConfig", [])]
    if len(set(names)) != len(names):
        raise invalid("InputDataConfig must have unique channel names.")
    for channel in params.get("InputDataConfig", []):
        # the pattern of the model lets these through, and they are no folder of the channel's own
        if set(channel["ChannelName"]) == {"."}:
            raise invalid(f"ChannelName '{channel['ChannelName']}' is not a valid channel name.")


def _input_modes(params: Mapping[str, Any]) -> None:
    usual = params.get("AlgorithmSpecification", {}).get("TrainingInputMode")
    for channel in params.get("InputDataConfig", []):
        mode, source = channel.get("InputMode", usual), channel.get("DataSource", {})
        kind = source.get("S3DataSource", {}).get("S3DataType")
        why = ""
        if kind == "AugmentedManifestFile" and mode != "Pipe":
            why = "AugmentedManifestFile is supported in Pipe mode only."
        elif mode == "FastFile" and kind not in (None, "S3Prefix"):
            why = f"FastFile mode supports S3Prefix only, not {kind}."
        elif "FileSystemDataSource" in source and mode != "File":
            why = "FileSystemDataSource is supported in File mode only."
        if why:
            raise invalid(f"Invalid InputMode {mode} for channel {channel['ChannelName']}. {why}")


def _tags(params: Mapping[str, Any]) -> None:
    keys = [tag["Key"] for tag in params.get("Tags", [])]
    if len(set(keys)) != len(keys):
        raise invalid("Duplicate tag keys found. Please note that tag keys are case insensitive.")
    for key in keys:
        if key.lower().startswith("aws:"):
            raise invalid("aws: prefixed tag key names are not allowed for external use.")


_RULES: Mapping[str, tuple[Rule, ...]] = {
    "CreateTrainingJob": (
        _algorithm, _resources, _preferences, _selected, _warm_pool, _waiting, _channels, _input_modes, _tags,
    ),
    "AddTags": (_tags,),
}  # fmt: skip
