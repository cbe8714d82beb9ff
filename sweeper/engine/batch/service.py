"""AWS Batch as a pure state machine on top of the training service: no I/O, no clock, no threads."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sweeper.engine.batch import listing
from sweeper.engine.batch.limits import SHARES_MAX, check_job, check_range, refused
from sweeper.engine.batch.queueing import Queueing
from sweeper.engine.batch.records import QUEUE, Answer, Queue, ServiceJob, describe, summary
from sweeper.engine.errors import ServiceError
from sweeper.engine.training.service import Service

Operation = Callable[[Mapping[str, Any], float], Answer]


class Batch(Queueing):
    """Service environments, job queues, scheduling policies and service jobs, by Batch's operations.

    `validate` judges a payload as SageMaker would judge the request; it raises ServiceError.
    """

    def __init__(self, training: Service, validate: Callable[[object], Answer]) -> None:
        super().__init__(training, validate)
        self._submitted: list[float] = []  # times of the last second
        self._operations: dict[str, Operation] = {
            "CreateServiceEnvironment": self._create_environment,
            "UpdateServiceEnvironment": self._update_environment,
            "DeleteServiceEnvironment": self._delete_environment,
            "DescribeServiceEnvironments": self._describe_environments,
            "CreateSchedulingPolicy": self._create_policy,
            "UpdateSchedulingPolicy": self._update_policy,
            "DeleteSchedulingPolicy": self._delete_policy,
            "DescribeSchedulingPolicies": self._describe_policies,
            "ListSchedulingPolicies": self._list_policies,
            "CreateJobQueue": self._create_queue,
            "UpdateJobQueue": self._update_queue,
            "DeleteJobQueue": self._delete_queue,
            "DescribeJobQueues": self._describe_queues,
            "GetJobQueueSnapshot": self._snapshot,
            "SubmitServiceJob": self._submit,
            "DescribeServiceJob": self._describe,
            "ListServiceJobs": self._list,
            "UpdateServiceJob": self._update,
            "TerminateServiceJob": self._terminate,
            "TagResource": self._tag,
            "UntagResource": self._untag,
            "ListTagsForResource": self._list_tags,
        }

    @property
    def operations(self) -> frozenset[str]:
        """The operations this service knows."""
        return frozenset(self._operations)

    def call(self, operation: str, params: Mapping[str, Any], now: float) -> Answer:
        """Answer one request, or raise ServiceError. Whatever was due before `now` has happened first."""
        self.advance(now)
        answer = self._operations[operation](params, now)
        self.advance(now)
        return answer

    @staticmethod
    def role_of(params: Mapping[str, Any]) -> str:
        """The role in the payload that a call submits; empty when it has none, which is found out later."""
        try:
            payload = json.loads(params.get("serviceRequestPayload") or "{}")
        except (ValueError, RecursionError):
            return ""
        return str(payload.get("RoleArn", "")) if isinstance(payload, dict) else ""

    def restore(self, records: Iterable[tuple[str, str, Answer]]) -> None:
        """Take up what an earlier process left."""
        self.take_up(records)
        self._open = {job.id: job for job in self.jobs.values() if not job.status.terminal}

    # ------------------------------------------------------------------ operations

    def _submit(self, params: Mapping[str, Any], now: float) -> Answer:
        self._throttle(now)
        queue = self._queue(params["jobQueue"])
        check_job(params, fair_share=self.fairness(queue) is not None)
        if (known := self._replayed(params, now)) is not None:
            if self.settings.batch_rejects_replay:
                raise refused("A service job with an identical payload and clientToken was submitted already.")
            return _told(known)
        if not queue.enabled:
            raise refused(f"The job queue {queue.name} is disabled and accepts no jobs.")
        share = params.get("shareIdentifier")
        shares = {job.share for job in self._of(queue)} | {share}
        if len(shares) > SHARES_MAX:
            raise refused(f"A job queue has at most {SHARES_MAX} active share identifiers.")
        number = len(self.jobs) + 1
        digest = hashlib.sha256(f"{self._prefix} {number} {now!r}".encode()).digest()
        key = str(uuid.UUID(bytes=digest[:16], version=4))
        job = ServiceJob(
            id=key,
            arn=f"{self._prefix}:service-job/{key}",
            number=number,
            queue=queue.name,
            request=dict(params),
            instances=_instances(params),
            priority=params.get("schedulingPriority", 0),
            created=now,
            not_before=now + self.settings.batch_lag_s,
        )
        self.jobs[key] = self._open[key] = job
        self._mark(job)
        return _told(job)

    def _throttle(self, now: float) -> None:
        rate = self.settings.batch_submit_rate
        self._submitted = [at for at in self._submitted if at > now - 1]
        if rate and len(self._submitted) >= rate:
            raise ServiceError("TooManyRequestsException", "Too Many Requests", 429)
        self._submitted.append(now)

    def _replayed(self, params: Mapping[str, Any], now: float) -> ServiceJob | None:
        """The job that the same request with the same token has made, as long as the token is remembered."""
        if "clientToken" not in params:
            return None
        kept = self.settings.batch_token_kept_s
        known = (job for job in reversed(self.jobs.values()) if not kept or job.created > now - kept)
        return next((job for job in known if job.request == params), None)

    def _describe(self, params: Mapping[str, Any], _now: float) -> Answer:
        job = self._job(params["jobId"])
        return describe(job, f"{self._prefix}:job-queue/{job.queue}", self._training_arn)

    def _list(self, params: Mapping[str, Any], now: float) -> Answer:
        if "jobQueue" not in params:
            raise refused("jobQueue must be specified.")
        queue = self._queue(params["jobQueue"])
        known = (job for job in self.jobs.values() if now >= job.created + self.settings.batch_list_lag_s)
        found, token = listing.page((job for job in known if job.queue == queue.name), params)
        told = [summary(job, self._training_arn) for job in found]
        return {"jobSummaryList": told, **({} if token is None else {"nextToken": token})}

    def _update(self, params: Mapping[str, Any], _now: float) -> Answer:
        job = self._job(params["jobId"])
        check_range(params["schedulingPriority"], 0, 9999, "schedulingPriority")
        job.priority = params["schedulingPriority"]
        self._mark(job)
        return _told(job)

    def _terminate(self, params: Mapping[str, Any], now: float) -> Answer:
        job = self._job(params["jobId"])
        if not job.status.terminal:
            self.end(job, params["reason"], now)
        return {}

    def _delete_queue(self, params: Mapping[str, Any], now: float) -> Answer:
        queue = self._queue(params["jobQueue"])
        if queue.told["state"] != "DISABLED":
            raise refused(f"Cannot delete, the job queue {queue.name} must be DISABLED first.")
        queue.told["status"] = "DELETING"
        self.changed.add((QUEUE, queue.name))
        for job in self._of(queue):
            self.end(job, "The job queue was deleted", now)
        return {}

    def _snapshot(self, params: Mapping[str, Any], now: float) -> Answer:
        """The waiting jobs in the order in which they would go if nothing ended."""
        queue = self._queue(params["jobQueue"])
        policy, waiting, running = self.fairness(queue), self._waiting(queue), self._running_by_share(queue)
        order: list[ServiceJob] = []
        while len(order) < 100 and (job := self._next(queue, policy, waiting, running, now)):
            order.append(job)
            waiting.remove(job)
            running[job.share or ""] = running.get(job.share or "", 0) + job.instances
        at = int(now * 1000)
        jobs = [{"jobArn": job.arn, "earliestTimeAtPosition": int(job.created * 1000)} for job in order]
        return {"frontOfQueue": {"jobs": jobs, "lastUpdatedAt": at}, "queueUtilization": self._utilization(queue, at)}

    def _utilization(self, queue: Queue, at: int) -> Answer:
        shares = self._running_by_share(queue)
        total = float(sum(shares.values()))
        told: Answer = {"totalCapacityUsage": [_usage(total)], "lastUpdatedAt": at}
        if self.fairness(queue) is not None:
            top = [{"shareIdentifier": name, "capacityUsage": [_usage(float(n))]} for name, n in shares.items() if n]
            active = {job.share for job in self._of(queue)}
            told["fairshareUtilization"] = {"activeShareCount": len(active), "topCapacityUtilization": top}
        return told

    def _job(self, id_or_arn: str) -> ServiceJob:
        """The SDK gives the ARN where the API says id; both are taken."""
        found = self.jobs.get(id_or_arn.rpartition("/")[2])
        if found is None:
            raise refused(f"The service job {id_or_arn[:300]} does not exist.")
        return found

    # ------------------------------------------------------------------ ending

    def terminate_all(self, reason: str, now: float) -> None:
        """End every job that has not ended: the engine is being stopped."""
        for job in list(self._open.values()):
            self.end(job, reason, now)
        self.advance(now)


def _told(job: ServiceJob) -> Answer:
    return {"jobArn": job.arn, "jobName": job.name, "jobId": job.id}


def _usage(instances: float) -> Answer:
    return {"capacityUnit": "NUM_INSTANCES", "quantity": instances}


def _instances(params: Mapping[str, Any]) -> int:
    """How many the payload asks for; one that cannot be read fails later, as the payload does."""
    try:
        return max(1, int(json.loads(params["serviceRequestPayload"])["ResourceConfig"]["InstanceCount"]))
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return 1
