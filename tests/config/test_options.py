"""An option is declared once: what else says its default or its words follows from there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
import yaml

from sweeper import backends
from sweeper.config import engines
from sweeper.config.check import findings
from sweeper.config.defaults import files as files_of_conf
from sweeper.config.defaults import rewritten, with_rules
from sweeper.config.project import packaged_conf
from sweeper.config.schema import ENGINES, OPTIONS, SECTIONS, experiment, files, text
from sweeper.core.job import Experiment
from sweeper.core.options import Bounds, declared, defaults_of, from_section, option, redefined, schema_of
from sweeper.core.scope import EngineKind
from sweeper.core.waits import LocalWaits

REQUIRED = "???"
ALL: Sequence[type] = [
    Experiment,
    *OPTIONS.values(),
    *backends.KINDS.values(),
    *(options for engine in engines.KINDS.values() for options in engine.options),
]


def composed(*path: str) -> Any:
    """A file of conf/ as it is written."""
    return yaml.safe_load(packaged_conf().joinpath(*path).read_text(encoding="utf-8"))


def in_file(options: type) -> dict[str, Any]:
    """What a file of conf/ says of these options."""
    return {name: defaults_of(options).get(name, REQUIRED) for name in declared(options)}


@pytest.mark.parametrize("section", [name for name in OPTIONS if name not in ("objective", "prices", "sweep")])
def test_the_defaults_of_a_section_are_the_declared_ones(section: str) -> None:
    """Every option is in `conf/config.yaml` with its default, those without one as what must be said, and no other."""
    assert composed("config.yaml")[section] == in_file(OPTIONS[section])


def test_what_stands_alone_has_its_declared_default() -> None:
    """The sections that are one option each; what is no section is Hydra's own, or composed of a group."""
    base = composed("config.yaml")
    assert {name: base[name] for name in declared(Experiment)} == defaults_of(Experiment)
    assert {"objective", *declared(Experiment)} < base.keys()
    assert base.keys() - SECTIONS.keys() == {"defaults", "hydra"} and base["objective"] is None
    assert base["sweep"].items() <= defaults_of(OPTIONS["sweep"]).items()


@pytest.mark.parametrize("kind", EngineKind)
def test_the_defaults_of_an_engine_are_the_declared_ones(kind: EngineKind) -> None:
    """What `engine=KIND` composes: every wait, and of the rest nothing that the engine would not do by itself."""
    said = composed("engine", f"{kind.value}.yaml")
    engine = engines.KINDS[kind]
    known = {"kind": kind.value, **defaults_of(*engine.options)}
    assert {name: known[name] for name in said} == said
    assert declared(engine.waits).keys() < said.keys()


def test_what_an_engine_of_the_users_leaves_out_has_the_default_of_its_kind(project: Any) -> None:
    """`conf/engine/mine.yaml` need not say again how that kind of engine is waited for."""
    project.write("conf/engine/mine.yaml", "kind: local\npoll_s: 3\n")
    project.experiment()
    assert project.sweep("engine=mine").waits == LocalWaits(poll_s=3)


@pytest.mark.parametrize("kind", backends.KINDS)
def test_the_defaults_of_a_backend_are_the_declared_ones(kind: str) -> None:
    """What `backend=KIND` composes is every option of its dataclass."""
    said = composed("backend", f"{kind}.yaml")
    assert said.get("backend", said) == {"kind": kind, **in_file(backends.kind_of(kind))}


@pytest.mark.parametrize("name", files_of_conf())
def test_the_words_in_conf_are_the_declared_ones(name: str) -> None:
    """Every file is what `python -m sweeper.config.defaults conf` writes."""
    told = packaged_conf().joinpath(name).read_text(encoding="utf-8")
    assert told == rewritten(with_rules(told), files_of_conf()[name])


def test_another_default_and_other_words_are_written_anew() -> None:
    """In the lines that name an option, at its place; everything else is left as it is."""
    before = "# x\nneeded: 1 # old\nseconds: 5\nother: 1 # ours\ninner:\n  needed: 2 # another's\n"
    after = "# x\nneeded: ??? # required.\nseconds: auto # how long.\nother: 1 # ours\ninner: null # an inner one.\n"
    assert rewritten(before, {"": [Outer]}) == after + "  needed: 2 # another's\n"


@pytest.mark.parametrize("options", ALL, ids=lambda options: options.__name__)
def test_every_option_has_words_and_a_default_that_fits(options: type) -> None:
    """What is declared says what it means, and its own default is valid."""
    properties = schema_of(options)["properties"]
    assert [name for name, one in properties.items() if not one.get("description")] == []
    assert [one for name, d in defaults_of(options).items() for one in findings(d, properties[name])] == []


def test_every_key_of_a_section_has_words() -> None:
    """Also where it is no dataclass: a reference without words explains nothing."""
    shapes = {**SECTIONS, **{f"engine={kind}": schema for kind, schema in ENGINES.items()}}
    for section, shape in shapes.items():
        assert shape.get("description") or "anyOf" in shape, section
        silent = {key for key, part in shape.get("properties", {}).items() if key != "kind" and not told(part)}
        assert not silent - FAILURES, section


def told(part: Mapping[str, Any]) -> bool:
    """Does it, or an alternative of it, say what it means?"""
    return bool(part.get("description")) or any(map(told, part.get("anyOf", ())))


FAILURES = set(SECTIONS["on_failure"]["properties"])


def expanded(part: Any, definitions: Mapping[str, Any]) -> Any:
    """A published schema with what it refers to in its place."""
    if isinstance(part, list):
        return [expanded(item, definitions) for item in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        beside = {word: rule for word, rule in part.items() if word != "$ref"}  # its words, where others have others
        return {**expanded(definitions[part["$ref"].removeprefix("#/definitions/")], definitions), **beside}
    return {word: expanded(rule, definitions) for word, rule in part.items()}


def test_every_section_is_published() -> None:
    """An editor knows every section that is checked, and every key of it."""
    published = experiment()["properties"]
    assert published.keys() == {*SECTIONS, "defaults", "engine"}
    for section, shape in SECTIONS.items():
        assert keys(published[section]) == keys(shape), section


def keys(shape: Mapping[str, Any]) -> set[str]:
    """The keys of a section, or of an alternative of it."""
    return set(shape.get("properties", {})).union(*map(keys, shape.get("anyOf", ())))


def test_what_is_defined_once_is_what_is_meant() -> None:
    """The published schema says of an experiment what checks it, and nothing of any length twice."""
    told = files()["experiment.json"]
    definitions = told.pop("definitions")
    assert expanded(told, definitions) == experiment()
    written = [json.dumps(part) for part in definitions.values()]
    assert len(set(written)) == len(written) and len(text(told)) < len(text(experiment())) / 2


# -- every type that an option may have ---------------------------------------------------------------------------


class Colour(str, Enum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Inner:
    """Options inside of others."""

    colour: Colour = option("one of them.")
    size: float = option("how much.", default=1.0, above=0, below=2)


Chosen = Mapping[Annotated[str, Bounds(choices=("a",))], int]


@dataclass(frozen=True, kw_only=True)
class Outer:
    """Every kind of option.

    This is not told.
    """

    inner: Inner | None = option("an inner one.", default=None)
    inners: Sequence[Inner] = option("several.", default=(), high=2)
    of_text: Mapping[Annotated[str, Bounds(pattern="^[a-z]+$")], int | None] = option("by name.", default={}, high=2)
    named: Mapping[Annotated[str, Bounds(choices=("a", "b"))], int] = option("by a name there is.", default={})
    either: Annotated[Sequence[Any] | Chosen, Bounds(says="must be x")] = option("one or the other.", default=())
    seconds: int | Literal["auto"] = option("how long.", default="auto", low=0, says="must be seconds, or auto")
    needed: str = option("required.", low=1, high=3)
    items: list[Annotated[str, Bounds(low=2)]] | None = option("some.", default=None, low=1)
    anything: Any = option("whatever.", default=None)


@dataclass(frozen=True, kw_only=True)
class Other(Outer):
    needed: str = redefined(Outer, "needed", "yes")


VALID = {
    "inner": {"colour": "red", "size": 1.5},
    "inners": [{"colour": "blue"}],
    "of_text": {"a": 1, "b": None},
    "seconds": 3,
    "needed": "abc",
    "items": ["ab"],
    "anything": {"x": [1]},
}


@pytest.mark.parametrize(
    ("change", "path", "what"),
    [
        ({}, None, ""),
        ({"inner": None, "items": None, "seconds": "auto"}, None, ""),
        ({"inner": {"colour": "green"}}, ("inner", "colour"), "not one of red, blue"),
        ({"inner": {"colour": "red", "size": 2}}, ("inner", "size"), "too large: less than 2"),
        ({"inners": [{"colour": "red"}] * 3}, ("inners",), "at most 2"),
        ({"inners": [{}]}, ("inners", 0, "colour"), "is missing"),
        ({"of_text": {"A": 1}}, ("of_text", "A"), "not a possible name"),
        ({"of_text": {"a": "x"}}, ("of_text", "a"), "not a whole number or null"),
        ({"named": {"c": 1}}, ("named", "c"), "is not a possible name: one of a, b"),
        ({"either": {"a": "x"}}, ("either", "a"), "not a whole number"),
        ({"either": {"c": "x"}}, ("either",), "must be x"),
        ({"seconds": -1}, ("seconds",), "must be seconds, or auto"),
        ({"needed": ""}, ("needed",), "is empty"),
        ({"needed": None}, ("needed",), "is not text"),
        ({"items": []}, ("items",), "is empty"),
        ({"items": ["a"]}, ("items", 0), "is empty"),
        ({"more": 1}, ("more",), "is not a field"),
    ],
)
def test_what_is_declared_is_what_is_checked(
    change: Mapping[str, Any], path: tuple[str | int, ...] | None, what: str
) -> None:
    """Every type and every bound, at the key that is wrong."""
    found = findings({**VALID, **change}, schema_of(Outer))
    assert [at for at, _ in found] == ([path] if path else [])
    assert what in "".join(said for _, said in found)


def test_what_was_read_is_typed() -> None:
    """Options inside of others, enums and tuples of them; what is not said has its default, what is unknown is left."""
    read = from_section(Outer, {**VALID, "more": 1})
    assert (read.inner, read.inners) == (Inner(Colour.RED, 1.5), (Inner(Colour.BLUE),))
    assert (read.of_text, read.items, read.anything) == ({"a": 1, "b": None}, ("ab",), {"x": [1]})
    assert from_section(Outer, {"needed": "x"}) == Outer(needed="x")
    with pytest.raises(TypeError, match="needed"):
        from_section(Outer, {})


def test_another_default_keeps_words_and_bounds() -> None:
    """In a subclass only the default differs, and no two hold the same mapping."""
    schemas = [schema_of(options) for options in (Outer, Other)]
    assert schemas[0]["properties"] == schemas[1]["properties"]
    assert (schemas[0]["required"], schemas[1].get("required")) == (["needed"], None)
    assert (schemas[0]["description"], defaults_of(Other)["needed"]) == ("Every kind of option.", "yes")
    assert Other().of_text is not Other().of_text


def test_a_type_that_no_schema_can_say_is_refused() -> None:
    """At the field that has it."""

    @dataclass(frozen=True)
    class Odd:
        odd: set[int] = option("a set.")

    with pytest.raises(TypeError, match="odd: an option is text"):
        schema_of(Odd)
