"""Tags of environments, queues and policies. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sweeper.engine.batch.ledger import BatchLedger
from sweeper.engine.batch.limits import refused
from sweeper.engine.batch.records import ENVIRONMENT, POLICY, QUEUE, SHARE, Answer, Operations, Record


class Tags:
    """The operations on tags."""

    def __init__(self, prefix: str, ledger: BatchLedger) -> None:
        self._prefix, self._ledger = prefix, ledger
        self.operations: Operations = {
            "TagResource": self._tag,
            "UntagResource": self._untag,
            "ListTagsForResource": self._list,
        }

    def _tag(self, params: Mapping[str, Any], _now: float) -> Answer:
        record, held = self._tagged(params["resourceArn"])
        tags = {**held.get("tags", {}), **params["tags"]}
        if len(tags) > 50:
            raise refused("A resource has at most 50 tags.")
        held["tags"] = tags
        self._ledger.changed.add(record)
        return {}

    def _untag(self, params: Mapping[str, Any], _now: float) -> Answer:
        record, held = self._tagged(params["resourceArn"])
        held["tags"] = {k: v for k, v in held.get("tags", {}).items() if k not in params["tagKeys"]}
        self._ledger.changed.add(record)
        return {}

    def _list(self, params: Mapping[str, Any], _now: float) -> Answer:
        return {"tags": self._tagged(params["resourceArn"])[1].get("tags", {})}

    def _tagged(self, arn: str) -> tuple[Record, Answer]:
        """The record that has this ARN, and what holds its tags."""
        kind, name = arn.removeprefix(f"{self._prefix}:").partition("/")[::2]
        if kind == "service-environment":
            return (ENVIRONMENT, name), self._ledger.environment(name)
        if kind == "job-queue" and "/quota-share/" in name:
            return (SHARE, arn), self._ledger.quota_share(arn)
        if kind == "job-queue":
            return (QUEUE, name), self._ledger.queue(name).told
        if kind == "scheduling-policy":
            return (POLICY, arn), self._ledger.policy(arn)
        raise refused(f"The resource {arn[:300]} does not exist.")
