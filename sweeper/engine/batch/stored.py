"""What Batch knows as it is stored, by kind and key, and how it is read back. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields

from sweeper.engine.batch.ledger import BatchLedger
from sweeper.engine.batch.records import (
    ENVIRONMENT,
    JOB,
    POLICY,
    QUEUE,
    SHARE,
    Answer,
    Attempt,
    JobStatus,
    Queue,
    Record,
    ServiceJob,
)


def dump(ledger: BatchLedger, record: Record) -> Answer | None:
    """A record as JSON holds it; None when it is gone."""
    kind, key = record
    if (told := _told(ledger).get(kind)) is not None:
        return told.get(key)
    found = ledger.queues.get(key) if kind == QUEUE else ledger.jobs.get(key)
    return None if found is None else asdict(found)


def take_up(ledger: BatchLedger, records: Iterable[tuple[str, str, Answer]]) -> None:
    """Read back what `dump` gave, by kind and key, in the order of creation."""
    for kind, key, value in records:
        if (told := _told(ledger).get(kind)) is not None:
            told[key] = value
        elif kind == QUEUE:
            used = {share: (amount, at) for share, (amount, at) in value["used"].items()}
            ledger.queues[key] = Queue(value["name"], value["told"], used)
        elif kind == JOB:
            ledger.hold(_job(value))


def _told(ledger: BatchLedger) -> Mapping[str, dict[str, Answer]]:
    """By kind, the records that are kept as they are told."""
    return {ENVIRONMENT: ledger.environments, POLICY: ledger.policies, SHARE: ledger.shares}


def _job(value: Answer) -> ServiceJob:
    """A service job, also one that an earlier version has written."""
    known = {name: value[name] for name in (f.name for f in fields(ServiceJob)) if name in value}
    known["status"] = JobStatus(known["status"])
    for attempts in ("attempts", "preempted"):
        known[attempts] = [Attempt(**attempt) for attempt in known.get(attempts, ())]
    return ServiceJob(**known)
