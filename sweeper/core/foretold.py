"""When a job is to be expected to end, by how those before it did: stretches of time, not one moment. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

RECENT = 16
"""Jobs from which the next one's length is told: older ones say less of it."""
NARROWEST_S = 0.75
"""What a length may differ from those before it at least, either way."""
ALIKE, UNSURE = 0.02, 0.3
"""By which part of itself a length may differ from one before it at least, and at most."""
LONE = 0.1
"""By which part of itself a length may differ from the only one before it."""
WIDER = 2.0
"""How many times as far from a length as its neighbours are the next one may be."""
FEW = 3
"""So many lengths do not tell yet how they change from one to the next."""


class Window(NamedTuple):
    """A stretch of time in which something is to be expected: in seconds, from wherever they are counted."""

    early: float
    late: float


@lru_cache(maxsize=256)
def windows(lengths: tuple[float, ...]) -> Sequence[Window]:
    """Where the next of these lengths may lie, oldest first: about the latest ones, or grown as they have grown."""
    recent = lengths[-RECENT:]
    about = _about(recent)
    if len(recent) <= FEW:
        return about
    steps = [after - before for before, after in pairwise(recent)]
    rates = [after / before for before, after in pairwise(recent) if before > 0]
    grown = (_about([recent[-1] + step for step in steps]), _about([recent[-1] * rate for rate in rates]))
    best = min((found for found in grown if found), key=width, default=about)
    return best if 2 * width(best) < width(about) else about


def width(found: Sequence[Window]) -> float:
    """Seconds of all of these together."""
    return sum(late - early for early, late in found)


def _about(lengths: Sequence[float]) -> list[Window]:
    """A window about each of these; those that overlap are one."""
    found: list[Window] = []
    ordered = sorted(max(0.0, length) for length in lengths)
    for place, length in enumerate(ordered):
        reach = _reach(ordered, place)
        early, late = max(0.0, length - reach), length + reach
        if found and early <= found[-1].late:
            found[-1] = Window(min(found[-1].early, early), max(found[-1].late, late))
        else:
            found.append(Window(early, late))
    return found


def _reach(ordered: Sequence[float], place: int) -> float:
    """How far from this length another one like it may be: where the neighbours are far, far."""
    length = ordered[place]
    if len(ordered) == 1:
        return max(NARROWEST_S, LONE * length)
    least, most = (max(NARROWEST_S, part * length) for part in (ALIKE, UNSURE))
    near = sorted(abs(length - other) for other in ordered)[1:]  # without itself
    return min(most, max(least, WIDER * near[0 if len(ordered) <= FEW else 1]))
