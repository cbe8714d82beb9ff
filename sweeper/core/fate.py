"""What one Describe shows of a job of ours, and what the chain learns from it: one reading for everyone. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from sweeper.core import events as ev
from sweeper.core.chain import Job
from sweeper.core.events import Closed, JobStatus, PoolStatus
from sweeper.core.outcome import created_with, fingerprint_of, observation, retained_seconds


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
        return replace(self, seen=replace(self.seen, message=cut(self.seen.message)))

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


def warning(event: ev.PoolClosed) -> str:
    """What a person is to know of how a pool was closed; empty when it is as it should be."""
    foreign = event.how == Closed.REUSED_BY_FOREIGN.value
    return f"warning: the pool of {event.name} was taken by {event.by}, which is not ours" if foreign else ""
