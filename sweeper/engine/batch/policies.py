"""Scheduling policies: made, told, changed and removed. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sweeper.engine.batch.ledger import BatchLedger
from sweeper.engine.batch.limits import check_name, check_policy, refused
from sweeper.engine.batch.listing import page
from sweeper.engine.batch.records import POLICY, Answer, Operations


class Policies:
    """The operations on scheduling policies."""

    def __init__(self, prefix: str, ledger: BatchLedger) -> None:
        self._prefix, self._ledger = prefix, ledger
        self.operations: Operations = {
            "CreateSchedulingPolicy": self._create,
            "UpdateSchedulingPolicy": self._update,
            "DeleteSchedulingPolicy": self._delete,
            "DescribeSchedulingPolicies": self._describe,
            "ListSchedulingPolicies": self._list,
        }

    def _create(self, params: Mapping[str, Any], _now: float) -> Answer:
        check_name(params["name"], "name")
        kinds = _kinds(params) or {"fairsharePolicy": {}}
        check_policy(params.get("fairsharePolicy", {}))
        arn = f"{self._prefix}:scheduling-policy/{params['name']}"
        if arn in self._ledger.policies:
            raise refused(f"The scheduling policy {params['name']} already exists.")
        self._ledger.policies[arn] = {**kinds, "tags": {}, **params, "arn": arn}
        self._ledger.changed.add((POLICY, arn))
        return {"name": params["name"], "arn": arn}

    def _update(self, params: Mapping[str, Any], _now: float) -> Answer:
        found = self._ledger.policy(params["arn"])
        check_policy(params.get("fairsharePolicy", {}))
        kinds = _kinds(params)
        if kinds.keys() - found.keys():
            raise refused("The type of a scheduling policy can't be changed.")
        found |= kinds
        self._ledger.changed.add((POLICY, params["arn"]))
        return {}

    def _delete(self, params: Mapping[str, Any], _now: float) -> Answer:
        found = self._ledger.policy(params["arn"])
        if any(queue.told.get("schedulingPolicyArn") == found["arn"] for queue in self._ledger.queues.values()):
            raise refused(f"The scheduling policy {found['name']} is used by a job queue.")
        del self._ledger.policies[found["arn"]]
        self._ledger.changed.add((POLICY, found["arn"]))
        return {}

    def _describe(self, params: Mapping[str, Any], _now: float) -> Answer:
        known = self._ledger.policies
        return {"schedulingPolicies": [known[arn] for arn in params["arns"] if arn in known]}

    def _list(self, params: Mapping[str, Any], _now: float) -> Answer:
        found, token = page([{"arn": arn} for arn in self._ledger.policies], params)
        return {"schedulingPolicies": found, **token}


def _kinds(params: Mapping[str, Any]) -> Answer:
    """The policy that a request says: for fair shares or for quota shares, never both. Raises ServiceError."""
    said = {name: params[name] for name in ("fairsharePolicy", "quotaSharePolicy") if name in params}
    if len(said) > 1:
        raise refused("Only one of fairsharePolicy and quotaSharePolicy can be specified.")
    return said
