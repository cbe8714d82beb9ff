"""AWS Batch as a pure state machine on top of the training service: no I/O, no clock, no threads."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sweeper.engine.batch import stored
from sweeper.engine.batch.attempts import Attempts
from sweeper.engine.batch.environments import Environments
from sweeper.engine.batch.jobs import ServiceJobs
from sweeper.engine.batch.ledger import BatchLedger
from sweeper.engine.batch.policies import Policies
from sweeper.engine.batch.queueing import Queueing
from sweeper.engine.batch.queues import Queues
from sweeper.engine.batch.quota_shares import QuotaShares
from sweeper.engine.batch.records import Answer, Operations, Record, ServiceJob
from sweeper.engine.batch.tags import Tags
from sweeper.engine.training.service import Service, only_reads


class Batch:
    """Service environments, job queues, scheduling policies and service jobs, by Batch's operations.

    `validate` judges a payload as SageMaker would judge the request; it raises ServiceError.
    """

    def __init__(self, training: Service, validate: Callable[[object], Answer]) -> None:
        settings = training.settings
        prefix = settings.prefix_of("batch")
        self._ledger = ledger = BatchLedger()
        self._attempts = Attempts(training, validate, ledger)
        self._queueing = Queueing(ledger, self._attempts, youngest=settings.batch_preempts_youngest)
        self._operations: Operations = {
            **Environments(prefix, ledger).operations,
            **Policies(prefix, ledger).operations,
            **Queues(prefix, ledger, self._attempts).operations,
            **QuotaShares(ledger, self._attempts).operations,
            **ServiceJobs(settings, prefix, ledger, self._attempts).operations,
            **Tags(prefix, ledger).operations,
        }
        self.operations = frozenset(self._operations)
        """The operations this service knows."""

    @property
    def jobs(self) -> Mapping[str, ServiceJob]:
        """Every service job by its id, in the order of submission."""
        return self._ledger.jobs

    @property
    def changed(self) -> set[Record]:
        """What changed since its writer last cleared it."""
        return self._ledger.changed

    def call(self, operation: str, params: Mapping[str, Any], now: float) -> Answer:
        """Answer one request, or raise ServiceError. Whatever was due before `now` has happened first."""
        self.advance(now)
        answer = self._operations[operation](params, now)
        if not only_reads(operation):
            self.advance(now)
        return answer

    @staticmethod
    def role_of(params: Mapping[str, Any]) -> str:
        """The role in the payload that a call submits; empty when it has none, which is found out later."""
        try:
            payload = json.loads(params.get("serviceRequestPayload") or "{}")
        except (ValueError, RecursionError):
            return ""
        return str(payload.get("RoleArn", "")) if isinstance(payload, dict) else ""

    def advance(self, now: float) -> None:
        """Follow the training jobs, act on what is due, and send what fits."""
        self._queueing.advance(now)

    def next_due(self) -> float | None:
        """When something happens next by itself; None when nothing will."""
        return self._queueing.next_due()

    def terminate_all(self, reason: str, now: float) -> None:
        """End every job that has not ended: the engine is being stopped."""
        for job in list(self._ledger.open.values()):
            self._attempts.end(job, reason, now)
        self.advance(now)

    def dump(self, record: Record) -> Answer | None:
        """A record as JSON holds it; None when it is gone."""
        return stored.dump(self._ledger, record)

    def restore(self, records: Iterable[tuple[str, str, Answer]]) -> None:
        """Take up what an earlier process left."""
        stored.take_up(self._ledger, records)
