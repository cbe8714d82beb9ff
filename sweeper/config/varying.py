"""What may vary: swept keys must exist and be free, every value must fit, and what is locked stays as it is."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from hydra.errors import HydraException
from omegaconf import DictConfig

from sweeper.config import job_files, lengths
from sweeper.config.axes import Axis
from sweeper.config.check import Finding, findings
from sweeper.config.draft import FREE, MOST_ROWS, ONE_LOCKED, Draft, apply, section_of, there_is, to_add
from sweeper.config.hydras_state import ours
from sweeper.config.problems import KeyPath, dotted, nearest, refuse
from sweeper.config.schema import SECTIONS
from sweeper.config.values import COSMETIC, PINNED, copied, names_a_key, read, without
from sweeper.core.identity import canonical, flatten, path_of, within
from sweeper.core.request import digest
from sweeper.core.space.declared import ROUND
from sweeper.core.space.names import show
from sweeper.errors import UsageError

MOST_COPIED = 50_000
"""How many values are copied for that: in a large configuration fewer rows are tried."""
ALONE = "cannot be swept: it is one for the whole sweep"
LOCKED = (
    "is locked and cannot be swept: every job of a sweep shares one locked section; "
    "give it one value, or write one experiment for each"
)


def keys_may_vary(draft: Draft) -> None:
    """Every swept key must exist, and must be one that may differ from trial to trial."""
    sections = draft.sections
    for axis in draft.axes:
        for key in axis.block.keys:
            if what := _why_not(draft, key, sections, axis):
                draft.wrong_at(axis, key, what)


def _why_not(draft: Draft, key: str, sections: Mapping[str, Any], axis: Axis) -> str:
    section, _, rest = key.partition(".")
    field = rest.split(".")[0]
    if key == ROUND:
        return ""
    if section == "locked":
        return LOCKED
    if section in SECTIONS.keys() | {"engine"} and section not in FREE:
        return ALONE
    if options := draft.options(key):
        wrong = next((row[key] for row in axis.block.rows if key in row and str(row[key]) not in options), None)
        return "" if wrong is None else f"there is no option {wrong!r}{nearest(wrong, options) or there_is(options)}"
    if section not in FREE:
        return f"is not a parameter{nearest(key, draft.names)}"
    if section == "job" and field in COSMETIC:
        return "cannot be swept: it changes no result, so all its trials would be one and the same"
    if section == "job" and field in PINNED:
        return "cannot be swept: a sweep has one source; sweep job.entry_script instead"
    return "" if key in axis.added else _absent(draft, key, sections)


def _absent(draft: Draft, key: str, sections: Mapping[str, Any]) -> str:
    node: Any = sections
    for part in path_of(key, within(sections)):
        if isinstance(node, list):
            return "is an item of a list: sweep the whole list"
        if not isinstance(node, Mapping) or part not in node:
            return f"is not a parameter{nearest(key, draft.names)}; {to_add(key)}"
        node = node[part]
    return ""


# -- every value ------------------------------------------------------------------------------------------------


def values_fit(draft: Draft, locked: Mapping[str, Any]) -> None:
    """Each value of an axis, one at a time: it must resolve, fit the schemas, and leave the locked section alone."""
    written = {s: v for s, v in draft.sections.items() if s in (*FREE, "locked")}
    follows = any(names_a_key(leaf) for _, leaf in flatten(written))
    broken = {path for section in written for path, _ in read(draft.config, section)[1]}
    config = without(draft.config, "sweep")
    most = min(MOST_ROWS, MOST_COPIED // len(draft.names) + 1)
    for axis in draft.axes:
        alone = not follows and not any(key.split(".")[0] in ("job", "environment") for key in axis.block.keys)
        for row in itertools.islice(axis.block.rows, MOST_ROWS if alone else most):
            values = {k: v for k, v in row.items() if not draft.is_group(k)}
            found = [*lengths.of_row(values)] if alone else _row(draft, config, values, locked, broken)
            key = next(iter(row), "")
            named = "" if key.startswith("environment.") else f"{show(row.get(key))}: "  # it may be a secret
            for path, what in found:
                draft.wrong_at(axis, key, f"{named}{dotted(path)} {what}")
            if found:
                break


def _row(
    draft: Draft, base: DictConfig, row: Mapping[str, Any], locked: Mapping[str, Any], broken: set[KeyPath]
) -> list[Finding]:
    """What is wrong with one row, beyond what is missing in the base and may be set by another block."""
    config = copied(base)
    apply(config, row)
    found: list[Finding] = []
    values: dict[str, Any] = {}
    for section in (*FREE, "locked"):
        value, wrong = read(config, section) if section in config else ({}, [])
        known = {path for path, _ in wrong} | broken
        found += [(path, what) for path, what in wrong if not what.startswith("is missing")]
        if section in SECTIONS:
            found += [(p, what) for p, what in findings(value, SECTIONS[section], (section,)) if p not in known]
        if section == "locked" and not wrong and digest(value) != digest(locked):
            before = dict(flatten(locked, ("locked",)))
            path = next(p for p, v in flatten(value, ("locked",)) if canonical(v) != canonical(before.get(p)))
            draft.wrong(path, f"changes with {', '.join(row)}, which is swept: {ONE_LOCKED}")
        values[section] = value
    return found or [*lengths.findings(values), *job_files.not_there(draft, values["job"])]


# -- config groups as axes --------------------------------------------------------------------------------------


class Compositions:
    """The composed configuration for each choice of config group options: one Hydra composition per choice."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._known: dict[tuple[tuple[str, Any], ...], DictConfig] = {(): draft.config}
        self.groups = frozenset(key for axis in draft.axes for key in axis.block.keys if draft.is_group(key))
        """The config groups that are swept."""

    def of(self, values: Mapping[str, Any]) -> DictConfig:
        """The configuration under the options among these values. Do not change it: copy it."""
        chosen = {key: value for key, value in values.items() if key in self.groups}
        key = tuple(chosen.items())
        if key not in self._known:
            self._known[key] = self._compose(chosen)
        return self._known[key]

    def _compose(self, chosen: Mapping[str, Any]) -> DictConfig:
        draft = self._draft
        named = [(o, o.get_key_element().lstrip("+~")) for o in draft.overrides]
        kept = [o for o, key in named if not o.is_sweep_override() and key not in chosen]
        known = draft.choices.keys() - {key for o, key in named if o.is_add()}
        options = [f"{'' if group in known else '+'}{group}={option}" for group, option in chosen.items()]
        try:
            with ours():
                lines = [*(str(o.input_line) for o in kept), *options]
                composed = draft.loader.load_sweep_config(draft.composed, lines)
        except HydraException as error:
            first = (str(error) or str(error.__cause__)).splitlines()[0]
            raise UsageError(f"{', '.join(options)}: {first}") from None
        other = Draft(composed, draft.loader, draft.overrides, draft.root, draft.unknown)
        if other.nowhere:
            raise UsageError(f"{', '.join(options)}: {other.nowhere[0].key}: {other.nowhere[0].told()}")
        return other.config


def groups_keep_the_rest(draft: Draft, compositions: Compositions) -> None:
    """An option of a swept config group may change only what may vary: above all not the locked section."""
    own = set(map(section_of, compositions.groups)) - SECTIONS.keys() - {"engine"}
    rest = [s for s in draft.sections if s not in (*FREE, "sweep", "name", *own)]
    for axis in draft.axes:
        for key in compositions.groups.intersection(axis.block.keys):
            for option in dict.fromkeys(row[key] for row in axis.block.rows if key in row):
                if told := ", ".join(_changes(draft, rest, compositions.of({key: option}))):
                    what = f"option {option} changes {told}: that is one for the whole sweep; "
                    draft.wrong_at(axis, key, what + "write one experiment for each")
    refuse(draft.problems)


def _changes(draft: Draft, sections: Sequence[str], other: DictConfig) -> list[str]:
    """What differs in these sections, in words."""
    told: list[str] = []
    for section in sections:
        before = dict(flatten(read(draft.config, section)[0], (section,)))
        after = dict(flatten(read(other, section)[0] if section in other else None, (section,)))
        changed = [path for path in {**before, **after} if before.get(path) != after.get(path)]
        told += [f"{dotted(p)} ({show(before.get(p))} -> {show(after.get(p))})" for p in changed]
    return told
