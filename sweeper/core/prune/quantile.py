"""Worse than what the finished trials had come to by the same step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from sweeper.core.options import option
from sweeper.core.ports import PruneRule
from sweeper.core.shown import Curve, at_step

if TYPE_CHECKING:
    from random import Random

    from sweeper.core.events import Judged
    from sweeper.core.shown import Look


def _after_steps() -> Any:
    return option("Not before so many steps.", default=1, low=1)


def _min_trials() -> Any:
    return option("Not before so many finished trials.", default=4, low=1)


@dataclass(frozen=True)
class Median(PruneRule):
    """Worse than the median."""

    name: ClassVar[str] = "median"
    compares: ClassVar[bool] = True

    after_steps: int = _after_steps()
    min_trials: int = _min_trials()

    def judge(self, look: Look) -> Judged | None:
        """Not in the better half."""
        return _judged(self, look, 50.0)

    @classmethod
    def drawn(cls, rng: Random) -> Any:
        """Soon, and with few trials."""
        return {"after_steps": rng.choice((1, 2)), "min_trials": 1}


@dataclass(frozen=True)
class Percentile(PruneRule):
    """Not among the best so many per cent."""

    name: ClassVar[str] = "percentile"
    compares: ClassVar[bool] = True

    keep: float = option("Per cent.", above=0, below=100)
    after_steps: int = _after_steps()
    min_trials: int = _min_trials()

    def judge(self, look: Look) -> Judged | None:
        """Not in the best part."""
        return _judged(self, look, self.keep)

    @classmethod
    def drawn(cls, rng: Random) -> Any:
        """Against some trials."""
        return {"keep": rng.choice((20, 40)), "min_trials": 2}


def _judged(rule: Median | Percentile, look: Look, keep: float) -> Judged | None:
    if not look.own or look.own[-1][0] < rule.after_steps:
        return None
    why = below(look.own, look.others, keep, rule.min_trials)
    return look.pruned(rule.name, f"{look.metric} {why}", look.latest) if why else None


def below(own: Curve, others: Sequence[Curve], keep: float, min_trials: int) -> str:
    """Its best so far is not among the best `keep` per cent of what the finished trials had come to by this step."""
    step = own[-1][0]
    rivals = at_step(others, step)
    if len(rivals) < min_trials:
        return ""
    bar = percentile(rivals, 100.0 - keep)
    best = max(value for _, value in own)
    return f"is worse at step {step:g} than that of the best {keep:g} % of {len(rivals)} trials" if best < bar else ""


def percentile(values: Sequence[float], at: float) -> float:
    """Linear between the nearest two."""
    ordered = sorted(values)
    place = (len(ordered) - 1) * at / 100.0
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)
