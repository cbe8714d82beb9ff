"""Hydra's `hydra.sweeper.params`, of its own sweeper and of the one for Optuna. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep
from hydra.errors import HydraException

from sweeper.config.axes import values_of
from sweeper.config.foreign import ranges
from sweeper.config.foreign.converted import USUAL_COUNT, Converted, lose_all, mapping_of, whole
from sweeper.config.foreign.ranges import Range, is_number
from sweeper.config.problems import KeyPath, brief

METRIC = "objective"
"""What the value that a task returns is called: it has no name."""
_SAMPLERS = {"tpe": "tpe", "cmaes": "cmaes", "random": "random", "qmc": "qmc", "gp": "gp", "grid": "grid"}
_KNOWN = ("params", "search_space", "sampler", "direction", "n_trials", "max_failure_rate", "_target_")
_WHY = {
    "n_jobs": "jobs run one after another on one warm pool; elsewhere see backend.max_in_flight",
    "study_name": "the journal of runs/NAME is the study",
    "storage": "the journal of runs/NAME keeps it; trackers: {optuna_journal: {}} writes it for Optuna's dashboard",
    "custom_search_space": "is code, which is not run",
    "max_batch_size": "trials are proposed one at a time",
}
_AT: KeyPath = ("hydra", "sweeper")


def looks_like(said: Mapping[str, Any]) -> bool:
    """True for a configuration of Hydra's that sweeps."""
    inner = said.get("hydra")
    return isinstance(inner, Mapping) and isinstance(inner.get("sweeper"), Mapping)


def convert(said: Mapping[str, Any]) -> Converted:
    """`hydra.sweeper` as an experiment whose script is called as Hydra's are: `name=value`."""
    hydra = said["hydra"]
    sweeper = hydra["sweeper"]
    sampler = _sampler(said, sweeper)
    converted = Converted("Hydra's Optuna sweeper" if sampler else "Hydra's sweeper")
    converted.section("job")["arguments"] = "hydra"
    others = {key: value for key, value in hydra.items() if key not in ("sweeper", "mode")}
    lose_all(converted, {f"hydra.{key}": value for key, value in others.items()}, (), {})
    converted.note("hyperparameters", "what is not swept keeps its value in the script's own configuration")
    axes = dict(_axes(converted, sweeper, optuna=bool(sampler)))
    if sampler:
        _optuna(converted, sweeper, sampler, axes)
    else:
        lose_all(converted, sweeper, _KNOWN, _WHY)
        converted.grid(axes)
    if not axes:
        converted.wrong((*_AT, "params"), "sweeps nothing")
    for name, axis in axes.items():
        if axis.note:
            converted.lose(name, axis.note)
    converted.assume_machine()
    return converted


def _optuna(converted: Converted, sweeper: Mapping[str, Any], sampler: str, axes: Mapping[str, Range]) -> None:
    lose_all(converted, sweeper, _KNOWN, _WHY)
    goal = sweeper.get("direction") or "minimize"
    if isinstance(goal, list) and goal:
        if len(goal) > 1:
            converted.lose(f"direction: {goal}", "there is one objective; the first is taken")
        goal = goal[0]
    if goal not in ("minimize", "maximize"):
        converted.wrong((*_AT, "direction"), f"{brief(goal)} is not one of minimize, maximize")
        return None
    converted.metric(METRIC, goal)
    converted.note("job", f"the value that the script returned to Hydra is to be printed: print(f'{METRIC}={{value}}')")
    count = whole(sweeper.get("n_trials", USUAL_COUNT))
    if count is None:
        converted.wrong((*_AT, "n_trials"), f"must be a whole number, 1 or more, not {brief(sweeper['n_trials'])}")
        return None
    failing = sweeper.get("max_failure_rate")
    if is_number(failing) and failing and failing > 0:
        converted.section("stop")["max_failures"] = failing
    if sampler == "grid":
        return converted.grid(axes)
    if sampler not in _SAMPLERS:
        converted.lose(f"sampler: {sampler}", "is none of ours; tpe is taken")
    options: dict[str, Any] = {"sampler": _SAMPLERS.get(sampler, "tpe")}
    if isinstance(sweeper.get("sampler"), Mapping):
        if isinstance(seed := sweeper["sampler"].get("seed"), int):
            options["seed"] = seed
        others = {f"sampler.{key}": value for key, value in sweeper["sampler"].items()}
        lose_all(converted, others, ("sampler._target_", "sampler.seed"), {})
    return converted.search("optuna", axes, count, **options)


def _sampler(said: Mapping[str, Any], sweeper: Mapping[str, Any]) -> str:
    """The sampler of the Optuna sweeper, in Optuna's short words; nothing when that is not the sweeper."""
    chosen: dict[str, str] = {}
    listed = said.get("defaults")
    for entry in listed if isinstance(listed, list) else []:
        for group, option in entry.items() if isinstance(entry, Mapping) else ():
            chosen[str(group).removeprefix("override").strip().lstrip("/")] = str(option)
    named = sweeper.get("sampler")
    target = str(named.get("_target_", "")) if isinstance(named, Mapping) else ""
    if target:
        return re.sub(r"[^a-z]", "", target.rpartition(".")[2].removesuffix("Sampler").lower())
    if group := chosen.get("hydra/sweeper/sampler"):
        return group
    words = ("n_trials", "direction", "storage", "study_name", "search_space")
    optuna = chosen.get("hydra/sweeper") == "optuna" or "optuna" in str(sweeper.get("_target_", ""))
    return "tpe" if optuna or any(word in sweeper for word in words) else ""


# -- parameters ---------------------------------------------------------------------------------------------------


def _axes(converted: Converted, sweeper: Mapping[str, Any], *, optuna: bool) -> Iterator[tuple[str, Range]]:
    """What varies, by its name; what has one value becomes a hyperparameter."""
    for name, said in mapping_of(converted, sweeper, "params", _AT).items():
        path = (*_AT, "params", str(name))
        try:
            override = OverridesParser.create().parse_override(f"{name}={_text(said)}")
        except HydraException as error:
            converted.wrong(path, f"is no override of Hydra: {str(error).splitlines()[0]}")
            continue
        key = override.get_key_element()
        if not override.is_sweep_override():
            converted.fix(key, override.value())
            continue
        converted.fix(key, None)
        try:
            yield key, (drawn if optuna else _tried)(override).at(path)
        except (ValueError, OverflowError) as error:
            converted.wrong(path, str(error))
    for name, spec in mapping_of(converted, sweeper, "search_space", _AT).items():
        path = (*_AT, "search_space", str(name))
        converted.fix(str(name), None)
        try:
            yield str(name), _old(spec).at(path)
        except (ValueError, OverflowError) as error:
            converted.wrong(path, str(error))


def _text(said: Any) -> str:
    """A value of `params` as the command line would say it."""
    if isinstance(said, list):
        return "[" + ",".join(map(_text, said)) + "]"
    return "null" if said is None else str(said).lower() if isinstance(said, bool) else str(said)


def _tried(override: Override) -> Range:
    """As Hydra's own sweeper tries it: every value. Raises ValueError."""
    declared = override.value()
    if isinstance(declared, RangeSweep) and not declared.shuffle:
        values_of(override)  # what cannot be counted is refused in its words
        return Range(None, {"range": [declared.start or 0, declared.stop, declared.step]})
    values = list(values_of(override))
    return ranges.choice(values)


def drawn(override: Override) -> Range:
    """As the sweeper for Optuna reads it: a range has both its ends. Raises ValueError."""
    declared = override.value()
    if isinstance(declared, IntervalSweep):
        return _interval(declared)
    if isinstance(declared, RangeSweep) and not declared.shuffle:
        low, high, step = declared.start or 0, declared.stop, declared.step
        if high is None:
            raise ValueError("a range needs its end")
        return (
            ranges.integers(int(low), int(high)) if step == 1 and _whole(low, high) else ranges.steps(low, high, step)
        )
    return ranges.choice(list(values_of(override)))


def _interval(declared: IntervalSweep) -> Range:
    low, high = declared.start, declared.end
    if low is None or high is None:
        raise ValueError("an interval needs both its ends")
    if isinstance(low, int) and isinstance(high, int):
        return ranges.log_integers(low, high) if "log" in declared.tags else ranges.integers(low, high)
    return ranges.log_uniform(low, high) if "log" in declared.tags else ranges.uniform(low, high)


def _whole(*numbers: Any) -> bool:
    return all(isinstance(number, int) for number in numbers)


def _old(spec: Any) -> Range:
    """An entry of `search_space`, as it was before `params`. Raises ValueError."""
    kind = spec.get("type") if isinstance(spec, Mapping) else None
    if kind == "categorical" and isinstance(spec.get("choices"), list):
        return ranges.choice(spec["choices"])
    if kind not in ("int", "float") or not (is_number(spec.get("low")) and is_number(spec.get("high"))):
        raise ValueError("needs type: int or float with low and high, or type: categorical with choices")
    low, high, step = spec["low"], spec["high"], spec.get("step")
    if is_number(step):
        return ranges.steps(low, high, step)
    ways: Mapping[tuple[str, bool], Callable[[Any, Any], Range]] = {
        ("int", False): ranges.integers,
        ("int", True): ranges.log_integers,
        ("float", False): ranges.uniform,
        ("float", True): ranges.log_uniform,
    }
    return ways[kind, bool(spec.get("log"))](low, high)
