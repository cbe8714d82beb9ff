"""A range in another tool's notation, in ours: `{distribution: uniform, min: 0, max: 1}`, `IntegerParameter(1, 8)`."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from sweeper.config.check import Finding
from sweeper.config.foreign import hydra_params, ranges, ray_tune, sdk_script, tuning_job, wandb
from sweeper.config.foreign.ranges import Range
from sweeper.config.problems import KeyPath, brief
from sweeper.config.writing import as_line

_CALLED: Mapping[str, Callable[..., Range]] = {
    "suggest_float": lambda _name, low, high: ranges.uniform(low, high),
    "suggest_int": lambda _name, low, high: ranges.integers(low, high),
    "suggest_categorical": lambda _name, values: ranges.choice(values),
}
"""Functions of Optuna's scripts that draw, by their last name."""
MOST_LETTERS = 200


def told(what: str, value: Any, *, drawn: bool = False) -> str:
    """What is wrong with a value, and how it is written here when it stands in another notation.

    `drawn`: it stands where a search draws from it, and not in a grid.
    """
    ours = hint(value, drawn=drawn)
    return re.split("; did you mean|; give a list|: HydraException", what)[0] + ours if ours else what


def all_told(findings: list[Finding], section: Mapping[str, Any]) -> list[Finding]:
    """The findings of a `sweep` section, told so."""
    return [(path, told(what, _at(section, path[1:]), drawn="of" in path)) for path, what in findings]


def hint(value: Any, *, drawn: bool) -> str:
    """`; write X`, for a range of another notation; `drawn`: where a search draws from it, else where a grid stands."""
    found = _range(value)
    if found is None:
        return ""
    ours = found.drawn if drawn else found.tried
    if ours is None:
        return f"; to draw from it write sweep.random or sweep.optuna, with {as_line(found.drawn)} under of"
    return f"; write {brief(ours) if isinstance(ours, list) else as_line(ours)}"


def _at(section: Any, path: KeyPath) -> Any:
    """What stands at a path; None where there is none."""
    try:
        for part in path:
            section = section[part]
    except (KeyError, IndexError, TypeError):
        return None
    return section


def _range(value: Any) -> Range | None:
    """The range that is meant; None for what is in no notation that we know."""
    try:
        if isinstance(value, Mapping):
            return _of_mapping(value)
        if isinstance(value, str) and "(" in value and len(value) <= MOST_LETTERS:
            return _of_hydra(value) or _of_python(value)
    except (ValueError, TypeError, OverflowError):  # it is in that notation, and says no range there either
        return None
    return None


def _of_mapping(value: Mapping[str, Any]) -> Range | None:
    if "MinValue" in value or "Values" in value:
        return tuning_job.guessed(value)
    if "distribution" in value or "values" in value or ("min" in value and "max" in value):
        return wandb.range_of(value)
    return None


def _of_hydra(text: str) -> Range | None:
    try:
        override = OverridesParser.create().parse_override(f"x={text}")
    except HydraException:
        return None
    return hydra_params.drawn(override) if override.is_sweep_override() else None


def _of_python(text: str) -> Range | None:
    try:
        node = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError):
        return None
    if not isinstance(node, ast.Call):
        return None
    name = ast.unparse(node.func).rpartition(".")[2]
    if name in sdk_script.RANGES:
        return sdk_script.range_of(node)
    if name in ray_tune.DRAWN:
        return ray_tune.range_of(node)
    arguments = [ast.literal_eval(argument) for argument in node.args]
    return _CALLED[name](*arguments) if name in _CALLED else None
