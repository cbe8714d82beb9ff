"""The chain's timeline, what its seconds went on, and the receipt: every pool, how it was closed, and what it cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sweeper.core.chain import Job
from sweeper.core.costs import cost
from sweeper.core.events import Closed
from sweeper.core.keepalive import idle_seconds
from sweeper.core.phases import Phase
from sweeper.core.words import utc
from sweeper.show.report.subject import Subject

RUNNING, IDLE = "running", "idle"
ORDER = (*(phase.value for phase in Phase), RUNNING, IDLE)
"""The phases on the page. A job that runs has one: SageMaker tells them at its end. `idle` is the pool's, behind it."""
MOST_POOLS = 300
CLOSED = {
    Closed.TERMINATED: "released",
    Closed.REUSED_BY_OWN: "taken over by the next job of this sweep",
    Closed.REUSED_BY_FOREIGN: "taken over by a job of somebody else",
    Closed.NEVER_HAD_POOL: "there was none",
    Closed.EXPIRED_BY_BOUND: "its keep-alive is over",
    Closed.ENGINE_GONE: "the local engine that held it is gone",
    Closed.HANDED_OVER: "handed to another sweep",
}


def timeline(subject: Subject) -> list[dict[str, Any]]:
    """Every job in the order of the chain: when it began, its phases, and how its pool ended.

    `spans` are [phase, seconds since the beginning of the job, seconds]; moments are UTC seconds since the epoch.
    """
    row_of = {row["trial"]: number for number, row in enumerate(subject.table.rows)}
    idle, found = idle_seconds(subject.chain), []
    for job in subject.chain.jobs.values():
        begun, spans = _spans(subject, job, idle.get(job.name))
        found.append(
            {
                "name": job.name,
                "row": row_of.get(job.intent.trial),
                "label": job.intent.label,
                "attempt": job.intent.attempt,
                "status": job.outcome.trial_status if job.outcome else "running" if job.in_debt else "interrupted",
                "pool": job.pool_word,
                "begun": begun,
                "spans": spans,
                "closed": _closed(subject, job),
                "seen": subject.closed_at.get(job.name),
            }
        )
    return found


def _spans(subject: Subject, job: Job, idle_s: float | None) -> tuple[float | None, list[list[Any]]]:
    """When a job began, and its phases; the pool that idles behind it is the last of them."""
    outcome, spans = job.outcome, _phases(subject, job)
    if outcome and outcome.ended_at is not None and idle_s:
        spans.append((IDLE, outcome.ended_at, idle_s))
    if not spans:
        return subject.intended_at.get(job.name), []
    begun = spans[0][1]
    return begun, [[phase, round(at - begun, 3), round(seconds, 3)] for phase, at, seconds in spans if seconds]


def _phases(subject: Subject, job: Job) -> list[tuple[str, float, float | None]]:
    """The phases of a job; one without transitions trained from its start to its end, one that runs does until now."""
    outcome = job.outcome
    if outcome is None:
        since = subject.intended_at.get(job.name, subject.now)
        return [(RUNNING, since, max(0.0, subject.now - since))] if job.in_debt else []
    if not outcome.transitions and outcome.started_at is not None and outcome.ended_at is not None:
        return [(Phase.TRAIN.value, outcome.started_at, max(0.0, outcome.ended_at - outcome.started_at))]
    return [(span.phase.value, span.at, span.seconds) for span in job.spans]


def _closed(subject: Subject, job: Job) -> str:
    if job.closed is None:
        return "in use" if subject.running else "may still bill"
    if job.closed is Closed.NEVER_HAD_POOL and job.acknowledged and not job.keep_alive_s:
        return "kept no pool: its machines went with it"
    return CLOSED[job.closed]


def totals(jobs: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Seconds of each phase over all jobs, those that there were."""
    spent = dict.fromkeys(ORDER, 0.0)
    for job in jobs:
        for phase, _, seconds in job["spans"]:
            spent[phase] += seconds
    return {phase: round(seconds, 3) for phase, seconds in spent.items() if seconds}


def receipt(subject: Subject) -> dict[str, Any]:
    """What was kept and let go, and what is known of its price. Seconds and dollars that nobody told are null."""
    jobs = list(subject.chain.jobs.values())
    pools = [_pool(subject, number, held) for number, held in enumerate(_pools(jobs), 1)]
    rate, bill = subject.rate, subject.receipt
    return {
        **bill.row,
        "lines": [*bill.lines],
        "pools": pools[:MOST_POOLS],
        "more": max(0, len(pools) - MOST_POOLS),
        "jobs": len(jobs),
        "usd_per_hour": None if rate is None else rate.usd_per_second * 3600,
        "as_of": rate.as_of if rate else "",
        "open": [job.name for job in subject.chain.debts.values()],
    }


def _pools(jobs: Sequence[Job]) -> Iterator[list[Job]]:
    """The jobs that ran on the same machines, one after another."""
    held: list[Job] = []
    for job in jobs:
        if held and not job.reused_pool:
            yield held
            held = []
        held.append(job)
    if held:
        yield held


def _pool(subject: Subject, number: int, held: Sequence[Job]) -> dict[str, Any]:
    first, last = held[0], held[-1]
    begun = first.begun_at if first.begun_at is not None else subject.intended_at.get(first.name)
    return {
        "number": number,
        "jobs": len(held),
        "first": first.intent.label,
        "last": last.name,
        "from": utc(begun),
        "closed": _closed(subject, last),
        "seen": utc(subject.closed_at.get(last.name)),
        "billable": _sum(job.outcome.billable_seconds for job in held if job.outcome),
        "retained": _sum(job.retained_s for job in held),
        "usd": cost(held, subject.rate),
    }


def _sum(values: Iterator[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known), 3) if known else None


def colds(subject: Subject) -> list[dict[str, Any]]:
    """Why jobs started cold that should have found a warm pool."""
    row_of = {row["trial"]: number for number, row in enumerate(subject.table.rows)}
    return [
        {"row": row_of.get(job.intent.trial), "label": job.intent.label, "job": job.name, "why": job.cold.why}
        for job in subject.chain.jobs.values()
        if job.cold
    ]
