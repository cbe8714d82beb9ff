"""When to look at a job again: often when something is about to happen, so that no pool waits for us. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from sweeper.core.chain import Chain, Job
from sweeper.core.events import TrialStatus

SOON_S = 2.0
"""Seconds between two looks at what is about to end, or at a pool that is about to show."""
GAP_S = 0.2
"""Seconds between two looks at jobs of which several run: others ask the same account."""
MARGIN = 0.05
"""How much shorter or longer than those before it a job may be expected to run."""
RECENT = 5
_ENDING = ("Uploading", "Stopping")


def pause_s(job: Job, running_s: float | None, lengths: Sequence[float], poll_s: float) -> float:
    """Seconds until the next look at this job: `poll_s` at most, less where its end or its pool is near.

    `running_s`: for how long it has had its machine, None when it has none yet. `lengths`: of the jobs before it.
    """
    if job.ended or job.secondary in _ENDING:
        return min(poll_s, SOON_S)
    if running_s is None or len(lengths) < 2:
        return poll_s
    early, late = min(lengths) * (1 - MARGIN), max(lengths) * (1 + MARGIN)
    if running_s > late:
        return poll_s
    return min(poll_s, max(SOON_S, early - running_s))


def lengths(chain: Chain) -> list[float]:
    """For how long the latest completed jobs have run, in seconds from their machine to their end."""
    outcomes = (job.outcome for job in reversed(chain.outcomes) if job.outcome)
    done = (one for one in outcomes if one.trial_status == TrialStatus.COMPLETED.value)
    known = (one.ended_at - one.started_at for one in done if one.ended_at is not None and one.started_at is not None)
    return [length for _, length in zip(range(RECENT), known)]  # noqa: B905 - as many as there are
