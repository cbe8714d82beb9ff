"""What no schema can say of `stop`, `prune`, `on_failure` and `prices`: rules that cannot fire, or cannot be kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sweeper import backends
from sweeper.config import engines
from sweeper.config.check import Finding
from sweeper.config.problems import nearest
from sweeper.config.schema import not_its_option, options_of
from sweeper.core import costs, prune, stop
from sweeper.core.identity import flatten
from sweeper.core.machines import types
from sweeper.core.ports import Backend
from sweeper.core.remedies import on_failure
from sweeper.errors import UsageError

Sections = Mapping[str, Any]
MAY_CHANGE = ("hyperparameters", "job", "dependencies", "vars")
"""The sections whose values a remedy may change: what is locked stays, and secrets stand under environment."""


def findings(values: Sections) -> list[Finding]:
    """Everything that is wrong, at its key."""
    return [*_stops(values), *_prune(values), *_remedies(values), *_backend(values)]


def _stops(values: Sections) -> Iterator[Finding]:
    for path, value in stop.written(values["stop"]):
        try:
            rule = stop.made(str(path[-1]), value)
            yield from ((path + key, what) for key, what in rule.refused(values))
        except UsageError as error:
            yield path, str(error)
            continue
        if rule.most_usd is None:
            continue
        if "all" in path:
            yield path, "cannot stand under all: a budget that waits for another rule is none"
        elif what := _no_budget(values, rule.most_usd):
            yield path, what


def _no_metric(values: Sections, name: str) -> str:
    metrics = [metric["name"] for metric in values["job"]["metrics"]]
    there = nearest(name, metrics) or f"; there is {', '.join(metrics) or 'none'}"
    return "" if name in metrics else f"{name!r} is not one of job.metrics{there}"


def _no_budget(values: Sections, usd: float) -> str:
    """Why a budget cannot be kept: an unknown price, or less than the shortest job costs with its pool."""
    kind = costs.unpriced(values.get("prices"), values["locked"]) or types(values["locked"])
    region = engines.region_of(values["engine"])
    per = costs.rate(values.get("prices"), values["locked"], region, _runs(values["backend"]))
    if per is None:
        here = f" in {region}" if region else ""
        also = f"prices.region={region} and " if region and (values.get("prices") or {}).get("region") else ""
        return f"needs the price of {kind}{here}: set {also}prices.usd_per_hour.{kind}"
    keeps = values["pool"]["keep_alive_s"] if backends.keeps_pool(values["backend"]["kind"]) else 0
    seconds = costs.least_seconds(per, values["job"]["max_runtime_s"], keeps)
    least = seconds * per.usd_per_second
    if usd >= least:
        return ""
    return f"{usd:g} is less than one shortest job may cost with its pool: {least:.4f} USD for {seconds:.0f} s"


def _prune(values: Sections) -> Iterator[Finding]:
    section = values.get("prune") or {}
    if not prune.pruning(section).compares:
        return
    if not values["objective"]:
        yield ("prune",), "needs an objective, which says what is better"
    for key in ("metric", "step"):
        if section.get(key) and (what := _no_metric(values, section[key])):
            yield ("prune", key), what


def _remedies(values: Sections) -> Iterator[Finding]:
    known = {".".join(path): value for path, value in flatten({s: values.get(s) or {} for s in MAY_CHANGE})}
    for failure, action in on_failure(values["on_failure"] or {}).actions.items():
        for key in action.changes:
            path = ("on_failure", failure, action.name, key)
            if key.split(".")[0] not in MAY_CHANGE or "." not in key:
                yield path, f"cannot be changed: only keys of {', '.join(MAY_CHANGE)}"
            elif key not in known and not key.startswith("dependencies."):
                yield path, f"is not a parameter{nearest(key, list(known))}"
            elif what := action.unreadable(key, known):
                yield path, what


def _runs(section: Mapping[str, Any]) -> int:
    try:
        return backends.runs(backends.made(section))
    except UsageError:
        return 1  # it is told by itself why there is no such backend


def _backend(values: Sections) -> Iterator[Finding]:
    """What is said to another backend than the one that was chosen, and what this one cannot do with."""
    kind, own = values["backend"]["kind"], options_of(values["backend"]["kind"])
    section = {key: value for key, value in values["backend"].items() if not backends.unsaid(kind, key, value)}
    for key in (key for key in section if key != "kind" and key not in own):
        yield ("backend", key), not_its_option(kind, key)
    said_to_it = {key: value for key, value in section.items() if key == "kind" or key in own}
    try:
        backend = backends.made(said_to_it)
        yield from backend.refused(values)
    except UsageError as error:
        yield ("backend", "kind"), str(error)
        return
    if values["locked"].get("instance_preferences") and (why := _one_type(backend)):
        yield ("locked", "instance_preferences"), f"{why}: choose backend=on_demand, or name one locked.instance_type"


def _one_type(backend: Backend) -> str:
    """Why its jobs need one type of machine; empty where SageMaker may choose among several for each."""
    if backend.keeps_pool:
        return "may give each job another type of machine, so that no warm pool is sure to match the next one"
    if backend.interrupts:
        return "are not for spot machines: SageMaker refuses the two together"
    return "" if backend.through is None else "are not for a queue: it counts machines of one type"
