"""Quota shares of job queues: made, told, changed and removed. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sweeper.engine.batch.attempts import Attempts
from sweeper.engine.batch.ledger import BatchLedger
from sweeper.engine.batch.limits import QUOTA_SHARES_MAX, check_name, check_quota_share, refused
from sweeper.engine.batch.listing import page
from sweeper.engine.batch.records import SHARE, Answer, Operations

_CHANGED = ("capacityLimits", "resourceSharingConfiguration", "preemptionConfiguration", "state")


class QuotaShares:
    """The operations on quota shares. One is there, and VALID, as soon as it was asked for."""

    def __init__(self, ledger: BatchLedger, attempts: Attempts) -> None:
        self._ledger, self._attempts = ledger, attempts
        self.operations: Operations = {
            "CreateQuotaShare": self._create,
            "UpdateQuotaShare": self._update,
            "DeleteQuotaShare": self._delete,
            "DescribeQuotaShare": self._describe,
            "ListQuotaShares": self._list,
        }

    def _create(self, params: Mapping[str, Any], _now: float) -> Answer:
        name = params["quotaShareName"]
        check_name(name, "quotaShareName")
        check_quota_share(params)
        queue = self._ledger.queue(params["jobQueue"])
        if not self._ledger.has_quota_shares(queue):
            raise refused(f"The job queue {queue.name} has no quota share scheduling policy.")
        known = self._ledger.shares_of(queue)
        if name in known:
            raise refused(f"Object already exists: {name}")
        if len(known) >= QUOTA_SHARES_MAX:
            raise refused(f"A job queue has at most {QUOTA_SHARES_MAX} quota shares.")
        told = {"state": "ENABLED", **{key: params[key] for key in params if key != "jobQueue"}}
        told |= {"jobQueueArn": queue.told["jobQueueArn"], "status": "VALID"}
        told["quotaShareArn"] = arn = f"{told['jobQueueArn']}/quota-share/{name}"
        self._ledger.shares[arn] = told
        self._ledger.changed.add((SHARE, arn))
        return {"quotaShareName": name, "quotaShareArn": arn}

    def _update(self, params: Mapping[str, Any], _now: float) -> Answer:
        arn = params["quotaShareArn"]
        told = self._ledger.quota_share(arn) | {key: params[key] for key in _CHANGED if key in params}
        check_quota_share(told)
        self._ledger.shares[arn] = told
        self._ledger.changed.add((SHARE, arn))
        return {"quotaShareName": told["quotaShareName"], "quotaShareArn": arn}

    def _delete(self, params: Mapping[str, Any], now: float) -> Answer:
        told = self._ledger.quota_share(params["quotaShareArn"])
        if told["state"] != "DISABLED":
            raise refused(f"Cannot delete, the quota share {told['quotaShareName']} must be DISABLED first.")
        told["status"] = "DELETING"
        self._ledger.changed.add((SHARE, told["quotaShareArn"]))
        for job in self._ledger.of(self._ledger.queue(told["jobQueueArn"])):
            if job.share == told["quotaShareName"]:
                self._attempts.end(job, "The quota share was deleted", now)
        return {}

    def _describe(self, params: Mapping[str, Any], _now: float) -> Answer:
        return dict(self._ledger.quota_share(params["quotaShareArn"]))

    def _list(self, params: Mapping[str, Any], _now: float) -> Answer:
        shares = self._ledger.shares_of(self._ledger.queue(params["jobQueue"]))
        found, token = page([{k: v for k, v in told.items() if k != "tags"} for told in shares.values()], params)
        return {"quotaShares": found, **token}
