"""Managed spot training: when machines are taken away, and what that does to a job. Pure; time is an argument."""

from __future__ import annotations

import random

from sweeper.engine.training import states
from sweeper.engine.training.job import Job
from sweeper.engine.training.settings import ServiceSettings
from sweeper.engine.training.states import Secondary


def next_interruption(job: Job, settings: ServiceSettings, rng: random.Random) -> float | None:
    """Seconds of training after which the machine of this attempt is taken; None when it is not."""
    if not job.spot:
        return None
    if settings.spot_interruptions:
        plan = settings.spot_interruptions
        return float(plan[job.interruptions]) if job.interruptions < len(plan) else None
    mean = settings.spot_interruption_mean_s
    return rng.expovariate(1 / mean) if mean > 0 else None


def vacate(job: Job, now: float) -> None:
    """The machine is gone, and the job waits for another."""
    job.lose_machine(now)
    job.interruptions += 1
    job.enter(Secondary.INTERRUPTED, states.INTERRUPTED, now)
