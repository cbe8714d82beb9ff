"""Where machines come from: one module per backend, one row here; a user's own is an entry point of a package."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sweeper.backends.batch import Batch
from sweeper.backends.on_demand import OnDemand
from sweeper.backends.spot import Spot
from sweeper.backends.warm_pool import WarmPool
from sweeper.core.kinds import Registry
from sweeper.core.options import declared, defaults_of
from sweeper.core.ports import Backend
from sweeper.errors import UsageError

KINDS: Mapping[str, type[Backend]] = {made.kind: made for made in (WarmPool, OnDemand, Spot, Batch)}
"""The backends that come with sweeper, by the name that an experiment says."""
DEFAULT = WarmPool.kind
GROUP = "sweeper.backends"
"""The entry points of a user's own backends."""
kind_of = Registry("backend", KINDS, GROUP, Backend, "kind").of
"""The dataclass of a kind; a user's own is looked for when its name is said. Raises UsageError."""


def made(section: Mapping[str, Any]) -> Backend:
    """The backend that a `backend` section declares. Raises UsageError."""
    name = str(section["kind"])
    asked = kind_of(name)
    options = {key: value for key, value in section.items() if key != "kind" and not unsaid(name, key, value)}
    try:
        backend = asked(**options)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{name} cannot be made of {', '.join(options) or 'no options'}: {error}") from error
    if sends_keep_alive(backend) is not backend.keeps_pool:
        said, does = ("keeps a pool", "does not") if backend.keeps_pool else ("keeps no pool", "does")
        raise UsageError(f"{name} says that it {said} and {does} send KeepAlivePeriodInSeconds")
    if backend.keeps_pool and backend.capacity > 1:
        raise UsageError(f"{name} keeps a pool, which takes one job at a time, and has room for {backend.capacity}")
    return backend


def unsaid(kind: str, key: str, value: Any) -> bool:
    """Is this in the section of another kind only because it was composed from the one that is there by default?"""
    default = KINDS[DEFAULT]
    return key not in declared(kind_of(kind)) and key in (known := defaults_of(default)) and value == known[key]


def instead(kind: str, section: Mapping[str, Any]) -> tuple[Backend, list[str]]:
    """This kind of backend in place of the one that a section declares, and its options that nobody has said.

    It has what the section says to it too, beyond the defaults of its own kind; what has no default and is not said is
    a placeholder. Raises UsageError.
    """
    asked: type[Any] = kind_of(kind)
    names, known, usual = declared(asked), defaults_of(asked), defaults_of(kind_of(str(section["kind"])))
    said = {name: value for name, value in section.items() if name in names and value != usual.get(name)}
    missing = [name for name in names if name not in known and name not in said]
    return made({"kind": kind, **said, **dict.fromkeys(missing, "...")}), missing


def sends_keep_alive(backend: Backend) -> bool:
    """Whether a job of this backend leaves a pool, by the request that it sends."""
    request = {"ResourceConfig": {}, "StoppingCondition": {"MaxRuntimeInSeconds": 1}}
    return "KeepAlivePeriodInSeconds" in backend.shape(request, 1)["ResourceConfig"]


def runs(backend: Backend) -> int:
    """How often the machines of one of its jobs may be started, without anything of ours asking for it."""
    return backend.through.runs if backend.through else 1


def restarts(backend: Backend) -> bool:
    """Whether one of its jobs may be started again when it has trained, without anything of ours asking for it."""
    return backend.interrupts or (backend.through is not None and backend.through.restarts)


def keeps_pool(kind: str) -> bool:
    """Whether jobs of this kind leave a pool, whatever its options. Raises UsageError for a kind that there is not."""
    asked: type[Any] = kind_of(kind)
    return bool(asked.keeps_pool)


def interrupts(kind: str) -> bool:
    """Whether the machines of this kind may be taken away; no for one that is not known here any more."""
    try:
        asked: type[Any] = kind_of(kind)
    except UsageError:
        return False
    return bool(asked.interrupts)
