"""The `request` section: a piece of CreateTrainingJob in SageMaker's own words, and what it may not say. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from sweeper.core.job import Locked
from sweeper.core.members import members

Path = tuple[str | int, ...]

REFUSED: Mapping[str, str] = {
    "ResourceConfig.InstanceGroups": "several types of machines in one job leave no warm pool, and what a job costs is "
    "known of one type alone",
    "ResourceConfig.InstancePlacementConfig": "whether a warm pool matches a placement is not known",
    "InputDataConfig.DataSource.S3DataSource.InstanceGroupNames": "it belongs to instance groups",
    "ServerlessJobConfig": "a serverless job has no machine and no image, and is billed by what no budget here counts",
    "ResourceConfig.SelectedInstanceType": "it is what the service answers",
    "ResourceConfig.SelectedInstanceCount": "it is what the service answers",
}
"""Members that no request of ours has, and why not."""
DECIDED: Mapping[str, str] = {
    "TrainingJobName": "the name of a job tells whose it is",
    "HyperParameters": "write it under hyperparameters",
    "Environment": "write it under environment, where values are masked",
    "EnableManagedSpotTraining": "choose backend=spot",
    "AlgorithmSpecification.TrainingImage": "set job.image_uri",
    "AlgorithmSpecification.AlgorithmName": "set job.algorithm_name",
    "AlgorithmSpecification.ContainerEntrypoint": "set job.container_entrypoint",
    "AlgorithmSpecification.ContainerArguments": "set job.container_arguments",
    "AlgorithmSpecification.TrainingInputMode": "set job.input_mode: the code comes as files whatever the data does",
    "ResourceConfig.KeepAlivePeriodInSeconds": "set pool.keep_alive_s",
    "StoppingCondition.MaxRuntimeInSeconds": "set job.max_runtime_s",
    "StoppingCondition.MaxWaitTimeInSeconds": "choose backend=spot and set backend.wait_s",
    "OutputDataConfig.S3OutputPath": "set job.output_path",
    "OutputDataConfig.KmsKeyId": "set job.output_kms_key_id",
    "CheckpointConfig.S3Uri": "set job.checkpoint_s3_uri: each trial has a prefix of its own there",
    "CheckpointConfig.LocalPath": "set job.checkpoint_local_path",
}
"""Members that something else than an option of the same meaning depends on: said there and nowhere else."""
ALONE: Mapping[str, str] = {
    "DebugHookConfig": "Debugger is closed to new customers since July 2026",
    "DebugRuleConfigurations": "Debugger is closed to new customers since July 2026",
    "ProfilerConfig": "Profiler ends in June 2027",
    "ProfilerRuleConfigurations": "Profiler ends in June 2027",
    "ModelPackageConfig": "it belongs to serverless customization",
}
"""Members that no option says, and why not; a piece may."""


@cache
def forbidden() -> Mapping[str, str]:
    """What a piece may not say, and what to do instead."""
    locked = {member: f"is locked: set locked.{name}" for member, name in members(Locked)}
    return {
        **{member: f"cannot be set: {why}" for member, why in REFUSED.items()},
        **{member: f"is not set here: {instead}" for member, instead in DECIDED.items()},
        **locked,
    }


def refused(piece: Mapping[str, Any], own: str | None = None) -> Iterator[tuple[Path, str]]:
    """Every member of a piece that it may not say, by its path, with what to do instead.

    `own`: the channel that brings the code, if one does.
    """
    if not piece:
        return
    for member, what in forbidden().items():
        path = tuple(member.split("."))
        if _holds(piece, path):
            yield path, what
    for position, channel in enumerate(_items(piece, "InputDataConfig")):
        if own is not None and channel.get("ChannelName") == own:
            yield ("InputDataConfig", position), "brings the code: give your channel another name"
    for position, tag in enumerate(_items(piece, "Tags")):
        if str(tag.get("Key", "")).lower().startswith(RESERVED):
            yield ("Tags", position), f"has a key that begins with one of {', '.join(RESERVED)}"


RESERVED = ("sweeper:", "aws:")
"""What no tag of a user's begins with."""


def _items(piece: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    listed = piece.get(name)
    return [item for item in listed if isinstance(item, Mapping)] if isinstance(listed, list) else []


def _holds(node: Any, path: Path) -> bool:
    """Is there something at this path, in any item of the lists on the way?"""
    if path and isinstance(node, list):
        return any(_holds(item, path) for item in node)
    return not path or (isinstance(node, Mapping) and path[0] in node and _holds(node[path[0]], path[1:]))
