"""The life of warm pools: made with a job's machine, retained at its end, handed over, released. Pure."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from sweeper.engine.training import states
from sweeper.engine.training.effects import DropPool
from sweeper.engine.training.job import Job, Retention, milliseconds
from sweeper.engine.training.ledger import TrainingLedger
from sweeper.engine.training.plans import Plans
from sweeper.engine.training.pool import CloseReason, Pool, PoolState, may_have_pool, pool_key
from sweeper.engine.training.quota import may_be_retained
from sweeper.engine.training.refusals import Refused, refuse
from sweeper.engine.training.settings import ServiceSettings
from sweeper.engine.training.states import JobStatus, PoolStatus, Secondary
from sweeper.engine.training.timers import Timer, Timers

_CLOSE_MESSAGES = {CloseReason.EXPIRED: states.EXPIRED, CloseReason.RELEASED: states.RELEASED}


class Pools:
    """The pools of a ledger, and what their jobs tell of them."""

    def __init__(
        self, settings: ServiceSettings, rng: random.Random, ledger: TrainingLedger, timers: Timers, plans: Plans
    ) -> None:
        self._settings, self._rng, self._ledger, self._timers, self._plans = settings, rng, ledger, timers, plans

    def shown(self, job: Job, now: float) -> dict[str, Any] | None:
        """WarmPoolStatus as a client sees it, or None where the service leaves it out."""
        kept = job.retention
        if not job.status.terminal:
            in_use = job.warm or (job.keep_alive_s > 0 and self._settings.cold_shows_in_use)
            return {"Status": PoolStatus.IN_USE.value} if in_use and job.launched else None
        if kept is None:
            return None
        if now < kept.shown_from:
            return {"Status": PoolStatus.IN_USE.value} if self._settings.gap_shows_in_use else None
        status = kept.visible(now)
        answer: dict[str, Any] = {"Status": status.value}
        if status is not PoolStatus.AVAILABLE or self._settings.retained_shown_while_available:
            answer["ResourceRetainedBillableTimeInSeconds"] = kept.billable_s(now)
        if kept.reused_by is not None:
            answer["ReusedByJob"] = kept.reused_by
        return answer

    def held_by(self, job: Job) -> Pool | None:
        """The pool this job runs on, or ran on last of all."""
        pool = self._ledger.pools.get(job.pool_id or "")
        return pool if pool is not None and pool.holder == job.name else None

    def found_for(self, job: Job, now: float) -> None:
        """New machines are there for this job, and make a pool."""
        machines = job.machines[0]
        pool = Pool(
            job.name,  # a pool bears the name of its first job
            self._key(job.request),
            machines.kind,
            machines.number,
            born=now,
            holder=job.name,
            plan=job.plan,
        )
        self._ledger.pools[pool.id] = pool
        self._ledger.mark(pool)
        job.pool_id = pool.id

    def matching(self, job: Job, now: float) -> Pool | None:
        """A pool that is Available as the service shows it, and fits; the one idle for longest."""
        request = job.request
        keeps = request.get("ResourceConfig", {}).get("KeepAlivePeriodInSeconds")
        if not may_have_pool(request) or not (keeps or self._settings.unkept_takes_pool):
            return None
        key = None
        for pool in self._ledger.pools.values():
            if pool.state is not PoolState.IDLE:
                continue
            holder = self._ledger.jobs[pool.holder]
            if holder.retention is None or now < holder.retention.shown_from:
                continue
            key = self._key(request) if key is None else key
            if (pool.key, pool.plan) == (key, job.plan):
                return pool
        return None

    def hand_over(self, pool: Pool, job: Job, now: float) -> None:
        """The pool moves from the job that retained it to this one."""
        holder = self._ledger.jobs[pool.holder]
        kept = holder.retention
        assert kept is not None, "an idle pool has a holder that retained it"
        kept.status, kept.ended_at, kept.reused_by = PoolStatus.REUSED, now, job.name
        _say_of_pool(holder, states.REUSED.format(name=job.name), now)
        self._ledger.mark(holder)
        pool.take(job.name)
        self._ledger.mark(pool)
        job.pool_id, job.warm, job.launched = pool.id, True, True

    def settle(self, job: Job, now: float) -> None:
        """The job has ended: its instances are retained, or gone."""
        pool, shown = self.held_by(job), now + self._settings.settle_gap_s
        if pool is None:
            if job.keep_alive_s > 0 and self._settings.early_stop_shows_terminated:
                job.retention = Retention(PoolStatus.TERMINATED, since=now, shown_from=shown, ended_at=now)
            return
        self._ledger.mark(pool)
        if self._retains(job, pool, now):
            pool.retain(now, self._kept_s(job, pool), self._settings.pool_max_age_s)
            job.retention = Retention(PoolStatus.AVAILABLE, since=now, shown_from=shown)
            _say_of_pool(job, states.RETAINED, now)
            assert pool.expires_at is not None
            self._timers.set(pool, Timer.EXPIRE, pool.expires_at)
            if self._rng.random() < self._settings.pool_patch_rate:
                self._timers.set(pool, Timer.PATCH, now + self._rng.random() * (pool.expires_at - now))
            return
        if job.keep_alive_s > 0 or job.warm:
            job.retention = Retention(PoolStatus.TERMINATED, since=now, shown_from=shown, ended_at=now)
        self.drop(pool, now)

    def update_keep_alive(self, job: Job, period: int, now: float) -> None:
        """Let the pool that this job retained live for so many seconds, 0 to release it; raises ServiceError."""
        pool, kept = self.held_by(job), job.retention
        if refused := _not_updated(job, self.shown(job, now)):
            refuse(refused, self._settings.refusals, name=job.name)
            return  # taken, and without a pool that idles it changes nothing
        self.check_keep_alive(period)
        if pool is None or kept is None:
            return  # released already, and only still shown as Available
        job.request["ResourceConfig"]["KeepAlivePeriodInSeconds"] = period
        job.modified = milliseconds(now)
        self._ledger.mark(job)
        base = now if self._settings.update_from_now else kept.since
        if period == 0 or base + period <= now:
            kept.terminated_shown_from = now + self._settings.release_lag_s
            self.close(pool, CloseReason.RELEASED, now)
            if self._settings.release_bills_lag:
                kept.ended_at = kept.terminated_shown_from
            return
        pool.expires_at = min(base + period, max(now, pool.born + self._settings.pool_max_age_s))
        self._timers.set(pool, Timer.EXPIRE, pool.expires_at)

    def check_keep_alive(self, period: int) -> None:
        """Raise ServiceError for a keep-alive that is longer than any may be."""
        if period > self._settings.max_keep_alive_s:
            refuse(Refused.LONG_KEEP_ALIVE, self._settings.refusals, most=self._settings.max_keep_alive_s)

    def close(self, pool: Pool, why: CloseReason, now: float) -> None:
        """An idle pool ends, and with it what it bills to the job that retained it."""
        self.drop(pool, now)
        holder = self._ledger.jobs.get(pool.holder)
        if holder is None or holder.retention is None:
            return
        holder.retention.status, holder.retention.ended_at = PoolStatus.TERMINATED, now
        _say_of_pool(holder, _CLOSE_MESSAGES.get(why, states.RELEASED), now)
        self._ledger.mark(holder)

    def drop(self, pool: Pool, now: float) -> None:
        """Its instances are gone; nothing of a pool is kept but what its jobs tell."""
        del self._ledger.pools[pool.id]
        self._ledger.mark(pool)
        self._ledger.ask(DropPool(pool.id))
        self._plans.freed(pool.plan, now)

    def _key(self, request: Mapping[str, Any]) -> str:
        return pool_key(request, order_matters=self._settings.network_order_matters)

    def _kept_s(self, job: Job, pool: Pool) -> float:
        """For how long the pool is kept after this job; 0: it ends with it."""
        goes_on = job.warm and not self._settings.unkept_ends_pool
        return job.keep_alive_s or (pool.keep_alive_s if goes_on else 0)

    def _retains(self, job: Job, pool: Pool, now: float) -> bool:
        too_old = now - pool.born >= self._settings.pool_max_age_s
        if self._kept_s(job, pool) <= 0 or not may_have_pool(job.request) or too_old:
            return False
        if job.status is JobStatus.STOPPED:
            timeout = job.stop_why is Secondary.MAX_RUNTIME_EXCEEDED
            kept = self._settings.timeout_retains_pool if timeout else self._settings.stop_retains_pool
            if not kept:
                return False
        if job.failure is not None:
            of_its_own = job.failure.startswith(("AlgorithmError", "ClientError"))
            if not (of_its_own and self._settings.failure_retains_pool):
                return False
        return may_be_retained(pool, self._ledger, self._settings)


def _not_updated(job: Job, shown: Mapping[str, Any] | None) -> Refused | None:
    """Why the keep-alive of this job cannot be updated; None where it can."""
    if not job.status.terminal:
        return Refused.UPDATE_RUNNING
    if shown is None or shown["Status"] == PoolStatus.IN_USE.value:
        return Refused.UPDATE_ABSENT
    return {
        PoolStatus.REUSED.value: Refused.UPDATE_REUSED,
        PoolStatus.TERMINATED.value: Refused.UPDATE_TERMINATED,
    }.get(shown["Status"])


def _say_of_pool(job: Job, message: str, now: float) -> None:
    """The fate of the pool is told in the last message of a completed job; one of another end keeps its own."""
    if job.status is JobStatus.COMPLETED:
        job.say(message, now)
