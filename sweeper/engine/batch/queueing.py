"""The life of service jobs: waiting, dispatched as training jobs, followed, tried again, ended. Pure."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sweeper.engine.batch import scheduling
from sweeper.engine.batch.limits import MAX_RESOURCE, NO_CAPACITY
from sweeper.engine.batch.records import JOB, QUEUE, Answer, Attempt, JobStatus, Queue, ServiceJob
from sweeper.engine.batch.resources import Resources
from sweeper.engine.errors import ServiceError, invalid
from sweeper.engine.training import states
from sweeper.engine.training.job import Job
from sweeper.engine.training.service import Service
from sweeper.engine.training.states import Secondary

_NAME_MAX, _ATTEMPT_ID = 63, 32
_PREFIX = "AWSBatch"
_FOLLOWED = {
    Secondary.STARTING: JobStatus.SCHEDULED,
    Secondary.DOWNLOADING: JobStatus.STARTING,
    Secondary.TRAINING: JobStatus.RUNNING,
    Secondary.UPLOADING: JobStatus.RUNNING,
}
_BLOCKED = (
    f"{MAX_RESOURCE} - Service environment(s) associated with the job queue cannot meet the capacity requirement "
    "of the job."
)
_UNPROVISIONED = f"{NO_CAPACITY} - Unable to provision requested compute resources"
_BY_TIME_LIMIT = "Terminated by JobStateTimeLimit action due to reason: "
_TIMED_OUT = "Job attempt duration exceeded timeout"
_GONE = "The training job of this attempt was deleted"


class Queueing(Resources):
    """Resources whose queues hold jobs that time passes for."""

    def __init__(self, training: Service, validate: Callable[[object], Answer]) -> None:
        super().__init__(training.settings)
        self._training, self._validate = training, validate
        self._training_arn = f"{training.settings.arn_prefix}:training-job/"
        self._open: dict[str, ServiceJob] = {}  # by id, in the order of submission

    def advance(self, now: float) -> None:
        """Follow the training jobs, act on what is due, and send what fits."""
        for job in list(self._open.values()):
            if job.status.dispatched:
                self._follow(job, now)
            elif job.not_before <= now:
                job.not_before = 0.0
                if job.status is JobStatus.SUBMITTED:
                    self._enter(job, JobStatus.RUNNABLE, now)
        for queue in sorted(self.queues.values(), key=lambda q: -int(q.told["priority"])):
            if queue.told["status"] == "DELETING" and not self._of(queue):
                del self.queues[queue.name]
                self.changed.add((QUEUE, queue.name))
                continue
            while self._dispatch(queue, now):
                pass

    def next_due(self) -> float | None:
        """When something happens next by itself; None when nothing will."""
        return min((due for job in self._open.values() for due in self._dues(job)), default=None)

    def _dues(self, job: ServiceJob) -> Iterator[float]:
        if job.times_out is not None:
            yield job.times_out
        if job.not_before:
            yield job.not_before
        if job.blocked_since is not None and (most := self._time_limit(job, MAX_RESOURCE)) is not None:
            yield job.blocked_since + most

    # ------------------------------------------------------------------ sending

    def _of(self, queue: Queue) -> list[ServiceJob]:
        return [job for job in self._open.values() if job.queue == queue.name]

    def _waiting(self, queue: Queue) -> list[ServiceJob]:
        return [job for job in self._of(queue) if job.status is JobStatus.RUNNABLE]

    def _running_by_share(self, queue: Queue) -> dict[str, int]:
        found: dict[str, int] = {}
        for job in self._of(queue):
            if job.status.dispatched:
                found[job.share or ""] = found.get(job.share or "", 0) + job.instances
        return found

    @staticmethod
    def _next(
        queue: Queue,
        policy: Mapping[str, Any] | None,
        waiting: list[ServiceJob],
        running: Mapping[str, int],
        now: float,
    ) -> ServiceJob | None:
        if policy is None:
            return scheduling.head(waiting)
        return scheduling.fair_head(queue, policy, waiting, running, now)

    def _dispatch(self, queue: Queue, now: float) -> bool:
        """Send the job at the head of the queue if it fits; it holds up those behind it until it does."""
        environment = self._environment(queue.environment)
        policy, running = self.fairness(queue), self._running_by_share(queue)
        waiting = self._waiting(queue) if environment["state"] == "ENABLED" else []
        job = self._next(queue, policy, waiting, running, now)
        for other in self._of(queue):
            if other is not job:
                self._unblock(other)
        if job is None:
            return False
        capacity = int(environment["capacityLimits"][0]["maxCapacity"])
        if job.instances > capacity:
            return self._block(job, now)
        self._unblock(job)
        active = {other.share for other in self._of(queue)}
        most = capacity if policy is None else scheduling.usable(policy, capacity, len(active))
        if job.not_before or self._in_use(queue.environment) + job.instances > max(most, job.instances):
            return False
        self._send(job, now)
        return True

    def _in_use(self, environment: str) -> int:
        """Instances of a service environment that are taken, by whatever queue."""
        dispatched = (job for job in self._open.values() if job.status.dispatched)
        return sum(job.instances for job in dispatched if self.queues[job.queue].environment == environment)

    def _block(self, job: ServiceJob, now: float) -> bool:
        """The job is larger than its environment; true when it was given up and the next one may go."""
        if job.blocked_since is None:
            job.blocked_since, job.reason = now, _BLOCKED
            self._mark(job)
        most = self._time_limit(job, MAX_RESOURCE)
        if most is None or now < job.blocked_since + most:
            return False
        self._finish(job, JobStatus.FAILED, _BY_TIME_LIMIT + MAX_RESOURCE, now)
        return True

    def _unblock(self, job: ServiceJob) -> None:
        if job.blocked_since is not None:
            job.blocked_since = job.reason = None
            self._mark(job)

    def _time_limit(self, job: ServiceJob, reason: str) -> float | None:
        actions = self.queues[job.queue].told["jobStateTimeLimitActions"]
        return min((float(a["maxTimeSeconds"]) for a in actions if a["reason"] == reason), default=None)

    def _send(self, job: ServiceJob, now: float) -> None:
        """Ask SageMaker for a training job, under a name of its own for every attempt."""
        job.sent += 1
        self._enter(job, JobStatus.SCHEDULED, now)
        job.scheduled, job.started, job.reason, job.training_job = now, None, None, None
        try:
            payload = json.loads(job.request["serviceRequestPayload"])
            request = self._validate(payload)
            name = _training_job_name(str(request["TrainingJobName"]), f"{job.id} {job.sent}")
            self._training.call("CreateTrainingJob", {**request, "TrainingJobName": name}, now)
        except (ValueError, RecursionError):
            self._attempted(job, None, self._received(invalid("The payload is not JSON.")), now)
        except ServiceError as error:
            self._attempted(job, None, self._received(error), now)
        else:
            job.training_job = name
            self._follow(job, now)

    # ------------------------------------------------------------------ following

    def _follow(self, job: ServiceJob, now: float) -> None:
        """Take over what has become of the job's training job."""
        training = self._training.jobs.get(job.training_job or "")
        if training is None:
            self._attempted(job, job.training_job, _GONE, now)
            return
        status = _FOLLOWED.get(training.secondary, job.status)
        if training.training_from is not None and job.started is None:
            job.started = training.training_from
            self._mark(job)
        if status is not job.status:
            self._enter(job, status, now)
        if training.status.terminal:
            self._ended(job, training)
        elif job.times_out is not None and job.times_out <= now:
            job.timed_out = True
            self._mark(job)
            self._stop(job, now)

    def _ended(self, job: ServiceJob, training: Job) -> None:
        at = training.modified if training.ended is None else training.ended
        if (training.failure or "").startswith("CapacityError") and job.terminated is None:
            self._no_capacity(job, training, at)
            return
        done = training.status is states.JobStatus.COMPLETED
        message = states.COMPLETED if done else training.failure or training.transitions[-1]["StatusMessage"]
        reason = self._received(message)
        if done:
            job.attempts.append(Attempt(training.name, job.started, at, reason))
            self._finish(job, JobStatus.SUCCEEDED, reason, at)
        else:
            self._attempted(job, training.name, reason, at)

    def _attempted(self, job: ServiceJob, training_job: str | None, reason: str, at: float) -> None:
        """An attempt has failed: the job ends, or waits for the next one."""
        job.attempts.append(Attempt(training_job, job.started, at, reason))
        if job.terminated is not None:
            self._finish(job, JobStatus.FAILED, job.terminated, at)
        elif job.timed_out:
            self._finish(job, JobStatus.FAILED, _TIMED_OUT, at)
        elif scheduling.retried(job.request.get("retryStrategy", {}), len(job.attempts), reason):
            self._enter(job, JobStatus.RUNNABLE, at)
            job.reason = reason
        else:
            self._finish(job, JobStatus.FAILED, reason, at)

    def _no_capacity(self, job: ServiceJob, training: Job, at: float) -> None:
        """SageMaker found no machines: that is no attempt. Of the training jobs that failed so the last is kept."""
        if job.unprovisioned is not None:
            with contextlib.suppress(ServiceError):  # best effort, as the real one
                self._training.call("DeleteTrainingJob", {"TrainingJobName": job.unprovisioned}, at)
        job.unprovisioned = training.name
        assert job.scheduled is not None, "it was sent"
        job.no_capacity_s += at - job.scheduled
        most = self._time_limit(job, NO_CAPACITY)
        if most is not None and job.no_capacity_s >= most:
            self._finish(job, JobStatus.FAILED, _BY_TIME_LIMIT + NO_CAPACITY, at)
            return
        self._enter(job, JobStatus.RUNNABLE, at)
        job.reason, job.not_before = _UNPROVISIONED, at + self.settings.batch_capacity_pause_s

    def _received(self, what: str | ServiceError) -> str:
        text = f"{what.code}: {what.message}" if isinstance(what, ServiceError) else what
        return f"Received status from SageMaker:{' ' if self.settings.batch_reason_space else ''}{text}"

    # ------------------------------------------------------------------ ending

    def end(self, job: ServiceJob, reason: str, now: float) -> None:
        """Terminate a job: at once while it waits, else by stopping its training job, which may end well before."""
        if job.terminated is None:
            job.terminated = reason
            self._mark(job)
        if job.status.dispatched:
            self._stop(job, now)
        else:
            self._finish(job, JobStatus.FAILED, reason, now)

    def _stop(self, job: ServiceJob, now: float) -> None:
        if job.training_job is not None:
            self._training.stop(job.training_job, now)

    def _enter(self, job: ServiceJob, status: JobStatus, at: float) -> None:
        """Change the status; a share's use is counted before what it runs changes."""
        queue = self.queues[job.queue]
        policy = self.fairness(queue)
        if policy is not None and status.dispatched is not job.status.dispatched:
            share = job.share or ""
            running = self._running_by_share(queue).get(share, 0)
            queue.used[share] = (scheduling.used(queue, policy, share, running, at), at)
            self.changed.add((QUEUE, queue.name))
        job.status = status
        self._mark(job)

    def _finish(self, job: ServiceJob, status: JobStatus, reason: str, at: float) -> None:
        self._enter(job, status, at)
        job.reason, job.stopped, job.blocked_since = reason, at, None
        del self._open[job.id]

    def _mark(self, job: ServiceJob) -> None:
        self.changed.add((JOB, job.id))


def _training_job_name(name: str, attempt: str) -> str:
    """What Batch calls the training job; a longer name is cut, so that it is still one that SageMaker takes."""
    room = _NAME_MAX - len(_PREFIX) - _ATTEMPT_ID
    return _PREFIX + name[:room] + hashlib.sha256(attempt.encode()).hexdigest()[:_ATTEMPT_ID]
