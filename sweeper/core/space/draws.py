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
from sweeper.core.space.domains import NAMES, drawer, size

MOST_TRIES = 1000

_Options = Annotated[Sequence[Any], Bounds(low=1)]
_Drawn = Annotated[
    Mapping[Annotated[str, Bounds(choices=NAMES)], _Options],
    Bounds(low=1, high=1),
]
Domain = Annotated[
    _Options | _Drawn,
    Bounds(
        says="must be a list to choose from, {uniform: [low, high]}, {loguniform: [low, high]}, {int: [low, high]} "
        "or another kind with what it takes"
    ),
]
"""What is drawn from, as an experiment says it."""


@dataclass(frozen=True, kw_only=True)
class Random:
    """Random search, the same draws on every machine."""

    count: int = option("How many draws.", low=1, high=200_000)
    seed: int | None = option("Other draws for another seed.", default=0)
    of: Mapping[str, Domain] = option("Dotted keys, and what is drawn for each.", low=1)


def draw(
    count: int,
    seed: int,
    of: Mapping[str, tuple[str, Sequence[Any]]],
    there: Callable[[dict[str, Any]], dict[str, Any]] = dict,
) -> list[dict[str, Any]]:
    """So many different draws; `there` leaves out of each what is not there for it.

    Raises ValueError when there are not that many.
    """
    available = math.prod(size(*domain) for domain in of.values())
    if count > available:
        raise ValueError(f"count is {count}, but there are only {available:g} different draws")
    drawers = {key: drawer(*domain) for key, domain in of.items()}
    rows: list[dict[str, Any]] = []
    seen: set[str] = set()
    for number in range(count):
        for again in range(MOST_TRIES + 64 * int(min(available, 10_000))):
            row = there({key: drawn(_unit(seed, key, number, again)) for key, drawn in drawers.items()})
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
