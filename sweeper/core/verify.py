"""The laws that a journal itself must keep, checked event by event. Pure; what the service says is compared apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sweeper.core import events as ev
from sweeper.core.chain import Chain, Job, apply
from sweeper.core.events import Closed, JobStatus, PoolStatus, TrialStatus
from sweeper.core.outcome import final_metrics, fingerprint_of, observation


def verify(events: Sequence[ev.Event]) -> list[str]:
    """Every law that this journal breaks, in words; empty when it keeps them all."""
    chain, violations = Chain(), list[str]()
    for number, event in enumerate(events, start=1):
        try:
            violations += [f"event {number}: {broken}" for broken in _before(chain, event)]
            apply(chain, event)
        except KeyError as error:
            violations.append(f"event {number}: {event.kind} of {error}, of which there is no intent")
            return violations
    return violations + _one_completed(chain)


def _before(chain: Chain, event: ev.Event) -> list[str]:
    """What is wrong with this event after that past."""
    match event:
        case ev.Intent():
            return _intent(chain, event)
        case ev.Outcome() if chain.jobs[event.name].outcome:
            return [f"I2: a second outcome of {event.name}"]
        case ev.Finished() if chain.debts:
            return [f"I4: finished while {', '.join(chain.debts)} had not been seen closed"]
        case _:
            return []


def _intent(chain: Chain, event: ev.Intent) -> list[str]:
    violations = []
    before = chain.jobs.get(event.name)
    if before and not before.never_was:
        violations.append(f"I1: {event.name} was intended twice")
    history = chain.trials.get(event.trial)
    if history and any(job.intent.attempt == event.attempt and not job.never_was for job in history.jobs):
        violations.append(f"I1: attempt {event.attempt} of {event.label} was intended twice")
    if len(chain.unfinished) >= (chain.opened.in_flight if chain.opened else 1):
        violations.append(f"I3: {event.name} was intended while {', '.join(chain.unfinished)} had not ended")
    return violations


def _one_completed(chain: Chain) -> list[str]:
    done = Counter(
        job.intent.trial
        for job in chain.outcomes
        if job.outcome and job.outcome.trial_status == TrialStatus.COMPLETED.value
    )
    # A trial that someone reopened may complete again; nothing else may.
    return [] if chain.reopenings else [f"I1: trial {trial} completed {n} times" for trial, n in done.items() if n > 1]


def compare(job: Job, description: Mapping[str, Any] | None) -> list[str]:
    """Where the service says something else of a job than the journal does. None: it knows no such job."""
    if description is None:
        gone = job.closed in (Closed.NEVER_HAD_POOL, Closed.EXPIRED_BY_BOUND, Closed.ENGINE_GONE)
        return [] if gone or not job.acknowledged else [f"{job.name}: the service knows no such job any more"]
    if fingerprint_of(description) != job.intent.fingerprint:
        return [f"I5: {job.name} at the service is not this sweep's job"]
    seen = observation(job.name, description)
    violations = []
    if job.outcome and JobStatus.of(seen.status) is not JobStatus.of(job.outcome.status):
        violations.append(f"I2: {job.name} is {seen.status} at the service and {job.outcome.status} in the journal")
    if job.outcome and job.outcome.metrics_from == "FinalMetricDataList":
        violations += _metrics(job.name, job.outcome.metrics, final_metrics(description))
    handed = job.closed is Closed.HANDED_OVER  # whoever has it now is asked about it
    if job.closed and not handed and PoolStatus.of(seen.pool) is PoolStatus.AVAILABLE:
        violations.append(f"I4: the pool of {job.name} is Available, and the journal says closed ({job.closed.value})")
    return violations


def _metrics(name: str, ours: Mapping[str, float], theirs: Mapping[str, float]) -> list[str]:
    differing = [key for key in {*ours, *theirs} if repr(ours.get(key)) != repr(theirs.get(key))]
    return [f"I2: {name}: {key} is {theirs.get(key)} at the service and {ours.get(key)} here" for key in differing]
