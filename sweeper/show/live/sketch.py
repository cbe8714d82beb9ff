"""A curve in a few cells of text, and the few values that are kept of a long one. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

MOST = 64
"""Values that are kept of a curve while it grows."""
CELLS = "▁▂▃▄▅▆▇█"


class Sketch:
    """The course of a metric in bounded memory: when it is full every second value goes, and the newest one stays."""

    def __init__(self) -> None:
        self.count = 0
        self._every = 1
        self._kept: list[float] = []
        self._newest: float | None = None

    def add(self, value: float) -> None:
        """The next value."""
        if self.count % self._every == 0:
            self._kept.append(value)
            if len(self._kept) > MOST:
                self._kept = self._kept[::2]
                self._every *= 2
        self.count += 1
        self._newest = value

    @property
    def values(self) -> list[float]:
        """What is left of the curve, its newest value last."""
        latest = (self.count - 1) % self._every == 0
        return self._kept if latest or self._newest is None else [*self._kept, self._newest]


def spark(values: Sequence[float], width: int) -> str:
    """The values as bars, `width` cells at most; what is no finite number is a blank."""
    shown = _sampled(values, width)
    finite = [value for value in shown if math.isfinite(value)]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    return "".join(_bar(value, low, high) for value in shown)


def _sampled(values: Sequence[float], width: int) -> list[float]:
    """So many of them, evenly, the first and the last among them."""
    size = len(values)
    if size <= width:
        return list(values)
    return [values[n * (size - 1) // max(1, width - 1)] for n in range(width)]


def _bar(value: float, low: float, high: float) -> str:
    if not math.isfinite(value):
        return " "
    if high == low:
        return CELLS[len(CELLS) // 2]
    share = (value / 2 - low / 2) / (high / 2 - low / 2)  # halves: the difference of large numbers may be infinite
    return CELLS[min(len(CELLS) - 1, int(share * len(CELLS)))]
