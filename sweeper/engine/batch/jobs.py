"""Service jobs by request: submitted, told, changed and terminated. Pure."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from typing import Any

from sweeper.engine.batch.attempts import Attempts
from sweeper.engine.batch.ledger import BatchLedger, short
from sweeper.engine.batch.limits import SHARES_MAX, check_job, check_range, refused
from sweeper.engine.batch.listing import page_of_jobs, the_name
from sweeper.engine.batch.records import INSTANCES, Answer, Operations, Queue, ServiceJob, describe, summary
from sweeper.engine.errors import ServiceError
from sweeper.engine.training.settings import ServiceSettings


class ServiceJobs:
    """The operations on service jobs."""

    def __init__(self, settings: ServiceSettings, prefix: str, ledger: BatchLedger, attempts: Attempts) -> None:
        self._settings, self._prefix, self._ledger, self._attempts = settings, prefix, ledger, attempts
        self._training_arn = f"{settings.arn_prefix}:training-job/"
        self._submitted: list[float] = []  # times of the last second
        self.operations: Operations = {
            "SubmitServiceJob": self._submit,
            "DescribeServiceJob": self._describe,
            "ListServiceJobs": self._list,
            "UpdateServiceJob": self._update,
            "TerminateServiceJob": self._terminate,
            "TerminateServiceJobs": self._terminate_many,
        }

    def _submit(self, params: Mapping[str, Any], now: float) -> Answer:
        self._throttle(now)
        queue = self._ledger.queue(params["jobQueue"])
        self._check(params, queue)
        if (known := self._replayed(params, now)) is not None:
            if self._settings.batch_rejects_replay:
                raise refused("A service job with an identical payload and clientToken was submitted already.")
            return _told(known)
        if not queue.enabled:
            raise refused(f"The job queue {queue.name} is disabled and accepts no jobs.")
        share = params.get("shareIdentifier")
        shares = {job.share for job in self._ledger.of(queue)} | {share}
        if len(shares) > SHARES_MAX:
            raise refused(f"A job queue has at most {SHARES_MAX} active share identifiers.")
        resources = _resources(params)
        number = len(self._ledger.jobs) + 1
        digest = hashlib.sha256(f"{self._prefix} {number} {now!r}".encode()).digest()
        key = str(uuid.UUID(bytes=digest[:16], version=4))
        job = ServiceJob(
            id=key,
            arn=f"{self._prefix}:service-job/{key}",
            number=number,
            queue=queue.name,
            request=dict(params),
            instances=resources[1],
            priority=params.get("schedulingPriority", 0),
            created=now,
            not_before=now + self._settings.batch_lag_s,
            unit=resources[0] if self._ledger.has_quota_shares(queue) else INSTANCES,
        )
        self._ledger.add(job)
        return _told(job)

    def _check(self, params: Mapping[str, Any], queue: Queue) -> None:
        quota_shares = self._ledger.has_quota_shares(queue)
        check_job(params, fair_share=self._ledger.fairness(queue) is not None, quota_shares=quota_shares)
        if quota_shares:
            share = self._ledger.shares_of(queue).get(name := params["quotaShareName"])
            if share is None:
                raise refused(f"The job queue {queue.name} has no quota share {name[:200]}.")
            if share["state"] != "ENABLED" or share["status"] != "VALID":
                raise refused(f"The quota share {name[:200]} is disabled and accepts no jobs.")

    def _throttle(self, now: float) -> None:
        rate = self._settings.batch_submit_rate
        self._submitted = [at for at in self._submitted if at > now - 1]
        if rate and len(self._submitted) >= rate:
            raise ServiceError("TooManyRequestsException", "Too Many Requests", 429)
        self._submitted.append(now)

    def _replayed(self, params: Mapping[str, Any], now: float) -> ServiceJob | None:
        """The job that the same request with the same token has made, as long as the token is remembered."""
        if "clientToken" not in params:
            return None
        kept = self._settings.batch_token_kept_s
        known = (job for job in reversed(self._ledger.named(params["jobName"])) if job.request == params)
        return next((job for job in known if not kept or job.created > now - kept), None)

    def _describe(self, params: Mapping[str, Any], _now: float) -> Answer:
        job = self._ledger.job(params["jobId"])
        return describe(job, f"{self._prefix}:job-queue/{job.queue}", self._training_arn)

    def _list(self, params: Mapping[str, Any], now: float) -> Answer:
        if "jobQueue" not in params:
            raise refused("jobQueue must be specified.")
        queue = self._ledger.queue(params["jobQueue"])
        name, lag_s = the_name(params), self._settings.batch_list_lag_s
        newest_first = reversed(self._ledger.named(name) if name else self._ledger.jobs.values())
        known = (job for job in newest_first if job.queue == queue.name and now >= job.created + lag_s)
        found, token = page_of_jobs(known, params)
        told = [summary(job, self._training_arn) for job in found]
        return {"jobSummaryList": told, **({} if token is None else {"nextToken": token})}

    def _update(self, params: Mapping[str, Any], _now: float) -> Answer:
        job = self._ledger.job(params["jobId"])
        check_range(params["schedulingPriority"], 0, 9999, "schedulingPriority")
        job.priority = params["schedulingPriority"]
        self._ledger.mark(job)
        return _told(job)

    def _terminate(self, params: Mapping[str, Any], now: float) -> Answer:
        job = self._ledger.job(params["jobId"])
        if not job.status.terminal:
            self._attempts.end(job, params["reason"], now)
        return {}

    def _terminate_many(self, params: Mapping[str, Any], now: float) -> Answer:
        """One that is not there counts as terminated."""
        if not 1 <= len(params["jobs"]) <= 50:
            raise refused("jobs must have 1 to 50 elements.")
        for job in params["jobs"]:
            if short(job) in self._ledger.jobs:
                self._terminate({"jobId": job, "reason": params["reason"]}, now)
        return {"successful": [*params["jobs"]], "errors": []}


def _told(job: ServiceJob) -> Answer:
    return {"jobArn": job.arn, "jobName": job.name, "jobId": job.id}


def _resources(params: Mapping[str, Any]) -> tuple[str, int]:
    """The instance type that the payload asks for and how many; one that cannot be read fails later, as it does."""
    try:
        asked = json.loads(params["serviceRequestPayload"])["ResourceConfig"]
        return str(asked.get("InstanceType", INSTANCES)), max(1, int(asked["InstanceCount"]))
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return INSTANCES, 1
