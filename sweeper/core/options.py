"""An option is declared once: a field of a dataclass, with its words, bounds and default beside what it steers.

The JSON Schema that checks it, the reference that explains it, its default in `conf/` and the reading of a section are
derived from there. Pure.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass, replace
from enum import Enum
from functools import cache
from typing import Annotated, Any, Literal, TypeGuard, TypeVar, Union, get_args, get_origin, get_type_hints

Schema = dict[str, Any]
Options = TypeVar("Options")

_ABOUT = "sweeper.option"
_KINDS: Mapping[Any, str] = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}
_LIMITS: Mapping[str, Mapping[str, str]] = {
    "string": {"low": "minLength", "high": "maxLength", "pattern": "pattern"},
    "number": {"low": "minimum", "high": "maximum", "above": "exclusiveMinimum", "below": "exclusiveMaximum"},
    "array": {"low": "minItems", "high": "maxItems"},
    "object": {"low": "minProperties", "high": "maxProperties"},
}
"""What a bound is called in a schema, by the kind of value that it bounds."""


@dataclass(frozen=True)
class Bounds:
    """What may stand in the place of an option, beyond its type: `Annotated[str, Bounds(pattern=...)]` for an item.

    `low` and `high` bound a number, and how many letters a text has, items a list, keys a mapping; `above` and `below`
    leave the number itself out. `says`: what a value that does not fit is told ("must be ...").
    """

    low: float | None = None
    high: float | None = None
    above: float | None = None
    below: float | None = None
    pattern: str | None = None
    choices: Sequence[Any] = ()
    says: str | None = None


@dataclass(frozen=True)
class _About:
    """What a field of options says of itself."""

    words: str
    bounds: Bounds
    sends: str


def option(words: str, *, default: Any = MISSING, sends: str = "", **bounds: Any) -> Any:
    """A field that is an option: what it means, and by `Bounds` what may stand there. Without a default it is required.

    A mapping or a list as its default is copied for each. `sends`: the member of an API's request that it is, with dots
    between the names of nested ones (sweeper.core.members).
    """
    about = {_ABOUT: _About(words, Bounds(**bounds), sends)}
    if isinstance(default, (dict, list)):
        return field(default_factory=lambda: type(default)(default), metadata=about)
    return field(default=default, metadata=about)


def redefined(options: type, name: str, default: Any) -> Any:
    """The same option in a subclass, with another default."""
    declared = next(one for one in fields(options) if one.name == name)
    return field(default=default, metadata=declared.metadata)


def declared(options: type) -> dict[str, Field[Any]]:
    """The fields that are options, by name. One that Python keeps for itself has an underscore behind it as a field."""
    return {one.name.removesuffix("_"): one for one in fields(options) if _ABOUT in one.metadata}


@cache
def sent(options: type) -> Mapping[str, tuple[str, Any]]:
    """The options that are members of a request, by name: which member, and the option's type."""
    return {
        name: (one.metadata[_ABOUT].sends, hint) for name, one, hint in _typed(options) if one.metadata[_ABOUT].sends
    }


def kind_of(hint: Any) -> tuple[str, Any]:
    """What a type holds, `null` and bounds aside: ("one", options or None), ("list", ...) or ("mapping", ...)."""
    while get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    (kind, *_) = [part for part in alternatives(hint) if part is not type(None)]
    container = container_of(kind)
    if container is None:
        return "one", kind if _is_options(kind) else None
    _, held = kind_of(get_args(kind)[-1])
    return ("list" if container == "array" else "mapping"), held


# -- the schema ---------------------------------------------------------------------------------------------------


def schema_of(*options: type) -> Schema:
    """The JSON Schema of a section: a mapping with the options of these dataclasses and nothing else.

    It is described by the first one's docstring. Raises TypeError for a field whose type no schema can say.
    """
    properties = {name: _of_field(one, hint) for group in options for name, one, hint in _typed(group)}
    required = [name for group in options for name, one, _ in _typed(group) if _default(one) is MISSING]
    return {
        "type": "object",
        "description": _first_line(options[0]),
        "additionalProperties": False,
        "properties": properties,
        **({"required": required} if required else {}),
    }


@cache
def _typed(options: type) -> Sequence[tuple[str, Field[Any], Any]]:
    hints = get_type_hints(options, include_extras=True)
    return [(name, one, hints[one.name]) for name, one in declared(options).items()]


def _first_line(options: type) -> str:
    return (options.__doc__ or "").strip().partition("\n")[0]


def _of_field(declared: Field[Any], hint: Any) -> Schema:
    about: _About = declared.metadata[_ABOUT]
    try:
        schema = _schema(hint, about.bounds)
    except TypeError as error:
        raise TypeError(f"{declared.name}: {error}") from None
    return {**schema, **({"description": about.words} if about.words else {})}


def _schema(hint: Any, bounds: Bounds) -> Schema:
    """The schema of a type, and of the bounds that hold for it."""
    if get_origin(hint) is Annotated:
        hint, within = get_args(hint)[:2]
        return _schema(hint, within)
    parts = alternatives(hint)
    says = {"errorMessage": bounds.says} if bounds.says else {}
    if bounds.choices:
        return {"enum": [*bounds.choices, *([None] if type(None) in parts else [])], **says}
    if all(part in _KINDS for part in parts) or _is_list_or_null(parts):
        shapes = [_shape(part, bounds) for part in parts]
        kinds = [shape["type"] for shape in shapes]
        merged = {key: value for shape in shapes for key, value in shape.items()}
        return {**merged, "type": kinds[0] if len(kinds) == 1 else kinds, **says}
    if len(parts) == 1:
        return {**_shape(parts[0], bounds), **says}
    return {"anyOf": [_schema(part, replace(bounds, says=None)) for part in parts], **says}


def alternatives(hint: Any) -> tuple[Any, ...]:
    """The types of which a value may be; one, where it is no union."""
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _is_list_or_null(parts: Sequence[Any]) -> bool:
    """A list or a mapping that need not be there."""
    others = [part for part in parts if part is not type(None)]
    return len(others) == 1 < len(parts) and container_of(others[0]) is not None


def container_of(hint: Any) -> str | None:
    """Whether a type holds others as an `object` or an `array`, in the words of a schema; None: it holds none."""
    origin = get_origin(hint)
    if not isinstance(origin, type) or issubclass(origin, str):
        return None
    return "object" if issubclass(origin, Mapping) else "array" if issubclass(origin, Sequence) else None


def _shape(hint: Any, bounds: Bounds) -> Schema:
    """The schema of one type that is no union."""
    if hint in _KINDS:
        kind = _KINDS[hint]
        return {"type": kind, **_limits("number" if kind == "integer" else kind, bounds)}
    if hint is Any:
        return {}
    if get_origin(hint) is Literal:
        return {"enum": list(get_args(hint))}
    if container := container_of(hint):
        inside = _items(*get_args(hint)) if container == "array" else _entries(*get_args(hint))
        return {"type": container, **inside, **_limits(container, bounds)}
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {"enum": [member.value for member in hint]}
    if _is_options(hint):
        return schema_of(hint)
    raise TypeError(f"an option is text, a number, true or false, a list, a mapping or options again; not {hint}")


def _is_options(hint: Any) -> TypeGuard[type]:
    return isinstance(hint, type) and is_dataclass(hint)


def _limits(kind: str, bounds: Bounds) -> Schema:
    found = {word: getattr(bounds, name) for name, word in _LIMITS.get(kind, {}).items()}
    return {word: limit for word, limit in found.items() if limit is not None}


def _items(item: Any, *_: Any) -> Schema:
    inside = _schema(item, Bounds())
    return {"items": inside} if inside else {}


def _entries(key: Any, value: Any) -> Schema:
    names = {word: rule for word, rule in _schema(key, Bounds()).items() if word != "type"}
    inside = _schema(value, Bounds())
    return {**({"propertyNames": names} if names else {}), **({"additionalProperties": inside} if inside else {})}


# -- defaults and values ------------------------------------------------------------------------------------------


def _default(one: Field[Any]) -> Any:
    return one.default if one.default_factory is MISSING else one.default_factory()


def defaults_of(*options: type) -> dict[str, Any]:
    """The default of each option that has one, as a file says it."""
    found = {name: _default(one) for group in options for name, one in declared(group).items()}
    return {name: _plain(default) for name, default in found.items() if default is not MISSING}


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    return list(value) if isinstance(value, tuple) else value


def from_section(options: type[Options], section: Mapping[str, Any]) -> Options:
    """The options that a checked section says: what it leaves out has its default, what is no option is passed over.

    Raises TypeError when one that is required is missing.
    """
    kind: type = options
    return options(**{called: read(section[name]) for name, called, read in _readers(kind) if name in section})


Read = Callable[[Any], Any]
"""Makes of a value that a file says what the type of its option has."""


@cache
def _readers(options: type) -> Sequence[tuple[str, str, Read]]:
    """Name and field of each option, and how its value is read."""
    return [(name, one.name, _reader(hint)) for name, one, hint in _typed(options)]


def _reader(hint: Any) -> Read:
    """How a value of this type is read: an enum, options again, a tuple of them; `null` is none of these."""
    if get_origin(hint) is Annotated:
        return _reader(get_args(hint)[0])
    others = [part for part in alternatives(hint) if part is not type(None)]
    read = _reader_of(others[0]) if len(others) == 1 else None
    return _as_it_is if read is None else lambda value: None if value is None else read(value)


def _reader_of(kind: Any) -> Read | None:
    """None: a value is taken as it is."""
    if container_of(kind) == "array":
        item = _reader(get_args(kind)[0])
        return lambda value: tuple(map(item, value))
    if isinstance(kind, type) and (issubclass(kind, Enum) or kind in (int, float)):
        return kind  # to a schema 3.0 is a whole number too
    if _is_options(kind):
        return lambda value: from_section(kind, value) if isinstance(value, Mapping) else value
    return None


def _as_it_is(value: Any) -> Any:
    return value
