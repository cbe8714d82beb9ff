"""What an experiment says under `sweep`: its forms, each with what may stand in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from sweeper.core.options import Bounds, from_section, option
from sweeper.core.ports import Proposer
from sweeper.core.space.draws import Random
from sweeper.core.space.optuna_search import Optuna
from sweeper.core.space.values import FUNCTIONS

MOST_AXES = 100
"""Keys that vary in one sweep, and rules that leave trials out."""
MOST_POINTS = 10_000

AXIS = Bounds(
    says="must be a list with at least one value, {range: [start, stop, step]}, {linspace: [low, high, n]}, "
    "{logspace: [low, high, n]} or a sweep expression such as 'range(1,5)'"
)
_List = Annotated[Sequence[Any], Bounds(low=1)]
_Text = Annotated[str, Bounds(low=1)]
_Function = Annotated[
    Mapping[Annotated[str, Bounds(choices=tuple(FUNCTIONS))], Annotated[Sequence[float], Bounds(low=2, high=3)]],
    Bounds(low=1, high=1),
]
Axis = Annotated[_List | _Text | _Function, AXIS]
AxisOrNone = Annotated[_List | _Text | _Function | None, AXIS]
Axes = Annotated[Mapping[str, Axis], Bounds(low=1, high=MOST_AXES)]
"""Lists of one length: the first values together, then the second ones, ..."""
Values = Annotated[Mapping[str, Any], Bounds(low=1)]
"""Dotted keys and their values."""


@dataclass(frozen=True, kw_only=True)
class Forms:
    """One of several sweeps."""

    grid: Mapping[str, AxisOrNone] | None = option(
        "Every combination: dotted keys and their values, the last one turning fastest. null takes an inherited axis "
        "away.",
        default={},
        high=MOST_AXES,
    )
    zip: Annotated[Sequence[Axes], Bounds(high=MOST_AXES)] | Axes | None = option(
        "Values that go together, not in every combination: lists of one length.",
        default=None,
        says="must be a mapping of lists, or a list of such mappings",
    )
    points: Mapping[str, Mapping[str, Any] | None] | None = option(
        "Named points: what each of them changes.", default=None, high=MOST_POINTS
    )
    cumulative: bool = option("Each point keeps the changes of those before it.", default=False)
    random: Random | None = option("Random search, the same draws on every machine.", default=None)
    exclude: Annotated[Sequence[Values | _Text], Bounds(high=MOST_AXES)] | None = option(
        "Left out: trials with all of these values, or for which the expression is true.",
        default=None,
        says="must be a list of mappings or expressions such as 'rank > 8 and lr > 0.01'",
    )
    when: Annotated[Sequence[_Text], Bounds(high=MOST_AXES)] | _Text | None = option(
        "Only trials for which the expression is true.",
        default=None,
        says="must be an expression such as 'rank * batch <= 64', or a list of them",
    )
    only_if: Annotated[Mapping[str, _Text], Bounds(low=1, high=MOST_AXES)] | None = option(
        "Parameters that vary only where an expression is true: dotted keys of grid, random or optuna, and what must "
        "hold. Elsewhere they are as they are without the sweep: null is not there.",
        default=None,
        says="must be a mapping of dotted keys to expressions such as optimizer == 'sgd'",
    )


SEARCHES: Mapping[str, type[Proposer]] = {made.name: made for made in (Optuna,)}
"""What proposes one trial after another; each has its options in `Sweeps` under its name, and stands alone there."""


ROUND = "repeat"
"""What tells repeats apart when there is no seed to vary: a free value that no script sees."""


SEED = "hyperparameters.seed"


@dataclass(frozen=True)
class Repeat:
    """Repeat with a seed of your own."""

    times: int = option("How often.", low=1, high=10000)
    seed: str | None = option("The key to count up.", default=SEED)

    @property
    def key(self) -> str:
        """The parameter that tells repeats apart."""
        return self.seed or ROUND


def repeat_of(sweep: Mapping[str, Any] | None) -> Repeat | None:
    """How a `sweep` section repeats its trials; None when it does not."""
    repeat = (sweep or {}).get(ROUND)
    return from_section(Repeat, repeat if isinstance(repeat, Mapping) else {"times": repeat}) if repeat else None


def seed_key(sweep: Mapping[str, Any] | None) -> str:
    """The parameter that counts the repeats, by a `sweep` section; empty when it repeats nothing."""
    repeat = (sweep or {}).get(ROUND)
    named = repeat if isinstance(repeat, Mapping) else {}
    return Repeat(1, named.get("seed", SEED)).key if repeat else ""


@dataclass(frozen=True, kw_only=True)
class Sweeps(Forms):
    """What varies. The forms multiply; concat puts one after another."""

    optuna: Optuna | None = option(
        "Optuna proposes each trial from what the finished ones have shown. Stands alone.", default=None
    )
    concat: Annotated[Sequence[Forms], Bounds(low=1, high=MOST_AXES)] | None = option(
        "Several sweeps, one after another.", default=None, says="must be a list of sweeps"
    )
    first: Annotated[Sequence[Values], Bounds(high=MOST_POINTS)] | None = option(
        "Known-good points that run before everything else.",
        default=None,
        says="must be a list of mappings of dotted keys to values",
    )
    repeat: Annotated[int, Bounds(low=1, high=10000)] | Repeat | None = option(
        "Every trial so often, hyperparameters.seed counting up.",
        default=None,
        says="must be a number of times, or {times: N, seed: KEY}",
    )
