"""What programs are told: JSON with a version, in which NaN and what is not known are two things. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime, timezone
from math import isfinite, isnan
from typing import Any, Literal

SCHEMA_VERSION = 1
"""Goes up when a field is taken away or means something else; a field more is no other version."""

NotFinite = Literal["NaN", "Infinity", "-Infinity"]
"""What JSON has no number for, in words that Python's `float` and JavaScript's `Number` read. Null is: not known."""
Number = float | NotFinite


def number(value: float) -> Number:
    """A number as JSON can hold it."""
    if isfinite(value):
        return value
    return "NaN" if isnan(value) else "Infinity" if value > 0 else "-Infinity"


def strict(value: Any) -> Any:
    """A plain value as strict JSON can hold it, whatever numbers are in it."""
    if isinstance(value, float):
        return number(value)
    if is_dataclass(value):
        return {one.name: strict(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): strict(one) for key, one in value.items()}
    return [strict(one) for one in value] if isinstance(value, (list, tuple)) else value


def line(told: Mapping[str, Any]) -> str:
    """One object on one line, with its version first."""
    return json.dumps({"schema_version": SCHEMA_VERSION, **strict(told)}, allow_nan=False)


def plain(told: Mapping[str, Any]) -> dict[str, Any]:
    """The same as who reads that line has it."""
    read: dict[str, Any] = json.loads(line(told))
    return read


def moment(seconds: float) -> str:
    """UTC seconds since the epoch as ISO 8601 with Z, to the millisecond: things happen faster than by the second."""
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
