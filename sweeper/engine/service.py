"""The training service as a pure state machine over (request | tick | report, now): no I/O, no clock, no threads."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sweeper.engine import states
from sweeper.engine.effects import (
    AdoptContainer,
    DropPool,
    Effect,
    ForgetJob,
    SignalContainer,
    StartContainer,
    UploadArtifacts,
)
from sweeper.engine.errors import ServiceError, invalid, not_found
from sweeper.engine.jobs import Job, Retention, describe, milliseconds, summary
from sweeper.engine.listing import Listing, keeps
from sweeper.engine.pool import CloseReason, Pool, PoolState, may_have_pool, pool_key
from sweeper.engine.search import search
from sweeper.engine.settings import ServiceSettings
from sweeper.engine.states import JobStatus, PoolStatus, Secondary, Signal

Answer = dict[str, Any]
FAILURE_REASON_MAX = 1024
_LAUNCH, _MAX_RUNTIME, _KILL, _END, _EXPIRE, _PATCH = "launch", "max_runtime", "kill", "end", "expire", "patch"
_CLOSE_MESSAGES = {CloseReason.EXPIRED: states.EXPIRED, CloseReason.RELEASED: states.RELEASED}


def algorithm_error(text: str, exit_code: int) -> str:
    """FailureReason as SageMaker composes it, never longer than it may be."""
    head, tail = "AlgorithmError: ", f", exit code: {exit_code}"
    return head + text[: FAILURE_REASON_MAX - len(head) - len(tail)] + tail


class Service:
    """Training jobs and warm pools of one account in one Region."""

    def __init__(self, settings: ServiceSettings | None = None, rng: random.Random | None = None) -> None:
        self.settings = settings or ServiceSettings()
        self.jobs: dict[str, Job] = {}
        self.pools: dict[str, Pool] = {}
        self._running: dict[str, Job] = {}
        self._listing = Listing()
        self._rng = rng or random.Random(0)
        self._effects: list[Effect] = []
        self._timers: list[tuple[float, int, str, str]] = []  # due, sequence, kind, job name or pool id
        self._sequence = 0
        self.changed_jobs: set[str] = set()
        self.changed_pools: set[str] = set()
        self._operations: dict[str, Callable[[Mapping[str, Any], float], Answer]] = {
            "CreateTrainingJob": self._create,
            "DescribeTrainingJob": self._describe,
            "ListTrainingJobs": self._list,
            "StopTrainingJob": self._stop,
            "UpdateTrainingJob": self._update,
            "DeleteTrainingJob": self._delete,
            "AddTags": self._add_tags,
            "ListTags": self._list_tags,
            "Search": self._search,
        }

    # ------------------------------------------------------------------ what callers use

    @property
    def operations(self) -> frozenset[str]:
        """The operations this service knows."""
        return frozenset(self._operations)

    def call(self, operation: str, params: Mapping[str, Any], now: float) -> Answer:
        """Answer one request, or raise ServiceError. Whatever was due before `now` has happened first."""
        handler = self._operations.get(operation)
        if handler is None:
            raise ServiceError("UnknownOperationException", f"The requested operation {operation} is not recognized.")
        self.tick(now)
        return handler(params, now)

    def tick(self, now: float) -> None:
        """Let everything happen that is due, in the order of time."""
        while self._timers and self._timers[0][0] <= now:
            due, _, kind, owner = heapq.heappop(self._timers)
            subject = self.pools.get(owner) if kind in (_EXPIRE, _PATCH) else self.jobs.get(owner)
            if subject is not None and subject.timers.get(kind) == due:
                del subject.timers[kind]
                self._fire(kind, subject, due)

    def next_due(self) -> float | None:
        """When something happens next by itself; None when nothing will."""
        while self._timers:
            due, _, kind, owner = self._timers[0]
            subject = self.pools.get(owner) if kind in (_EXPIRE, _PATCH) else self.jobs.get(owner)
            if subject is not None and subject.timers.get(kind) == due:
                return due
            heapq.heappop(self._timers)
        return None

    def drain(self) -> list[Effect]:
        """Take the effects asked for since the last call, in order."""
        effects, self._effects = self._effects, []
        return effects

    @property
    def running(self) -> list[Job]:
        """Jobs that have not ended."""
        return list(self._running.values())

    @property
    def idle_pools(self) -> list[Pool]:
        """Pools that are retained and bill."""
        return [pool for pool in self.pools.values() if pool.state is PoolState.IDLE]

    # ------------------------------------------------------------------ reports of what the world did

    def container_started(self, name: str, now: float) -> None:
        """The entrypoint runs."""
        self.tick(now)
        job = self._open(name)
        if job is not None and job.stop_why is None:
            job.enter(Secondary.TRAINING, states.TRAINING, now)

    def container_exited(self, name: str, exit_code: int, failure_text: str, now: float) -> None:
        """The entrypoint ended; a failure text is what it left in /opt/ml/output/failure."""
        self.tick(now)
        job = self._open(name)
        if job is None or job.exited:
            return
        job.exited = True
        self._cancel(job, _MAX_RUNTIME, _KILL)
        if job.stop_why is None:
            if exit_code != 0:
                job.failure = algorithm_error(failure_text, exit_code)
            job.enter(Secondary.UPLOADING, states.UPLOADING, now)
        self._effects.append(UploadArtifacts(name))

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
            self._set(job, _END, now + self.settings.stopping_s)

    def platform_failed(self, name: str, reason: str, now: float) -> None:
        """The job cannot go on for a reason that is not its algorithm's: bad input, lost machine, no capacity."""
        self.tick(now)
        job = self._open(name)
        if job is not None:
            job.failure = reason[:FAILURE_REASON_MAX]
            self._end(job, now)

    def metrics_seen(self, name: str, metrics: Mapping[str, tuple[float, float]]) -> None:
        """The last value and time of each metric found in the log so far."""
        job = self.jobs.get(name)
        if job is not None and any(job.metrics.get(k) != v for k, v in metrics.items()):
            job.metrics.update(metrics)
            self.changed_jobs.add(name)

    # ------------------------------------------------------------------ after a restart

    def restore(self, jobs: Iterable[Job], pools: Iterable[Pool]) -> None:
        """Take up what an earlier process left, and ask for every container again."""
        self.jobs = {job.name: job for job in jobs}
        self.pools = {pool.id: pool for pool in pools}
        self._running = {name: job for name, job in self.jobs.items() if not job.status.terminal}
        timers = {
            **{n: job.timers for n, job in self.jobs.items()},
            **{i: pool.timers for i, pool in self.pools.items()},
        }
        for owner, kinds in timers.items():
            for kind, due in kinds.items():
                self._push(due, kind, owner)
        for job in self.running:
            if job.exited:
                self._effects.append(UploadArtifacts(job.name))
            elif job.container:
                self._effects.append(AdoptContainer(job.name))

    # ------------------------------------------------------------------ operations

    def _create(self, params: Mapping[str, Any], now: float) -> Answer:
        name = params["TrainingJobName"]
        if name in self.jobs:
            raise ServiceError(
                "ResourceInUse",
                "Training job names must be unique within an AWS account and region, "
                f"and a training job with this name already exists ({self.jobs[name].arn})",
            )
        if params.get("ResourceConfig", {}).get("KeepAlivePeriodInSeconds", 0) > self.settings.max_keep_alive_s:
            raise invalid(f"KeepAlivePeriodInSeconds must not exceed {self.settings.max_keep_alive_s} seconds.")
        request = {k: v for k, v in params.items() if k != "Tags"}
        # ResourceConfig is ours to change (UpdateTrainingJob); everything else is only read
        request["ResourceConfig"] = dict(params.get("ResourceConfig", {}))
        job = Job(
            name, f"{self.settings.arn_prefix}:training-job/{name}", request, milliseconds(now), milliseconds(now)
        )
        job.tags = {tag["Key"]: tag["Value"] for tag in params.get("Tags", [])}
        pool = self._matching_pool(request, now)
        if pool is None:
            self._check_training_quota(request, now)
        self.jobs[name] = self._running[name] = job
        self._listing.forget()
        job.enter(Secondary.STARTING, states.STARTING, now)
        if pool is not None:
            self._hand_over(pool, job, now)
        latency = self.settings.cold_start_s if pool is None else self.settings.warm_start_s
        self._set(job, _LAUNCH, now + latency)
        self.tick(now)
        return {"TrainingJobArn": job.arn}

    def _describe(self, params: Mapping[str, Any], now: float) -> Answer:
        job = self._visible(params["TrainingJobName"], now)
        return describe(job, self.warm_pool(job, now))

    def _list(self, params: Mapping[str, Any], now: float) -> Answer:
        page, token = self._listing.page(self.jobs.values(), params, self.settings.list_order)
        found = []
        # the service filters by status after it has cut the page: a page may be empty and not the last
        for job in page:
            pool = self.warm_pool(job, now)
            if now >= job.created + self.settings.describe_lag_s and keeps(job, pool, params):
                found.append(summary(job, pool))
        return {"TrainingJobSummaries": found, **({"NextToken": token} if token else {})}

    def _stop(self, params: Mapping[str, Any], now: float) -> Answer:
        job = self._visible(params["TrainingJobName"], now)
        if job.status is not JobStatus.IN_PROGRESS:
            raise invalid(f"The request was rejected because the training job is in status {job.status.value}.")
        self._begin_stop(job, Secondary.STOPPED, now)
        return {}

    def _update(self, params: Mapping[str, Any], now: float) -> Answer:
        if not set(params) - {"TrainingJobName"}:
            raise invalid("Invalid UpdateTrainingJobRequest, the request cannot be empty")
        job = self._visible(params["TrainingJobName"], now)
        if "ResourceConfig" in params:
            self._update_keep_alive(job, params["ResourceConfig"]["KeepAlivePeriodInSeconds"], now)
        return {"TrainingJobArn": job.arn}

    def _delete(self, params: Mapping[str, Any], now: float) -> Answer:
        job = self._visible(params["TrainingJobName"], now)
        if not job.status.terminal:
            raise ServiceError("ResourceInUse", f"Cannot delete a training job in status {job.status.value}.")
        pool = self._held_pool(job)
        if pool is not None:
            raise ServiceError("ResourceInUse", "Cannot delete a training job that retains an Available warm pool.")
        del self.jobs[job.name]
        self._listing.forget()
        self.changed_jobs.add(job.name)
        self._effects.append(ForgetJob(job.name))
        return {}

    def _add_tags(self, params: Mapping[str, Any], now: float) -> Answer:
        job = self._by_arn(params["ResourceArn"], now)
        tags = job.tags | {tag["Key"]: tag["Value"] for tag in params["Tags"]}
        if len(tags) > 50:
            raise ServiceError("ResourceLimitExceeded", "The number of tags exceeds the limit of 50 per resource.")
        job.tags = tags
        self.changed_jobs.add(job.name)
        return {"Tags": _tag_list(tags)}

    def _list_tags(self, params: Mapping[str, Any], now: float) -> Answer:
        return {"Tags": _tag_list(self._by_arn(params["ResourceArn"], now).tags)}

    def _search(self, params: Mapping[str, Any], now: float) -> Answer:
        lag = self.settings.search_lag_s
        # the index knows nothing yet of a job that changed within the lag; older states are not kept
        known = [job for job in self.jobs.values() if now >= job.modified + lag]
        records = ({**describe(job, self.warm_pool(job, now)), "Tags": _tag_list(job.tags)} for job in known)
        return search(records, params)

    # ------------------------------------------------------------------ looking

    def warm_pool(self, job: Job, now: float) -> Answer | None:
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
        answer: Answer = {"Status": status.value}
        if status is not PoolStatus.AVAILABLE or self.settings.retained_shown_while_available:
            answer["ResourceRetainedBillableTimeInSeconds"] = kept.billable_s(now)
        if kept.reused_by is not None:
            answer["ReusedByJob"] = kept.reused_by
        return answer

    def _visible(self, name: str, now: float) -> Job:
        job = self.jobs.get(name)
        if job is None or now < job.created + self.settings.describe_lag_s:
            raise not_found()
        return job

    def _by_arn(self, arn: str, now: float) -> Job:
        prefix = f"{self.settings.arn_prefix}:training-job/"
        if not arn.startswith(prefix):
            raise not_found()
        return self._visible(arn[len(prefix) :], now)

    def _open(self, name: str) -> Job | None:
        """The job a report is about, unless it ended or was deleted meanwhile."""
        job = self.jobs.get(name)
        if job is None or job.status.terminal:
            return None
        self.changed_jobs.add(name)
        return job

    # ------------------------------------------------------------------ time

    def _set(self, subject: Job | Pool, kind: str, due: float) -> None:
        subject.timers[kind] = due
        self._push(due, kind, self._mark(subject))

    def _push(self, due: float, kind: str, owner: str) -> None:
        self._sequence += 1
        heapq.heappush(self._timers, (due, self._sequence, kind, owner))

    def _cancel(self, subject: Job | Pool, *kinds: str) -> None:
        for kind in kinds:
            subject.timers.pop(kind, None)
        self._mark(subject)

    def _mark(self, subject: Job | Pool) -> str:
        """Note that the subject changed; returns its name."""
        if isinstance(subject, Job):
            self.changed_jobs.add(subject.name)
            return subject.name
        self.changed_pools.add(subject.id)
        return subject.id

    def _fire(self, kind: str, subject: Job | Pool, now: float) -> None:
        self._mark(subject)
        if isinstance(subject, Pool):
            self._close(subject, CloseReason.EXPIRED if kind == _EXPIRE else CloseReason.PATCHED, now)
        elif kind == _LAUNCH:
            self._launch(subject, now)
        elif kind == _MAX_RUNTIME:
            self._begin_stop(subject, Secondary.MAX_RUNTIME_EXCEEDED, now)
        elif kind == _KILL:
            self._effects.append(SignalContainer(subject.name, Signal.KILL))
        elif kind == _END:
            self._end(subject, now)

    # ------------------------------------------------------------------ the life of a job

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
        job.training_from = now
        if job.stop_why is None:
            job.enter(Secondary.DOWNLOADING, states.DOWNLOADING, now)
        self._set(job, _MAX_RUNTIME, now + job.max_runtime_s)
        self._effects.append(StartContainer(job.name))

    def _begin_stop(self, job: Job, why: Secondary, now: float) -> None:
        if job.status is not JobStatus.IN_PROGRESS:
            return
        self._cancel(job, _MAX_RUNTIME, _LAUNCH)
        job.status, job.stop_why = JobStatus.STOPPING, why
        job.enter(Secondary.STOPPING, states.STOPPING, now)
        if not job.container:
            self._end(job, now)
        elif not job.exited:
            self._effects.append(SignalContainer(job.name, Signal.TERM))
            self._set(job, _KILL, now + self.settings.stop_grace_s)

    def _end(self, job: Job, now: float) -> None:
        """The job is terminal; its instances are retained or not."""
        self._cancel(job, *list(job.timers))
        self._running.pop(job.name, None)
        job.ended = now
        if job.failure is not None:
            job.status, message = JobStatus.FAILED, job.failure
            job.enter(Secondary.FAILED, message, now)
        elif job.stop_why is not None:
            job.status = JobStatus.STOPPED
            timeout = job.stop_why is Secondary.MAX_RUNTIME_EXCEEDED
            job.enter(job.stop_why, states.MAX_RUNTIME if timeout else states.STOPPED, now)
        else:
            job.status = JobStatus.COMPLETED
            job.enter(Secondary.COMPLETED, states.COMPLETED, now)
        job.transitions[-1]["EndTime"] = milliseconds(now)
        self._settle_pool(job, now)

    # ------------------------------------------------------------------ the life of a pool

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
            self._set(pool, _EXPIRE, pool.expires_at)
            if self._rng.random() < self.settings.pool_patch_rate:
                self._set(pool, _PATCH, now + self._rng.random() * (pool.expires_at - now))
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
        self._set(pool, _EXPIRE, pool.expires_at)

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
        """The fate of the pool is told in the last message of a completed job; a failed one keeps its reason."""
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
            same = theirs.get("InstanceType", "") == kind and bool(job.request.get("EnableManagedSpotTraining")) is spot
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


def _tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
