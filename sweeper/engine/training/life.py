"""The life of jobs and of warm pools: what time and the world's reports do to them. Pure; time is an argument."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from sweeper.engine.errors import ServiceError, invalid
from sweeper.engine.settings import ServiceSettings
from sweeper.engine.training import states
from sweeper.engine.training.effects import DropPool, SignalContainer, StartContainer, UploadArtifacts, Vacate
from sweeper.engine.training.jobs import Job, Retention, milliseconds
from sweeper.engine.training.ledger import Ledger, Timer
from sweeper.engine.training.pool import CloseReason, Pool, PoolState, may_have_pool, pool_key
from sweeper.engine.training.spot import next_interruption, vacate
from sweeper.engine.training.states import JobStatus, PoolStatus, Secondary, Signal

FAILURE_REASON_MAX = 1024
_STOP_MESSAGES = {
    Secondary.MAX_RUNTIME_EXCEEDED: states.MAX_RUNTIME,
    Secondary.MAX_WAIT_TIME_EXCEEDED: states.MAX_WAIT,
}
_CLOSE_MESSAGES = {CloseReason.EXPIRED: states.EXPIRED, CloseReason.RELEASED: states.RELEASED}


def algorithm_error(text: str, exit_code: int) -> str:
    """FailureReason as SageMaker composes it, never longer than it may be."""
    head, tail = "AlgorithmError: ", f", exit code: {exit_code}"
    return head + text[: FAILURE_REASON_MAX - len(head) - len(tail)] + tail


class Life(Ledger):
    """A ledger that time passes in."""

    def __init__(self, settings: ServiceSettings, rng: random.Random) -> None:
        super().__init__(settings)
        self._rng = rng

    def tick(self, now: float) -> None:
        """Let everything happen that is due, in the order of time."""
        while (due := self._pop_due(now)) is not None:
            self._fire(*due)

    # ------------------------------------------------------------------ reports of what the world did

    def container_started(self, name: str, now: float) -> None:
        """The entrypoint runs."""
        self.tick(now)
        job = self._open(name)
        if job is None or job.stop_why is not None or job.secondary is Secondary.TRAINING:
            return
        job.enter(Secondary.TRAINING, states.TRAINING, now)
        after = next_interruption(job, self.settings, self._rng)
        if after is not None:
            self._set(job, Timer.INTERRUPT, now + after)

    def container_exited(
        self, name: str, exit_code: int, failure_text: str, now: float, ended_at: float | None = None
    ) -> None:
        """The entrypoint ended, at `ended_at` if that is known only now: nobody may have been there to see it.

        A failure text is what it left in /opt/ml/output/failure.
        """
        self.tick(now)
        job = self._open(name)
        if job is None or job.exited:
            return
        job.exited = True
        self._cancel(job, Timer.MAX_RUNTIME, Timer.KILL, Timer.INTERRUPT)
        if job.interrupting and job.stop_why is None:
            self._effects.append(Vacate(name))
            return
        self._cancel(job, Timer.MAX_WAIT)
        job.unseen_s = now - max(job.transitions[-1]["StartTime"], min(now, ended_at or now))
        if job.stop_why is None:
            if exit_code != 0:
                job.failure = algorithm_error(failure_text, exit_code)
            job.enter(Secondary.UPLOADING, states.UPLOADING, now - job.unseen_s)
        self._effects.append(UploadArtifacts(name))

    def container_left(self, name: str, at: float) -> None:
        """It has ended at that time, though what it left is not read yet: no limit of time counts from there on."""
        self.tick(at)
        job = self._open(name)
        if job is not None:
            self._cancel(job, Timer.MAX_RUNTIME, Timer.KILL, Timer.INTERRUPT, Timer.MAX_WAIT)

    def vacated(self, name: str, now: float) -> None:
        """The checkpoints of an interrupted job are in S3, and its machine is gone: it waits for another."""
        self.tick(now)
        job = self._open(name)
        if job is None or not job.interrupting:
            return
        if job.stop_why is not None:
            self._end(job, now)
            return
        pool = self._held_pool(job)
        if pool is not None:
            self._drop(pool)
        vacate(job, now)
        self._set(job, Timer.REQUEUE, now + self.settings.spot_wait_s)

    def release_all(self, now: float) -> None:
        """End every idle pool: the engine is being stopped."""
        for pool in self.idle_pools:
            self._close(pool, CloseReason.RELEASED, now)

    def artifacts_uploaded(self, name: str, now: float, problem: str | None = None) -> None:
        """Everything it left is in S3, or a problem says why not; the job ends."""
        self.tick(now)
        job = self._open(name)
        if job is None:
            return
        if problem is not None and job.failure is None and job.stop_why is None:
            job.failure = problem[:FAILURE_REASON_MAX]
        if job.stop_why is None or self.settings.stopping_s <= 0:
            self._end(job, now)
        else:
            self._set(job, Timer.END, now + self.settings.stopping_s)

    def platform_failed(self, name: str, reason: str, now: float) -> None:
        """The job cannot go on for a reason that is not its algorithm's: bad input, lost machine, no capacity.

        One that is being stopped was not to go on: it ends as stopped.
        """
        self.tick(now)
        job = self._open(name)
        if job is None:
            return
        if job.stop_why is None:
            job.failure = reason[:FAILURE_REASON_MAX]
        self._end(job, now)

    def metrics_seen(self, name: str, metrics: Mapping[str, tuple[float, float]]) -> None:
        """The last value and time of each metric found in the log so far."""
        job = self.jobs.get(name)
        if job is not None and any(job.metrics.get(k) != v for k, v in metrics.items()):
            job.metrics.update(metrics)
            self.changed_jobs.add(name)

    def _open(self, name: str) -> Job | None:
        """The job a report is about, unless it ended or was deleted meanwhile."""
        job = self.jobs.get(name)
        if job is None or job.status.terminal:
            return None
        self.changed_jobs.add(name)
        return job

    # ------------------------------------------------------------------ a job

    def _fire(self, now: float, kind: Timer, subject: Job | Pool) -> None:
        self._mark(subject)
        if isinstance(subject, Pool):
            self._close(subject, CloseReason.EXPIRED if kind is Timer.EXPIRE else CloseReason.PATCHED, now)
        elif kind is Timer.PREPARE:
            subject.enter(Secondary.PENDING, states.PREPARING, now)
            self._set(subject, Timer.LAUNCH, now + self.settings.cold_start_s)
        elif kind is Timer.LAUNCH:
            self._launch(subject, now)
        elif kind is Timer.MAX_RUNTIME:
            self._begin_stop(subject, Secondary.MAX_RUNTIME_EXCEEDED, now)
        elif kind is Timer.MAX_WAIT:
            self._begin_stop(subject, Secondary.MAX_WAIT_TIME_EXCEEDED, now)
        elif kind is Timer.INTERRUPT:
            self._interrupt(subject, now)
        elif kind is Timer.REQUEUE:
            subject.enter(Secondary.STARTING, states.STARTING, now)
            self._await_machine(subject, now)
        elif kind is Timer.KILL:
            self._effects.append(SignalContainer(subject.name, Signal.KILL))
        elif kind is Timer.END:
            self._end(subject, now)

    def _await_machine(self, job: Job, now: float) -> None:
        """A new machine is asked for. Where there is no capacity the job is Pending; it trains, and bills, later."""
        if self.settings.pending_s <= 0:
            self._set(job, Timer.LAUNCH, now + self.settings.cold_start_s)
            return
        job.enter(Secondary.PENDING, states.WAITING, now)
        self._set(job, Timer.PREPARE, now + self.settings.pending_s)

    def _launch(self, job: Job, now: float) -> None:
        """The cluster is there: hand the job to its container."""
        if job.pool_id is None:
            resources = job.request["ResourceConfig"]
            pool = Pool(
                job.name,  # a pool bears the name of its first job
                self._key(job.request),
                resources.get("InstanceType", ""),
                resources.get("InstanceCount", 1),
                born=now,
                holder=job.name,
            )
            self.pools[pool.id] = pool
            self.changed_pools.add(pool.id)
            job.pool_id = pool.id
        job.launched = job.container = True
        job.attempt_from = now
        if job.training_from is None:
            job.training_from = now
        if job.stop_why is None:
            job.enter(Secondary.DOWNLOADING, states.DOWNLOADING, now)
        left = max(0.0, job.max_runtime_s - job.trained_s)
        self._set(job, Timer.MAX_RUNTIME, now + left + self.settings.max_runtime_late_s)
        self._effects.append(StartContainer(job.name))

    def _interrupt(self, job: Job, now: float) -> None:
        """The spot machine is wanted back: the container gets its notice, and the grace to save a checkpoint."""
        job.interrupting = True
        self._effects.append(SignalContainer(job.name, Signal.TERM))
        self._set(job, Timer.KILL, now + self.settings.stop_grace_s)

    def _begin_stop(self, job: Job, why: Secondary, now: float) -> None:
        if job.status is not JobStatus.IN_PROGRESS:
            return
        waiting = (Timer.PREPARE, Timer.LAUNCH, Timer.REQUEUE)
        self._cancel(job, Timer.MAX_RUNTIME, Timer.MAX_WAIT, Timer.INTERRUPT, *waiting)
        job.status, job.stop_why = JobStatus.STOPPING, why
        job.enter(Secondary.STOPPING, states.STOPPING, now)
        if not job.container:
            self._end(job, now)
        elif not job.exited and not job.interrupting:  # else it has its notice already
            self._effects.append(SignalContainer(job.name, Signal.TERM))
            self._set(job, Timer.KILL, now + self.settings.stop_grace_s)

    def _end(self, job: Job, now: float) -> None:
        """The job is terminal; its instances are retained or not."""
        now -= job.unseen_s
        self._cancel(job, *map(Timer, list(job.timers)))
        self._running.pop(job.name, None)
        job.ended = now
        job.pause(now)
        if job.failure is not None:
            job.status = JobStatus.FAILED
            job.enter(Secondary.FAILED, states.FAILED, now)
        elif job.stop_why is not None:
            job.status = JobStatus.STOPPED
            job.enter(job.stop_why, _STOP_MESSAGES.get(job.stop_why, states.STOPPED), now)
        else:
            job.status = JobStatus.COMPLETED
            job.enter(Secondary.COMPLETED, states.COMPLETED, now)
        job.transitions[-1]["EndTime"] = milliseconds(now)
        self._settle_pool(job, now)

    # ------------------------------------------------------------------ a pool

    def warm_pool(self, job: Job, now: float) -> dict[str, Any] | None:
        """WarmPoolStatus as a client sees it, or None where the service leaves it out."""
        kept = job.retention
        if not job.status.terminal:
            in_use = job.warm or (job.keep_alive_s > 0 and self.settings.cold_shows_in_use)
            return {"Status": PoolStatus.IN_USE.value} if in_use and job.launched else None
        if kept is None:
            return None
        if now < kept.shown_from:
            return {"Status": PoolStatus.IN_USE.value} if self.settings.gap_shows_in_use else None
        status = kept.visible(now)
        answer: dict[str, Any] = {"Status": status.value}
        if status is not PoolStatus.AVAILABLE or self.settings.retained_shown_while_available:
            answer["ResourceRetainedBillableTimeInSeconds"] = kept.billable_s(now)
        if kept.reused_by is not None:
            answer["ReusedByJob"] = kept.reused_by
        return answer

    def _key(self, request: Mapping[str, Any]) -> str:
        return pool_key(request, order_matters=self.settings.network_order_matters)

    def _matching_pool(self, request: Mapping[str, Any], now: float) -> Pool | None:
        """A pool that is Available as the service shows it, and fits; the one idle for longest."""
        if not may_have_pool(request):
            return None
        key = None
        for pool in self.pools.values():
            if pool.state is not PoolState.IDLE:
                continue
            holder = self.jobs[pool.holder]
            if holder.retention is None or now < holder.retention.shown_from:
                continue
            key = self._key(request) if key is None else key
            if pool.key == key:
                return pool
        return None

    def _hand_over(self, pool: Pool, job: Job, now: float) -> None:
        """The pool moves from the job that retained it to this one."""
        holder = self.jobs[pool.holder]
        kept = holder.retention
        assert kept is not None, "an idle pool has a holder that retained it"
        kept.status, kept.ended_at, kept.reused_by = PoolStatus.REUSED, now, job.name
        self._say_of_pool(holder, states.REUSED.format(name=job.name), now)
        self._mark(holder)
        pool.take(job.name)
        self._mark(pool)
        job.pool_id, job.warm, job.launched = pool.id, True, True

    def _settle_pool(self, job: Job, now: float) -> None:
        pool = self._held_pool(job)
        if pool is None:
            return
        self.changed_pools.add(pool.id)
        shown = now + self.settings.settle_gap_s
        if self._retains(job, pool, now):
            pool.retain(now, job.keep_alive_s, self.settings.pool_max_age_s)
            job.retention = Retention(PoolStatus.AVAILABLE, since=now, shown_from=shown)
            self._say_of_pool(job, states.RETAINED, now)
            assert pool.expires_at is not None
            self._set(pool, Timer.EXPIRE, pool.expires_at)
            if self._rng.random() < self.settings.pool_patch_rate:
                self._set(pool, Timer.PATCH, now + self._rng.random() * (pool.expires_at - now))
            return
        if job.keep_alive_s > 0 or job.warm:
            job.retention = Retention(PoolStatus.TERMINATED, since=now, shown_from=shown, ended_at=now)
        self._drop(pool)

    def _retains(self, job: Job, pool: Pool, now: float) -> bool:
        if job.keep_alive_s <= 0 or not may_have_pool(job.request) or now - pool.born >= self.settings.pool_max_age_s:
            return False
        if job.status is JobStatus.STOPPED:
            timeout = job.stop_why is Secondary.MAX_RUNTIME_EXCEEDED
            kept = self.settings.timeout_retains_pool if timeout else self.settings.stop_retains_pool
            if not kept:
                return False
        if job.failure is not None and not job.failure.startswith(("AlgorithmError", "ClientError")):
            return False
        quota = _quota(self.settings.warm_pool_quota, pool.instance_type)
        idle = sum(p.instance_count for p in self.idle_pools if p.instance_type == pool.instance_type)
        return idle + pool.instance_count <= quota

    def _held_pool(self, job: Job) -> Pool | None:
        """The pool this job runs on, or ran on last of all."""
        pool = self.pools.get(job.pool_id or "")
        return pool if pool is not None and pool.holder == job.name else None

    def _update_keep_alive(self, job: Job, period: int, now: float) -> None:
        pool, kept = self._held_pool(job), job.retention
        shown = self.warm_pool(job, now)
        if shown is None or shown["Status"] != PoolStatus.AVAILABLE.value:
            status = "not available" if shown is None else shown["Status"]
            raise invalid(
                "KeepAlivePeriodInSeconds can be updated only if the warm pool status is Available. "
                f"The warm pool status of training job {job.name} is {status}."
            )
        if period > self.settings.max_keep_alive_s:
            raise invalid(f"KeepAlivePeriodInSeconds must not exceed {self.settings.max_keep_alive_s} seconds.")
        if pool is None or kept is None:
            return  # released already, and only still shown as Available
        job.request["ResourceConfig"]["KeepAlivePeriodInSeconds"] = period
        job.modified = milliseconds(now)
        self._mark(job)
        base = now if self.settings.update_from_now else kept.since
        if period == 0 or base + period <= now:
            kept.terminated_shown_from = now + self.settings.release_lag_s
            self._close(pool, CloseReason.RELEASED, now)
            return
        pool.expires_at = min(base + period, max(now, pool.born + self.settings.pool_max_age_s))
        self._set(pool, Timer.EXPIRE, pool.expires_at)

    def _close(self, pool: Pool, why: CloseReason, now: float) -> None:
        """An idle pool ends, and with it what it bills to the job that retained it."""
        self._drop(pool)
        holder = self.jobs.get(pool.holder)
        if holder is None or holder.retention is None:
            return
        holder.retention.status, holder.retention.ended_at = PoolStatus.TERMINATED, now
        self._say_of_pool(holder, _CLOSE_MESSAGES.get(why, states.RELEASED), now)
        self.changed_jobs.add(holder.name)

    def _drop(self, pool: Pool) -> None:
        """Its instances are gone; nothing of a pool is kept but what its jobs tell."""
        del self.pools[pool.id]
        self.changed_pools.add(pool.id)
        self._effects.append(DropPool(pool.id))

    @staticmethod
    def _say_of_pool(job: Job, message: str, now: float) -> None:
        """The fate of the pool is told in the last message of a completed job; one of another end keeps its own."""
        if job.status is JobStatus.COMPLETED:
            job.say(message, now)

    def _check_training_quota(self, request: Mapping[str, Any], now: float) -> None:
        """Running jobs and idle pools count against the same quota."""
        resources = request["ResourceConfig"]
        kind, count = resources.get("InstanceType", ""), resources.get("InstanceCount", 1)
        spot = bool(request.get("EnableManagedSpotTraining"))
        quota = _quota(self.settings.spot_quota if spot else self.settings.training_quota, kind)
        idle = [pool for pool in self.idle_pools if pool.instance_type == kind and not spot]
        used = sum(pool.instance_count for pool in idle)
        for job in self.running:
            theirs = job.request["ResourceConfig"]
            same = theirs.get("InstanceType", "") == kind and job.spot is spot
            used += theirs.get("InstanceCount", 1) if same else 0
        if used + count > quota:
            usage = "spot training job usage" if spot else "training job usage"
            raise ServiceError(
                "ResourceLimitExceeded",
                f"The account-level service limit '{kind} for {usage}' is {quota} Instances, with current "
                f"utilization of {used} Instances and a request delta of {count} Instances. Please use AWS Service "
                "Quotas to request an increase for this quota. If AWS Service Quotas is not available, contact AWS "
                "support to request an increase for this quota.",
            )


def _quota(quotas: Mapping[str, int], instance_type: str) -> int:
    """The quota of a type; "*" stands for the others."""
    return quotas.get(instance_type, quotas.get("*", 0))
