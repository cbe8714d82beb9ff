"""The AWS Batch queue of a sweep: will it take the jobs? The local engine's is made when it is missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sweeper.aws.batch import KIND, Call
from sweeper.core.queued import QueueOptions
from sweeper.errors import UsageError

INSTANCES = "NUM_INSTANCES"
"""The unit of a service environment's capacity where it counts machines of any type."""


def check(call: Call, options: QueueOptions) -> None:
    """Raises UsageError for a queue that would refuse the jobs, ApiError when it cannot be asked."""
    told = _told(call, options.queue)
    if told is None:
        raise UsageError(f"backend.queue: there is no job queue {options.queue} in this account and Region")
    if told.get("jobQueueType") != KIND:
        kind = f"of type {told['jobQueueType']}" if "jobQueueType" in told else "without a type"
        raise UsageError(f"backend.queue: {options.queue} is a queue {kind}, not of type {KIND}")
    if told["state"] != "ENABLED":
        raise UsageError(f"backend.queue: {options.queue} is disabled and takes no jobs")
    fair = "schedulingPolicyArn" in told
    if fair and not options.share_identifier:
        raise UsageError(
            f"backend.share_identifier: {options.queue} has a fair-share policy: say whose share the jobs count for"
        )
    if options.share_identifier and not fair:
        raise UsageError(f"backend.share_identifier: {options.queue} has no fair-share policy: leave it out")


def room(call: Call, options: QueueOptions) -> int | None:
    """For how many machines the queue has room; None where it does not say so in machines. Raises ApiError."""
    told = _told(call, options.queue)
    names = [one["serviceEnvironment"] for one in (told or {}).get("serviceEnvironmentOrder", ())]
    if not names:
        return None
    environments = call("DescribeServiceEnvironments", {"serviceEnvironments": names})["serviceEnvironments"]
    limits = [limit for one in environments for limit in one.get("capacityLimits", ())]
    counted = [int(limit["maxCapacity"]) for limit in limits if limit.get("capacityUnit") == INSTANCES]
    return sum(counted) if counted else None


def ensure(call: Call, options: QueueOptions, instances: int) -> bool:
    """Make the queue if there is none of its name, with room for one job of so many instances. True when made."""
    if _told(call, options.queue) is not None:
        return False
    name = options.queue.rpartition("/")[2]  # an ARN ends with it
    room = [{"maxCapacity": instances, "capacityUnit": INSTANCES}]
    environments = call("DescribeServiceEnvironments", {"serviceEnvironments": [name]})["serviceEnvironments"]
    if not environments:
        environment = {"serviceEnvironmentName": name, "serviceEnvironmentType": KIND, "capacityLimits": room}
        call("CreateServiceEnvironment", environment)
    order = [{"order": 1, "serviceEnvironment": name}]
    queue: dict[str, Any] = {
        "jobQueueName": name,
        "jobQueueType": KIND,
        "priority": 1,
        "serviceEnvironmentOrder": order,
    }
    if options.share_identifier:
        known = [str(policy["arn"]) for policy in call("ListSchedulingPolicies", {})["schedulingPolicies"]]
        made = next((arn for arn in known if arn.endswith(f"/{name}")), None)
        queue["schedulingPolicyArn"] = (
            made or call("CreateSchedulingPolicy", {"name": name, "fairsharePolicy": {}})["arn"]
        )
    call("CreateJobQueue", queue)
    return True


def _told(call: Call, queue: str) -> Mapping[str, Any] | None:
    queues = call("DescribeJobQueues", {"jobQueues": [queue]})["jobQueues"]
    return queues[0] if queues else None
