"""What time brings to queues: jobs that are due, followed, and sent when they fit. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from sweeper.engine.batch import scheduling
from sweeper.engine.batch.attempts import Attempts
from sweeper.engine.batch.ledger import BatchLedger
from sweeper.engine.batch.limits import BY_TIME_LIMIT, MAX_RESOURCE
from sweeper.engine.batch.records import QUEUE, JobStatus, Queue, ServiceJob

_BLOCKED = (
    f"{MAX_RESOURCE} - Service environment(s) associated with the job queue cannot meet the capacity requirement "
    "of the job."
)


class Queueing:
    """The queues of a ledger, whose jobs time passes for."""

    def __init__(self, ledger: BatchLedger, attempts: Attempts) -> None:
        self._ledger, self._attempts = ledger, attempts

    def advance(self, now: float) -> None:
        """Follow the training jobs, act on what is due, and send what fits."""
        for job in list(self._ledger.open.values()):
            if job.status.dispatched:
                self._attempts.follow(job, now)
            elif job.not_before <= now:
                job.not_before = 0.0
                if job.status is JobStatus.SUBMITTED:
                    self._ledger.enter(job, JobStatus.RUNNABLE, now)
        for queue in sorted(self._ledger.queues.values(), key=lambda q: -int(q.told["priority"])):
            if queue.told["status"] == "DELETING" and not self._ledger.of(queue):
                del self._ledger.queues[queue.name]
                self._ledger.changed.add((QUEUE, queue.name))
                continue
            while self._dispatch(queue, now):
                pass

    def next_due(self) -> float | None:
        """When something happens next by itself; None when nothing will."""
        return min((due for job in self._ledger.open.values() for due in self._dues(job)), default=None)

    def _dues(self, job: ServiceJob) -> Iterator[float]:
        if job.times_out is not None:
            yield job.times_out
        if job.not_before:
            yield job.not_before
        if job.blocked_since is not None and (most := self._ledger.time_limit(job, MAX_RESOURCE)) is not None:
            yield job.blocked_since + most

    def _dispatch(self, queue: Queue, now: float) -> bool:
        """Send the job at the head of the queue if it fits; it holds up those behind it until it does."""
        environment = self._ledger.environment(queue.environment)
        policy, running = self._ledger.fairness(queue), self._ledger.running_by_share(queue)
        waiting = self._ledger.waiting(queue) if environment["state"] == "ENABLED" else []
        job = scheduling.next_job(queue, policy, waiting, running, now)
        for other in self._ledger.of(queue):
            if other is not job:
                self._unblock(other)
        if job is None:
            return False
        capacity = int(environment["capacityLimits"][0]["maxCapacity"])
        if job.instances > capacity:
            return self._block(job, now)
        self._unblock(job)
        active = {other.share for other in self._ledger.of(queue)}
        most = capacity if policy is None else scheduling.usable(policy, capacity, len(active))
        if job.not_before or self._ledger.in_use(queue.environment) + job.instances > max(most, job.instances):
            return False
        self._attempts.send(job, now)
        return True

    def _block(self, job: ServiceJob, now: float) -> bool:
        """The job is larger than its environment; true when it was given up and the next one may go."""
        if job.blocked_since is None:
            job.blocked_since, job.reason = now, _BLOCKED
            self._ledger.mark(job)
        most = self._ledger.time_limit(job, MAX_RESOURCE)
        if most is None or now < job.blocked_since + most:
            return False
        self._ledger.finish(job, JobStatus.FAILED, BY_TIME_LIMIT + MAX_RESOURCE, now)
        return True

    def _unblock(self, job: ServiceJob) -> None:
        if job.blocked_since is not None:
            job.blocked_since = job.reason = None
            self._ledger.mark(job)
