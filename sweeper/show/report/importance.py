"""How much each parameter matters: fANOVA by Optuna where that is installed, else rank correlation."""

from __future__ import annotations

import importlib.util
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from sweeper.core.identity import canonical

LEAST = 4
"""Trials with a value below which nothing is said."""
LEAST_FOR_FANOVA = 10
PARTLY = ", a number among the trials that have it."
MOST_FOR_FANOVA = 250
"""Its forest takes a second or two for so many; more are sampled evenly."""


@dataclass(frozen=True)
class Parameter:
    """A free parameter that varies."""

    key: str
    label: str
    number: bool
    """Are all its values numbers?"""
    log: bool


@dataclass(frozen=True)
class Importance:
    """By parameter, 0 to 1, the highest first; how it was worked out, in words; empty with a reason for none."""

    words: str
    shares: Sequence[tuple[str, float]] = ()
    method: str = ""


def importance(
    parameters: Sequence[Parameter], rows: Sequence[Mapping[str, Any]], column: str, goal: str, *, forest: bool
) -> Importance:
    """Of the rows that have a value. `forest`: fANOVA may be asked, where it is installed."""
    known = [row for row in rows if isinstance(row.get(column), (int, float)) and math.isfinite(row[column])]
    varied = [p for p in parameters if len({canonical(row.get(p.key)) for row in known}) > 1]
    if len(known) < LEAST or not varied or len({row[column] for row in known}) < 2:
        return Importance(f"{LEAST} completed trials whose parameters and results differ are needed to say.")
    whole = all(row.get(p.key) is not None for row in known for p in varied if p.number)
    better = len(known) >= LEAST_FOR_FANOVA and len(varied) > 1 and whole and _there("optuna", "sklearn")
    if forest and better:
        shares = _fanova(varied, _even(known, MOST_FOR_FANOVA), column, goal)
        sampled = f", an even sample of {MOST_FOR_FANOVA}" if len(known) > MOST_FOR_FANOVA else ""
        words = f"fANOVA by Optuna over {len(known)} completed trials{sampled}: the share of what varies in the result."
        return Importance(words, _sorted(shares), "fANOVA")
    shares = {p.key: _correlation(p, known, column) for p in varied}
    words = (
        f"Rank correlation with the result over {len(known)} completed trials, its sign left out: Spearman's for "
        "numbers, the correlation ratio of the ranks for words. It sees each parameter alone"
    ) + (". Optuna is here: sweeper report works out fANOVA in its place." if better else "." if whole else PARTLY)
    return Importance(words, _sorted(shares), "rank correlation")


def _there(*modules: str) -> bool:
    return all(importlib.util.find_spec(module) for module in modules)


def _sorted(shares: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(((key, round(share, 4)) for key, share in shares.items()), key=lambda one: -one[1])


def _even(rows: Sequence[Any], most: int) -> Sequence[Any]:
    return rows if len(rows) <= most else [rows[index * len(rows) // most] for index in range(most)]


def _fanova(
    parameters: Sequence[Parameter], rows: Sequence[Mapping[str, Any]], column: str, goal: str
) -> dict[str, float]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    axes = {p.key: _distribution(p, [row.get(p.key) for row in rows]) for p in parameters}
    numbers = {p.key for p in parameters if p.number}
    study = optuna.create_study(direction=optuna.study.StudyDirection[goal.upper()])
    for row in rows:
        values = {k: float(row[k]) if k in numbers else canonical(row.get(k)) for k in axes}
        study.add_trial(optuna.trial.create_trial(params=values, distributions=axes, value=float(row[column])))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Optuna thinks of its own age is none of the sweep's business
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
        found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {key: float(share) for key, share in found.items()}


def _distribution(parameter: Parameter, values: Sequence[Any]) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    if not parameter.number:
        return CategoricalDistribution(sorted({canonical(value) for value in values}))
    return FloatDistribution(float(min(values)), float(max(values)), log=parameter.log)


def _correlation(parameter: Parameter, rows: Sequence[Mapping[str, Any]], column: str) -> float:
    if parameter.number:
        pairs = [(row[parameter.key], row[column]) for row in rows if row.get(parameter.key) is not None]
        values, found = ([pair[side] for pair in pairs] for side in (0, 1))
        return abs(_pearson(_ranks(values), _ranks(found))) if pairs else 0.0
    results = _ranks([row[column] for row in rows])
    groups: dict[str, list[float]] = {}
    for row, rank in zip(rows, results, strict=True):
        groups.setdefault(canonical(row.get(parameter.key)), []).append(rank)
    mean = fmean(results)
    between = sum(len(ranks) * (fmean(ranks) - mean) ** 2 for ranks in groups.values())
    return math.sqrt(between / sum((rank - mean) ** 2 for rank in results))


def _ranks(values: Sequence[float]) -> list[float]:
    """The rank of each value, equal ones the mean of theirs."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks, begin = [0.0] * len(values), 0
    while begin < len(order):
        end = begin
        while end + 1 < len(order) and values[order[end + 1]] == values[order[begin]]:
            end += 1
        for place in order[begin : end + 1]:
            ranks[place] = (begin + end) / 2
        begin = end + 1
    return ranks


def _pearson(left: Sequence[float], right: Sequence[float]) -> float:
    a, b = fmean(left), fmean(right)
    both = sum((x - a) * (y - b) for x, y in zip(left, right, strict=True))
    spread = math.sqrt(sum((x - a) ** 2 for x in left) * sum((y - b) ** 2 for y in right))
    return both / spread if spread else 0.0
