"""The table between an experiment and a request: an option says which member it is, and it is read in both directions.

There is no other: a request is built of it, an experiment is written from a request by it, and docs/requests.md is
printed from it. Pure.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from enum import Enum
from typing import Any

from sweeper.core.options import kind_of, sent
from sweeper.core.ports import Request

_SECOND_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def snake(name: str) -> str:
    """A member's name as the SDKs spell it: S3DataType is s3_data_type."""
    return _SECOND_WORD.sub("_", name).lower()


def request_of(said: Any) -> Request:
    """The piece of a request that these options are; one that is null or empty is none of it."""
    options: type = type(said)
    found: Request = dict(_always(options))
    for name, (member, _) in sent(options).items():
        value = _sent(getattr(said, name))
        if value is not None and value not in ({}, []):
            put(found, member, value)
    return found


def _sent(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value):
        return request_of(value)
    return [_sent(item) for item in value] if isinstance(value, (list, tuple)) else value


def _always(options: type) -> Mapping[str, str]:
    """The members that tell these options from others of the same place."""
    found: Mapping[str, str] = getattr(options, "ALWAYS", {})
    return found


def put(request: Request, member: str, value: Any) -> None:
    """Set a member by its dotted name."""
    *above, last = member.split(".")
    for name in above:
        request = request.setdefault(name, {})
    request[last] = value


def take(request: Request, member: str) -> Any:
    """Take a member out by its dotted name, and what is empty without it; None when it is not there."""
    first, _, rest = member.partition(".")
    if not rest:
        return request.pop(first, None)
    inner = request.get(first)
    if not isinstance(inner, dict):
        return None
    found = take(inner, rest)
    if not inner:
        del request[first]
    return found


def said_by(options: type, request: Request) -> dict[str, Any]:
    """What these options say of a request, as a file has it. It is taken out: what is left no option says."""
    found: dict[str, Any] = {}
    for name, (member, hint) in sent(options).items():
        value = take(request, member)
        if value is None:
            continue
        shape, kind = kind_of(hint)
        said = value if kind is None else _said(kind, value, shape)
        if said is None:
            put(request, member, value)
        else:
            found[name] = said
    return found


def _said(kind: type, value: Any, shape: str) -> Any:
    """A nested piece as options say it; None when they cannot say all of it."""
    if shape == "list":
        items = [_said(kind, item, "one") for item in value]
        return None if None in items else items
    left, always = copy.deepcopy(dict(value)), _always(kind)
    if any(left.pop(name, None) != told for name, told in always.items()):
        return None
    said = said_by(kind, left)
    return None if left else said


def members(options: type, at: str = "") -> Iterator[tuple[str, str]]:
    """Every member of a request that these options say, by its dotted name, with the option's."""
    for name, (member, hint) in sent(options).items():
        _, kind = kind_of(hint)
        if kind is None:
            yield at + member, name
        else:
            yield from ((inner, f"{name}.{option}") for inner, option in members(kind, f"{at}{member}."))
            yield from ((f"{at}{member}.{constant}", name) for constant in _always(kind))
