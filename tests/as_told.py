"""What commands print for programs, held against the published schemas: every command that a test ends is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NoReturn

from jsonschema import Draft7Validator

from sweeper.config import project


@cache
def validator(name: str) -> Draft7Validator:
    """What checks an object against the schema of this name, in which no other field may be than those it knows."""
    schema = json.loads((project.packaged_conf() / f"schema/outputs/{name}.json").read_text(encoding="utf-8"))
    return Draft7Validator(closed(schema))


def closed(schema: Any) -> Any:
    """A schema without room for what it does not name: who prints a field more is to say so in its type."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: closed(value) for key, value in schema.items()}
    return {"additionalProperties": False, **found} if isinstance(found.get("properties"), dict) else found


def check(name: str, told: Any) -> None:
    """Fail where an object is not what the schema of this name says. An error is told alike by every verb."""
    wrong = [f"{'.'.join(map(str, one.absolute_path))}: {one.message}" for one in _deepest(validator(name), told)]
    assert not wrong, f"{name}: {wrong}"


def _deepest(found: Draft7Validator, told: Any) -> Iterator[Any]:
    """The errors by the shape that fits best: of several the shortest list says what is meant."""
    for error in found.iter_errors(told):
        ways: dict[Any, list[Any]] = {}
        for one in error.context or ():
            ways.setdefault(one.schema_path[0], []).append(one)
        yield from min(ways.values(), key=len) if ways else [error]


def check_told(words: Sequence[str], out: str) -> None:
    """Fail where the output of this command line is none of the JSON that it was asked for."""
    json_, events = "--json" in words, "--events" in words
    if not (json_ or events):
        return
    verb = next((word for word in words if not word.startswith(("-", "/")) and word not in ("sweeper", "python")), "")
    name = "run" if verb.startswith("+experiment=") else verb
    for line in out.splitlines():
        told = json.loads(line, parse_constant=_refused)
        check("events" if events and "event" in told else name if name in known() else "run", told)


@cache
def known() -> frozenset[str]:
    """The names of all schemas."""
    return frozenset(path.stem for path in (project.packaged_conf() / "schema/outputs").glob("*.json"))


def _refused(word: str) -> NoReturn:
    raise AssertionError(f"{word} is no JSON")


def parts_of(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every object of a schema, itself included."""
    if isinstance(schema, Mapping):
        yield schema
        for one in schema.values():
            yield from parts_of(one)
