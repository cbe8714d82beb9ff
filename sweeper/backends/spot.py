"""Managed spot training: machines at a discount that may be taken away; no pool, and checkpoints to go on from."""

from __future__ import annotations

from dataclasses import dataclass

from sweeper.core.ports import Request


@dataclass(frozen=True)
class Spot:
    """Sends jobs for spot machines, whatever keep-alive was asked for: the service refuses the two together.

    `wait_s`: the longest that a job may wait for machines, all its waits together, in seconds.
    """

    wait_s: int = 3600
    capacity: int = 1

    def shape(self, request: Request, keep_alive_s: int) -> Request:
        """The request for spot machines; MaxWaitTimeInSeconds counts the run and the waits."""
        stopping = request.get("StoppingCondition", {})
        longest = stopping.get("MaxRuntimeInSeconds", 0) + self.wait_s
        return {
            **request,
            "EnableManagedSpotTraining": True,
            "StoppingCondition": {**stopping, "MaxWaitTimeInSeconds": longest},
        }
