"""AWS Batch: every job waits in a queue that others use too, starts cold and leaves nothing behind."""

from __future__ import annotations

from dataclasses import dataclass

from sweeper.core.ports import Request
from sweeper.core.queued import QueueOptions


@dataclass(frozen=True)
class Batch(QueueOptions):
    """Sends jobs without a keep-alive, by way of its queue (sweeper.aws.batch)."""

    capacity: int = 1

    def shape(self, request: Request, keep_alive_s: int) -> Request:
        """The request as it is."""
        return request
