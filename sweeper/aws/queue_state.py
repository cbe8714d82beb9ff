"""For how many machines a job queue has room, whose they are, and who waits there already. Nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sweeper.aws.batch import Call
from sweeper.aws.queues import INSTANCES, quota_shares, told
from sweeper.core.queued import QueueOptions


@dataclass(frozen=True)
class Environment:
    """A service environment. `machines`: its capacity by unit, an instance type or NUM_INSTANCES for any."""

    name: str
    state: str
    status: str
    reason: str
    machines: Mapping[str, int]

    def of(self, instance_type: str) -> int:
        """For how many machines of a type it has room; 0 where it has none of them."""
        return self.machines.get(INSTANCES, self.machines.get(instance_type, 0))


@dataclass(frozen=True)
class Crowd:
    """How many jobs wait, as far as the queue tells (its first hundred), and how many machines are in use."""

    waiting: int
    in_use: int


@dataclass(frozen=True)
class QuotaShare:
    """A quota share. `machines`: its own, by type; `borrows`: so many per cent of them more, -1: any number."""

    name: str
    machines: Mapping[str, int]
    borrows: int

    def most(self, instance_type: str) -> int | None:
        """How many machines of a type its jobs may use at most; None: as many as there are."""
        own = self.machines.get(instance_type, 0)
        return None if self.borrows < 0 and own else own + own * self.borrows // 100


def quota_share(call: Call, options: QueueOptions) -> QuotaShare | None:
    """The one that the jobs use; None where there is none. Raises ApiError."""
    if not options.quota_share:
        return None
    every = quota_shares(call, options.queue)
    one = next((share for share in every if share["quotaShareName"] == options.quota_share), None)
    if one is None:
        return None
    sharing = one.get("resourceSharingConfiguration") or {}
    borrows = int(sharing.get("borrowLimit", -1)) if sharing.get("strategy") == "LEND_AND_BORROW" else 0
    limits = {str(limit["capacityUnit"]): int(limit["maxCapacity"]) for limit in one.get("capacityLimits", ())}
    return QuotaShare(options.quota_share, limits, borrows)


def weights(call: Call, options: QueueOptions) -> Mapping[str, float]:
    """Those of a fair-share policy by identifier, which may end with *; what is not listed has 1. Raises ApiError."""
    arn = (told(call, options.queue) or {}).get("schedulingPolicyArn")
    policies = call("DescribeSchedulingPolicies", {"arns": [arn]})["schedulingPolicies"] if arn else ()
    shares = [share for one in policies for share in (one.get("fairsharePolicy") or {}).get("shareDistribution") or ()]
    return {str(share["shareIdentifier"]): float(share.get("weightFactor") or 1.0) for share in shares}


def environments(call: Call, options: QueueOptions) -> Iterator[Environment]:
    """Those of a queue that is there; one for a queue of training jobs. Raises ApiError."""
    order = (told(call, options.queue) or {}).get("serviceEnvironmentOrder", ())
    if not (names := [str(one["serviceEnvironment"]) for one in order]):
        return
    for one in call("DescribeServiceEnvironments", {"serviceEnvironments": names})["serviceEnvironments"]:
        limits = {str(limit["capacityUnit"]): int(limit["maxCapacity"]) for limit in one.get("capacityLimits", ())}
        name, state, status, reason = (
            str(one.get(key) or "") for key in ("serviceEnvironmentName", "state", "status", "statusReason")
        )
        yield Environment(name, state, status, reason, limits)


def room(call: Call, options: QueueOptions, instance_type: str) -> int | None:
    """For how many machines of a type the queue has room; None where it does not say. Raises ApiError."""
    found = [environment.of(instance_type) for environment in environments(call, options)]
    share = quota_share(call, options)
    most = share.most(instance_type) if share else None
    return min(sum(found), sum(found) if most is None else most) if found else None


def crowd(call: Call, options: QueueOptions) -> Crowd:
    """Who is there already. Raises ApiError."""
    snapshot = call("GetJobQueueSnapshot", {"jobQueue": options.queue})
    front: Mapping[str, Any] = snapshot.get("frontOfQueue") or {}
    usage = (snapshot.get("queueUtilization") or {}).get("totalCapacityUsage") or ()
    return Crowd(len(front.get("jobs") or ()), int(sum(one.get("quantity") or 0 for one in usage)))
