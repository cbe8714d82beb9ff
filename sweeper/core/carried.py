"""A request that is too large for AWS Batch: its hyperparameters go by way of S3, and the driver reads them there.

Batch carries 10 KiB of CreateTrainingJob, SageMaker takes much more. The environment stays: secrets may be in it. Pure.
"""

from __future__ import annotations

import json
from typing import Any

from sweeper.core.ports import Request
from sweeper.core.queued import PAYLOAD_MAX, payload
from sweeper.driver import CHANNEL, VALUES_CHANNEL, VALUES_FILE
from sweeper.errors import UsageError

CHANNELS_MAX = 20
"""SageMaker takes no more of them."""


def too_large(request: Request) -> bool:
    """Is it one that Batch does not carry as it is, and that our driver starts?"""
    return len(payload(request)) > PAYLOAD_MAX and bool(request.get("HyperParameters")) and _own(request) is not None


def values(request: Request) -> dict[str, bytes]:
    """The file that the driver reads: every hyperparameter, in the order of the arguments that they become."""
    return {VALUES_FILE: json.dumps(request["HyperParameters"]).encode()}


def lightened(request: Request, where: str) -> Request:
    """The request whose largest hyperparameters lie in that file below this S3 prefix: as few as must.

    Raises UsageError where there is no room for the channel that brings it.
    """
    own, channels = _own(request), request["InputDataConfig"]
    assert own is not None
    name = str(request["TrainingJobName"])
    if len(channels) >= CHANNELS_MAX or any(channel["ChannelName"] == VALUES_CHANNEL for channel in channels):
        raise UsageError(
            f"{name}: its request is too large for AWS Batch, and there is no room for the channel {VALUES_CHANNEL} "
            f"that would bring its hyperparameters: have {CHANNELS_MAX - 2} inputs at most, and none of that name"
        )
    lies = {**own["DataSource"], "S3DataSource": {**own["DataSource"]["S3DataSource"], "S3Uri": where}}
    brings = {**own, "ChannelName": VALUES_CHANNEL, "DataSource": lies}
    kept = dict(request["HyperParameters"])
    light = {**request, "InputDataConfig": [*channels, brings], "HyperParameters": kept}
    for largest in sorted(kept, key=lambda key: (-len(kept[key]), key)):
        if len(payload(light)) <= PAYLOAD_MAX:
            break
        del kept[largest]
    return light if kept else {key: value for key, value in light.items() if key != "HyperParameters"}


def too_large_still(request: Request) -> str:
    """Why Batch does not carry a request, and what to do; empty when it does."""
    size = len(payload(request))
    if size <= PAYLOAD_MAX:
        return ""
    told = f"the request has {size} bytes, and AWS Batch carries {PAYLOAD_MAX}"
    if _own(request) is None:
        return f"{told}: shorten hyperparameters or environment; with job.launch=driver hyperparameters may be large"
    return f"{told}: shorten environment, metrics or inputs"


def _own(request: Request) -> dict[str, Any] | None:
    """The channel of our driver; None where something else starts the script."""
    channels = request.get("InputDataConfig", ())
    return next((channel for channel in channels if channel["ChannelName"] == CHANNEL), None)
