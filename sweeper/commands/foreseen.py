"""What the next run would send, and what the account allows: what a plan asks the service for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sweeper.commands.planned import Planned
from sweeper.core import pool_caches
from sweeper.core.keepalive import keep_alive_s
from sweeper.core.machines import choices
from sweeper.core.model import Usage
from sweeper.core.request import FINGERPRINT, build, fingerprint, job_name
from sweeper.core.secrets import MASK
from sweeper.errors import ApiError
from sweeper.run.quota import limits_of


def requests(planned: Planned) -> Iterator[dict[str, Any]]:
    """The request of every trial that is left, its environment's values masked."""
    from sweeper.aws.staging import Located

    scope, owner, sweep = planned.connection.scope, planned.connection.owner, planned.sweep
    locate = Located(planned.connection.clients, scope, sweep.name, Path(sweep.project))
    backend = sweep.backend
    for trial in planned.unfinished:
        resolved = sweep.resolve(trial)
        attempt = planned.chain.next_attempt(trial.id)
        request = build(
            resolved,
            name=job_name(owner, scope, sweep.name, trial.id, attempt, queued=backend.through is not None),
            mark=fingerprint(owner, sweep.name, trial.id, attempt),
            sweep=sweep.name,
            max_runtime_s=int(resolved["job"]["max_runtime_s"]),
            staged=locate(resolved),
            region=scope.region,
            caches=sweep.caches,
        )
        masked = pool_caches.without(request.get("Environment", {}))
        shown = {k: MASK if k in masked and k != FINGERPRINT else v for k, v in request.get("Environment", {}).items()}
        yield backend.shape({**request, "Environment": shown}, keep_alive_s(sweep, planned.chain, last=False))


def quota(planned: Planned) -> str:
    """What the account may use of each instance type that a job may get, in words."""
    if not planned.sweep.engine.on_aws:
        return "not asked: the local engine's own quotas are settings"
    try:
        told = [_quota(planned, one.instance_type) for one in choices(planned.sweep.locked)]
    except ApiError as error:
        return f"unknown ({error.message})"
    return "; ".join(told)


def _quota(planned: Planned, instance: str) -> str:
    """Of one type. Raises ApiError."""
    limits, backend = limits_of(instance, planned.connection.clients()), planned.sweep.backend
    granted = limits.granted(backend.usage)
    words = [f"{_number(granted)} {instance} for {backend.usage.value}"]
    if backend.usage is Usage.TRAINING:
        words.append(f"{_number(limits.warm_pool)} for warm pools")
    if granted == 0:
        words.append("no job can start")
    elif limits.warm_pool == 0 and backend.keeps_pool:
        cold = planned.sweep.pool.on_no_quota == "cold"
        words.append(
            "no pool will be kept: every job starts cold"
            if cold
            else "no run starts: pool.on_no_quota=cold goes on without a pool"
        )
    return ", ".join(words)


def _number(value: float | None) -> str:
    return "an unknown number of" if value is None else f"{value:g}"
