"""For how many machines a job queue has room, and who waits there already. Nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sweeper.aws.batch import Call
from sweeper.aws.queues import INSTANCES, told
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
    return sum(found) if found else None


def crowd(call: Call, options: QueueOptions) -> Crowd:
    """Who is there already. Raises ApiError."""
    snapshot = call("GetJobQueueSnapshot", {"jobQueue": options.queue})
    front: Mapping[str, Any] = snapshot.get("frontOfQueue") or {}
    usage = (snapshot.get("queueUtilization") or {}).get("totalCapacityUsage") or ()
    return Crowd(len(front.get("jobs") or ()), int(sum(one.get("quantity") or 0 for one in usage)))
