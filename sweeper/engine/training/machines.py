"""Which machines a job asks for, and which of them it gets. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple


class Machines(NamedTuple):
    """All machines of a job."""

    kind: str
    number: int


def asked(resources: Mapping[str, Any]) -> list[Machines]:
    """What a ResourceConfig asks for: of one type, or of one of several, the first first."""
    count = resources.get("InstanceCount", 1)
    several = resources.get("InstancePreferences") or [{"InstanceType": resources.get("InstanceType", "")}]
    return [Machines(one["InstanceType"], one.get("InstanceCount", count)) for one in several]


def taken(resources: Mapping[str, Any]) -> Machines | None:
    """What it runs on; None while several are asked for and none is chosen yet."""
    if chosen := resources.get("SelectedInstanceType"):
        return Machines(chosen, resources["SelectedInstanceCount"])
    first, *others = asked(resources)
    return None if others else first


def choose(resources: dict[str, Any], without_capacity: Collection[str]) -> bool:
    """Take the first type that there is capacity for, and say which where there was a choice; False: there is none."""
    there = next((one for one in asked(resources) if one.kind not in without_capacity), None)
    if there is not None and "InstancePreferences" in resources:
        resources.update(SelectedInstanceType=there.kind, SelectedInstanceCount=there.number)
    return there is not None


def give_back(resources: dict[str, Any]) -> None:
    """The next attempt may get machines of another type."""
    for name in ("SelectedInstanceType", "SelectedInstanceCount"):
        resources.pop(name, None)
