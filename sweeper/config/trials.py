"""The trials that a configuration declares: a space of them, those of a search, and one that somebody adds."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from sweeper.config import reasons
from sweeper.config.draft import MOST_ROWS, Draft
from sweeper.config.forms import Builder
from sweeper.config.problems import refuse
from sweeper.config.sweep_fields import objective_of
from sweeper.config.teachers import Teachers, teachers
from sweeper.core.identity import Base, Leaves, text_of
from sweeper.core.model import Trial
from sweeper.core.ports import Begun
from sweeper.core.space.applying import RuleFailedError, leaves_out
from sweeper.core.space.blocks import Part
from sweeper.core.space.names import shorten, show
from sweeper.core.space.product import Bases
from sweeper.core.space.trials import Space
from sweeper.core.space.warm_start import Here
from sweeper.errors import UsageError

MOST_TRIALS = 10**12
MOST_TRIED = 2_000_000
"""How often a rule is worked out before anything is told: some seconds."""


def space_of(draft: Draft, parts: Sequence[Part], groups: frozenset[str], leaves: Bases) -> Space:
    """The trials of the `sweep` section. Raises UsageError for too many, and for a rule that cannot be worked out."""
    declared = [math.prod(len(block.rows) for block in part.blocks) for part in parts]
    rules = [len(part.rules) + len(part.conditions.ordered) for part in parts]
    tried = sum(number * each for number, each in zip(declared, rules, strict=True))
    if sum(declared) > MOST_TRIALS:
        draft.wrong(("sweep",), f"declares {sum(declared):.3g} trials: at most {MOST_TRIALS:.3g}")
    elif tried > MOST_TRIED:
        what = f"exclude, when and only_if are tried on every combination, {tried} times here; at most {MOST_TRIED}"
        draft.wrong(("sweep",), f"{what}: leave values out of its axes")
    refuse(draft.problems)
    try:
        return Space(parts, leaves, groups)
    except RuleFailedError as error:
        draft.wrong(error.rule.place, str(error))
        refuse(draft.problems)
        raise


def teachers_of(draft: Draft, values: Mapping[str, Any], builder: Builder) -> Teachers:
    """What reads the other sweeps that the search learns from."""
    if builder.proposer is None or not builder.proposer[0].learns_from:
        return {}
    proposer, domains = builder.proposer
    place = ("sweep", proposer.name, "warm_start")
    if why := proposer.cannot_learn:
        draft.wrong(place, why)
    if draft.config.name in proposer.learns_from:
        draft.wrong(place, "is this sweep itself, which knows its own trials")
    refuse(draft.problems)
    objective = objective_of(values)
    assert objective is not None
    here = Here(domains, objective.metric, values, builder.conditions)
    return teachers(proposer.learns_from, draft.root, here, objective, partial(draft.origin.problem, place))


def proposed_of(draft: Draft, values: Mapping[str, Any], builder: Builder, leaves: Leaves) -> Begun:
    """The trials and the search that the `sweep` section asks for in place of a space, which the builder has read."""
    assert builder.proposer is not None
    proposer, domains = builder.proposer
    place = ("sweep", proposer.name)
    objective = objective_of(values)
    if objective is None:
        draft.wrong(place, "needs an objective, which says what is better")
        refuse(draft.problems)
        raise AssertionError("refused")
    if install := proposer.missing(domains, objective):
        needed = "optuna" if install == "sweeper[optuna]" else install
        draft.wrong(place, f"needs {needed}, which is not installed: pip install {install!r}")
        refuse(draft.problems)

    def left_out(values: Mapping[str, Any]) -> bool:
        return any(leaves_out(rule, values, lambda: leaves, builder.conditions.keys) for rule in builder.rules)

    _try_rules(draft, lambda values: left_out(builder.conditions.there(values)))
    return proposer.begun(domains, objective, Base(leaves, tuple(domains)), left_out, builder.conditions)


def _try_rules(draft: Draft, left_out: Callable[[Mapping[str, Any]], bool]) -> None:
    """Values of every kind that may be proposed: what cannot be worked out for them is told now, not in a chain."""
    for rows in itertools.islice(itertools.product(*(axis.block.rows for axis in draft.axes)), MOST_ROWS):
        try:
            left_out({key: value for row in rows for key, value in row.items()})
        except RuleFailedError as error:
            draft.wrong(error.rule.place, str(error))
            refuse(draft.problems)


def adding(leaves: Leaves) -> Callable[[Mapping[str, Any], int], Trial]:
    """What makes a trial of the values that somebody adds; `leaves` are those of the rest. It raises UsageError."""

    def make(added: Mapping[str, Any], index: int) -> Trial:
        if wrong := next((key for key in added if key.split(".")[0] not in reasons.MAY_CHANGE or "." not in key), ""):
            raise UsageError(f"{wrong}: only keys of {', '.join(reasons.MAY_CHANGE)} can be added")
        keys = tuple(added)
        base, short = Base(leaves, keys), shorten(keys)
        name = ",".join(f"{short[key]}={show(value)}" for key, value in added.items())
        return Trial(index, text_of(base.rest + base.weigh(keys, added)), name, dict(added))

    return make
