"""A schema as it is published: what stands in it more than once is defined once, and referred to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import Any

from sweeper.core.identity import canonical
from sweeper.core.options import Schema

SHORTEST = 60
"""Characters of a part that is worth a name: a shorter one is as short as what refers to it."""
LONG = 600
"""Characters of a part that is worth a name whatever it is described as: the words stand beside what refers to it."""
_ONE, _LIST, _NAMED = ("items", "additionalProperties", "propertyNames"), ("anyOf",), ("properties",)


def defined_once(schema: Schema, names: Mapping[str, Schema]) -> Schema:
    """The same schema with `definitions`; what is not among `names` is called as the key that it first stands under."""
    counts: Counter[str] = Counter()
    parts = [(key, _shape(part)) for key, part in _parts(schema, "", counts)]
    called = {_shape(part): name for name, part in names.items()}
    for key, text in parts:
        if counts[text] > 1 and len(text) > SHORTEST and text not in called:
            called[text] = _free(key, set(called.values()))
    definitions: dict[str, Schema] = {}

    def referring(part: Schema) -> Schema:
        text = _shape(part)
        if counts[text] < 2 or text not in called:
            return _mapped(part, referring)
        words = {} if len(text) < LONG else {key: part[key] for key in ("description",) if key in part}
        if called[text] not in definitions:
            definitions[called[text]] = {}  # its own parts come after it
            whole = _mapped(part, referring)
            definitions[called[text]] = {key: rule for key, rule in whole.items() if key not in words}
        return {**words, "$ref": f"#/definitions/{called[text]}"}

    return {**_mapped(schema, referring), "definitions": definitions}


def _shape(part: Schema) -> str:
    """What two parts have in common that are the same; long ones are whatever their words are."""
    text = canonical({key: rule for key, rule in part.items() if key != "description"})
    return text if len(text) >= LONG else canonical(part)


def _parts(schema: Schema, key: str, counts: Counter[str]) -> Iterator[tuple[str, Schema]]:
    """The schema and all within, by key; what was seen before is counted, but not what is within."""
    text = _shape(schema)
    counts[text] += 1
    if counts[text] > 1:
        return
    yield key, schema
    for name, part in schema.get("properties", {}).items():
        yield from _parts(part, name, counts)
    for part in (*schema.get("anyOf", ()), *(schema[word] for word in _ONE if isinstance(schema.get(word), dict))):
        yield from _parts(part, key, counts)


def _mapped(schema: Schema, change: Callable[[Schema], Schema]) -> Schema:
    """The schema with every part of it changed."""

    def changed(word: str, rule: Any) -> Any:
        if word in _NAMED:
            return {name: change(part) for name, part in rule.items()}
        if word in _LIST:
            return [change(part) for part in rule]
        return change(rule) if word in _ONE and isinstance(rule, dict) else rule

    return {word: changed(word, rule) for word, rule in schema.items()}


def _free(name: str, taken: set[str]) -> str:
    return name if name not in taken else next(free for n in count(2) if (free := f"{name}_{n}") not in taken)
