"""How numbers of things, sizes, spans of time and moments are said."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any


def counted(number: int, noun: str) -> str:
    """`1 trial`, `2 trials`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def span(seconds: float) -> str:
    """A time span as a person says it."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes}:{whole % 60:02} min"


def human(size: int) -> str:
    """A size with its unit, in steps of 1024."""
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def utc(seconds: float | None) -> str | None:
    """ISO 8601 in UTC with Z, to the second."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def cell(value: Any) -> str:
    """A value as results.csv shows it: unknown is empty, NaN is nan, what is not a scalar is canonical JSON."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (Mapping, list, tuple)):
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return str(value)


def aws_flags(region: str, profile: str | None) -> str:
    """The options that tell the AWS CLI where something is, to be pasted."""
    told = {"--region": region, "--profile": profile}
    return " ".join(f"{flag} {shlex.quote(value)}" for flag, value in told.items() if value)
