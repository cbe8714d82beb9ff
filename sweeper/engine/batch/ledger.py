"""What Batch knows: environments, policies, queues and service jobs, and what changed of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sweeper.engine.batch import scheduling
from sweeper.engine.batch.limits import refused
from sweeper.engine.batch.records import (
    JOB,
    QUEUE,
    Answer,
    JobStatus,
    Queue,
    Record,
    ServiceJob,
)


class BatchLedger:
    """Everything by key, and what changed since it was last written."""

    def __init__(self) -> None:
        self.environments: dict[str, Answer] = {}  # by name
        self.policies: dict[str, Answer] = {}  # by ARN
        self.queues: dict[str, Queue] = {}  # by name
        self.shares: dict[str, Answer] = {}  # quota shares, by ARN
        self.jobs: dict[str, ServiceJob] = {}  # by id, in the order of submission
        self.open: dict[str, ServiceJob] = {}  # those that have not ended
        self._named: dict[str, list[ServiceJob]] = {}  # by name in lower case, oldest first
        self.changed: set[Record] = set()

    # ------------------------------------------------------------------ looking up

    def environment(self, name_or_arn: str) -> Answer:
        """A service environment; raises ServiceError."""
        found = self.environments.get(short(name_or_arn))
        if found is None:
            raise refused(f"The service environment {name_or_arn} does not exist.")
        return found

    def policy(self, arn: str) -> Answer:
        """A scheduling policy; raises ServiceError."""
        found = self.policies.get(arn)
        if found is None:
            raise refused(f"The scheduling policy {arn} does not exist.")
        return found

    def queue(self, name_or_arn: str) -> Queue:
        """A job queue; raises ServiceError."""
        found = self.queues.get(short(name_or_arn))
        if found is None:
            raise refused(f"The job queue {name_or_arn} does not exist.")
        return found

    def job(self, id_or_arn: str) -> ServiceJob:
        """A service job; raises ServiceError. The SDK gives the ARN where the API says id; both are taken."""
        found = self.jobs.get(short(id_or_arn))
        if found is None:
            raise refused(f"The service job {id_or_arn[:300]} does not exist.")
        return found

    def fairness(self, queue: Queue) -> Mapping[str, Any] | None:
        """The fair-share policy of a queue; None for FIFO, and where quota shares are."""
        arn = queue.told.get("schedulingPolicyArn")
        return None if arn is None else self.policies[arn].get("fairsharePolicy")

    def has_quota_shares(self, queue: Queue) -> bool:
        """Is what the queue may use divided between quota shares?"""
        return "quotaSharePolicy" in self.policies.get(queue.told.get("schedulingPolicyArn", ""), {})

    def quota_share(self, arn: str) -> Answer:
        """A quota share; raises ServiceError."""
        found = self.shares.get(arn)
        if found is None:
            raise refused(f"The quota share {arn[:300]} does not exist.")
        return found

    def shares_of(self, queue: Queue) -> dict[str, Answer]:
        """The quota shares of a queue, by name."""
        arn = queue.told["jobQueueArn"]
        return {told["quotaShareName"]: told for told in self.shares.values() if told["jobQueueArn"] == arn}

    # ------------------------------------------------------------------ the jobs of queues

    def of(self, queue: Queue) -> list[ServiceJob]:
        """The jobs of a queue that have not ended."""
        return [job for job in self.open.values() if job.queue == queue.name]

    def waiting(self, queue: Queue) -> list[ServiceJob]:
        """Those that are up for being sent."""
        return [job for job in self.of(queue) if job.status is JobStatus.RUNNABLE]

    def running_by_share(self, queue: Queue) -> dict[str, int]:
        """Instances that each share of a queue takes."""
        found: dict[str, int] = {}
        for job in self.of(queue):
            if job.status.dispatched:
                found[job.share or ""] = found.get(job.share or "", 0) + job.instances
        return found

    def at_work(self, environment: str) -> list[ServiceJob]:
        """The jobs that take capacity of a service environment, by whatever queue."""
        dispatched = (job for job in self.open.values() if job.status.dispatched)
        return [job for job in dispatched if self.queues[job.queue].environment == environment]

    def in_use(self, environment: str) -> int:
        """Instances of a service environment that are taken, by whatever queue."""
        return sum(job.instances for job in self.at_work(environment))

    def named(self, name: str) -> Sequence[ServiceJob]:
        """The jobs of this name, whatever its case, oldest first."""
        return self._named.get(name.lower(), ())

    def time_limit(self, job: ServiceJob, reason: str) -> float | None:
        """Seconds after which a job that waits for this reason is ended; None when there is no such limit."""
        actions = self.queues[job.queue].told["jobStateTimeLimitActions"]
        return min((float(a["maxTimeSeconds"]) for a in actions if a["reason"] == reason), default=None)

    def add(self, job: ServiceJob) -> None:
        """A job that was submitted."""
        self.hold(job)
        self.mark(job)

    def hold(self, job: ServiceJob) -> None:
        """A job from now on, the newest; what is known of it is written already."""
        self.jobs[job.id] = job
        if not job.status.terminal:
            self.open[job.id] = job
        self._named.setdefault(job.name.lower(), []).append(job)

    def enter(self, job: ServiceJob, status: JobStatus, at: float) -> None:
        """Change the status; a share's use is counted before what it runs changes."""
        queue = self.queues[job.queue]
        policy = self.fairness(queue)
        if policy is not None and status.dispatched is not job.status.dispatched:
            share = job.share or ""
            running = self.running_by_share(queue).get(share, 0)
            queue.used[share] = (scheduling.used(queue, policy, share, running, at), at)
            self.changed.add((QUEUE, queue.name))
        job.status = status
        self.mark(job)

    def finish(self, job: ServiceJob, status: JobStatus, reason: str, at: float) -> None:
        """The job ends so."""
        self.enter(job, status, at)
        job.reason, job.stopped, job.blocked_since = reason, at, None
        del self.open[job.id]

    def mark(self, job: ServiceJob) -> None:
        """Note that a job changed."""
        self.changed.add((JOB, job.id))


def short(name_or_arn: str) -> str:
    """A name; an ARN ends with it."""
    return name_or_arn.rpartition("/")[2]
