"""Does a value fit a schema: yes, or ask jsonschema. A correct experiment, the usual one, spares its slow import."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from sweeper.core.options import Schema

_SAYS_NOTHING = {"$schema", "title", "description", "errorMessage", "default", "examples"}


def fits(value: Any, schema: Schema) -> bool:
    """True when the value is valid. False when it is not, and when a keyword of the schema is not known here."""
    rules = ((keyword, rule) for keyword, rule in schema.items() if keyword not in _SAYS_NOTHING)
    return all(keyword in _RULES and _RULES[keyword](value, rule, schema) for keyword, rule in rules)


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: _number(value) and (isinstance(value, int) or value.is_integer()),
    "number": _number,
    "boolean": lambda value: isinstance(value, bool),
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "null": lambda value: value is None,
}


def _type(value: Any, rule: Any, schema: Schema) -> bool:
    return any(_TYPES[name](value) for name in ([rule] if isinstance(rule, str) else rule))


def _enum(value: Any, rule: Any, schema: Schema) -> bool:
    return any(type(value) is type(option) and value == option for option in rule)


def _additional(value: Any, rule: Any, schema: Schema) -> bool:
    if not isinstance(value, dict):
        return True
    others = [part for key, part in value.items() if key not in schema.get("properties", {})]
    return (rule or not others) if isinstance(rule, bool) else all(fits(part, rule) for part in others)


def _only(kind: Callable[[Any], bool], holds: Callable[[Any, Any], bool]) -> Callable[[Any, Any, Schema], bool]:
    """A rule that says something about values of one kind only."""
    return lambda value, rule, schema: not kind(value) or holds(value, rule)


_text, _list, _mapping = _TYPES["string"], _TYPES["array"], _TYPES["object"]
_RULES: Mapping[str, Callable[[Any, Any, Schema], bool]] = {
    "type": _type,
    "enum": _enum,
    "anyOf": lambda value, rule, schema: any(fits(value, option) for option in rule),
    "pattern": _only(_text, lambda value, rule: re.search(rule, value) is not None),
    "minLength": _only(_text, lambda value, rule: len(value) >= rule),
    "maxLength": _only(_text, lambda value, rule: len(value) <= rule),
    "minimum": _only(_number, lambda value, rule: value >= rule),
    "maximum": _only(_number, lambda value, rule: value <= rule),
    "exclusiveMinimum": _only(_number, lambda value, rule: value > rule),
    "exclusiveMaximum": _only(_number, lambda value, rule: value < rule),
    "items": _only(_list, lambda value, rule: all(fits(item, rule) for item in value)),
    "minItems": _only(_list, lambda value, rule: len(value) >= rule),
    "maxItems": _only(_list, lambda value, rule: len(value) <= rule),
    "required": _only(_mapping, lambda value, rule: all(key in value for key in rule)),
    "properties": _only(
        _mapping, lambda value, rule: all(fits(value[k], part) for k, part in rule.items() if k in value)
    ),
    "propertyNames": _only(_mapping, lambda value, rule: all(fits(key, rule) for key in value)),
    "minProperties": _only(_mapping, lambda value, rule: len(value) >= rule),
    "maxProperties": _only(_mapping, lambda value, rule: len(value) <= rule),
    "additionalProperties": _additional,
}
