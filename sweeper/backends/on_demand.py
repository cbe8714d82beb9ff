"""On demand: every job starts cold and leaves nothing behind."""

from __future__ import annotations

from dataclasses import dataclass

from sweeper.core.ports import Request


@dataclass(frozen=True)
class OnDemand:
    """Sends jobs without a keep-alive, whatever was asked for."""

    capacity: int = 1

    def shape(self, request: Request, keep_alive_s: int) -> Request:
        """The request as it is."""
        return request
