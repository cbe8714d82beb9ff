"""What a search draws from: one table of kinds, each with its arguments, its scale and its steps.

A kind is a function of a fraction `u` from 0 to 1, so that whoever has a fraction (a hash, a sampler) has a value.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any

from sweeper.core.identity import canonical

DIGITS = 6
"""Significant digits of a drawn fraction: more than any experiment can tell apart, and still readable."""
STEP_DIGITS = 12
"""The same of a multiple of a step: without the noise of binary fractions."""
LEAST = 2.0**-54
"""What stands for a fraction of 0 where that is infinitely far away."""
MOST = 1 - 2.0**-53
"""The largest fraction."""
ALMOST = 1e-9
"""So much of a step is noise."""
CHOICE = "choice"


class Scale(str, Enum):
    """How values lie: evenly, evenly on a logarithmic scale, or in a bell, of themselves or of their logarithm."""

    EVEN = "even"
    LOG = "log"
    NORMAL = "normal"
    LOG_NORMAL = "log_normal"

    @property
    def bounded(self) -> bool:
        """Are its arguments the two ends, and not a mean and a standard deviation?"""
        return self in (Scale.EVEN, Scale.LOG)


@dataclass(frozen=True)
class Kind:
    """One kind of domain: what its name means."""

    scale: Scale
    says: str
    """For a person: what is drawn."""
    whole: bool = False
    """Whole numbers only; the ends are."""
    stepped: bool = False
    """Takes a step `q`: multiples of it."""
    open_end: bool = False
    """The upper end is not drawn, as in `numpy` and Ray Tune."""

    @property
    def takes(self) -> str:
        """Its arguments, as they are written."""
        first = "low, high" if self.scale.bounded else "mean, sd"
        return f"[{first}, q]" if self.stepped else f"[{first}]"


KINDS: Mapping[str, Kind] = {
    "uniform": Kind(Scale.EVEN, "a number from low to high"),
    "loguniform": Kind(Scale.LOG, "the same on a logarithmic scale"),
    "int": Kind(Scale.EVEN, "a whole number from low to high, both included", whole=True),
    "logint": Kind(Scale.LOG, "the same on a logarithmic scale", whole=True),
    "randint": Kind(Scale.EVEN, "a whole number from low to below high", whole=True, open_end=True),
    "lograndint": Kind(Scale.LOG, "the same on a logarithmic scale", whole=True, open_end=True),
    "quniform": Kind(Scale.EVEN, "a multiple of q from low to high", stepped=True),
    "qloguniform": Kind(Scale.LOG, "the same on a logarithmic scale", stepped=True),
    "qrandint": Kind(Scale.EVEN, "a whole multiple of q from low to high", whole=True, stepped=True),
    "qlograndint": Kind(Scale.LOG, "the same on a logarithmic scale", whole=True, stepped=True),
    "normal": Kind(Scale.NORMAL, "a number around mean, with the standard deviation sd"),
    "qnormal": Kind(Scale.NORMAL, "the same, rounded to a multiple of q", stepped=True),
    "lognormal": Kind(Scale.LOG_NORMAL, "a number whose natural logarithm has this mean and sd"),
    "qlognormal": Kind(Scale.LOG_NORMAL, "the same, rounded to a multiple of q", stepped=True),
}
"""Every kind of numbers; `choice` takes whatever there is to choose from."""
NAMES = (*KINDS, CHOICE)
LOGARITHMIC = frozenset(
    ["logspace", *(name for name, kind in KINDS.items() if kind.scale not in (Scale.EVEN, Scale.NORMAL))]
)
"""What is written of an axis whose values lie on a logarithmic scale."""


@dataclass(frozen=True)
class Numbers:
    """A domain of numbers, read: `low` and `high` are both included, and multiples of the step where there is one."""

    scale: Scale
    low: float
    """The lower end; of a bell the mean."""
    high: float
    """The upper end; of a bell the standard deviation."""
    step: int | float | None = None

    @property
    def size(self) -> float:
        """How many there are; infinite for fractions, and for a bell."""
        if self.step is None or not self.scale.bounded:
            return math.inf
        first, last = self._ends
        return last - first + 1

    def at(self, u: float) -> int | float:
        """The number at this fraction of them. `u`: from 0, below 1."""
        if self.scale is Scale.EVEN:
            if self.step is None:
                return short(self.low + u * (self.high - self.low))
            return multiple(self._ends[0] + int(u * self.size), self.step)
        drawn = self._log(u) if self.scale is Scale.LOG else self._bell(u)
        return self.near(drawn)

    def near(self, drawn: float) -> int | float:
        """The number of these that is nearest to one that was drawn, without its noise."""
        if self.step is None:
            return short(drawn)
        count = round(drawn / self.step)
        if self.scale.bounded:
            first, last = self._ends
            count = min(max(count, first), last)
        return multiple(count, self.step)

    def _log(self, u: float) -> float:
        half = (self.step or 0) / 2  # so that the ends are as likely as they would be within
        low, high = math.log(self.low - half), math.log(self.high + half)
        return math.exp(low + u * (high - low))

    def _bell(self, u: float) -> float:
        from statistics import NormalDist  # it imports for a while, and few draw from a bell

        drawn = NormalDist(self.low, self.high).inv_cdf(max(u, LEAST))
        return math.exp(drawn) if self.scale is Scale.LOG_NORMAL else drawn

    @cached_property
    def _ends(self) -> tuple[int, int]:
        """The first and the last of them, in steps."""
        return _steps(self.low, self.high, self.step or 1)


def numbers(domain: str, arguments: Sequence[Any]) -> Numbers:
    """A domain of numbers with these arguments. Raises ValueError, in words for the user, when there is none."""
    kind = KINDS[domain]
    if len(arguments) != 2 + kind.stepped or not all(map(_is_number, arguments)):
        raise ValueError(f"{domain} takes {kind.takes}")
    low, high = arguments[:2]
    if kind.whole and not all(isinstance(a, int) for a in arguments):
        raise ValueError(f"{domain} takes whole numbers")
    step = arguments[2] if kind.stepped else 1 if kind.whole else None
    if step is not None and step <= 0:
        raise ValueError(f"{domain} takes a step q greater than 0")
    if not kind.scale.bounded:
        if high <= 0:
            raise ValueError(f"{domain} takes a standard deviation greater than 0")
        return Numbers(kind.scale, low, high, step)
    high -= kind.open_end
    if low > high:
        raise ValueError(
            f"{domain} takes [low, high{', q' * kind.stepped}] with low {'<' if kind.open_end else '<='} high"
        )
    if kind.scale is Scale.LOG and low <= 0:
        raise ValueError(f"{domain} takes numbers greater than 0")
    if not kind.stepped:
        return Numbers(kind.scale, low, high, step)
    return _within(domain, Numbers(kind.scale, low, high, step))


def check(domain: str, arguments: Sequence[Any]) -> None:
    """Raise ValueError, in words for the user, when the domain cannot be drawn from."""
    if domain == CHOICE:
        if not arguments:
            raise ValueError("choice has no options")
        return
    try:
        said = numbers(domain, arguments)
        drawn = [float(said.at(u)) for u in (0.0, MOST)]
        fits = all(map(math.isfinite, drawn)) and said.size > 0
    except OverflowError:
        fits = False
    if not fits:
        raise ValueError(f"{domain} draws numbers that are too large to be written")


def size(domain: str, arguments: Sequence[Any]) -> float:
    """How many values there are to draw; infinite for fractions."""
    if domain == CHOICE:
        return len({canonical(option) for option in arguments})
    return numbers(domain, arguments).size


def drawer(domain: str, arguments: Sequence[Any]) -> Callable[[float], Any]:
    """What gives the value of the domain at a fraction, which is from 0 and below 1."""
    if domain == CHOICE:
        return lambda u: arguments[int(u * len(arguments))]
    return numbers(domain, arguments).at


def some(domain: str, arguments: Sequence[Any]) -> list[Any]:
    """A few values of the domain, its ends among them, or every choice: what rules are tried on."""
    if domain == CHOICE:
        return list(arguments)
    return [*map(drawer(domain, arguments), (0.0, MOST))]


def holds(domain: str, arguments: Sequence[Any], value: Any) -> bool:
    """Whether this value, of whatever type, is one of the domain."""
    if domain == CHOICE:
        return canonical(value) in map(canonical, arguments)
    said = numbers(domain, arguments)
    if not _is_number(value):
        return False
    if said.scale.bounded and not said.low <= value <= said.high:
        return False
    return said.step is None or abs(value / said.step - round(value / said.step)) < ALMOST


def short(number: float) -> float:
    """Without the digits that nobody can tell apart."""
    return float(f"{number:.{DIGITS}g}")


def multiple(count: int, step: float) -> int | float:
    """So many steps; whole where the step is written as a whole number."""
    return count * step if isinstance(step, int) else float(f"{count * step:.{STEP_DIGITS}g}")


def _steps(low: float, high: float, step: float) -> tuple[int, int]:
    """The first and the last multiple of the step between the ends, in steps."""
    if all(isinstance(number, int) for number in (low, high, step)):
        return int(-(-low // step)), int(high // step)
    return math.ceil(low / step - ALMOST), math.floor(high / step + ALMOST)


def _is_number(argument: Any) -> bool:
    return isinstance(argument, (int, float)) and not isinstance(argument, bool) and math.isfinite(argument)


def _within(domain: str, said: Numbers) -> Numbers:
    """The multiples of the step between the ends. Raises ValueError when there is none."""
    assert said.step is not None
    first, last = _steps(said.low, said.high, said.step)
    if last < first or (said.scale is Scale.LOG and last < 1):
        raise ValueError(f"{domain}: there is no multiple of {said.step:g} from {said.low:g} to {said.high:g}")
    first = max(first, 1) if said.scale is Scale.LOG else first
    return Numbers(said.scale, multiple(first, said.step), multiple(last, said.step), said.step)
