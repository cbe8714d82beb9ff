"""What of the past belongs to the declaration as it is now. Only that decides anything: money apart, which is spent.

A trial's identity holds its values, the rest of the configuration and the source. So what ran with another script or
another base value is not declared any more, and says nothing about the trials that are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from sweeper.core.chain import Chain, Job, TrialHistory, metric_of
from sweeper.core.events import TrialStatus
from sweeper.core.model import Goal, Objective, Trial

if TYPE_CHECKING:
    from sweeper.core.model import Sweep


def find(sweep: Sweep, chain: Chain, id: str, index: int) -> Trial | None:  # noqa: A002 - the protocol's word
    """The trial with this identity, declared or added."""
    found = sweep.trials.find(id, index)
    added = chain.added.get(id)
    return found or (Trial(added.index, added.trial, added.label, added.values) if added else None)


def ended(sweep: Sweep, chain: Chain, since: int = 0) -> list[Job]:
    """The jobs that the declared trials have ended with, in the order in which they ended.

    Not the attempts that another one followed, and none of a trial that was opened again. `since`: how many of the
    chain's outcomes are passed over.
    """
    return [job for job in chain.outcomes[since:] if _counts(sweep, chain, job)]


def finished(sweep: Sweep, chain: Chain) -> list[TrialHistory]:
    """The declared trials that have run and are not to be run again."""
    return [chain.trials[job.intent.trial] for job in ended(sweep, chain) if chain.is_finished(job.intent.trial)]


def best_job(jobs: Iterable[Job], objective: Objective | None) -> Job | None:
    """The completed job with the best last value; NaN is never best, the first of equals wins."""
    if objective is None:
        return None
    sign = 1 if objective.goal is Goal.MAXIMIZE else -1
    done = (job for job in jobs if job.outcome and job.outcome.trial_status == TrialStatus.COMPLETED.value)
    valued = ((metric_of(job, objective.metric), job) for job in done)
    known = [(sign * value, job) for value, job in valued if value is not None and not math.isnan(value)]
    return max(known, key=lambda pair: pair[0])[1] if known else None


def _counts(sweep: Sweep, chain: Chain, job: Job) -> bool:
    history = chain.trials[job.intent.trial]
    last = history.last is job and not history.reopened
    return last and find(sweep, chain, job.intent.trial, job.intent.index) is not None
