"""Job queues: made, told, changed, looked into and removed. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sweeper.engine.batch import scheduling
from sweeper.engine.batch.attempts import Attempts
from sweeper.engine.batch.ledger import BatchLedger
from sweeper.engine.batch.limits import check_name, check_new, check_range, check_time_limits, not_emulated, refused
from sweeper.engine.batch.listing import chosen, page
from sweeper.engine.batch.records import INSTANCES, QUEUE, Answer, Operations, Queue, ServiceJob, usage

_HEALTHY = "JobQueue Healthy"


class Queues:
    """The operations on job queues."""

    def __init__(self, prefix: str, ledger: BatchLedger, attempts: Attempts) -> None:
        self._ledger, self._attempts, self._prefix = ledger, attempts, prefix
        self.operations: Operations = {
            "CreateJobQueue": self._create,
            "UpdateJobQueue": self._update,
            "DeleteJobQueue": self._delete,
            "DescribeJobQueues": self._describe,
            "GetJobQueueSnapshot": self._snapshot,
        }

    def _create(self, params: Mapping[str, Any], _now: float) -> Answer:
        name = params["jobQueueName"]
        check_name(name, "jobQueueName")
        if (kind := params.get("jobQueueType", "SAGEMAKER_TRAINING")) != "SAGEMAKER_TRAINING":
            raise not_emulated(f"job queues of type {kind}")
        if not {"jobQueueType", "serviceEnvironmentOrder"} & set(params):
            raise not_emulated("job queues without a service environment")
        if params.get("computeEnvironmentOrder"):
            raise not_emulated("compute environments")
        check_new(self._ledger.queues, name, "job queues")
        arn = f"{self._prefix}:job-queue/{name}"
        told = {
            "state": "ENABLED",
            "tags": {},
            "jobStateTimeLimitActions": [],
            **params,
            **self._attached(params.get("serviceEnvironmentOrder", [])),
            "jobQueueType": "SAGEMAKER_TRAINING",
            "jobQueueArn": arn,
            "status": "VALID",
            "statusReason": _HEALTHY,
            "computeEnvironmentOrder": [],
        }
        self._check_queue(told)
        self._ledger.queues[name] = Queue(name, told)
        self._ledger.changed.add((QUEUE, name))
        return {"jobQueueName": name, "jobQueueArn": arn}

    def _update(self, params: Mapping[str, Any], _now: float) -> Answer:
        queue = self._ledger.queue(params["jobQueue"])
        if "schedulingPolicyArn" in params and "schedulingPolicyArn" not in queue.told:
            raise refused("A scheduling policy can't be added to a FIFO job queue.")
        if params.get("computeEnvironmentOrder"):
            raise not_emulated("compute environments")
        known = ("state", "priority", "schedulingPolicyArn", "jobStateTimeLimitActions")
        told = queue.told | {k: params[k] for k in known if k in params}
        if "serviceEnvironmentOrder" in params:
            told |= self._attached(params["serviceEnvironmentOrder"])
        self._check_queue(told)
        queue.told = told
        self._ledger.changed.add((QUEUE, queue.name))
        return {"jobQueueName": queue.name, "jobQueueArn": told["jobQueueArn"]}

    def _describe(self, params: Mapping[str, Any], _now: float) -> Answer:
        told = {name: queue.told for name, queue in self._ledger.queues.items()}
        found, token = page(chosen(told, params.get("jobQueues")), params)
        return {"jobQueues": found, **token}

    def _delete(self, params: Mapping[str, Any], now: float) -> Answer:
        queue = self._ledger.queue(params["jobQueue"])
        if queue.told["state"] != "DISABLED":
            raise refused(f"Cannot delete, the job queue {queue.name} must be DISABLED first.")
        queue.told["status"] = "DELETING"
        self._ledger.changed.add((QUEUE, queue.name))
        for job in self._ledger.of(queue):
            self._attempts.end(job, "The job queue was deleted", now)
        return {}

    def _snapshot(self, params: Mapping[str, Any], now: float) -> Answer:
        """The waiting jobs in the order in which they would go if nothing ended."""
        queue = self._ledger.queue(params["jobQueue"])
        order, at = self._order(queue, now), int(now * 1000)
        told: Answer = {
            "frontOfQueue": {"jobs": [_front(job) for job in order[:100]], "lastUpdatedAt": at},
            "queueUtilization": self._utilization(queue, at),
        }
        if self._ledger.has_quota_shares(queue):
            first = {job.share: job for job in reversed(order)}
            fronts = {name: [_front(first[name])] for name in self._ledger.shares_of(queue) if name in first}
            told["frontOfQuotaShares"] = {"quotaShares": fronts, "lastUpdatedAt": at}
        return told

    def _order(self, queue: Queue, now: float) -> list[ServiceJob]:
        waiting = self._ledger.waiting(queue)
        if self._ledger.has_quota_shares(queue):
            return sorted(waiting, key=lambda job: (-job.priority, job.number))
        policy, running = self._ledger.fairness(queue), self._ledger.running_by_share(queue)
        order: list[ServiceJob] = []
        while len(order) < 100 and (job := scheduling.next_job(queue, policy, waiting, running, now)):
            order.append(job)
            waiting.remove(job)
            running[job.share or ""] = running.get(job.share or "", 0) + job.instances
        return order

    def _utilization(self, queue: Queue, at: int) -> Answer:
        jobs = self._ledger.of(queue)
        working = [job for job in jobs if job.status.dispatched]
        names = sorted({job.share or "" for job in working})
        by_share = {name: [job for job in working if job.share == name] for name in names}
        told: Answer = {"totalCapacityUsage": _used(working), "lastUpdatedAt": at}
        if self._ledger.has_quota_shares(queue):
            top = [{"quotaShareName": name, "capacityUsage": _used(some)} for name, some in by_share.items()]
            told["quotaShareUtilization"] = {"topCapacityUtilization": top}
        elif self._ledger.fairness(queue) is not None:
            top = [{"shareIdentifier": name, "capacityUsage": _used(some)} for name, some in by_share.items()]
            active = {job.share for job in jobs}
            told["fairshareUtilization"] = {"activeShareCount": len(active), "topCapacityUtilization": top}
        return told

    def _attached(self, order: Sequence[Mapping[str, Any]]) -> Answer:
        if len(order) != 1:
            raise refused("A job queue of type SAGEMAKER_TRAINING must have exactly one service environment.")
        arn = self._ledger.environment(order[0]["serviceEnvironment"])["serviceEnvironmentArn"]
        return {"serviceEnvironmentOrder": [{"order": order[0]["order"], "serviceEnvironment": arn}]}

    def _check_queue(self, told: Mapping[str, Any]) -> None:
        check_range(told["priority"], 0, 1000, "priority")
        check_time_limits(told["jobStateTimeLimitActions"])
        policy = self._ledger.policy(told["schedulingPolicyArn"]) if "schedulingPolicyArn" in told else {}
        environment = self._ledger.environment(told["serviceEnvironmentOrder"][0]["serviceEnvironment"])
        by_type = environment["capacityLimits"][0]["capacityUnit"] != INSTANCES
        if by_type is not ("quotaSharePolicy" in policy):
            raise refused(
                "A service environment with instance types as capacityUnit and a quota share scheduling policy "
                "need each other."
            )


def _front(job: ServiceJob) -> Answer:
    return {"jobArn": job.arn, "earliestTimeAtPosition": int(job.created * 1000)}


def _used(jobs: Sequence[ServiceJob]) -> list[Answer]:
    """What these jobs use, by unit; nothing used is told in instances."""
    units = {job.unit for job in jobs} or {INSTANCES}
    return [usage(unit, sum(job.instances for job in jobs if job.unit == unit)) for unit in sorted(units)]
