"""An option is declared once: a field of a dataclass, with its words, bounds and default beside what it steers.

The JSON Schema that checks it, and the reference that explains it, are derived from there. Pure.
"""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, field, fields
from typing import Any, Union, get_args, get_origin, get_type_hints

_ABOUT = "sweeper.option"
_KINDS: Mapping[type, str] = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}


def option(
    words: str,
    *,
    default: Any = MISSING,
    low: float | None = None,
    high: float | None = None,
    pattern: str = "",
    says: str = "",
    choices: Sequence[Any] = (),
) -> Any:
    """A field that is an option: what it means, and what may stand there.

    `low` and `high` bound a number, and the number of letters of a text. `says`: what a value that does not fit is told
    ("must be ..."). Without a default it is required.
    """
    told = {"low": low, "high": high, "pattern": pattern, "says": says, "choices": tuple(choices)}
    return field(default=default, metadata={_ABOUT: {"words": words, **told}})


def schema_of(options: type) -> dict[str, Any]:
    """The JSON Schema of a section that a dataclass is made of: a mapping with its fields and nothing else.

    Raises TypeError for a field whose type no schema can say.
    """
    declared: Sequence[Field[Any]] = fields(options)
    hints = get_type_hints(options)
    return {
        "type": "object",
        "description": _first_line(options),
        "additionalProperties": False,
        "properties": {one.name: _schema(one, hints[one.name]) for one in declared},
        "required": [one.name for one in declared if one.default is MISSING and one.default_factory is MISSING],
    }


def defaults_of(options: type) -> dict[str, Any]:
    """The default of each option that has one."""
    return {one.name: one.default for one in fields(options) if one.default is not MISSING}


def _first_line(options: type) -> str:
    return (options.__doc__ or "").strip().partition("\n")[0]


def _schema(declared: Field[Any], hint: Any) -> dict[str, Any]:
    about = declared.metadata.get(_ABOUT, {})
    kinds = _kinds(declared.name, hint)
    low, high = ("minLength", "maxLength") if "string" in kinds else ("minimum", "maximum")
    found = {
        low: about.get("low"),
        high: about.get("high"),
        "enum": list(about.get("choices") or ()) or None,
        "pattern": about.get("pattern") or None,
        "errorMessage": about.get("says") or None,
        "description": about.get("words") or None,
    }
    return {"type": kinds[0] if len(kinds) == 1 else kinds, **{k: v for k, v in found.items() if v is not None}}


def _kinds(name: str, hint: Any) -> list[str]:
    """The schema's names of a field's types."""
    union = get_origin(hint) in (Union, types.UnionType)
    parts = get_args(hint) if union else (hint,)
    if unknown := [part for part in parts if part not in _KINDS]:
        raise TypeError(f"{name}: an option is text, a number, true or false; not {unknown[0]}")
    return [_KINDS[part] for part in parts]
