"""What may be set on an engine: how its service behaves, and what concerns the process alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from sweeper.engine.training.settings import ServiceSettings
from sweeper.engine.wire.faults import Faults


@dataclass(frozen=True)
class EngineSettings:
    """The settings of one engine process."""

    service: ServiceSettings = field(default_factory=ServiceSettings)
    port: int = 0  # 0: the kernel's choice
    idle_s: float = 300.0  # stop after so long without a running job, a live pool or a request
    seed: int = 0
    faults: Faults = field(default_factory=Faults)  # what goes wrong on the wire
    disk_cap_bytes: int = 10 << 30  # above it what the oldest ended jobs left is removed
    private_opt_ml: bool = True  # a private /opt/ml by namespaces where the kernel allows it
    hot: bool = True  # a pool's later jobs start in forks of an interpreter that has imported their packages
    # what to run for an image (a pattern) whose request names no entrypoint; `train` is added, as to a container
    images: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> EngineSettings:
        """Build from one flat mapping; a name nobody knows or a value of another kind raises ValueError."""
        own = {f.name: str(f.type) for f in fields(cls) if f.name != "service"}
        values = {**values, "faults": Faults(**values["faults"])} if isinstance(values.get("faults"), dict) else values
        service = {f.name: str(f.type) for f in fields(ServiceSettings)}
        declared = {**own, **service}
        if unknown := sorted(set(values) - set(declared)):
            raise ValueError(f"unknown engine setting: {', '.join(unknown)}")
        if isinstance(values.get("deny"), str):
            values = {**values, "deny": [values["deny"]]}
        for name, value in values.items():
            if not _fits(declared[name], value):
                raise ValueError(f"{name}: {value!r} is no {declared[name]}")
            if what := _out_of_bounds(name, value):
                raise ValueError(f"{name}: {what}")
        if values.get("deny"):
            from sweeper.engine.wire import permissions  # it reads botocore's models

            if wrong := permissions.unknown(values["deny"]):
                raise ValueError(f"deny: no action that the engine can deny: {', '.join(wrong)}")
        return cls(
            service=ServiceSettings(**{k: v for k, v in values.items() if k in service}),
            **{k: v for k, v in values.items() if k in own},
        )

    def to_mapping(self) -> dict[str, Any]:
        """The flat mapping `from_mapping` reads."""
        flat = asdict(self)
        return {**flat.pop("service"), **flat}


MOST_PORT = 65535
MOST_S = 10**9
"""A moment much later is none that the system can wait for."""
MOST = 2**63 - 1
_KINDS: Mapping[str, type | tuple[type, ...]] = {
    "bool": bool,
    "int": (int, float),
    "float": (int, float),
    "str": str,
    "Mapping": Mapping,
    "Sequence": (list, tuple),
    "Faults": Faults,
}


def _fits(declared: str, value: object) -> bool:
    """Is this a value of the declared type?"""
    kind, *others = (word.partition("[")[0] for word in declared.split(" | "))
    if value is None:
        return "None" in others
    if not isinstance(value, _KINDS[kind]) or isinstance(value, bool) is not (kind == "bool"):
        return False
    inside = declared.partition("[")[2].removesuffix("]")
    if isinstance(value, Mapping):
        return all(_fits("str", key) and _fits(inside.partition(", ")[2], below) for key, below in value.items())
    if isinstance(value, (list, tuple)):
        return all(_fits(inside, item) for item in value)
    return kind != "int" or not isinstance(value, float) or value.is_integer()


def _out_of_bounds(name: str, value: object) -> str:
    """Why a number is none of this setting: it is less than 0, or more than there can be."""
    numbers = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else [value]
    seconds = name.endswith("_s") or name == "spot_interruptions"
    for number in numbers:
        if not isinstance(number, (int, float)):
            continue
        if name != "seed" and not number >= 0:
            return f"{number!r} is less than 0"
        if name == "port" and number > MOST_PORT:
            return f"{number!r} is no port: 0 to {MOST_PORT}"
        if abs(number) > (MOST_S if seconds else MOST):
            return f"it is more than {MOST_S} seconds" if seconds else f"it is more than {MOST}"
    return ""
