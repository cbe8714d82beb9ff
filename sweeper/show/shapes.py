"""The JSON Schema of what programs are told, derived from the types that make it: TypedDicts and dataclasses.

A class is described by its docstring, a field by the one below it. Draft-07, as the schema of experiment files.
"""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import is_dataclass
from enum import Enum
from functools import cache
from operator import attrgetter
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints, is_typeddict

from sweeper.config.schema import DRAFT
from sweeper.core.as_json import SCHEMA_VERSION
from sweeper.core.options import Schema, alternatives, container_of

_KINDS: Mapping[Any, str] = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}
VERSION: Schema = {"const": SCHEMA_VERSION, "description": "The version of this schema: fields may be added in one."}


def schema_of(name: str, told: Mapping[str, type]) -> Schema:
    """The schema of an object that is one of these. Raises TypeError."""
    return {
        "$schema": DRAFT,
        "title": f"sweeper {name}",
        "anyOf": [{"$ref": f"#/definitions/{kind}"} for kind in told],
        "definitions": {kind: _versioned(of(hint)) for kind, hint in told.items()},
    }


def _versioned(schema: Schema) -> Schema:
    properties = {"schema_version": VERSION, **schema["properties"]}
    return {**schema, "required": ["schema_version", *schema["required"]], "properties": properties}


def of(hint: Any) -> Schema:
    """The schema of a type. Raises TypeError for one that says nothing."""
    if get_origin(hint) is Annotated:  # a plain mapping, with the record that it follows
        return of(get_args(hint)[1]) if _is_record(get_args(hint)[1]) else of(get_args(hint)[0])
    kinds = alternatives(hint)
    if len(kinds) > 1:
        return _union([of(kind) for kind in kinds])
    if hint is Any or hint is object:
        return {}
    if hint in _KINDS:
        return {"type": _KINDS[hint]}
    if get_origin(hint) is Literal:
        return {"enum": list(get_args(hint))}
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {"enum": [member.value for member in hint]}
    if found := container_of(hint):
        inside = of(get_args(hint)[0 if found == "array" else 1])
        return {"type": found, **({"items" if found == "array" else "additionalProperties": inside} if inside else {})}
    if _is_record(hint):
        return _record(hint)
    raise TypeError(f"{hint}: no schema says what this is")


def _is_record(hint: Any) -> bool:
    return is_typeddict(hint) or (isinstance(hint, type) and is_dataclass(hint))


def _union(found: list[Schema]) -> Schema:
    """One of these; those that are told by a type or a list of values alone are put together."""
    if all(set(one) == {"type"} for one in found):
        return {"type": [one["type"] for one in found]}
    if {"type": "null"} in found and len(found) == 2:
        (other,) = (one for one in found if one != {"type": "null"})
        if set(other) == {"enum"}:
            return {"enum": [*other["enum"], None]}
        if isinstance(other.get("type"), str):
            return {**other, "type": [other["type"], "null"]}
    return {"anyOf": found}


def _record(kind: Any) -> Schema:
    """An object with these fields. One of which some may be missing has others too: those that its words tell of."""
    hints, words = get_type_hints(kind, include_extras=True), _words(kind)
    required = kind.__required_keys__ if is_typeddict(kind) else hints
    properties = {name: {**of(hint), **words.get(name, {})} for name, hint in hints.items()}
    opened = {} if required else {"additionalProperties": True}
    return {
        "type": "object",
        "description": " ".join((kind.__doc__ or "").split()),
        "required": [name for name in hints if name in required],
        "properties": properties,
        **opened,
    }


@cache
def _words(kind: type) -> Mapping[str, Schema]:
    """What is said below the fields of a class and of those that it goes on from."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(tree, ast.ClassDef)
    found: dict[str, Schema] = {}
    for base in tree.bases:  # by its name: a TypedDict forgets its bases
        known = attrgetter(ast.unparse(base))(sys.modules[kind.__module__])
        found.update(_words(known) if _is_record(known) else {})
    for field, below in zip(tree.body, tree.body[1:], strict=False):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = {"description": " ".join(text.split())}
    return found
