"""What a `Sweep` has from its resolved configuration alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sweeper import backends
from sweeper.config import engines
from sweeper.core import costs, prune, remedies, stop
from sweeper.core.job import Job
from sweeper.core.model import Objective, PoolSettings
from sweeper.core.options import from_section
from sweeper.core.request import digest
from sweeper.core.scope import EngineKind


def fields_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """A Sweep's fields by name; a configuration that was stored gives the same."""
    engine, backend = values["engine"], backends.made(values["backend"])
    return {
        "name": values["name"],
        "locked": values["locked"],
        "locked_digest": digest(values["locked"]),
        "engine": EngineKind(engine["kind"]),
        "backend": backend,
        "engine_options": engine,
        "waits": from_section(engines.KINDS[EngineKind(engine["kind"])].waits, engine),
        "owner": values["owner"],
        "metrics": from_section(Job, values["job"]).metrics,
        "objective": objective_of(values),
        "stop": stop.rules(values["stop"]),
        "on_until": values["stop"]["on_until"],
        "prune": prune.pruning(values["prune"]),
        "rate": costs.rate(values["prices"], values["locked"], engines.region_of(engine), backends.runs(backend)),
        "max_runtime_s": values["job"]["max_runtime_s"],
        "pool": from_section(PoolSettings, values["pool"]),
        "on_failure": remedies.on_failure(values["on_failure"]),
    }


def objective_of(values: Mapping[str, Any]) -> Objective | None:
    """The declared objective."""
    return from_section(Objective, values["objective"]) if values["objective"] else None
