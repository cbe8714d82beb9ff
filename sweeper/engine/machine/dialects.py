"""The three ways a request says what to run: the v2 toolkit, the v3 driver, and an entrypoint of the image's own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import Enum
from fnmatch import fnmatchcase
from typing import Any

_PROGRAM, _SUBMIT = "sagemaker_program", "sagemaker_submit_directory"
V3_DRIVERS = "sm_drivers"
# containers whose toolkit puts the end of the script's stderr into the failure file
_CAPTURES_ERRORS = re.compile(r"pytorch|huggingface|tensorflow|mxnet", re.IGNORECASE)


class Dialect(str, Enum):
    """Who starts the training script, and therefore how it gets its hyperparameters and how it fails."""

    TOOLKIT = "toolkit"  # the image's own `train`: JSON-encoded values, sorted arguments, always exit code 1
    DRIVER_V3 = "driver_v3"  # ModelTrainer's shell script in the channel sm_drivers: the script's own exit code
    OWN = "own"  # the request's entrypoint, or what the settings say of its image


def dialect_of(request: Mapping[str, Any]) -> Dialect:
    """Tell them apart as the requests of the SDKs do."""
    channels = {channel["ChannelName"] for channel in request.get("InputDataConfig", [])}
    if request["AlgorithmSpecification"].get("ContainerEntrypoint"):
        return Dialect.DRIVER_V3 if V3_DRIVERS in channels else Dialect.OWN
    hyperparameters = request.get("HyperParameters", {})
    return Dialect.TOOLKIT if {_PROGRAM, _SUBMIT} <= set(hyperparameters) else Dialect.OWN


def submit_directory(request: Mapping[str, Any]) -> str:
    """Where the toolkit's source is: the value is JSON, but old clients sent it bare."""
    value = str(request["HyperParameters"][_SUBMIT])
    return value[1:-1] if value.startswith('"') and value.endswith('"') else value


def captures_errors(request: Mapping[str, Any]) -> bool:
    """Does this image's toolkit quote the script's stderr in its failure file?"""
    return _CAPTURES_ERRORS.search(request["AlgorithmSpecification"].get("TrainingImage", "")) is not None


def own_command(request: Mapping[str, Any], images: Mapping[str, Sequence[str]]) -> list[str]:
    """Entrypoint and arguments; empty when neither the request nor the settings name any."""
    algorithm = request["AlgorithmSpecification"]
    arguments = list(algorithm.get("ContainerArguments", []))
    if entrypoint := algorithm.get("ContainerEntrypoint"):
        return [*entrypoint, *arguments]
    image = algorithm.get("TrainingImage") or algorithm.get("AlgorithmName", "")
    for pattern, entrypoint in images.items():
        if fnmatchcase(image, pattern):
            return [*entrypoint, *(arguments or ["train"])]  # a container's command is `train`
    return []
