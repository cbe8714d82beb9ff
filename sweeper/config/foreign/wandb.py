"""A W&B sweep (`sweep.yaml`): method, metric, parameters, early_terminate, program and command. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from sweeper.config.foreign import ranges
from sweeper.config.foreign.converted import HYPERPARAMETERS, USUAL_COUNT, Converted, lose_all, mapping_of, whole
from sweeper.config.foreign.ranges import Range, is_number
from sweeper.config.problems import KeyPath, brief, nearest

METHODS = ("grid", "random", "bayes")
_KNOWN = ("method", "metric", "parameters", "early_terminate", "program", "command", "run_cap", "name", "description")
_WHY = {
    "project": "no server keeps the runs: they lie in runs/",
    "entity": "no server keeps the runs: they lie in runs/",
    "imports": "was for W&B's own launcher",
    "$schema": "an editor's",
}
GOALS = ("minimize", "maximize")
_STYLES = {"${args}": "", "${args_no_boolean_flags}": "flags", "${args_no_hyphens}": "hydra"}
_INTERPRETERS = ("python", "python3", "${interpreter}", "${env}", "/usr/bin/env")


def looks_like(said: Mapping[str, Any]) -> bool:
    """True for a mapping that is a W&B sweep."""
    return "parameters" in said and ("method" in said or "program" in said or "metric" in said)


def convert(said: Mapping[str, Any]) -> Converted:
    """A W&B sweep as an experiment."""
    converted = Converted("a W&B sweep")
    lose_all(converted, said, _KNOWN, _WHY)
    _metric(converted, said)
    _program(converted, said)
    found = dict(_parameters(converted, mapping_of(converted, said, "parameters"), ()))
    axes = {key: axis.proposed if said.get("method") == "bayes" else axis for key, axis in found.items()}
    for key, axis in axes.items():
        if axis.note:
            converted.lose(f"parameters.{key}", axis.note)
    values = [
        *converted.sections.get(HYPERPARAMETERS, {}).values(),
        *(one for axis in axes.values() for one in axis.domain[1]),
    ]
    if any(isinstance(value, bool) for value in values) and "arguments" not in converted.section("job"):
        converted.lose("true and false", "reach the script as `true` and `false`, where W&B wrote True and False")
    _method(converted, said, axes)
    _early_terminate(converted, mapping_of(converted, said, "early_terminate"))
    converted.assume_machine()
    return converted


def _method(converted: Converted, said: Mapping[str, Any], axes: Mapping[str, Range]) -> None:
    method, cap = said.get("method"), said.get("run_cap")
    if cap is not None and whole(cap) is None:
        converted.wrong(("run_cap",), f"must be a whole number, 1 or more, not {brief(cap)}")
    count = whole(cap) or USUAL_COUNT
    if method == "grid":
        converted.grid(axes)
        if whole(cap):
            converted.section("stop")["max_trials"] = count
    elif method in ("random", "bayes"):
        if cap is None:
            converted.note("sweep", f"W&B draws until it is stopped, here {count} times: count is yours to say")
        how = "random" if method == "random" else "optuna"
        if how == "optuna":
            converted.lose(
                "method: bayes", "W&B fits a Gaussian process; Optuna's tpe is taken (sampler: gp needs torch)"
            )
        converted.search(how, axes, count)
    else:
        what = f"{brief(method)} is not one of {', '.join(METHODS)}{nearest(method, METHODS)}"
        converted.wrong(("method",), what)


def _metric(converted: Converted, said: Mapping[str, Any]) -> None:
    metric = mapping_of(converted, said, "metric")
    if not metric:
        return None
    name, goal = metric.get("name"), metric.get("goal", "minimize")
    if not isinstance(name, str) or not name:
        return converted.wrong(("metric", "name"), "must be the metric's name")
    if goal not in GOALS:
        return converted.wrong(("metric", "goal"), f"{brief(goal)} is not one of {', '.join(GOALS)}")
    converted.metric(name, goal)
    if is_number(target := metric.get("target")):
        op = ">=" if goal == "maximize" else "<="
        converted.section("stop").update(until={"metric": name, "op": op, "value": target}, on_until="finish")
    lose_all(converted, metric, ("name", "goal", "target"), {})


# -- parameters ---------------------------------------------------------------------------------------------------


def _parameters(converted: Converted, said: Mapping[str, Any], above: KeyPath) -> Iterator[tuple[str, Range]]:
    """What varies, by its dotted name; what has one value, and a place for what varies, become hyperparameters."""
    for name, spec in said.items():
        path = ("parameters", *(part for one in above for part in (one, "parameters")), str(name))
        key = (*above, str(name))
        if not isinstance(spec, Mapping):
            converted.wrong(path, f"must be a mapping such as {{values: [...]}}, not {brief(spec)}")
        elif isinstance(spec.get("parameters"), Mapping):
            yield from _parameters(converted, spec["parameters"], key)
        elif "value" in spec:
            _put(converted, key, spec["value"])
        else:
            _put(converted, key, None)
            lose_all(converted, spec, _FIELDS, {})
            try:
                yield ".".join(map(str, key)), range_of(spec).at(path)
            except (ValueError, OverflowError) as error:
                converted.wrong(path, str(error))


def _put(converted: Converted, key: KeyPath, value: Any) -> None:
    *above, name = key
    section = converted.section(HYPERPARAMETERS)
    for part in above:
        section = section.setdefault(str(part), {})
    section[str(name)] = value


def range_of(spec: Mapping[str, Any]) -> Range:
    """A parameter's range. Raises ValueError in words for the user."""
    kind = spec.get("distribution") or _guessed(spec)
    if not isinstance(kind, str) or kind not in DISTRIBUTIONS:
        raise ValueError(f"{brief(kind)} is no distribution of W&B{nearest(kind, DISTRIBUTIONS)}")
    return DISTRIBUTIONS[kind](spec)


def _guessed(spec: Mapping[str, Any]) -> str:
    """The distribution that W&B takes where none is named."""
    if "values" in spec:
        return "categorical"
    if "min" in spec and "max" in spec:
        ends = (spec["min"], spec["max"])
        return "int_uniform" if all(isinstance(end, int) for end in ends) else "uniform"
    if "mu" in spec or "sigma" in spec:
        return "normal"
    raise ValueError("needs value, values, or min and max")


def _number(spec: Mapping[str, Any], key: str, usual: float | None = None) -> Any:
    value = spec.get(key, usual)
    if not is_number(value):
        raise ValueError(f"{key} must be a number, not {brief(value)}" if value is not None else f"{key} is missing")
    return value


def _ends(spec: Mapping[str, Any]) -> tuple[Any, Any]:
    return _number(spec, "min"), _number(spec, "max")


def _exponents(spec: Mapping[str, Any]) -> tuple[float, float]:
    """Ends that are said as exponents of e."""
    low, high = _ends(spec)
    return _exp(low), _exp(high)


def _exp(exponent: float) -> float:
    return float(f"{math.exp(exponent):.6g}")


def _categorical(spec: Mapping[str, Any]) -> Range:
    values = spec.get("values")
    if not isinstance(values, Sequence) or isinstance(values, str):
        raise ValueError(f"values must be a list, not {brief(values)}")
    weighed = "probabilities" in spec
    return ranges.choice(values, "probabilities have no counterpart: each value is as likely" if weighed else "")


def _whole_ends(spec: Mapping[str, Any]) -> Range:
    low, high = _ends(spec)
    if int(low) != low or int(high) != high:
        raise ValueError("min and max must be whole numbers")
    return ranges.integers(int(low), int(high))


def _quantised(spec: Mapping[str, Any]) -> Range:
    return ranges.rounded(*_ends(spec), _number(spec, "q", 1))


def _inverted(spec: Mapping[str, Any]) -> Range:
    low, high = _exponents(spec)
    return ranges.log_uniform(float(f"{1 / high:.6g}"), float(f"{1 / low:.6g}"))


def _bell(spec: Mapping[str, Any]) -> tuple[Any, Any]:
    return _number(spec, "mu", 0), _number(spec, "sigma", 1)


def _beta(_spec: Mapping[str, Any]) -> Range:
    return ranges.uniform(0.0, 1.0, "a beta distribution has no counterpart: uniform from 0 to 1")


def _q_beta(spec: Mapping[str, Any]) -> Range:
    found = ranges.rounded(0, 1, _number(spec, "q", 1))
    return ranges.Range(found.drawn, found.tried, "a beta distribution has no counterpart: its steps from 0 to 1")


_FIELDS = ("distribution", "value", "values", "min", "max", "mu", "sigma", "q", "a", "b", "probabilities")
DISTRIBUTIONS: Mapping[str, Callable[[Mapping[str, Any]], Range]] = {
    "constant": lambda spec: ranges.choice([spec["value"]] if "value" in spec else []),
    "categorical": _categorical,
    "categorical_w_probabilities": _categorical,
    "int_uniform": _whole_ends,
    "uniform": lambda spec: ranges.uniform(*_ends(spec)),
    "q_uniform": _quantised,
    "log_uniform": lambda spec: ranges.log_uniform(*_exponents(spec)),
    "log_uniform_values": lambda spec: ranges.log_uniform(*_ends(spec)),
    "q_log_uniform": lambda spec: ranges.log_rounded(*_exponents(spec), _number(spec, "q", 1)),
    "q_log_uniform_values": lambda spec: ranges.log_rounded(*_ends(spec), _number(spec, "q", 1)),
    "inv_log_uniform": _inverted,
    "inv_log_uniform_values": lambda spec: ranges.log_uniform(*_ends(spec)),
    "normal": lambda spec: ranges.normal(*_bell(spec)),
    "q_normal": lambda spec: ranges.normal(*_bell(spec), _number(spec, "q", 1)),
    "log_normal": lambda spec: ranges.log_normal(*_bell(spec)),
    "q_log_normal": lambda spec: ranges.log_normal(*_bell(spec), _number(spec, "q", 1)),
    "beta": _beta,
    "q_beta": _q_beta,
}
"""Each distribution of W&B, as a range of ours."""


# -- the script, and what ends a run early ------------------------------------------------------------------------


def _program(converted: Converted, said: Mapping[str, Any]) -> None:
    """The script, how it is called, and what the command says beside."""
    command = said.get("command") or []
    words = [str(word) for word in command] if isinstance(command, list) else str(command).split()
    scripts = [word for word in words if word.endswith(".py")]
    if program := str(said.get("program") or next(iter(scripts), "")):
        converted.script(program)
    if words and not any(word.startswith("${args") for word in words):
        converted.lose("command", "gives the script no ${args}, which reads wandb.config; here it gets arguments")
    constants, rest = _constants([word for word in words if word not in (*_INTERPRETERS, "${program}", program)])
    for name, value in constants:
        converted.section(HYPERPARAMETERS).setdefault(name, value)
    for word in rest:
        if style := _STYLES.get(word):
            converted.section("job")["arguments"] = style
        elif word not in _STYLES:
            converted.lose(f"command: {word}", "the driver starts the script, and gives it its hyperparameters alone")


def _constants(words: Sequence[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """The words `--name value` and `--name=value` of a command, and the others."""
    found: list[tuple[str, str]] = []
    rest: list[str] = []
    left = list(words)
    while left:
        word = left.pop(0)
        name, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or "${" in word or not name:
            rest.append(word)
        elif equals:
            found.append((name, value))
        elif left and not left[0].startswith(("-", "$")):
            found.append((name, left.pop(0)))
        else:
            rest.append(word)
    return found, rest


def _early_terminate(converted: Converted, said: Mapping[str, Any]) -> None:
    """Hyperband as successive halving."""
    if not said:
        return None
    if said.get("type") != "hyperband":
        return converted.wrong(("early_terminate", "type"), f"{brief(said.get('type'))} is not hyperband")
    if "objective" not in converted.sections:
        return converted.lose("early_terminate", "needs a metric, which says what is better")
    factor = max(2, round(_number_or(said.get("eta"), 3)))
    first = whole(said.get("min_iter"))
    if first is None:
        longest, brackets = whole(said.get("max_iter")), whole(said.get("s"))
        if longest is None:
            return converted.wrong(("early_terminate",), "needs min_iter, or max_iter and s")
        first = max(1, longest // factor ** min(brackets or 1, 64))
    converted.section("prune")["halving"] = {"first": first, "factor": factor}
    lose_all(converted, said, ("type", "eta", "min_iter", "max_iter", "s"), {"strict": "halving is always so"})


def _number_or(said: Any, usual: float) -> float:
    return float(said) if is_number(said) and math.isfinite(said) else usual
