"""Job queues: made, told, changed, looked into and removed. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sweeper.engine.batch import scheduling
from sweeper.engine.batch.attempts import Attempts
from sweeper.engine.batch.ledger import BatchLedger
from sweeper.engine.batch.limits import check_name, check_new, check_range, check_time_limits, not_emulated, refused
from sweeper.engine.batch.listing import chosen, page
from sweeper.engine.batch.records import QUEUE, Answer, Operations, Queue, ServiceJob

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
            raise refused("A fair-share scheduling policy can't be added to a FIFO job queue.")
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
        policy = self._ledger.fairness(queue)
        waiting, running = self._ledger.waiting(queue), self._ledger.running_by_share(queue)
        order: list[ServiceJob] = []
        while len(order) < 100 and (job := scheduling.next_job(queue, policy, waiting, running, now)):
            order.append(job)
            waiting.remove(job)
            running[job.share or ""] = running.get(job.share or "", 0) + job.instances
        at = int(now * 1000)
        jobs = [{"jobArn": job.arn, "earliestTimeAtPosition": int(job.created * 1000)} for job in order]
        return {"frontOfQueue": {"jobs": jobs, "lastUpdatedAt": at}, "queueUtilization": self._utilization(queue, at)}

    def _utilization(self, queue: Queue, at: int) -> Answer:
        shares = self._ledger.running_by_share(queue)
        total = float(sum(shares.values()))
        told: Answer = {"totalCapacityUsage": [_usage(total)], "lastUpdatedAt": at}
        if self._ledger.fairness(queue) is not None:
            top = [{"shareIdentifier": name, "capacityUsage": [_usage(float(n))]} for name, n in shares.items() if n]
            active = {job.share for job in self._ledger.of(queue)}
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
        if "schedulingPolicyArn" in told:
            self._ledger.policy(told["schedulingPolicyArn"])


def _usage(instances: float) -> Answer:
    return {"capacityUnit": "NUM_INSTANCES", "quantity": instances}
