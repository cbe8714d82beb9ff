"""What may be set on an engine: how its service behaves, and what concerns the process alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from sweeper.core.options import Bounds, option
from sweeper.engine import recording
from sweeper.engine.training import refusals
from sweeper.engine.training.settings import ServiceSettings
from sweeper.engine.wire.faults import Faults

Command = Annotated[Sequence[str], Bounds(low=1)]


@dataclass(frozen=True)
class EngineSettings:
    """The settings of one engine process. What is an `option` may stand in an experiment too."""

    service: ServiceSettings = field(default_factory=ServiceSettings)
    recorded: str | None = option(
        "A recording of `sweeper doctor --smoke`: what is not set here is as it was on that account.", default=None
    )
    port: int = 0  # 0: the kernel's choice
    idle_s: float = option(
        "The engine stops itself after so long without a job, a pool or a request.", default=300.0, low=0
    )
    seed: int = option("Draws what is unknown about the service.", default=0)
    faults: Faults = field(default_factory=Faults)  # what goes wrong on the wire
    disk_cap_bytes: int = 10 << 30  # above it what the oldest ended jobs left is removed
    private_opt_ml: bool = option("Give each job its own /opt/ml where the kernel allows it.", default=True)
    hot: bool = option(
        "Start a pool's later jobs in forks of an interpreter that has imported their packages.", default=True
    )
    file_systems: Mapping[str, str] = option(
        "What stands for a file system (efs, fsx): its id and a folder of this machine.", default={}
    )
    images: Mapping[str, Command] = option(  # `train` is added, as to a container
        "What is run in place of an image (launch: image): a pattern of its name and a command.", default={}
    )

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> EngineSettings:
        """Build from one flat mapping; a name nobody knows or a value of another kind raises ValueError.

        So does a recording that cannot be read. What it says counts where the mapping is silent.
        """
        if values.get("recorded"):
            values = {**recording.settings_of(Path(values["recorded"])), **values}
        own = {f.name: f for f in fields(cls) if f.name != "service"}
        values = {**values, "faults": Faults(**values["faults"])} if isinstance(values.get("faults"), dict) else values
        service = {f.name: f for f in fields(ServiceSettings)}
        declared = {**own, **service}
        types = get_type_hints(cls) | get_type_hints(ServiceSettings)
        if unknown := sorted(set(values) - set(declared)):
            raise ValueError(f"unknown engine setting: {', '.join(unknown)}")
        if isinstance(values.get("deny"), str):
            values = {**values, "deny": [values["deny"]]}
        for name, value in values.items():
            if not _fits(types[name], value):
                raise ValueError(f"{name}: {value!r} is no {declared[name].type}")
            if what := _out_of_bounds(name, value):
                raise ValueError(f"{name}: {what}")
        if what := refusals.unknown(values.get("refusals") or {}):
            raise ValueError(f"refusals: {what}")
        _check_actions(values)
        return cls(
            service=ServiceSettings(**{k: v for k, v in values.items() if k in service}),
            **{k: v for k, v in values.items() if k in own},
        )

    def to_mapping(self) -> dict[str, Any]:
        """The flat mapping `from_mapping` reads."""
        flat = asdict(self)
        return {**flat.pop("service"), **flat}


def placed(values: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Settings whose paths begin at this folder, as they count wherever the engine is started from."""
    placed = dict(values)
    if placed.get("recorded"):
        placed["recorded"] = str(folder.absolute() / str(placed["recorded"]))
    if isinstance(placed.get("file_systems"), Mapping):
        placed["file_systems"] = {key: str(folder.absolute() / str(to)) for key, to in placed["file_systems"].items()}
    return placed


def _check_actions(values: Mapping[str, Any]) -> None:
    """Raise ValueError for a policy that is not understood, and for actions that the engine does not know."""
    if not values.get("deny") and not values.get("policy"):
        return
    from sweeper.engine.wire import permissions, policies  # they read botocore's models

    if wrong := permissions.unknown(values.get("deny") or ()):
        raise ValueError(f"deny: no action that the engine can deny: {', '.join(wrong)}")
    try:
        named = policies.Policy.parse(values["policy"]).actions if values.get("policy") else []
    except ValueError as error:
        raise ValueError(f"policy: {error}") from error
    if wrong := permissions.unknown([action for action in named if permissions.is_ours(action)]):
        raise ValueError(f"policy: there is no such action: {', '.join(wrong)}")


MOST_PORT = 65535
MOST_S = 10**9
"""A moment much later is none that the system can wait for."""
MOST = 2**63 - 1


def _fits(declared: Any, value: object) -> bool:
    """Is this a value of the declared type?"""
    if declared is Any:
        return True
    if parts := [part for part in get_args(declared) if get_origin(declared) in (Union, UnionType)]:
        return any(_fits(part, value) for part in parts)
    kind = get_origin(declared) or declared
    if isinstance(value, bool) or kind is bool:
        return isinstance(value, bool) and kind is bool
    if kind in (int, float):
        return isinstance(value, int) or (isinstance(value, float) and (kind is float or value.is_integer()))
    if not isinstance(value, (list, tuple) if kind is Sequence else kind):
        return False
    inside = get_args(declared)
    if isinstance(value, Mapping):
        return all(_fits(inside[0], key) and _fits(inside[1], below) for key, below in value.items())
    return not isinstance(value, (list, tuple)) or all(_fits(inside[0], item) for item in value)


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
