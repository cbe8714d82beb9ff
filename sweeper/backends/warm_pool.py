"""The managed warm pool: one job at a time on one set of machines that stays between jobs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from sweeper.core.model import Usage
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

    def shape(self, request: Request, keep_alive_s: int) -> Request:
        """The request with KeepAlivePeriodInSeconds (seconds); 0 leaves the field out and so ends the pool."""
        if not keep_alive_s:
            return request
        resources = {**request["ResourceConfig"], "KeepAlivePeriodInSeconds": keep_alive_s}
        return {**request, "ResourceConfig": resources}

    def refused(self, values: Sections) -> Iterable[Finding]:
        """Nothing."""
        return ()
