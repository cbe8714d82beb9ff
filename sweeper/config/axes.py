"""What varies: an axis that knows where it was written, and the sweeps of the command line."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override, RangeSweep, Sweep, Transformer
from hydra.errors import HydraException

from sweeper.config.locate import Origin
from sweeper.config.problems import COMMAND_LINE, KeyPath, Problem
from sweeper.core.space.blocks import Block
from sweeper.core.space.values import bounded, expand, held

ENDLESS = "has no finite number of values; give a list, range(...) or choice(...)"


@dataclass(frozen=True)
class Axis:
    """A block, where each of its keys is written (nowhere: on the command line), and which form it belongs to."""

    block: Block
    places: Mapping[str, KeyPath] = field(default_factory=dict)
    added: frozenset[str] = frozenset()
    """The keys that were written with `+`: they need not exist before."""
    form: str = "command line"

    def where(self, origin: Origin, key: str) -> str:
        """`file:line:col` of this key of the axis, or `command line`."""
        return origin.of(self.places[key]) if key in self.places else COMMAND_LINE


@dataclass
class CommandLine:
    """The overrides of the command line, by what they do."""

    swept: dict[str, Sequence[Any]] = field(default_factory=dict)
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


def values_of(override: Override) -> Sequence[Any]:
    """The values of a sweep in Hydra's grammar, as Python values. Raises ValueError in words for the user."""
    if not override.is_discrete_sweep():
        raise ValueError(ENDLESS)
    declared = override.value()
    if isinstance(declared, RangeSweep) and not declared.shuffle:
        whole = declared.range()
        if isinstance(whole, range) and whole:
            return bounded(whole)  # a million numbers that nobody has to keep
    _held(declared)
    try:
        found = list(override.sweep_iterator(transformer=Transformer.identity))
    except (HydraException, TypeError, ValueError) as error:
        raise ValueError(str(error).splitlines()[0]) from None
    if not found:
        raise ValueError("has no values")
    if any(map(_holds_a_sweep, found)):
        raise ValueError("sweeps within a value: give range(...), choice(...) and the like alone, or say the values")
    return [override._convert_value(value) for value in found]


def _holds_a_sweep(value: Any) -> bool:
    """Hydra's grammar takes a function for one of several values, and leaves it as it is."""
    if isinstance(value, dict):
        return any(map(_holds_a_sweep, value.values()))
    return any(map(_holds_a_sweep, value)) if isinstance(value, list) else isinstance(value, (Sweep, Glob))


def _held(declared: Any) -> None:
    """Raises ValueError for a range of too many fractions, which would be counted through first."""
    if isinstance(declared, RangeSweep):
        start, stop, step = (float(number or 0) for number in (declared.start, declared.stop, declared.step))
        if not step:
            raise ValueError("the step is 0")
        if not all(map(math.isfinite, (start, stop, step))):
            raise ValueError("has no finite number of values")
        held(max(0, math.ceil((stop - start) / step)))


def axis_values(key: str, spec: Any) -> Sequence[Any]:
    """The values of one axis as it is written in YAML. Raises ValueError in words for the user."""
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
