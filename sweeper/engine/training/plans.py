"""Training plans: machines that were reserved, which no quota counts and for which jobs wait their turn. Pure."""

from __future__ import annotations

from sweeper.engine.errors import invalid
from sweeper.engine.training.job import Job
from sweeper.engine.training.ledger import TrainingLedger
from sweeper.engine.training.settings import ServiceSettings
from sweeper.engine.training.states import JobStatus
from sweeper.engine.training.timers import Timer, Timers

MOST_PENDING_S = 2 * 86400.0
"""A job that has waited for the machines of a plan for so long fails."""
_ON_ITS_WAY = (Timer.PREPARE.value, Timer.LAUNCH.value)


class Plans:
    """What of each plan is free, and who waits for it."""

    def __init__(self, settings: ServiceSettings, ledger: TrainingLedger, timers: Timers) -> None:
        self._settings, self._ledger, self._timers = settings, ledger, timers

    def check(self, job: Job) -> None:
        """Raise ServiceError for a plan that there is not."""
        if not self._reserved(job.plan):
            raise invalid(f"Training plan {job.plan} is neither Scheduled nor Active.")

    def has_room(self, job: Job) -> bool:
        """Are the machines of its plan free that this job asks for?"""
        used = sum(pool.instance_count for pool in self._ledger.pools.values() if pool.plan == job.plan)
        others = (one for one in self._ledger.running if one.plan == job.plan and one is not job)
        used += sum(_number(one) for one in others if one.pool_id is None and _comes(one))
        return used + _number(job) <= self._reserved(job.plan)

    def freed(self, plan: str, now: float) -> None:
        """Machines of this plan may be free: those that wait for some look again, the first first."""
        for job in self._ledger.running if plan else ():
            waits = job.pool_id is None and job.status is JobStatus.IN_PROGRESS and not _comes(job)
            if job.plan == plan and waits:
                self._timers.set(job, Timer.ADMIT, now)

    def _reserved(self, plan: str) -> int:
        plans = self._settings.training_plans
        return plans.get(plan, plans.get("*", 0))


def _number(job: Job) -> int:
    """How many machines it may take."""
    return max(machines.number for machines in job.machines)


def _comes(job: Job) -> bool:
    """Has it been given its machines, which are being prepared?"""
    return any(timer in job.timers for timer in _ON_ITS_WAY)
