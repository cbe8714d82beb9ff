"""What an account was seen to do, as `sweeper doctor --smoke` writes it down: settings of the engine, in a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SETTINGS = "settings"
"""The part of a recording that the engine reads: its own settings by name."""
_NOT_RECORDED = ("recorded", "policy", "deny", "port", "faults", "images", "account", "region")


def settings_of(path: Path) -> Mapping[str, Any]:
    """The settings that a recording holds. Raises ValueError, in words, for a file that is none."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"recorded: {path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise ValueError(f"recorded: {path} is no JSON: {error}") from error
    found = told.get(SETTINGS) if isinstance(told, dict) else None
    if not isinstance(found, dict):
        raise ValueError(f"recorded: {path} is no recording of `sweeper doctor --smoke`: it holds no {SETTINGS!r}")
    if strange := [name for name in _NOT_RECORDED if name in found]:
        raise ValueError(f"recorded: {path} holds {strange[0]!r}, which no account was asked for")
    return found
