"""A script with a Ray Tuner (`Tuner(..., param_space=...)`, `tune.run`): it is read and never run. Pure."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sweeper.config.foreign import ranges
from sweeper.config.foreign.constants import Computed, Constants, called, calls
from sweeper.config.foreign.converted import HYPERPARAMETERS, Converted, whole
from sweeper.config.foreign.ranges import Range, is_number
from sweeper.config.problems import KeyPath, brief

TUNER, RUN, CONFIG = "Tuner", "run", "TuneConfig"
GRID = "grid_search"
DRAWN: Mapping[str, tuple[Callable[..., Range], int]] = {
    "uniform": (ranges.uniform, 2),
    "loguniform": (ranges.log_uniform, 2),
    "quniform": (ranges.rounded, 3),
    "qloguniform": (ranges.log_rounded, 3),
    "randint": (lambda low, high: ranges.integers(low, high - 1), 2),
    "lograndint": (lambda low, high: ranges.log_integers(low, high - 1), 2),
    "qrandint": (ranges.rounded, 3),
    "qlograndint": (ranges.log_rounded, 3),
    "randn": (ranges.normal, 2),
    "qrandn": (ranges.normal, 3),
    "choice": (ranges.choice, 1),
    GRID: (ranges.choice, 1),
}
"""What a parameter is drawn from, by Ray's name: what makes a range of it, and of how many arguments."""
_WORDS = {"lower": 0, "upper": 1, "mean": 0, "sd": 1, "q": 2, "categories": 0, "values": 0}
_MODES = {"min": "minimize", "max": "maximize"}
_CONCURRENT = "jobs run one after another on one warm pool; elsewhere see backend.max_in_flight"
_WHY = {
    "max_concurrent_trials": _CONCURRENT,
    "resources_per_trial": "locked.instance_type is the machine of every trial",
    "storage_path": "the journal of runs/NAME keeps it",
    "run_config": "max_runtime_s, stop and on_failure say when a job and a sweep end",
    "reuse_actors": "a job's interpreter is its own",
}
_OWN = ("metric", "mode", "num_samples", "search_alg", "scheduler", "time_budget_s")
_SPACE = ("param_space", "config")


def looks_like(text: str) -> bool:
    """True for a Python script that makes a Tuner, or runs one."""
    try:
        return _tuner(ast.parse(text)) is not None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def convert(text: str) -> Converted:
    """The Tuner of a script as an experiment; what is computed when it runs is told."""
    tree = ast.parse(text)
    tuner, constants = _tuner(tree), Constants(tree)
    assert tuner is not None
    converted = Converted("a script with Ray Tune")
    said = _arguments(tuner, constants)
    space = next((constants.node(said.pop(name)) for name in _SPACE if name in said), None)
    _metric(converted, said, constants)
    found = dict(_parameters(converted, space, constants)) if isinstance(space, ast.Dict) else {}
    if not found:
        converted.wrong((), f"line {tuner.lineno} has no param_space that can be read without running the script")
    _searches(converted, said, constants, found)
    _scheduler(converted, said, constants)
    for name in said:
        if name not in _OWN:
            converted.lose(name, _WHY.get(name, "no option of an experiment says it"))
    converted.note("job", "the function that Ray calls reads config['NAME']: here a script gets --NAME VALUE")
    converted.assume_machine()
    return converted


def _tuner(tree: ast.AST) -> ast.Call | None:
    """The call that says what is tuned."""
    for call in calls(tree):
        told = {word.arg for word in call.keywords}
        if (called(call) == TUNER and "param_space" in told) or ast.unparse(call.func) == "tune.run":
            return call
    return None


def _arguments(tuner: ast.Call, constants: Constants) -> dict[str, ast.expr]:
    """What the Tuner is told, and its `TuneConfig`, by name."""
    said = {str(word.arg): word.value for word in tuner.keywords}
    own = constants.node(said.pop("tune_config")) if "tune_config" in said else None
    if isinstance(own, ast.Call):
        said |= {str(word.arg): word.value for word in own.keywords}
    return said


def _metric(converted: Converted, said: Mapping[str, ast.expr], constants: Constants) -> None:
    told = {key: constants.value(said[key]) for key in ("metric", "mode") if key in said}
    if isinstance(told.get("metric"), str):
        mode = told.get("mode", "min")
        if mode not in _MODES:
            return converted.wrong((), f"mode {brief(mode)} is not one of {', '.join(_MODES)}")
        converted.metric(told["metric"], _MODES[mode])
    return None


# -- the space ----------------------------------------------------------------------------------------------------


def _parameters(
    converted: Converted, node: ast.Dict, constants: Constants, above: KeyPath = ()
) -> Iterator[tuple[str, tuple[str, Range]]]:
    """What varies, by its dotted name: Ray's kind and the range; all else becomes a hyperparameter."""
    for key, value in zip(node.keys, node.values, strict=True):
        name = constants.value(key) if key is not None else None
        made = constants.node(value)
        if not isinstance(name, str):
            converted.lose(ast.unparse(value), "is computed when the script runs")
            continue
        path = (*above, name)
        if isinstance(made, ast.Dict):
            yield from _parameters(converted, made, constants, path)
            continue
        kind = called(made) if isinstance(made, ast.Call) else ""
        if kind not in DRAWN:
            _fixed(converted, path, constants.value(made))
            continue
        try:
            axis = range_of(made, constants)
        except (ValueError, TypeError, OverflowError) as error:
            converted.lose(".".join(map(str, path)), str(error))
            _put(converted, path, None)
            continue
        _put(converted, path, None)
        yield ".".join(map(str, path)), (kind, axis)


def range_of(call: ast.expr, constants: Constants | None = None) -> Range:
    """`tune.uniform(low, high)` and its kin. Raises ValueError, TypeError."""
    assert isinstance(call, ast.Call)
    known = constants or Constants(call)
    make, count = DRAWN[called(call)]
    given = dict(enumerate(map(known.value, call.args)))
    given |= {_WORDS[word.arg]: known.value(word.value) for word in call.keywords if word.arg in _WORDS}
    arguments = [given.get(at) for at in range(count)]
    if any(isinstance(one, Computed) for value in arguments for one in (value if isinstance(value, list) else [value])):
        raise ValueError(f"{ast.unparse(call)} is computed when the script runs")
    if make is not ranges.choice and not all(map(is_number, arguments)):
        raise ValueError(f"{ast.unparse(call)} takes {count} numbers")
    return make(*arguments)


def _fixed(converted: Converted, path: KeyPath, value: Any) -> None:
    if isinstance(value, Computed):
        converted.lose(".".join(map(str, path)), f"{value}; only_if says which parameters are there for which trials")
        value = None
    _put(converted, path, value)


def _put(converted: Converted, path: KeyPath, value: Any) -> None:
    *above, name = path
    section = converted.section(HYPERPARAMETERS)
    for part in above:
        section = section.setdefault(str(part), {})
    section[str(name)] = value


# -- how it searches ----------------------------------------------------------------------------------------------


def _searches(
    converted: Converted, said: Mapping[str, ast.expr], constants: Constants, found: Mapping[str, tuple[str, Range]]
) -> None:
    """A grid, times so many draws, or a search by what has come out."""
    count = whole(constants.value(said["num_samples"])) if "num_samples" in said else 1
    if count is None:
        converted.lose("num_samples", "is no number above 0 that is known without running the script: one here")
        count = 1
    search = constants.node(said["search_alg"]) if "search_alg" in said else None
    named = called(search) if isinstance(search, ast.Call) else ""
    by_results = bool(named) and named != "BasicVariantGenerator"
    grid = {key: axis for key, (kind, axis) in found.items() if kind == GRID}
    drawn = {key: axis.proposed if by_results else axis for key, (kind, axis) in found.items() if kind != GRID}
    for key, axis in drawn.items():
        if axis.note:
            converted.lose(key, axis.note)
    if by_results:
        if named != "OptunaSearch":
            converted.lose(f"search_alg: {named}", "Optuna's tpe is taken")
        return converted.search("optuna", {**grid, **drawn}, count)
    if grid:
        converted.grid(grid)
    if drawn:
        converted.search("random", drawn, count)
        if grid:
            converted.lose("num_samples", "the same draws for each combination of the grid, where Ray draws anew")
    elif count > 1 and grid:
        converted.section("sweep")["repeat"] = {"times": count, "seed": None}
    return None


def _scheduler(converted: Converted, said: Mapping[str, ast.expr], constants: Constants) -> None:
    """What ends a trial early, and all of them."""
    if "time_budget_s" in said and is_number(seconds := constants.value(said["time_budget_s"])):
        converted.section("stop")["max_seconds"] = seconds
    made = constants.node(said["scheduler"]) if "scheduler" in said else None
    if not isinstance(made, ast.Call):
        return
    told = {str(word.arg): constants.value(word.value) for word in made.keywords}
    if called(made) in ("ASHAScheduler", "AsyncHyperBandScheduler"):
        first, factor = whole(told.get("grace_period", 1)), whole(told.get("reduction_factor", 4))
        converted.section("prune")["halving"] = {"first": first or 1, "factor": max(2, factor or 4)}
    elif called(made) == "MedianStoppingRule":
        converted.section("prune")["median"] = {"min_trials": whole(told.get("min_samples_required", 3)) or 3}
    elif called(made) != "FIFOScheduler":
        converted.lose(f"scheduler: {called(made)}", "prune has rules of its own")
    return
