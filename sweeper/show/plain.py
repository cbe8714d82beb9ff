"""A value as text: whole in a file, and short in a table for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import yaml

_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # ten times as fast where PyYAML was built with libyaml


def cell(value: Any) -> str:
    """A value as results.csv shows it: unknown is empty, NaN is nan, what is not a scalar is canonical JSON."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (Mapping, list, tuple)):
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return str(value)


def shown(value: Any) -> str:
    """A value as the table shows it: six significant digits are enough for a person."""
    return f"{value:.6g}" if isinstance(value, float) else cell(value)


def as_yaml(value: Any) -> str:
    """A plain value as YAML."""
    return str(yaml.dump(value, Dumper=_DUMPER, sort_keys=False, allow_unicode=True))
