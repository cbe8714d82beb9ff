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
"""Numbers that stand for a logarithmic range of steps where they have to be listed."""
SPREAD = 2
"""Standard deviations on each side that stand for a normal distribution where there have to be ends."""


@dataclass(frozen=True)
class Range:
    """What a parameter may be. `tried` is None where a grid has no list of it; `note` says what is not as it was."""

    drawn: Any
    tried: Any = None
    note: str = ""
    path: KeyPath = ()
    """Where it was said."""
    instead: Range | None = None
    """What stands for it where Optuna proposes, which cannot do everything that can be drawn."""

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

    @property
    def proposed(self) -> Range:
        """The same where Optuna proposes."""
        return replace(self.instead, path=self.path) if self.instead else self


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


def log_integers(low: int, high: int) -> Range:
    """Any whole number from one to the other on a logarithmic scale, both included. Raises ValueError."""
    log_uniform(low, high)
    return Range({"logint": [low, high]}, {"range": [low, high + 1, 1]})


def steps(low: float, high: float, step: float) -> Range:
    """From `low` to `high`, both included, by `step`. Raises ValueError."""
    _ordered(low, high)
    _positive(step)
    count = math.floor((high - low) / step + 1e-9) + 1
    listed = [_near(low + number * step, low, step) for number in range(min(count, MOST_STEPS + 1))]
    if abs(low / step - round(low / step)) < 1e-9:
        last = _near(low + (count - 1) * step, low, step)
        tried = listed if count <= MOST_STEPS else None
        return Range({"quniform": [_near(low, low), last, _near(step, step)]}, tried) if count > 1 else choice(listed)
    if count > MOST_STEPS:
        return uniform(low, high, f"drawn between its {count} steps, not only at them")
    return choice(listed)


def rounded(low: float, high: float, step: float) -> Range:
    """The multiples of `step` that the numbers between round to. Raises ValueError."""
    _ordered(low, high)
    _positive(step)
    first, last = round(low / step), round(high / step)
    return steps(_near(first * step, 0, step), _near(last * step, 0, step), step)


def log_rounded(low: float, high: float, step: float) -> Range:
    """The same on a logarithmic scale. Raises ValueError."""
    log_uniform(low, high)
    _positive(step)
    first, last = (_near(round(end / step) * step, 0, step) for end in (low, high))
    if first == last:
        return choice([first])
    note = "" if first else "0, which small numbers round to, has no place on a logarithmic scale and is not drawn"
    listed = _log_listed(low, high, step)
    if step == 1:
        return Range({"logint": [max(int(first), 1), int(last)]}, listed.tried, note)
    drawn = {"qloguniform": [first or _near(step, step), last, _near(step, step)]}
    return Range(drawn, listed.tried, note, instead=listed)


def _log_listed(low: float, high: float, step: float) -> Range:
    """A list that is as dense as the scale."""
    ratio = (math.log(high) - math.log(low)) / (LOG_STEPS - 1)
    points = [math.exp(math.log(low) + number * ratio) for number in range(LOG_STEPS)]
    values = dict.fromkeys(_near(round(point / step) * step, 0, step) for point in points)
    return choice(list(values), f"as {len(values)} values, which lie as its logarithmic scale does")


def normal(mean: float, deviation: float, step: float | None = None) -> Range:
    """Around `mean`, rounded to a multiple of `step`. Raises ValueError."""
    if deviation == 0:
        return choice([mean])
    low, high = mean - SPREAD * deviation, mean + SPREAD * deviation
    what = "Optuna has no normal distribution"
    if step is None:
        return Range(
            {"normal": [mean, deviation]}, instead=uniform(low, high, f"{what}: uniform within two sigma of mu")
        )
    instead = replace(rounded(low, high, step), note=f"{what}: the steps within two sigma of mu")
    return Range({"qnormal": [mean, deviation, step]}, instead=instead)


def log_normal(mean: float, deviation: float, step: float | None = None) -> Range:
    """A number whose natural logarithm lies around `mean`, rounded to a multiple of `step`. Raises ValueError."""
    low, high = (float(f"{math.exp(mean + sign * SPREAD * deviation):.6g}") for sign in (-1, 1))
    what = "Optuna has no log-normal distribution"
    if deviation == 0:
        return choice([low])
    if step is None:
        drawn: dict[str, Any] = {"lognormal": [mean, deviation]}
        return Range(drawn, instead=log_uniform(low, high, f"{what}: log-uniform within two sigma"))
    instead = replace(log_rounded(low, high, step).proposed, note=f"{what}: the steps within two sigma")
    return Range({"qlognormal": [mean, deviation, step]}, instead=instead)


def _positive(step: float) -> None:
    if not (math.isfinite(step) and step > 0):
        raise ValueError(f"its step q is {step:g}")


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
