"""The AWS Batch queue of a sweep: will it take the jobs? The local engine's is made when it is missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sweeper.aws.batch import KIND, Call
from sweeper.core.queued import QueueOptions, short_name
from sweeper.core.words import span
from sweeper.errors import ApiError, ApiErrorKind, UsageError

INSTANCES = "NUM_INSTANCES"
"""The unit of a service environment's capacity where it counts machines of any type."""


def check(call: Call, options: QueueOptions, instance_type: str = "") -> list[str]:
    """What a person should know of the queue, in sentences. `instance_type`: the jobs', where that is known.

    Raises UsageError for a queue that would refuse the jobs, ApiError when it cannot be asked.
    """
    found = told(call, options.queue)
    if found is None:
        raise UsageError(f"backend.queue: there is no job queue {options.queue} in this account and Region")
    if found.get("jobQueueType") != KIND:
        kind = f"of type {found['jobQueueType']}" if "jobQueueType" in found else "without a type"
        raise UsageError(f"backend.queue: {options.queue} is a queue {kind}, not of type {KIND}")
    if found["state"] != "ENABLED":
        raise UsageError(f"backend.queue: {options.queue} is disabled and takes no jobs")
    divided = _divided(call, found, bool(options.quota_share))
    _check_fair_share(options, fair="schedulingPolicyArn" in found and not divided)
    _check_quota_share(call, options, instance_type, divided=divided)
    return [*_told_of(options, found)]


def _check_fair_share(options: QueueOptions, *, fair: bool) -> None:
    if fair and not options.share_identifier:
        raise UsageError(
            f"backend.share_identifier: {options.queue} has a fair-share policy: say whose share the jobs count for"
        )
    if options.share_identifier and not fair:
        raise UsageError(f"backend.share_identifier: {options.queue} has no fair-share policy: leave it out")


def _check_quota_share(call: Call, options: QueueOptions, instance_type: str, *, divided: bool) -> None:
    if options.quota_share and not divided:
        raise UsageError(f"backend.quota_share: {options.queue} has no quota shares: leave it out")
    if not divided:
        return
    shares = {str(one["quotaShareName"]): one for one in quota_shares(call, options.queue)}
    there = f"there is {', '.join(shares)}" if shares else "it has none yet"
    if not options.quota_share:
        raise UsageError(f"backend.quota_share: {options.queue} has quota shares: say whose the jobs use; {there}")
    share = shares.get(options.quota_share)
    if share is None:
        raise UsageError(f"backend.quota_share: {options.queue} has no share {options.quota_share}; {there}")
    if share.get("state") != "ENABLED":
        raise UsageError(f"backend.quota_share: {options.quota_share} is disabled and takes no jobs")
    units = {str(limit["capacityUnit"]) for limit in share["capacityLimits"]}
    if instance_type and instance_type not in units:
        raise UsageError(
            f"backend.quota_share: {options.quota_share} has machines of {', '.join(sorted(units))}, and none of "
            f"{instance_type}: the jobs would wait for ever"
        )


def has_priorities(call: Call, queue: str) -> bool:
    """Does a job's priority change anything in this queue? Raises ApiError."""
    return "schedulingPolicyArn" in (told(call, queue) or {})


def _told_of(options: QueueOptions, found: Mapping[str, Any]) -> Iterator[str]:
    """A priority that changes nothing, and the queue's own limits of how long the job at its head may wait."""
    if options.scheduling_priority is not None and "schedulingPolicyArn" not in found:
        yield f"{options.queue} is first in, first out: backend.scheduling_priority changes nothing there"
    for action in found.get("jobStateTimeLimitActions") or ():
        seconds, reason = float(action["maxTimeSeconds"]), str(action["reason"])
        yield f"{options.queue} ends a job at its head that waits for {span(seconds)} because of {reason}"


def _divided(call: Call, found: Mapping[str, Any], said: bool) -> bool:
    """Do quota shares divide what the queue may use? `said`: is that believed, by whoever may not look?"""
    if (arn := found.get("schedulingPolicyArn")) is None:
        return False
    try:
        policies = call("DescribeSchedulingPolicies", {"arns": [arn]})["schedulingPolicies"]
    except ApiError as error:
        if error.kind is not ApiErrorKind.DENIED:
            raise
        return said
    return any("quotaSharePolicy" in policy for policy in policies)


def quota_shares(call: Call, queue: str) -> Iterator[Mapping[str, Any]]:
    """Every quota share of a queue that has them. Raises ApiError."""
    token: dict[str, Any] = {}
    while True:
        page = call("ListQuotaShares", {"jobQueue": queue, **token})
        yield from page["quotaShares"]
        if not page.get("nextToken"):
            return
        token = {"nextToken": page["nextToken"]}


def ensure(call: Call, options: QueueOptions, instances: int, instance_type: str = "") -> bool:
    """Make the queue if there is none of its name, with room for so many instances. True when it was made.

    Its quota share is made too, of instances of this type.
    """
    name = short_name(options.queue)
    room = [{"maxCapacity": instances, "capacityUnit": instance_type if options.quota_share else INSTANCES}]
    if missing := told(call, options.queue) is None:
        _make_queue(call, options, name, room)
    if options.quota_share:
        _ensure_share(call, options.quota_share, name, room)
    return missing


def _ensure_share(call: Call, share: str, queue: str, room: Sequence[Mapping[str, Any]]) -> None:
    found = told(call, queue)
    if found is None or not _divided(call, found, True):
        return  # which is told when it is checked
    if share not in {one["quotaShareName"] for one in quota_shares(call, queue)}:
        made = {
            "quotaShareName": share,
            "jobQueue": queue,
            "capacityLimits": room,
            "resourceSharingConfiguration": {"strategy": "LEND_AND_BORROW"},
            "preemptionConfiguration": {"inSharePreemption": "DISABLED"},
        }
        call("CreateQuotaShare", made)


def _make_queue(call: Call, options: QueueOptions, name: str, room: Sequence[Mapping[str, Any]]) -> None:
    environments = call("DescribeServiceEnvironments", {"serviceEnvironments": [name]})["serviceEnvironments"]
    if not environments:
        environment = {"serviceEnvironmentName": name, "serviceEnvironmentType": KIND}
        call("CreateServiceEnvironment", {**environment, "capacityLimits": room})
    order = [{"order": 1, "serviceEnvironment": name}]
    queue: dict[str, Any] = {
        "jobQueueName": name,
        "jobQueueType": KIND,
        "priority": 1,
        "serviceEnvironmentOrder": order,
    }
    if policy := _policy(options):
        known = [str(policy["arn"]) for policy in call("ListSchedulingPolicies", {})["schedulingPolicies"]]
        made = next((arn for arn in known if arn.endswith(f"/{name}")), None)
        queue["schedulingPolicyArn"] = made or call("CreateSchedulingPolicy", {"name": name, **policy})["arn"]
    call("CreateJobQueue", queue)


def _policy(options: QueueOptions) -> dict[str, Any] | None:
    """What the queue is to be scheduled by; None: first in, first out."""
    if options.quota_share:
        return {"quotaSharePolicy": {"idleResourceAssignmentStrategy": "FIFO"}}
    return {"fairsharePolicy": {}} if options.share_identifier else None


def told(call: Call, queue: str) -> Mapping[str, Any] | None:
    """The queue as it is described; None when there is none. Raises ApiError."""
    queues = call("DescribeJobQueues", {"jobQueues": [queue]})["jobQueues"]
    return queues[0] if queues else None
