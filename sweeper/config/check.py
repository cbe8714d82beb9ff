"""A value against its schema: every error at once, each at the key that is wrong and in words that help."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sweeper.config.fits import fits
from sweeper.config.meant import meant
from sweeper.config.problems import KeyPath, brief, dotted, nearest
from sweeper.config.schema import SECTIONS
from sweeper.config.theirs import our_word
from sweeper.core.options import Schema

Finding = tuple[KeyPath, str]
MOST_KEYS = 20
"""Unknown keys of one mapping that are told: who has more has written something else there."""

_NOUNS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "a mapping",
    "array": "a list",
    "null": "null",
}


def findings(value: Any, schema: Schema, path: KeyPath = ()) -> list[Finding]:
    """What is wrong with `value`, which stands at `path`."""
    if fits(value, schema):
        return []
    import jsonschema  # 0.1 s to import: not for someone who only asks for help

    found = jsonschema.Draft7Validator(schema).iter_errors(value)
    return [finding for error in found for finding in _of(error, (*path, *error.absolute_path))]


def _of(error: Any, path: KeyPath) -> Iterator[Finding]:
    value, rule = error.instance, error.validator_value
    if "propertyNames" in error.absolute_schema_path:
        usual = f"one of {', '.join(rule)}" if error.validator == "enum" else f"at most {rule} characters"
        yield (*path, value), f"is not a possible name: {error.schema.get('errorMessage', usual)}"
    elif error.validator == "additionalProperties" and rule is False:
        known = error.schema.get("properties", {})
        for key in sorted(set(value) - set(known), key=str)[:MOST_KEYS]:
            hint = (
                our_word(key, path) or nearest(key, known) or _elsewhere(key, path) or f"; there is {', '.join(known)}"
            )
            yield (*path, key), "is not a field" + (f" of {dotted(path)}" if path else "") + hint
    elif error.validator == "required":
        for key in rule:
            if key not in value and repr(key) in error.message:
                yield (*path, key), "is missing"
    elif error.validator == "anyOf" and (closer := _meant(error)):
        for inner in closer:
            yield from _of(inner, (*path, *inner.relative_path))
    else:
        yield path, _says(error, path, value, rule)


def _elsewhere(key: object, path: KeyPath) -> str:
    """`; it belongs under X`, for a key that is known in another section."""
    owner = next((s for s, shape in SECTIONS.items() if s not in path and key in shape.get("properties", {})), None)
    return f"; it belongs under {owner}" if owner else ""


def _meant(error: Any) -> list[Any]:
    """The errors of the alternative that was meant, when that is plain: the one that fits until further down."""
    misnamed = {inner.schema_path[0] for inner in error.context if "propertyNames" in inner.schema_path}
    deeper = [inner for inner in error.context if inner.relative_path and inner.schema_path[0] not in misnamed]
    if not deeper and "errorMessage" not in error.schema and isinstance(error.instance, dict):
        deeper = [inner for inner in error.context if inner.validator in ("additionalProperties", "required")]
    if not deeper and "errorMessage" not in error.schema:
        deeper = _of_its_kind(error)
    return [inner for inner in error.context if deeper and inner.schema_path[0] == deeper[0].schema_path[0]]


def _of_its_kind(error: Any) -> list[Any]:
    """The errors of the only alternative that is of the value's own kind: text that is too long is text."""
    other = {inner.schema_path[0] for inner in error.context if inner.validator == "type"}
    own = [inner for inner in error.context if inner.schema_path[0] not in other]
    return own if len({inner.schema_path[0] for inner in own}) == 1 else []


def _says(error: Any, path: KeyPath, value: Any, rule: Any) -> str:
    secret = path[:1] in (("environment",), ("trackers",))
    seen = "this" if secret else brief(value)  # never a value that may be a secret
    other_kind = isinstance(value, dict) and error.validator != "type"
    hint = "" if secret or other_kind else meant(value, lambda other: fits(other, error.schema))
    hint = hint or (nearest(value, [one for one in rule if one is not None]) if error.validator == "enum" else "")
    if error.validator in ("maxLength", "maxItems", "maxProperties"):
        what = {"maxLength": "characters", "maxItems": "items", "maxProperties": "keys"}[error.validator]
        return f"is too long: {len(value)} {what}; at most {rule}"
    if "errorMessage" in error.schema:
        return f"{error.schema['errorMessage']}, not {seen}{hint}"
    decode = " (${oc.decode:...} turns text into a value)" if hint.strip("; ?").endswith(f" {value}") else ""
    return _rule(error.validator, value, rule, seen) + hint + decode


def _rule(kind: str, value: Any, rule: Any, seen: str) -> str:
    """What a rule of the schema asks for that is not so."""
    if kind == "enum":
        return f"{seen} is not one of {', '.join(str(one) for one in rule if one is not None)}"
    if kind == "type":
        names = [rule] if isinstance(rule, str) else rule
        return f"{seen} is not {_nouns(names)}"
    if kind == "anyOf":
        return f"{seen} is not {_nouns([name for option in rule for name in _kinds(option)])}"
    if kind in ("minimum", "exclusiveMinimum"):
        return f"{seen} is too small: {'more than' if kind != 'minimum' else 'at least'} {rule}"
    if kind in ("maximum", "exclusiveMaximum"):
        return f"{seen} is too large: {'less than' if kind != 'maximum' else 'at most'} {rule}"
    if kind in ("minLength", "minItems", "minProperties"):
        return "is empty"
    return f"{seen} does not look like {rule}"


def _kinds(option: Schema) -> list[str]:
    kind = option.get("type", "string" if "enum" in option else [])
    return [kind] if isinstance(kind, str) else list(kind)


def _nouns(names: Sequence[str]) -> str:
    return " or ".join(dict.fromkeys(_NOUNS[name] for name in names))
