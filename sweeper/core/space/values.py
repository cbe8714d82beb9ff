"""The values of an axis that is written as a function: ranges of numbers, ends included or not."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Number = int | float
MOST = 10_000_000
MOST_HELD = 200_000


def _range(start: Number, stop: Number, step: Number = 1) -> Sequence[Number]:
    if step == 0:
        raise ValueError("the step is 0")
    if all(isinstance(number, int) for number in (start, stop, step)):
        return bounded(range(int(start), int(stop), int(step)))
    count = held(max(0, math.ceil((stop - start) / step - 1e-9)))
    return [_clean(start + step * position) for position in range(count)]


def _linspace(low: Number, high: Number, n: Number) -> Sequence[Number]:
    count = _count(n)
    inner = [_clean(low + (high - low) * position / (count - 1)) for position in range(1, count - 1)]
    return _alike([low, *inner, high])


def _logspace(low: Number, high: Number, n: Number) -> Sequence[Number]:
    count = _count(n)
    if low <= 0 or high <= 0:
        raise ValueError("both ends must be greater than 0")
    inner = [_clean(low * (high / low) ** (position / (count - 1)), 6) for position in range(1, count - 1)]
    return _alike([low, *inner, high])


def _alike(values: list[Number]) -> list[Number]:
    """Whole numbers when the ends were written so and every value is one; else all of them fractions."""
    whole = isinstance(values[0], int) and isinstance(values[-1], int) and all(v == int(v) for v in values)
    return [int(value) if whole else float(value) for value in values]


def _count(n: Number) -> int:
    if n != int(n) or n < 2:
        raise ValueError(f"n is {n}: it must be a whole number, 2 or more")
    return held(int(n))


def bounded(whole: range) -> range:
    """These whole numbers. Raises ValueError when they are too many for an axis."""
    _bounded(-((whole.start - whole.stop) // whole.step) if whole else 0)  # len() takes no more than 64 bits
    return whole


def _bounded(count: int) -> int:
    if count > MOST:
        raise ValueError(f"{count} values: an axis has at most {MOST}")
    return count


def held(count: int) -> int:
    """So many values that are kept one by one, as fractions are. Raises ValueError when they are too many."""
    if count > MOST_HELD:
        raise ValueError(f"{count} values: an axis of fractions has at most {MOST_HELD}")
    return count


def _clean(number: float, digits: int = 12) -> float:
    """Without the noise of binary fractions: 0.3, not 0.30000000000000004."""
    return float(f"{number:.{digits}g}")


FUNCTIONS: Mapping[str, Callable[..., Sequence[Number]]] = {
    "range": _range,
    "linspace": _linspace,
    "logspace": _logspace,
}


def expand(function: str, arguments: Sequence[Any]) -> Sequence[Number]:
    """The values of `{function: arguments}`. Raises ValueError in words for the user."""
    least, most = (2, 3) if function == "range" else (3, 3)
    if not least <= len(arguments) <= most:
        wanted = "[start, stop] or [start, stop, step]" if function == "range" else "[low, high, n]"
        raise ValueError(f"{function} takes {wanted}")
    if not all(isinstance(a, (int, float)) and not isinstance(a, bool) and math.isfinite(a) for a in arguments):
        raise ValueError(f"{function} takes numbers")
    values = FUNCTIONS[function](*arguments)
    if not len(values):
        raise ValueError("no values")
    return values
