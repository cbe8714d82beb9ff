"""How long a pool is kept after a job: as declared, or `auto` from the gaps that were measured between jobs. Pure."""

from __future__ import annotations

from datetime import datetime, timezone
from itertools import pairwise, zip_longest
from math import ceil
from typing import TYPE_CHECKING

from sweeper.core.model import MOST_KEEP_ALIVE_S
from sweeper.core.words import counted

if TYPE_CHECKING:
    from sweeper.core.chain import Chain, Job
    from sweeper.core.model import Sweep

AUTO = "auto"
UNMEASURED_S = 300
LEAST_S = 60
SAFETY = 3.0
"""How much longer than the longest gap so far a pool is kept: the next gap may be a slow one."""
RECENT = 5


def keep_alive_s(sweep: Sweep, chain: Chain, *, last: bool) -> int:
    """Seconds of keep-alive for the next job: none for one that is known to be the last, and leaves it to nobody."""
    left = sweep.leaves_warm or chain.awaited is not None
    if last and sweep.pool.last_job_releases and not left:
        return 0
    declared = sweep.pool.keep_alive_s
    return fitting(chain) if declared == AUTO else int(declared)


def idles_until(chain: Chain) -> str:
    """Until when the newest pool that idles, or will, is kept at most, in words; empty when there is none."""
    known = [(job, ends_by_itself(job)) for job in chain.debts_newest_first]
    idle = (f"the pool of {job.name} idles until {until} at most" for job, until in known if until)
    later = (
        f"{job.name} goes on, and its pool idles for {job.keep_alive_s} s after it"
        for job, _ in known
        if job.keep_alive_s and job.acknowledged and not job.ended
    )
    return next(idle, next(later, ""))


def ends_by_itself(job: Job) -> str:
    """The latest moment at which the pool of an ended job is let go whatever we do, in words; empty when not known."""
    if not job.outcome or job.outcome.ended_at is None or not job.keep_alive_s:
        return ""
    until = datetime.fromtimestamp(job.outcome.ended_at + job.keep_alive_s, timezone.utc)
    return f"{until:%H:%M:%S} UTC"


def fitting(chain: Chain) -> int:
    """What covers the gaps between the latest jobs, with a margin; a guess before the first gap."""
    measured = gaps(chain)[-RECENT:]
    wanted = ceil(SAFETY * max(measured)) if measured else UNMEASURED_S
    return min(max(wanted, LEAST_S), MOST_KEEP_ALIVE_S)


def fitted(chain: Chain) -> str:
    """What covers them, and what that was measured by, in words."""
    measured = gaps(chain)[-RECENT:]
    gap = f"the longest of {counted(len(measured), 'gap')} between jobs was {max(measured):g} s" if measured else ""
    return f"{fitting(chain)} s ({gap or 'a guess: no gap between two jobs was measured yet'})"


def gaps(chain: Chain) -> list[float]:
    """Idle seconds between one job of a chain and the next, as the service timed or billed them."""
    found = (_gap(before, after) for before, after in pairwise(chain.jobs.values()) if after.reused_pool)
    return [gap for gap in found if gap is not None]


def idle_seconds(chain: Chain) -> dict[str, float]:
    """For how long the pool idled after each job, until the next one had it or it was let go: known ones by name."""
    jobs = list(chain.jobs.values())
    found = {
        job.name: _gap(job, after) if after and after.reused_pool else job.retained_s
        for job, after in zip_longest(jobs, jobs[1:])
    }
    return {name: seconds for name, seconds in found.items() if seconds is not None}


def _gap(before: Job, after: Job) -> float | None:
    """From the end of one job to the Create of the next, by the transitions of both, else as it was billed."""
    ended = before.outcome.ended_at if before.outcome else None
    if ended is not None and after.begun_at is not None:
        return round(max(0.0, after.begun_at - ended), 3)
    if before.retained_s is not None:
        return before.retained_s
    started = after.outcome.started_at if after.outcome else None
    return max(0.0, started - ended) if ended is not None and started is not None else None
