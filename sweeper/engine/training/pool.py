"""A managed warm pool: which request it fits, who holds it, and when it ends. Pure; time is an argument."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class PoolState(str, Enum):
    """Where a pool is in its life."""

    BUSY = "busy"  # its holder runs
    IDLE = "idle"  # retained, billing, up for reuse


class CloseReason(str, Enum):
    """Why a pool ended."""

    EXPIRED = "expired"
    RELEASED = "released"  # Update with a keep-alive of zero
    PATCHED = "patched"


@dataclass
class Pool:
    """Instances that outlive a job; `holder` is the job they run, or ran last."""

    id: str
    key: str
    instance_type: str
    instance_count: int
    born: float
    holder: str
    state: PoolState = PoolState.BUSY
    expires_at: float | None = None
    plan: str = ""  # the training plan that its instances are of
    keep_alive_s: float = 0.0  # with which it was retained last
    timers: dict[str, float] = field(default_factory=dict)

    def retain(self, now: float, keep_alive_s: float, max_age_s: float) -> None:
        """Go idle; a chain of jobs never lives longer than `max_age_s`."""
        self.state, self.keep_alive_s = PoolState.IDLE, keep_alive_s
        self.expires_at = min(now + keep_alive_s, max(now, self.born + max_age_s))

    def take(self, name: str) -> None:
        """Move to another job."""
        self.state, self.holder = PoolState.BUSY, name
        self.expires_at = None
        self.timers.clear()


def pool_key(request: Mapping[str, Any], *, order_matters: bool = False) -> str:
    """The documented matching fields of a CreateTrainingJob request, as one comparable value."""
    resources = request.get("ResourceConfig", {})
    network = request.get("VpcConfig") or {}
    arrange = list if order_matters else sorted
    fields = [
        request.get("RoleArn"),
        [resources.get(k) for k in ("InstanceCount", "InstanceType", "VolumeKmsKeyId", "VolumeSizeInGB")]
        + [resources[k] for k in ("InstancePreferences",) if k in resources],
        [arrange(network.get(k, [])) for k in ("SecurityGroupIds", "Subnets")],
        bool(request.get("EnableInterContainerTrafficEncryption")),
        bool(request.get("EnableNetworkIsolation")),
        bool(request.get("SessionChainingConfig", {}).get("EnableSessionTagChaining")),
    ]
    return json.dumps(fields)


def may_have_pool(request: Mapping[str, Any]) -> bool:
    """Warm pools are not for heterogeneous clusters nor for managed spot training."""
    resources = request.get("ResourceConfig", {})
    return not (resources.get("InstanceGroups") or request.get("EnableManagedSpotTraining"))
