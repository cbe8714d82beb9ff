"""What must hold of a composed configuration beyond its syntax: its name, its keys, and each section by its schema."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sweeper.backends import KINDS
from sweeper.config import project
from sweeper.config.check import Finding, findings
from sweeper.config.draft import GROUPS, MOST_ROWS, Draft, apply, section_of, there_is
from sweeper.config.locate import GROUP
from sweeper.config.problems import COMMAND_LINE, KeyPath, Problem, nearest, refuse, shown
from sweeper.config.project import SUITE
from sweeper.config.reading import load
from sweeper.config.schema import (
    SECTIONS,
    backend_schema,
    engine_schema,
    not_its_option,
    stop_schema,
    trackers_schema,
)
from sweeper.config.sources import ExperimentSource
from sweeper.config.theirs import our_word
from sweeper.config.values import copied, plain, read
from sweeper.core import stop
from sweeper.core.options import Schema
from sweeper.errors import UsageError

Sections = Mapping[str, Any]
MOST_NAME = 100
"""Letters of an option's name that are repeated."""


def experiment_given(draft: Draft) -> None:
    """There is no sweep without an experiment."""
    if GROUP not in draft.choices:
        known = draft.loader.get_group_options(GROUP)
        there = there_is(known) if known else f"; none is in {shown(draft.root / project.EXPERIMENTS)}"
        if not any(GROUP in problem.key for problem in draft.problems):
            draft.problems.append(Problem(COMMAND_LINE, "", f"no experiment given: add +experiment=NAME{there}"))
        refuse(draft.problems)


def name_of(draft: Draft) -> Any:
    """The experiment's own name: written in its file or on the command line, else the file's stem."""
    option = draft.choices[GROUP]
    if any(o.key_or_group == "name" for o in draft.line):
        return plain(draft.config)["name"]
    sources = (s for s in draft.loader.get_sources() if isinstance(s, ExperimentSource))
    file = next((file for s in sources if (file := s.file(f"{GROUP}/{option}"))), None)
    own = load(file)._get_node("name") if file else None
    return plain(own._value()) if own is not None and own._value() is not None else Path(option).name


def sections(draft: Draft) -> dict[str, Any]:
    """Every section of the first trial, resolved and checked against its schema."""
    first = copied(draft.config)
    for axis in draft.axes:
        row = axis.block.rows[0]
        apply(first, {k: v for k, v in row.items() if not draft.is_group(k) and not k.startswith("locked")})
    values: dict[str, Any] = {}
    for section in draft.sections:
        if section == "sweep":
            continue
        values[section], unresolved = read(first, section)
        draft.note(unresolved)
        try:
            shape = _shape(section, values[section])
        except UsageError as error:  # a kind that there is not
            draft.wrong((section, "kind") if section in GROUPS else (section,), str(error))
            continue
        if shape is None:
            _other_section(draft, section)
            continue
        if section in GROUPS and isinstance(values[section], str):
            draft.wrong((section,), _chosen(section, values[section]))
            continue
        broken = {path for path, _ in unresolved}
        found = findings(values[section], shape, (section,))
        if section == "stop" and not found:
            found = [*_unusable(values[section])]
        draft.note([(path, what) for path, what in found if path not in broken])
    return values


def _shape(section: str, value: Any) -> Schema | None:
    kind = value.get("kind") if isinstance(value, Mapping) else None
    if section == "engine":
        return engine_schema(kind)
    if section == "stop":
        return stop_schema(value)
    if section == "trackers" and isinstance(value, Mapping):
        return trackers_schema(value)
    return backend_schema(kind) if section == "backend" else SECTIONS.get(section)


def _unusable(section: Mapping[str, Any]) -> Iterator[Finding]:
    """The stop rules of a user's own that cannot be used."""
    for path, value in stop.written(section):
        try:
            stop.made(str(path[-1]), value)
        except UsageError as error:
            yield path, str(error)


def _chosen(group: str, option: str) -> str:
    name = option if len(option) < MOST_NAME else "NAME"
    ways = f"{group}={name} on the command line, or `defaults: [{{override /{group}: {name}}}, _self_]`"
    return f"is chosen by its name, not set: write {ways}"


def keys_are_text(draft: Draft) -> None:
    """Every key is text, in swept values too: those of files were looked at when they were read. Raises UsageError."""
    swept = [(key, row[key]) for axis in draft.axes for row in axis.block.rows[:MOST_ROWS] for key in row]
    odd = [*_odd_keys(draft.sections, ()), *(one for key, value in swept for one in _odd_keys(value, (key,)))]
    for path, key in odd:
        what = f"{json.dumps(key)} is a key that is no text: only a file can say it, in quotes"
        draft.problems.append(draft.origin.problem(path, what))
    if odd:
        refuse(draft.problems)


def _odd_keys(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    if isinstance(value, Mapping):
        yield from ((path, key) for key in value if not isinstance(key, str))
        for key, below in value.items():
            yield from _odd_keys(below, (*path, str(key)))
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from _odd_keys(item, (*path, position))


def _other_section(draft: Draft, section: str) -> None:
    """A section that is none of ours must come from a config group of the user's."""
    groups = set(map(section_of, draft.choices))
    if section == GROUP:
        draft.wrong((section,), "is not a section; to start from an experiment list it under defaults")
    elif section == SUITE:
        draft.wrong((section,), "lists several experiments; run them with: sweeper suite NAME")
    elif section not in groups:
        owner = next((name for name, shape in SECTIONS.items() if section in shape.get("properties", {})), None)
        elsewhere = f"; it belongs under {owner}" if owner else ""
        hint = our_word(section, ()) or nearest(section, [*SECTIONS, "engine"]) or elsewhere
        draft.wrong((section,), f"is not a section{hint or '; values of your own go under vars'}")


def unknown_keys(draft: Draft) -> None:
    """What Hydra has refused to override, with what was probably meant."""
    for unknown in draft.nowhere:
        what = _of_another_backend(draft, unknown.key) or unknown.told(nearest(unknown.key, draft.names))
        draft.problems.append(Problem(COMMAND_LINE, unknown.key, what))
    for override in draft.twice:
        draft.problems.append(Problem(COMMAND_LINE, override.key_or_group, "is there already: leave out the +"))


def _of_another_backend(draft: Draft, key: str) -> str:
    section, _, option = key.partition(".")
    kind = draft.sections.get("backend", {}).get("kind")
    return not_its_option(kind, option) if section == "backend" and kind in KINDS else ""
