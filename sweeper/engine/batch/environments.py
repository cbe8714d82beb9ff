"""Service environments: made, told, changed and removed. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sweeper.engine.batch.ledger import BatchLedger
from sweeper.engine.batch.limits import check_capacity, check_name, check_new, refused
from sweeper.engine.batch.listing import chosen, page
from sweeper.engine.batch.records import ENVIRONMENT, Answer, Operations


class Environments:
    """The operations on service environments. One is there, and VALID, as soon as it was asked for."""

    def __init__(self, prefix: str, ledger: BatchLedger) -> None:
        self._prefix, self._ledger = prefix, ledger
        self.operations: Operations = {
            "CreateServiceEnvironment": self._create,
            "UpdateServiceEnvironment": self._update,
            "DeleteServiceEnvironment": self._delete,
            "DescribeServiceEnvironments": self._describe,
        }

    def _create(self, params: Mapping[str, Any], _now: float) -> Answer:
        name = params["serviceEnvironmentName"]
        check_name(name, "serviceEnvironmentName")
        check_capacity(params["capacityLimits"])
        check_new(self._ledger.environments, name, "service environments")
        arn = f"{self._prefix}:service-environment/{name}"
        told = {"state": "ENABLED", "tags": {}, **params, "serviceEnvironmentArn": arn, "status": "VALID"}
        self._ledger.environments[name] = told
        self._ledger.changed.add((ENVIRONMENT, name))
        return {"serviceEnvironmentName": name, "serviceEnvironmentArn": arn}

    def _update(self, params: Mapping[str, Any], _now: float) -> Answer:
        told = self._ledger.environment(params["serviceEnvironment"])
        check_capacity(params.get("capacityLimits", told["capacityLimits"]))
        told.update({k: params[k] for k in ("state", "capacityLimits") if k in params})
        self._ledger.changed.add((ENVIRONMENT, told["serviceEnvironmentName"]))
        return {k: told[k] for k in ("serviceEnvironmentName", "serviceEnvironmentArn")}

    def _delete(self, params: Mapping[str, Any], _now: float) -> Answer:
        told = self._ledger.environment(params["serviceEnvironment"])
        name, arn = told["serviceEnvironmentName"], told["serviceEnvironmentArn"]
        if told["state"] != "DISABLED":
            raise refused(f"Cannot delete, the service environment {name} must be DISABLED first.")
        if any(queue.environment == arn for queue in self._ledger.queues.values()):
            raise refused(f"Cannot delete, found existing JobQueue relationship with the service environment {name}.")
        del self._ledger.environments[name]
        self._ledger.changed.add((ENVIRONMENT, name))
        return {}

    def _describe(self, params: Mapping[str, Any], _now: float) -> Answer:
        asked = params.get("serviceEnvironments")
        found, token = page(chosen(self._ledger.environments, asked), params)
        return {"serviceEnvironments": found, **token}
