"""What varies: the `sweep` section and the command line's sweeps as blocks that know where they were written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Transformer
from hydra.errors import HydraException

from sweeper.config.locate import Origin
from sweeper.config.problems import COMMAND_LINE, KeyPath, Problem
from sweeper.core.space import Block
from sweeper.core.space_values import expand


@dataclass(frozen=True)
class Axis:
    """A block, and the path at which each of its keys is written; none for the command line's."""

    block: Block
    places: Mapping[str, KeyPath] = field(default_factory=dict)
    added: frozenset[str] = frozenset()
    """The keys that were written with `+`: they need not exist before."""

    def where(self, origin: Origin, key: str) -> str:
        """`file:line:col` of this key of the axis, or `command line`."""
        return origin.of(self.places[key]) if key in self.places else COMMAND_LINE


@dataclass
class CommandLine:
    """The overrides of the command line, by what they do."""

    swept: dict[str, list[Any]] = field(default_factory=dict)
    pinned: dict[str, Any] = field(default_factory=dict)
    added: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)

    @classmethod
    def of(cls, overrides: Sequence[Override]) -> CommandLine:
        """Sort the overrides; a later one for the same key wins."""
        line = cls()
        for override in overrides:
            key = override.get_key_element().lstrip("+~")
            if override.is_add() or override.is_force_add():
                line.added.add(key)
            line.swept.pop(key, None)
            line.pinned.pop(key, None)
            if not override.is_sweep_override():
                if not override.is_delete():
                    line.pinned[key] = override.value()
                continue
            try:
                line.swept[key] = values_of(override)
            except ValueError as error:
                line.problems.append(Problem(COMMAND_LINE, override.input_line or key, str(error)))
        return line


def values_of(override: Override) -> list[Any]:
    """The values of a sweep in Hydra's grammar, as Python values. Raises ValueError in words for the user."""
    if not override.is_discrete_sweep():
        raise ValueError("has no finite number of values; give a list, range(...) or choice(...)")
    try:
        found = list(override.sweep_iterator(transformer=Transformer.identity))
    except (HydraException, TypeError, ValueError) as error:
        raise ValueError(str(error).splitlines()[0]) from None
    if not found:
        raise ValueError("has no values")
    return [override._convert_value(value) for value in found]


def axis_values(key: str, spec: Any) -> Sequence[Any]:
    """The values of one grid axis as it is written in YAML. Raises ValueError in words for the user."""
    if isinstance(spec, Mapping):
        ((function, arguments),) = spec.items()
        return expand(function, arguments)
    if isinstance(spec, str):
        try:
            override = OverridesParser.create().parse_override(f"{key}={spec}")
        except HydraException as error:
            raise ValueError(f"{spec!r} is not a sweep expression: {str(error).splitlines()[0]}") from None
        return values_of(override) if override.is_sweep_override() else [override.value()]
    return list(spec)


def build(
    section: Mapping[str, Any], line: CommandLine, origin: Callable[[], Origin]
) -> tuple[list[Axis], list[Problem]]:
    """The blocks of a sweep in order, and what is wrong with them."""
    problems = list(line.problems)
    axes: list[Axis] = []
    swept = dict(line.swept)
    for written, spec in (section.get("grid") or {}).items():
        key = written.lstrip("+")
        added = frozenset([key]) if written.startswith("+") or key in line.added else frozenset[str]()
        places: dict[str, KeyPath] = {}
        if key in swept:
            values = swept.pop(key)
        elif key in line.pinned:
            values = [line.pinned[key]]
        else:
            places[key] = ("sweep", "grid", written)
            try:
                values = list(axis_values(key, spec))
            except ValueError as error:
                problems.append(origin().problem(places[key], str(error)))
                continue
        axes.append(Axis(Block([{key: value} for value in values]), places, added))
    for key, values in swept.items():
        added = frozenset([key]) & line.added
        axes.append(Axis(Block([{key: value} for value in values]), added=added))
    return axes, problems + _overlaps(axes, origin)


def _overlaps(axes: Sequence[Axis], origin: Callable[[], Origin]) -> list[Problem]:
    """Two axes that set the same thing: which of them would win depends on the order, so neither may."""
    keys = [(key, axis) for axis in axes for key in axis.block.keys]
    return [
        Problem(axis.where(origin(), key), key, f"and {other} set the same thing: sweep one of them")
        for key, axis in keys
        for other, _ in keys
        if key != other and key.startswith(other + ".")
    ]
