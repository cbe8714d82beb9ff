"""A value as text: whole in a file, and short in a table for people."""

from __future__ import annotations

from typing import Any

import yaml

from sweeper.core.words import cell

_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # ten times as fast where PyYAML was built with libyaml


def shown(value: Any) -> str:
    """A value as the table shows it: six significant digits are enough for a person."""
    return f"{value:.6g}" if isinstance(value, float) else cell(value)


def as_yaml(value: Any) -> str:
    """A plain value as YAML."""
    return str(yaml.dump(value, Dumper=_DUMPER, sort_keys=False, allow_unicode=True))
