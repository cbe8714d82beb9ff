"""What a parameter of another tool may be, in our notation: as a search draws it, and as a grid tries it. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeGuard

from sweeper.config.problems import KeyPath

MOST_STEPS = 1000
"""Steps of a range that are written out one by one."""
LOG_STEPS = 32
"""Whole numbers that stand for a logarithmic range of them, which no domain of ours draws."""


@dataclass(frozen=True)
class Range:
    """What a parameter may be. `tried` is None where a grid has no list of it; `note` says what is not as it was."""

    drawn: Any
    tried: Any = None
    note: str = ""
    path: KeyPath = ()
    """Where it was said."""

    @property
    def domain(self) -> tuple[str, Sequence[Any]]:
        """The domain that a search draws from, and its arguments."""
        if isinstance(self.drawn, dict):
            ((name, arguments),) = self.drawn.items()
            return name, arguments
        return "choice", self.drawn

    def at(self, path: KeyPath) -> Range:
        """The same, said there."""
        return replace(self, path=path)


def is_number(value: Any) -> TypeGuard[float]:
    """True for a number that is finite or not; a truth value is none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def choice(values: Sequence[Any], note: str = "") -> Range:
    """One of these. Raises ValueError for none."""
    if not values:
        raise ValueError("has no values")
    return Range(list(values), list(values), note)


def uniform(low: float, high: float, note: str = "") -> Range:
    """Any number between these. Raises ValueError."""
    _ordered(low, high)
    return Range({"uniform": [low, high]}, None, note) if low < high else choice([low], note)


def log_uniform(low: float, high: float, note: str = "") -> Range:
    """Any number between these, on a logarithmic scale. Raises ValueError."""
    _ordered(low, high)
    if low <= 0:
        raise ValueError(f"a logarithmic scale begins above 0, not at {low:g}")
    return Range({"loguniform": [low, high]}, None, note) if low < high else choice([low], note)


def integers(low: int, high: int, note: str = "") -> Range:
    """Any whole number from one to the other, both included. Raises ValueError."""
    _ordered(low, high)
    return Range({"int": [low, high]}, {"range": [low, high + 1, 1]}, note)


def steps(low: float, high: float, step: float) -> Range:
    """From `low` to `high`, both included, by `step`; many steps are drawn between. Raises ValueError."""
    _ordered(low, high)
    if not (math.isfinite(step) and step > 0):
        raise ValueError(f"its step is {step:g}")
    count = math.floor((high - low) / step + 1e-9) + 1
    if count > MOST_STEPS:
        return uniform(low, high, f"drawn between its {count} steps, not only at them")
    return choice([_near(low + number * step, low, step) for number in range(count)])


def rounded(low: float, high: float, step: float) -> Range:
    """The multiples of `step` that the numbers between round to. Raises ValueError."""
    _ordered(low, high)
    if not (math.isfinite(step) and step > 0):
        raise ValueError(f"its step q is {step:g}")
    first, last = round(low / step), round(high / step)
    return steps(_near(first * step, 0, step), _near(last * step, 0, step), step)


def log_rounded(low: float, high: float, step: float) -> Range:
    """The same on a logarithmic scale: a list that is as dense as the scale. Raises ValueError."""
    log_uniform(low, high)
    if not (math.isfinite(step) and step > 0):
        raise ValueError(f"its step q is {step:g}")
    ratio = (math.log(high) - math.log(low)) / (LOG_STEPS - 1)
    points = [math.exp(math.log(low) + number * ratio) for number in range(LOG_STEPS)]
    values = dict.fromkeys(_near(round(point / step) * step, 0, step) for point in points)
    return choice(list(values), f"as {len(values)} values, which lie as its logarithmic scale does")


def log_integers(low: int, high: int) -> Range:
    """Whole numbers on a logarithmic scale. Raises ValueError."""
    return log_rounded(low, high, 1)


def _ordered(low: float, high: float) -> None:
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError("its ends must be finite numbers")
    if low > high:
        raise ValueError(f"ends at {high:g}, below its beginning {low:g}")


def _near(number: float, *like: float) -> float:
    """A sum of steps without the noise of binary fractions; a whole number where the steps are whole."""
    if all(isinstance(one, int) or float(one).is_integer() for one in like) and float(number).is_integer():
        return int(number)
    return float(f"{number:.10g}")
