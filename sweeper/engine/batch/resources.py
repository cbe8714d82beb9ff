"""Service environments, scheduling policies and job queues: made, told, changed and removed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sweeper.engine.batch.limits import (
    RESOURCES_MAX,
    check_capacity,
    check_name,
    check_policy,
    check_range,
    check_time_limits,
    not_emulated,
    refused,
)
from sweeper.engine.batch.records import ENVIRONMENT, POLICY, QUEUE, Answer, Queue, Records
from sweeper.engine.training.settings import ServiceSettings

_HEALTHY = "JobQueue Healthy"


class Resources(Records):
    """Everything that stands around service jobs. A resource is there, and VALID, as soon as it was asked for."""

    def __init__(self, settings: ServiceSettings) -> None:
        super().__init__()
        self.settings = settings
        self._prefix = settings.prefix_of("batch")

    # ------------------------------------------------------------------ service environments

    def _create_environment(self, params: Mapping[str, Any], _now: float) -> Answer:
        name = params["serviceEnvironmentName"]
        check_name(name, "serviceEnvironmentName")
        check_capacity(params["capacityLimits"])
        self._check_new(self.environments, name, "service environments")
        arn = f"{self._prefix}:service-environment/{name}"
        told = {"state": "ENABLED", "tags": {}, **params, "serviceEnvironmentArn": arn, "status": "VALID"}
        self.environments[name] = told
        self.changed.add((ENVIRONMENT, name))
        return {"serviceEnvironmentName": name, "serviceEnvironmentArn": arn}

    def _update_environment(self, params: Mapping[str, Any], _now: float) -> Answer:
        told = self._environment(params["serviceEnvironment"])
        check_capacity(params.get("capacityLimits", told["capacityLimits"]))
        told.update({k: params[k] for k in ("state", "capacityLimits") if k in params})
        self.changed.add((ENVIRONMENT, told["serviceEnvironmentName"]))
        return {k: told[k] for k in ("serviceEnvironmentName", "serviceEnvironmentArn")}

    def _delete_environment(self, params: Mapping[str, Any], _now: float) -> Answer:
        told = self._environment(params["serviceEnvironment"])
        name, arn = told["serviceEnvironmentName"], told["serviceEnvironmentArn"]
        if told["state"] != "DISABLED":
            raise refused(f"Cannot delete, the service environment {name} must be DISABLED first.")
        if any(queue.environment == arn for queue in self.queues.values()):
            raise refused(f"Cannot delete, found existing JobQueue relationship with the service environment {name}.")
        del self.environments[name]
        self.changed.add((ENVIRONMENT, name))
        return {}

    def _describe_environments(self, params: Mapping[str, Any], _now: float) -> Answer:
        asked = params.get("serviceEnvironments")
        found, token = _page(_chosen(self.environments, asked), params)
        return {"serviceEnvironments": found, **token}

    def _environment(self, name_or_arn: str) -> Answer:
        found = self.environments.get(_short(name_or_arn))
        if found is None:
            raise refused(f"The service environment {name_or_arn} does not exist.")
        return found

    # ------------------------------------------------------------------ scheduling policies

    def _create_policy(self, params: Mapping[str, Any], _now: float) -> Answer:
        check_name(params["name"], "name")
        if "quotaSharePolicy" in params:
            raise not_emulated("quota share policies")
        check_policy(params.get("fairsharePolicy", {}))
        arn = f"{self._prefix}:scheduling-policy/{params['name']}"
        if arn in self.policies:
            raise refused(f"The scheduling policy {params['name']} already exists.")
        self.policies[arn] = {"fairsharePolicy": {}, "tags": {}, **params, "arn": arn}
        self.changed.add((POLICY, arn))
        return {"name": params["name"], "arn": arn}

    def _update_policy(self, params: Mapping[str, Any], _now: float) -> Answer:
        found = self._policy(params["arn"])
        check_policy(params.get("fairsharePolicy", {}))
        found["fairsharePolicy"] = params.get("fairsharePolicy", found["fairsharePolicy"])
        self.changed.add((POLICY, params["arn"]))
        return {}

    def _delete_policy(self, params: Mapping[str, Any], _now: float) -> Answer:
        found = self._policy(params["arn"])
        if any(queue.told.get("schedulingPolicyArn") == found["arn"] for queue in self.queues.values()):
            raise refused(f"The scheduling policy {found['name']} is used by a job queue.")
        del self.policies[found["arn"]]
        self.changed.add((POLICY, found["arn"]))
        return {}

    def _describe_policies(self, params: Mapping[str, Any], _now: float) -> Answer:
        return {"schedulingPolicies": [self.policies[arn] for arn in params["arns"] if arn in self.policies]}

    def _list_policies(self, params: Mapping[str, Any], _now: float) -> Answer:
        found, token = _page([{"arn": arn} for arn in self.policies], params)
        return {"schedulingPolicies": found, **token}

    def _policy(self, arn: str) -> Answer:
        found = self.policies.get(arn)
        if found is None:
            raise refused(f"The scheduling policy {arn} does not exist.")
        return found

    def fairness(self, queue: Queue) -> Mapping[str, Any] | None:
        """The fair-share policy of a queue; None for FIFO."""
        arn = queue.told.get("schedulingPolicyArn")
        return None if arn is None else self.policies[arn]["fairsharePolicy"]

    # ------------------------------------------------------------------ job queues

    def _create_queue(self, params: Mapping[str, Any], _now: float) -> Answer:
        name = params["jobQueueName"]
        check_name(name, "jobQueueName")
        if (kind := params.get("jobQueueType", "SAGEMAKER_TRAINING")) != "SAGEMAKER_TRAINING":
            raise not_emulated(f"job queues of type {kind}")
        if not {"jobQueueType", "serviceEnvironmentOrder"} & set(params):
            raise not_emulated("job queues without a service environment")
        if params.get("computeEnvironmentOrder"):
            raise not_emulated("compute environments")
        self._check_new(self.queues, name, "job queues")
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
        self.queues[name] = Queue(name, told)
        self.changed.add((QUEUE, name))
        return {"jobQueueName": name, "jobQueueArn": arn}

    def _update_queue(self, params: Mapping[str, Any], _now: float) -> Answer:
        queue = self._queue(params["jobQueue"])
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
        self.changed.add((QUEUE, queue.name))
        return {"jobQueueName": queue.name, "jobQueueArn": told["jobQueueArn"]}

    def _describe_queues(self, params: Mapping[str, Any], _now: float) -> Answer:
        told = {name: queue.told for name, queue in self.queues.items()}
        found, token = _page(_chosen(told, params.get("jobQueues")), params)
        return {"jobQueues": found, **token}

    def _attached(self, order: Sequence[Mapping[str, Any]]) -> Answer:
        if len(order) != 1:
            raise refused("A job queue of type SAGEMAKER_TRAINING must have exactly one service environment.")
        arn = self._environment(order[0]["serviceEnvironment"])["serviceEnvironmentArn"]
        return {"serviceEnvironmentOrder": [{"order": order[0]["order"], "serviceEnvironment": arn}]}

    def _check_queue(self, told: Mapping[str, Any]) -> None:
        check_range(told["priority"], 0, 1000, "priority")
        check_time_limits(told["jobStateTimeLimitActions"])
        if "schedulingPolicyArn" in told:
            self._policy(told["schedulingPolicyArn"])

    def _queue(self, name_or_arn: str) -> Queue:
        found = self.queues.get(_short(name_or_arn))
        if found is None:
            raise refused(f"The job queue {name_or_arn} does not exist.")
        return found

    @staticmethod
    def _check_new(known: Mapping[str, Any], name: str, what: str) -> None:
        if name in known:
            raise refused(f"Object already exists: {name}")
        if len(known) >= RESOURCES_MAX:
            raise refused(f"The limit of {RESOURCES_MAX} {what} is reached.")

    # ------------------------------------------------------------------ tags

    def _tag(self, params: Mapping[str, Any], _now: float) -> Answer:
        record, held = self._tagged(params["resourceArn"])
        tags = {**held.get("tags", {}), **params["tags"]}
        if len(tags) > 50:
            raise refused("A resource has at most 50 tags.")
        held["tags"] = tags
        self.changed.add(record)
        return {}

    def _untag(self, params: Mapping[str, Any], _now: float) -> Answer:
        record, held = self._tagged(params["resourceArn"])
        held["tags"] = {k: v for k, v in held.get("tags", {}).items() if k not in params["tagKeys"]}
        self.changed.add(record)
        return {}

    def _list_tags(self, params: Mapping[str, Any], _now: float) -> Answer:
        return {"tags": self._tagged(params["resourceArn"])[1].get("tags", {})}

    def _tagged(self, arn: str) -> tuple[tuple[str, str], Answer]:
        """The record that has this ARN, and what holds its tags."""
        kind, name = arn.removeprefix(f"{self._prefix}:").partition("/")[::2]
        if kind == "service-environment":
            return (ENVIRONMENT, name), self._environment(name)
        if kind == "job-queue":
            return (QUEUE, name), self._queue(name).told
        if kind == "scheduling-policy":
            return (POLICY, arn), self._policy(arn)
        raise refused(f"The resource {arn[:300]} does not exist.")


def _short(name_or_arn: str) -> str:
    """A name; an ARN ends with it."""
    return name_or_arn.rpartition("/")[2]


def _chosen(known: Mapping[str, Answer], asked: Iterable[str] | None) -> list[Answer]:
    """Those that were asked for and exist; all when none was named."""
    if not asked:
        return list(known.values())
    return [known[_short(name)] for name in asked if _short(name) in known]


def _page(found: list[Answer], params: Mapping[str, Any]) -> tuple[list[Answer], Answer]:
    check_range(size := params.get("maxResults", 100), 1, 100, "maxResults")
    token = params.get("nextToken", "0")
    if not token.isdecimal():
        raise refused("Invalid nextToken.")
    start = int(token)
    token_of_next = {"nextToken": str(start + size)} if start + size < len(found) else {}
    return found[start : start + size], token_of_next
