"""AWS Batch: every job waits in a queue that others use too, starts cold and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from sweeper.core.model import Usage
from sweeper.core.ports import Finding, Request, Sections
from sweeper.core.queued import QueueOptions


@dataclass(frozen=True)
class Batch(QueueOptions):
    """Sends jobs without a keep-alive, by way of its queue (sweeper.aws.batch)."""

    kind: ClassVar[str] = "batch"
    capacity: ClassVar[int] = 1
    keeps_pool: ClassVar[bool] = False
    finds_pool: ClassVar[bool] = False
    interrupts: ClassVar[bool] = False
    usage: ClassVar[Usage] = Usage.TRAINING

    @property
    def through(self) -> QueueOptions:
        """Its queue."""
        return self

    def shape(self, request: Request, keep_alive_s: int) -> Request:
        """The request as it is."""
        return request

    def refused(self, values: Sections) -> Iterator[Finding]:
        """A keep-alive, which would be said and not kept."""
        if values["pool"]["keep_alive_s"]:
            yield (
                ("pool", "keep_alive_s"),
                "a job of a queue leaves no warm pool: leave it out, or set pool.keep_alive_s=0",
            )
