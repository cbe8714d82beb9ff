"""Random search as a fixed list: every draw is a hash of the seed, the key and its number.

So the list is the same on every machine and Python, a longer list begins with the shorter one, and another key changes
nothing about the draws of this one.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from sweeper.core.identity import canonical
from sweeper.core.options import Bounds, option

DIGITS = 6
"""Significant digits of a drawn fraction: more than any experiment can tell apart, and still readable."""
MOST_TRIES = 1000


def _uniform(u: float, low: float, high: float) -> float:
    return _short(low + u * (high - low))


def _loguniform(u: float, low: float, high: float) -> float:
    return _short(math.exp(math.log(low) + u * (math.log(high) - math.log(low))))


def _int(u: float, low: int, high: int) -> int:
    return low + int(u * (high - low + 1))


def _choice(u: float, *options: Any) -> Any:
    return options[int(u * len(options))]


def _short(number: float) -> float:
    return float(f"{number:.{DIGITS}g}")


DOMAINS: Mapping[str, Callable[..., Any]] = {
    "uniform": _uniform,
    "loguniform": _loguniform,
    "int": _int,
    "choice": _choice,
}


_Options = Annotated[Sequence[Any], Bounds(low=1)]
_Drawn = Annotated[
    Mapping[Annotated[str, Bounds(choices=tuple(DOMAINS))], _Options],
    Bounds(low=1, high=1),
]
Domain = Annotated[
    _Options | _Drawn,
    Bounds(
        says="must be a list to choose from, {choice: [...]}, {uniform: [low, high]}, {loguniform: [low, high]} "
        "or {int: [low, high]}"
    ),
]
"""What is drawn from, as an experiment says it."""


@dataclass(frozen=True, kw_only=True)
class Random:
    """Random search, the same draws on every machine."""

    count: int = option("How many draws.", low=1, high=200_000)
    seed: int | None = option("Other draws for another seed.", default=0)
    of: Mapping[str, Domain] = option("Dotted keys, and what is drawn for each.", low=1)


def check(domain: str, arguments: Sequence[Any]) -> None:
    """Raise ValueError, in words for the user, when the domain cannot be drawn from."""
    if domain == "choice":
        if not arguments:
            raise ValueError("choice has no options")
        return
    if len(arguments) != 2 or any(isinstance(a, bool) or not isinstance(a, (int, float)) for a in arguments):
        raise ValueError(f"{domain} takes [low, high]")
    low, high = arguments
    if not (math.isfinite(low) and math.isfinite(high)) or low > high:
        raise ValueError(f"{domain} takes [low, high] with low <= high")
    if domain == "int" and not all(isinstance(a, int) for a in arguments):
        raise ValueError("int takes whole numbers")
    if domain == "loguniform" and low <= 0:
        raise ValueError("loguniform takes numbers greater than 0")


def size(domain: str, arguments: Sequence[Any]) -> float:
    """How many values there are to draw; infinite for fractions."""
    if domain == "choice":
        return len({canonical(option) for option in arguments})
    return arguments[1] - arguments[0] + 1 if domain == "int" else math.inf


def draw(count: int, seed: int, of: Mapping[str, tuple[str, Sequence[Any]]]) -> list[dict[str, Any]]:
    """So many different draws. Raises ValueError when there are not that many."""
    available = math.prod(size(*domain) for domain in of.values())
    if count > available:
        raise ValueError(f"count is {count}, but there are only {available:g} different draws")
    rows: list[dict[str, Any]] = []
    seen: set[str] = set()
    for number in range(count):
        for again in range(MOST_TRIES + 64 * int(min(available, 10_000))):
            row = {key: DOMAINS[d](_unit(seed, key, number, again), *arguments) for key, (d, arguments) in of.items()}
            if (text := canonical(row)) not in seen:
                break
        else:
            raise ValueError(f"count is {count}, but the draws repeat themselves after {number}")
        seen.add(text)
        rows.append(row)
    return rows


def _unit(*parts: Any) -> float:
    """A number in [0, 1) that these parts decide."""
    found = hashlib.blake2b(canonical(parts).encode(), digest_size=8).digest()
    return (int.from_bytes(found, "big") >> 11) / 2**53
