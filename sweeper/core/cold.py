"""Why a job that should have found a warm pool started cold: from both jobs as described, and what became of the pool.

Pure. What Describe does not tell is not guessed: then the reason is unknown, and said to be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from sweeper.core import events as ev
from sweeper.core.chain import Chain, Job
from sweeper.core.events import HAS_MACHINE, Closed, JobStatus, PoolStatus
from sweeper.core.outcome import retained_seconds
from sweeper.core.request import PoolKey, differing

Description = Mapping[str, Any]
SHORTEST_S = 1.0
"""A pool that was kept for less was not kept at all: the service bills whole seconds."""


class Cause(str, Enum):
    """Why."""

    TAKEN = "taken"  # another job was first
    DIFFERS = "differs"  # a field that must match does not
    EXPIRED = "expired"  # the gap was longer than the keep-alive
    NOT_KEPT = "not_kept"  # no quota, or a machine that could not be kept
    ENDED_EARLY = "ended_early"  # released, or patched
    NOT_SHOWN = "not_shown"  # Describe shows no pool
    UNKNOWN = "unknown"  # it was there, and fitted as far as is documented


@dataclass(frozen=True)
class History:
    """What became of the pool that a job has left, as it was when the next one had got its machine."""

    status: PoolStatus
    kept_s: int
    """Its keep-alive, in seconds."""
    retained_s: float | None = None
    """For how long it was kept, in seconds; None where the service does not say."""
    taken_by: str = ""
    quota: float | None = None
    """Instances of this type that may stay warm; None when it is not known."""


def pair(chain: Chain, running: Job | None, back: int = 1) -> tuple[Job, Job] | None:
    """(the job that left a pool, the one that should have found it), the latest pair or one further back.

    None where the second one has found it, has no machine yet, or was not to find one.
    """
    first = max(chain.outcomes_before, len(chain.outcomes) - back - 1)
    jobs = [*chain.outcomes[first:], *([running] if running and not running.ended else [])]
    found = jobs[-back - 1 : len(jobs) - back + 1]
    if len(found) < 2:
        return None
    before, after = found
    kept = before.keep_alive_s > 0 and before.acknowledged and before.closed not in _NEVER
    began = after.acknowledged and (after.ended or after.secondary in HAS_MACHINE)
    return (before, after) if kept and began and not after.reused_pool and after.cold is None else None


_NEVER = (Closed.NEVER_HAD_POOL, Closed.ENGINE_GONE, Closed.REUSED_BY_OWN, Closed.HANDED_OVER)


def is_known(after: Job, described: Description, pool: History) -> bool:
    """Can it be said by now? A pool that shows nothing may still come to be this job's, and who never trained began
    neither cold nor warm.
    """
    if pool.status is PoolStatus.REUSED:
        return pool.taken_by != after.name
    if after.ended:
        return described.get("TrainingStartTime") is not None
    return pool.status.settled


def history(before: Job, described: Description, quota: float | None = None) -> History:
    """The pool's history: as described, or as it was seen closed since."""
    told = described.get("WarmPoolStatus") or {}
    status, by = PoolStatus.of(told.get("Status")), str(told.get("ReusedByJob", ""))
    gone = before.closed in (Closed.TERMINATED, Closed.EXPIRED_BY_BOUND)
    retained = before.retained_s if gone else retained_seconds(described)
    return History(PoolStatus.TERMINATED if gone else status, before.keep_alive_s, retained, by, quota)


def why(before: Description, after: Description, pool: History) -> ev.Cold:
    """Why the second of these jobs, which a pool of the first one should have served, started cold."""
    key, gap_s = PoolKey.of(before), _gap_s(before, after)
    differences = key.differences(PoolKey.of(after))
    cause = _cause(pool, gap_s, bool(differences))
    return ev.Cold(
        name=str(after["TrainingJobName"]),
        before=str(before["TrainingJobName"]),
        cause=cause.value,
        why=_sentence(cause, before, after, pool, gap_s),
        differences={name: list(values) for name, values in differences.items()},
        gap_s=gap_s,
        keep_alive_s=pool.kept_s,
    )


def _cause(pool: History, gap_s: float | None, differs: bool) -> Cause:
    if pool.status is PoolStatus.REUSED:
        return Cause.TAKEN
    if differs:
        return Cause.DIFFERS
    if pool.status is PoolStatus.TERMINATED:
        if gap_s is not None and gap_s >= pool.kept_s:
            return Cause.EXPIRED
        return Cause.NOT_KEPT if (pool.retained_s or 0.0) < SHORTEST_S else Cause.ENDED_EARLY
    return Cause.UNKNOWN if pool.status is PoolStatus.AVAILABLE else Cause.NOT_SHOWN


def _sentence(cause: Cause, before: Description, after: Description, pool: History, gap_s: float | None) -> str:
    name = str(before["TrainingJobName"])
    match cause:
        case Cause.TAKEN:
            return f"{pool.taken_by or 'another job'} had taken the pool of {name}"
        case Cause.DIFFERS:
            return f"its request does not match the pool of {name}: {differing(PoolKey.of(before), after)}"
        case Cause.EXPIRED:
            return f"it came {gap_s:.0f} s after {name}, whose pool was kept for {pool.kept_s} s"
        case Cause.NOT_KEPT:
            return f"no pool was kept after {name}{_not_kept(before, pool)}"
        case Cause.ENDED_EARLY:
            kept = f"{pool.retained_s:.0f} of {pool.kept_s} s"
            return f"the pool of {name} was ended after {kept}: released, or patched by SageMaker"
        case Cause.NOT_SHOWN:
            return f"SageMaker showed no pool of {name}{_not_kept(before, pool)}"
        case Cause.UNKNOWN:
            return f"the pool of {name} was there and fits in every documented field; SageMaker does not say why"


def _not_kept(before: Description, pool: History) -> str:
    """What is known of why: how the job ended, or the quota."""
    status = JobStatus.of(before.get("TrainingJobStatus"))
    if status is JobStatus.FAILED:
        return f", which failed: {str(before.get('FailureReason') or '').partition(':')[0] or 'for an unknown reason'}"
    if status is JobStatus.STOPPED and before.get("TrainingStartTime") is None:
        return ", which was stopped before it had a machine"
    kind = (before.get("ResourceConfig") or {}).get("InstanceType", "its instance type")
    if pool.quota is None:
        return f"; is the quota '{kind} for training warm pool usage' 0?"
    return f"; the quota '{kind} for training warm pool usage' is {pool.quota:.0f}"


def _gap_s(before: Description, after: Description) -> float | None:
    """Seconds from the end of one job to the creation of the next; None where either is not told."""
    ended, created = before.get("TrainingEndTime"), after.get("CreationTime")
    if not isinstance(ended, datetime) or not isinstance(created, datetime):
        return None
    return (created - ended).total_seconds()
