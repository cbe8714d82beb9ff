"""The managed warm pool: one job at a time on one set of machines that stays between jobs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from sweeper.core.model import MOST_IN_FLIGHT, Usage
from sweeper.core.options import option
from sweeper.core.ports import Finding, Request, Sections


@dataclass(frozen=True)
class WarmPool:
    """Sends jobs with a keep-alive, so that the next one finds the machine warm."""

    kind: ClassVar[str] = "warm_pool"
    capacity: ClassVar[int] = 1
    keeps_pool: ClassVar[bool] = True
    finds_pool: ClassVar[bool] = True
    interrupts: ClassVar[bool] = False
    usage: ClassVar[Usage] = Usage.TRAINING
    through: ClassVar[None] = None

    max_in_flight: int = option(
        "always one: its jobs run one after another on the pool.", default=1, low=1, high=MOST_IN_FLIGHT
    )

    def shape(self, request: Request, keep_alive_s: int) -> Request:
        """The request with KeepAlivePeriodInSeconds (seconds); 0 leaves the field out and so ends the pool."""
        if not keep_alive_s:
            return request
        resources = {**request["ResourceConfig"], "KeepAlivePeriodInSeconds": keep_alive_s}
        return {**request, "ResourceConfig": resources}

    def refused(self, values: Sections) -> Iterator[Finding]:
        """More than one job at a time."""
        if self.max_in_flight > 1:
            yield (
                ("backend", "max_in_flight"),
                "one warm pool has one set of machines, and a second job beside the first would start cold: leave it "
                "out, or choose backend=batch, backend=spot or backend=on_demand",
            )
