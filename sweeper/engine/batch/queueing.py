"""What time brings to queues: jobs that are due, followed, and sent when they fit. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from sweeper.engine.batch import scheduling, sharing
from sweeper.engine.batch.attempts import Attempts
from sweeper.engine.batch.ledger import BatchLedger
from sweeper.engine.batch.limits import BY_TIME_LIMIT, MAX_RESOURCE
from sweeper.engine.batch.records import QUEUE, SHARE, JobStatus, Queue, ServiceJob

_BLOCKED = (
    f"{MAX_RESOURCE} - Service environment(s) associated with the job queue cannot meet the capacity requirement "
    "of the job."
)


class Queueing:
    """The queues of a ledger, whose jobs time passes for.

    `youngest`: which job is preempted first, of those with one priority (sharing.Board).
    """

    def __init__(self, ledger: BatchLedger, attempts: Attempts, *, youngest: bool) -> None:
        self._ledger, self._attempts, self._youngest = ledger, attempts, youngest

    def advance(self, now: float) -> None:
        """Follow the training jobs, act on what is due, and send what fits."""
        if not self._ledger.queues and not self._ledger.shares:
            return
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
            dispatch = self._divide if self._ledger.has_quota_shares(queue) else self._dispatch
            while dispatch(queue, now):
                pass
        self._remove_shares()

    def next_due(self) -> float | None:
        """When something happens next by itself; None when nothing will."""
        if not self._ledger.open:
            return None
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
        policy = self._ledger.fairness(queue)
        running = self._ledger.running_by_share(queue) if policy else {}
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
        most = capacity
        if policy is not None:
            active = {other.share for other in self._ledger.of(queue)}
            most = scheduling.usable(policy, capacity, len(active))
        if job.not_before or self._ledger.in_use(queue.environment) + job.instances > max(most, job.instances):
            return False
        self._attempts.send(job, now)
        return True

    def _divide(self, queue: Queue, now: float) -> bool:
        """Send the next job of a queue with quota shares, else have others make room; true when it was sent."""
        environment, told = self._ledger.environment(queue.environment), self._ledger.shares_of(queue)
        capacity = {one["capacityUnit"]: int(one["maxCapacity"]) for one in environment["capacityLimits"]}
        working = self._ledger.at_work(queue.environment)
        for job in working:
            if job.queue != queue.name:
                capacity[job.unit] = capacity.get(job.unit, 0) - job.instances
        board = sharing.Board(
            shares={name: sharing.Share(share) for name, share in told.items()},
            capacity=capacity,
            working=[job for job in working if job.queue == queue.name],
            waiting=self._ledger.waiting(queue) if environment["state"] == "ENABLED" else [],
            youngest=self._youngest,
        )
        heads = [head for name in told if (head := board.head(name))]
        for job in self._ledger.of(queue):
            if job not in heads or not board.never_fits(job):
                self._unblock(job)
        for job in heads:
            if board.never_fits(job) and self._block(job, now):
                return True
        if (chosen := board.next_job()) is not None:
            self._attempts.send(chosen, now)
            return True
        for job, reason in list(board.to_preempt()):
            self._attempts.preempt(job, reason, now)
        return False

    def _remove_shares(self) -> None:
        """Quota shares that were deleted go with the last of their jobs, or with their queue."""
        queues = {queue.told["jobQueueArn"]: queue for queue in self._ledger.queues.values()}
        for arn, told in list(self._ledger.shares.items()):
            queue = queues.get(told["jobQueueArn"])
            jobs = self._ledger.of(queue) if queue else ()
            if queue is None or (
                told["status"] == "DELETING" and all(job.share != told["quotaShareName"] for job in jobs)
            ):
                del self._ledger.shares[arn]
                self._ledger.changed.add((SHARE, arn))

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
