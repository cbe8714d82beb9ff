"""Managed spot training: machines at a discount that may be taken away; no pool, and checkpoints to go on from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from sweeper.core.images import Image
from sweeper.core.model import MOST_IN_FLIGHT, Launch, Usage
from sweeper.core.options import option
from sweeper.core.ports import Finding, Request, Sections

MOST_WAIT_S = 3600
"""MaxWaitTimeInSeconds of a job without checkpoints whose algorithm SageMaker or the Marketplace brings, at most."""


@dataclass(frozen=True)
class Spot:
    """Sends jobs for spot machines, whatever keep-alive was asked for: the service refuses the two together."""

    kind: ClassVar[str] = "spot"
    keeps_pool: ClassVar[bool] = False
    finds_pool: ClassVar[bool] = False
    interrupts: ClassVar[bool] = True
    usage: ClassVar[Usage] = Usage.SPOT
    through: ClassVar[None] = None

    wait_s: int = option(
        "the longest a job may wait for machines, all its waits together, in seconds. MaxWaitTimeInSeconds "
        "is job.max_runtime_s and this.",
        default=3600,
        low=0,
    )
    allow_restart: bool = option(
        "a job without job.checkpoint_s3_uri may run: when its machine is taken away, it begins anew on another. "
        "`sweeper plan` tells what that is expected to cost.",
        default=False,
    )
    max_in_flight: int = option(
        "how many jobs may run, or wait for machines, at once. Each counts against the account's quota.",
        default=1,
        low=1,
        high=MOST_IN_FLIGHT,
    )

    @property
    def capacity(self) -> int:
        """As many as are declared."""
        return self.max_in_flight

    def shape(self, request: Request, keep_alive_s: int) -> Request:
        """The request for spot machines; MaxWaitTimeInSeconds counts the run and the waits."""
        stopping = request.get("StoppingCondition", {})
        longest = stopping.get("MaxRuntimeInSeconds", 0) + self.wait_s
        return {
            **request,
            "EnableManagedSpotTraining": True,
            "StoppingCondition": {**stopping, "MaxWaitTimeInSeconds": longest},
        }

    def refused(self, values: Sections) -> Iterator[Finding]:
        """Without a place for checkpoints an interruption would lose everything; and what the service limits then."""
        job = values["job"]
        if not job["checkpoint_s3_uri"]:
            if not self.allow_restart:
                yield (
                    ("job", "checkpoint_s3_uri"),
                    "is missing: backend=spot needs a place for checkpoints, s3://BUCKET/PREFIX; each trial gets its "
                    "own below; or set backend.allow_restart: true, and an interrupted job begins anew",
                )
            elif _of_aws(values) and (longest := job["max_runtime_s"] + self.wait_s) > MOST_WAIT_S:
                yield (
                    ("backend", "wait_s"),
                    f"and job.max_runtime_s are {longest} s together, and a built-in or Marketplace algorithm without "
                    f"checkpoints gets {MOST_WAIT_S}: lower them, or set job.checkpoint_s3_uri",
                )
        if values["pool"]["keep_alive_s"]:
            yield ("pool", "keep_alive_s"), "a spot job leaves no warm pool: leave it out, or set pool.keep_alive_s=0"


def _of_aws(values: Sections) -> bool:
    """Is it no code of the user's that is trained, but an algorithm that SageMaker or the Marketplace brings?"""
    job = values["job"]
    if job["algorithm_name"]:
        return True
    image = Image.of(str(job["image_uri"]))
    own = str(values["locked"]["role_arn"]).split(":")[4:5]
    return image is not None and Launch(job["launch"]) is Launch.IMAGE and image.built_in and [image.account] != own
