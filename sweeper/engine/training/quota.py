"""How many instances of a type an account may run, and may keep in warm pools. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sweeper.engine.errors import ServiceError
from sweeper.engine.training.ledger import TrainingLedger
from sweeper.engine.training.machines import Machines, asked
from sweeper.engine.training.pool import Pool
from sweeper.engine.training.settings import ServiceSettings


def check_training_quota(request: Mapping[str, Any], ledger: TrainingLedger, settings: ServiceSettings) -> None:
    """Raise ResourceLimitExceeded when it does not fit: running jobs and idle pools count against the same quota.

    Each of the types that a job prefers has to fit. The machines of training plans count against none.
    """
    spot = bool(request.get("EnableManagedSpotTraining"))
    for machines in asked(request["ResourceConfig"]):
        _check(machines, ledger, settings, spot=spot)


def _check(machines: Machines, ledger: TrainingLedger, settings: ServiceSettings, *, spot: bool) -> None:
    kind, count = machines
    quota = _quota(settings.spot_quota if spot else settings.training_quota, kind)
    idle = [pool for pool in ledger.idle_pools if pool.instance_type == kind and not (spot or pool.plan)]
    used = sum(pool.instance_count for pool in idle)
    for job in ledger.running:
        theirs = [] if job.plan else job.machines
        used += sum(one.number for one in theirs if one.kind == kind and job.spot is spot)
    if used + count > quota:
        usage = "spot training job usage" if spot else "training job usage"
        raise ServiceError(
            "ResourceLimitExceeded",
            f"The account-level service limit '{kind} for {usage}' is {quota} Instances, with current "
            f"utilization of {used} Instances and a request delta of {count} Instances. Please use AWS Service "
            "Quotas to request an increase for this quota. If AWS Service Quotas is not available, contact AWS "
            "support to request an increase for this quota.",
        )


def may_be_retained(pool: Pool, ledger: TrainingLedger, settings: ServiceSettings) -> bool:
    """Is there room for one more idle pool?"""
    quota = _quota(settings.warm_pool_quota, pool.instance_type)
    idle = sum(p.instance_count for p in ledger.idle_pools if p.instance_type == pool.instance_type)
    return idle + pool.instance_count <= quota


def _quota(quotas: Mapping[str, int], instance_type: str) -> int:
    """The quota of a type; "*" stands for the others."""
    return quotas.get(instance_type, quotas.get("*", 0))
