"""The managed warm pool: one job at a time on one set of machines that stays between jobs."""

from __future__ import annotations

from dataclasses import dataclass

from sweeper.core.ports import Request


@dataclass(frozen=True)
class WarmPool:
    """Sends jobs with a keep-alive, so that the next one finds the machine warm."""

    capacity: int = 1

    def shape(self, request: Request, keep_alive_s: int) -> Request:
        """The request with KeepAlivePeriodInSeconds (seconds); 0 leaves the field out and so ends the pool."""
        if not keep_alive_s:
            return request
        resources = {**request["ResourceConfig"], "KeepAlivePeriodInSeconds": keep_alive_s}
        return {**request, "ResourceConfig": resources}
