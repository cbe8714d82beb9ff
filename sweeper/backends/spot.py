"""Managed spot training: machines at a discount that may be taken away; no pool, and checkpoints to go on from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from sweeper.core.model import Usage
from sweeper.core.options import option
from sweeper.core.ports import Finding, Request, Sections


@dataclass(frozen=True)
class Spot:
    """Sends jobs for spot machines, whatever keep-alive was asked for: the service refuses the two together."""

    kind: ClassVar[str] = "spot"
    capacity: ClassVar[int] = 1
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
    starts_over: bool = option(
        "a job whose machine is taken away begins anew: no place for checkpoints is needed.", default=False
    )

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
        """Without a place for checkpoints an interruption would lose everything."""
        if not (values["job"]["checkpoint_s3_uri"] or self.starts_over):
            yield (
                ("job", "checkpoint_s3_uri"),
                "is missing: backend=spot needs a place for checkpoints, s3://BUCKET/PREFIX; "
                "each trial gets its own below; or set backend.starts_over: true",
            )
        if values["pool"]["keep_alive_s"]:
            yield ("pool", "keep_alive_s"), "a spot job leaves no warm pool: leave it out, or set pool.keep_alive_s=0"
