"""What one Describe shows of a job of ours, or that it shows none, and what the chain learns from it. Pure.

One reading for everyone: the runner, the release, the watchdog and `sweeper pools`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from sweeper.core import events as ev
from sweeper.core.chain import Job
from sweeper.core.costs import LATE_S, OVERRUN_S
from sweeper.core.events import Closed, JobStatus, PoolStatus
from sweeper.core.outcome import created_with, fingerprint_of, observation, retained_seconds
from sweeper.errors import ApiErrorKind

GRACE_S = 120.0
"""Seconds past the end of the keep-alive after which a pool cannot live any more."""
DENIED_S = 300.0
"""Seconds for which AccessDenied right after a Create may be mere propagation (SDK, PR 4600)."""
IMPATIENT_S = 10.0
"""Seconds without a sight of it after which a job is named instead of waited for, where somebody cannot wait."""


class Pool(Enum):
    """What Describe shows of the pool of a job that has ended."""

    IDLES = "it bills, and can be released"
    TERMINATED = "it is gone"
    TAKEN = "another job has it"
    NEVER = "it was not to be kept, and is not there"
    NOT_SHOWN = "it was to be kept, and is not shown: not yet, or not any more"


_POOLS = {PoolStatus.AVAILABLE: Pool.IDLES, PoolStatus.TERMINATED: Pool.TERMINATED, PoolStatus.REUSED: Pool.TAKEN}


@dataclass(frozen=True)
class Look:
    """One look at a job: what is known of it, and what Describe answered."""

    job: Job
    description: Mapping[str, Any]
    seen: ev.Observed

    @property
    def ours(self) -> bool:
        """False for somebody else's job under our name."""
        return fingerprint_of(self.description) == self.job.intent.fingerprint

    def masked(self, cut: Callable[[str], str]) -> Look:
        """The same look, the secrets cut from what the service says."""
        said = self.seen.message
        if said == self.job.message:
            return self  # what is known of it has been masked
        return replace(self, seen=replace(self.seen, message=cut(said)))

    @property
    def is_news(self) -> bool:
        """Does it show what the chain does not know yet?"""
        job, seen = self.job, self.seen
        known = (job.status.value, job.secondary, job.message, job.pool.value)
        return (seen.status, seen.secondary, seen.message, seen.pool) != known

    @property
    def status(self) -> JobStatus:
        """Where the job is."""
        return JobStatus.of(self.seen.status)

    @property
    def pool(self) -> Pool:
        """What is shown of the pool of a job that has ended."""
        return _POOLS.get(PoolStatus.of(self.seen.pool), Pool.NOT_SHOWN if self.kept_s else Pool.NEVER)

    @property
    def kept_s(self) -> int:
        """The longest that its pool is kept, in seconds: as we know it, or as whoever created the job asked for."""
        return max(self.job.keep_alive_s, created_with(self.description)[0] or 0)

    @property
    def never_launched(self) -> bool:
        """Was it stopped before it had a machine?"""
        started = self.description.get("TrainingStartTime") is not None
        return self.status is JobStatus.STOPPED and not started and not self.job.reused_pool

    def closed(self, is_own: Callable[[str], bool]) -> ev.PoolClosed | None:
        """The event of a pool that is seen closed; None while it may bill. `is_own` knows the sweep's other jobs."""
        if not self.ours:  # ours never came to be, and theirs is not touched
            return ev.PoolClosed(self.job.name, Closed.NEVER_HAD_POOL.value)
        if not self.status.terminal:
            return None
        name, by, retained = self.job.name, self.seen.reused_by, retained_seconds(self.description)
        match self.pool:
            case Pool.TERMINATED:
                return ev.PoolClosed(name, Closed.TERMINATED.value, retained_s=retained)
            case Pool.TAKEN:
                how = Closed.REUSED_BY_OWN if is_own(by) else Closed.REUSED_BY_FOREIGN
                return ev.PoolClosed(name, how.value, by, retained)
            case Pool.NEVER:
                return ev.PoolClosed(name, Closed.NEVER_HAD_POOL.value)
            case _:
                return None


def look(job: Job, description: Mapping[str, Any]) -> Look:
    """Read a description of this job."""
    return Look(job, description, observation(job.name, description))


@dataclass(frozen=True)
class Unseen:
    """One look that showed nothing: what the service said instead, and for how many seconds it has been so."""

    job: Job
    kind: ApiErrorKind
    missing_s: float = 0.0
    """Since the service first said that it knows no such job."""
    silent_s: float = 0.0
    """Since there was no answer at all."""
    denied_s: float = 0.0
    arriving_s: float = 0.0
    """For how many more seconds a Create of it may arrive; negative: since when none can."""

    @property
    def missing(self) -> bool:
        """Does the service know no such job?"""
        return self.kind is ApiErrorKind.NOT_FOUND

    def closed(self, not_found_s: float) -> Closed | None:
        """How its pool was closed, once nothing of it can bill any more. NotFound may be lag for `not_found_s`."""
        if not self.missing:
            return None
        if self.job.acknowledged:  # deleted by someone
            return Closed.EXPIRED_BY_BOUND if self.missing_s > self.job.keep_alive_s + GRACE_S else None
        return Closed.NEVER_HAD_POOL if min(self.missing_s, -self.arriving_s) > not_found_s else None

    def hopeless(self, *, hurried: bool) -> str:
        """Why it is named instead of waited for any longer; empty while it is not."""
        if self.missing:
            return self._missed() if hurried and self.missing_s > IMPATIENT_S else ""
        if self.kind is ApiErrorKind.DENIED and self.denied_s > DENIED_S:
            return "looking at it was denied"
        if self.kind is ApiErrorKind.WRONG_ACCOUNT and hurried:
            return "the service could not be asked"  # nor can it be by waiting
        if self.silent_s > longest_life_s(self.job) or (hurried and self.silent_s > IMPATIENT_S):
            return "the service could not be asked"
        return ""

    def _missed(self) -> str:
        if self.job.acknowledged:
            left = self.job.keep_alive_s + GRACE_S - self.missing_s
            return f"its job is gone from SageMaker, and its pool may idle for {left:.0f} s more"
        return (
            f"the request that creates it may still arrive, for {self.arriving_s:.0f} s" if self.arriving_s > 0 else ""
        )


def longest_life_s(job: Job) -> float:
    """Seconds after the last answer in which something of this job may still bill, unless it is started again."""
    run = 0.0 if job.ended else job.intent.max_runtime_s + OVERRUN_S + LATE_S
    return run + job.keep_alive_s + GRACE_S


def warning(event: ev.PoolClosed) -> str:
    """What a person is to know of how a pool was closed; empty when it is as it should be."""
    foreign = event.how == Closed.REUSED_BY_FOREIGN.value
    return f"warning: the pool of {event.name} was taken by {event.by}, which is not ours" if foreign else ""
