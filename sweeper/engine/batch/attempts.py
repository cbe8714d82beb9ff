"""The attempts of service jobs: sent as training jobs, followed, tried again, ended. Pure."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable

from sweeper.engine.batch import scheduling
from sweeper.engine.batch.ledger import BatchLedger
from sweeper.engine.batch.limits import BY_TIME_LIMIT, NO_CAPACITY, RECENT_MAX
from sweeper.engine.batch.records import Answer, Attempt, JobStatus, ServiceJob
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
_UNPROVISIONED = f"{NO_CAPACITY} - Unable to provision requested compute resources"
_TIMED_OUT = "Job attempt duration exceeded timeout"
_GONE = "The training job of this attempt was deleted"


class Attempts:
    """Each attempt is a training job of its own.

    `validate` judges a payload as SageMaker would judge the request; it raises ServiceError.
    """

    def __init__(self, training: Service, validate: Callable[[object], Answer], ledger: BatchLedger) -> None:
        self._training, self._validate, self._ledger = training, validate, ledger

    def send(self, job: ServiceJob, now: float) -> None:
        """Ask SageMaker for a training job, under a name of its own for every attempt."""
        job.sent += 1
        self._ledger.enter(job, JobStatus.SCHEDULED, now)
        job.scheduled, job.started, job.reason, job.training_job, job.preempting = now, None, None, None, None
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
            self.follow(job, now)

    def follow(self, job: ServiceJob, now: float) -> None:
        """Take over what has become of the job's training job."""
        training = self._training.jobs.get(job.training_job or "")
        if training is None:
            self._attempted(job, job.training_job, _GONE, now)
            return
        status = _FOLLOWED.get(training.secondary, job.status)
        if training.training_from is not None and job.started is None:
            job.started = training.training_from
            self._ledger.mark(job)
        if status is not job.status:
            self._ledger.enter(job, status, now)
        if training.status.terminal:
            self._ended(job, training)
        elif job.times_out is not None and job.times_out <= now:
            job.timed_out = True
            self._ledger.mark(job)
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
            self._ledger.finish(job, JobStatus.SUCCEEDED, reason, at)
        elif training.status is states.JobStatus.STOPPED and job.preempting is not None and not job.given_up:
            self._preempted(job, job.preempting, at)
        else:
            self._attempted(job, training.name, reason, at)

    def _attempted(self, job: ServiceJob, training_job: str | None, reason: str, at: float) -> None:
        """An attempt has failed: the job ends, or waits for the next one."""
        job.attempts.append(Attempt(training_job, job.started, at, reason))
        if job.terminated is not None:
            self._ledger.finish(job, JobStatus.FAILED, job.terminated, at)
        elif job.timed_out:
            self._ledger.finish(job, JobStatus.FAILED, _TIMED_OUT, at)
        elif scheduling.retried(job.request.get("retryStrategy", {}), len(job.attempts), reason):
            self._ledger.enter(job, JobStatus.RUNNABLE, at)
            job.reason = reason
        else:
            self._ledger.finish(job, JobStatus.FAILED, reason, at)

    def preempt(self, job: ServiceJob, reason: str, now: float) -> None:
        """Stop the attempt that runs, so that others have its place."""
        job.preempting, job.reason = reason, f"PREEMPTION_IN_PROGRESS: {reason}"
        self._ledger.mark(job)
        self._stop(job, now)

    def _preempted(self, job: ServiceJob, reason: str, at: float) -> None:
        """The job waits for its next attempt, which is none of its retries, unless it has been preempted too often."""
        lost = Attempt(job.training_job, job.started, at, reason)
        job.preemptions += 1
        job.preempted = [*job.preempted, lost][-RECENT_MAX:]
        if self._training.settings.batch_preemption_counts:
            job.attempts.append(lost)
        most = job.request.get("preemptionConfiguration", {}).get("preemptionRetriesBeforeTermination")
        if most is not None and job.preemptions > most:
            self._ledger.finish(job, JobStatus.FAILED, reason, at)
            return
        self._ledger.enter(job, JobStatus.RUNNABLE, at)
        job.reason, job.preempting = reason, None

    def _no_capacity(self, job: ServiceJob, training: Job, at: float) -> None:
        """SageMaker found no machines: that is no attempt. Of the training jobs that failed so the last is kept."""
        if job.unprovisioned is not None:
            with contextlib.suppress(ServiceError):  # best effort, as the real one
                self._training.call("DeleteTrainingJob", {"TrainingJobName": job.unprovisioned}, at)
        job.unprovisioned = training.name
        assert job.scheduled is not None, "it was sent"
        job.no_capacity_s += at - job.scheduled
        most = self._ledger.time_limit(job, NO_CAPACITY)
        if most is not None and job.no_capacity_s >= most:
            self._ledger.finish(job, JobStatus.FAILED, BY_TIME_LIMIT + NO_CAPACITY, at)
            return
        self._ledger.enter(job, JobStatus.RUNNABLE, at)
        job.reason, job.not_before = _UNPROVISIONED, at + self._training.settings.batch_capacity_pause_s

    def _received(self, what: str | ServiceError) -> str:
        text = f"{what.code}: {what.message}" if isinstance(what, ServiceError) else what
        return f"Received status from SageMaker:{' ' if self._training.settings.batch_reason_space else ''}{text}"

    def end(self, job: ServiceJob, reason: str, now: float) -> None:
        """Terminate a job: at once while it waits, else by stopping its training job, which may end well before."""
        if job.terminated is None:
            job.terminated = reason
            self._ledger.mark(job)
        if job.status.dispatched:
            self._stop(job, now)
        else:
            self._ledger.finish(job, JobStatus.FAILED, reason, now)

    def _stop(self, job: ServiceJob, now: float) -> None:
        if job.training_job is not None:
            self._training.stop(job.training_job, now)


def _training_job_name(name: str, attempt: str) -> str:
    """What Batch calls the training job; a longer name is cut, so that it is still one that SageMaker takes."""
    room = _NAME_MAX - len(_PREFIX) - _ATTEMPT_ID
    return _PREFIX + name[:room] + hashlib.sha256(attempt.encode()).hexdigest()[:_ATTEMPT_ID]
