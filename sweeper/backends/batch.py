"""AWS Batch: every job waits in a queue that others use too, starts cold and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from sweeper.core.model import MOST_IN_FLIGHT, Usage
from sweeper.core.options import option
from sweeper.core.ports import Finding, Request, Sections
from sweeper.core.queued import QueueOptions

_RETRY_ON = [*QueueOptions("").retry_on]


@dataclass(frozen=True)
class Batch(QueueOptions):
    """Sends jobs without a keep-alive, by way of its queue (sweeper.aws.batch)."""

    kind: ClassVar[str] = "batch"
    keeps_pool: ClassVar[bool] = False
    finds_pool: ClassVar[bool] = False
    interrupts: ClassVar[bool] = False
    usage: ClassVar[Usage] = Usage.TRAINING

    max_in_flight: int = option(
        "how many jobs may be in the queue at once; how many of them run is for its scheduler to say.",
        default=20,
        low=1,
        high=MOST_IN_FLIGHT,
    )

    @property
    def capacity(self) -> int:
        """As many as are declared."""
        return self.max_in_flight

    @property
    def through(self) -> QueueOptions:
        """Its queue."""
        return self

    def shape(self, request: Request, keep_alive_s: int) -> Request:
        """The request as it is."""
        return request

    def refused(self, values: Sections) -> Iterator[Finding]:
        """What a queue cannot do, or would do behind our back."""
        if values["pool"]["keep_alive_s"]:
            yield (
                ("pool", "keep_alive_s"),
                "a job of a queue leaves no warm pool: leave it out, or set pool.keep_alive_s=0",
            )
        yield from self._shares(values)
        yield from self._attempts(values)

    def _shares(self, values: Sections) -> Iterator[Finding]:
        if self.quota_share and self.share_identifier:
            yield (
                ("backend", "quota_share"),
                "and backend.share_identifier are of two kinds of queues: keep the one that the queue's policy has",
            )
        if self.preemption_retries is not None and not self.quota_share:
            yield (
                ("backend", "preemption_retries"),
                "only jobs of a quota share are preempted: set backend.quota_share, or leave it out",
            )
        endless = self.quota_share and self.preemption_retries is None
        if endless and (values.get("stop") or {}).get("budget_usd") is not None:
            yield (
                ("stop", "budget_usd"),
                "a job of a quota share is started again after each preemption, and without backend.preemption_retries "
                "what it costs at worst has no bound: say how often, or leave the budget out",
            )

    def _attempts(self, values: Sections) -> Iterator[Finding]:
        longest, attempt = values["job"].get("max_runtime_s"), self.attempt_duration_s
        if attempt is not None and isinstance(longest, int) and attempt <= longest:
            yield (
                ("backend", "attempt_duration_s"),
                f"would end a job, as a failure, before job.max_runtime_s ({longest}) does: set more, or leave it out",
            )
        if self.attempts == 1 and [*self.retry_on] != _RETRY_ON:
            yield (
                ("backend", "retry_on"),
                "says when to try again, and backend.attempts is 1: set more, or leave it out",
            )
        if self.attempts > 1 and values["job"].get("max_retry_attempts"):
            yield (
                ("job", "max_retry_attempts"),
                "SageMaker would try each of the backend.attempts again: say one of the two",
            )
        again = dict(values.get("on_failure") or {}).get("internal_error")
        if self.attempts > 1 and isinstance(again, Mapping) and "retry" in again:
            yield (
                ("on_failure", "internal_error"),
                "the sweep would try again what Batch has tried backend.attempts times: say one of the two",
            )
