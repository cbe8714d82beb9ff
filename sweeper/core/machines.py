"""The machines that a job asks for: of one type, or of the first of several types that there is capacity for. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Machines:
    """All machines of a job, if they are of this type."""

    instance_type: str
    count: int


def choices(locked: Mapping[str, Any]) -> tuple[Machines, ...]:
    """What a `locked` section asks for, in the order of preference; the service takes one of them for each job."""
    count = int(locked.get("instance_count") or 1)
    preferred = locked.get("instance_preferences") or [{"instance_type": locked.get("instance_type")}]
    return tuple(Machines(str(one["instance_type"]), int(one.get("instance_count") or count)) for one in preferred)


def types(locked: Mapping[str, Any]) -> str:
    """The types that a job may get, in words."""
    return " or ".join(one.instance_type for one in choices(locked))


def words(locked: Mapping[str, Any]) -> str:
    """All machines that a job may get, in words."""
    return " or ".join(f"{one.count} x {one.instance_type}" for one in choices(locked))


def of_one_type(locked: Mapping[str, Any], instance_type: str) -> dict[str, Any]:
    """The section if it asked for this type alone, in the number in which it may ask for it already."""
    asked = {one.instance_type: one.count for one in choices(locked)}
    count = asked.get(instance_type, int(locked.get("instance_count") or 1))
    return {**locked, "instance_type": instance_type, "instance_count": count, "instance_preferences": None}


def selected(description: Mapping[str, Any]) -> str:
    """The type that the service has chosen of several; empty where there was no choice, or it has not chosen yet."""
    return str((description.get("ResourceConfig") or {}).get("SelectedInstanceType") or "")
