"""What was probably meant by a value that is right in another notation: `g5.xlarge`, `5m`, `max`, `S3://`, `'yes'`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

_SAME = {
    "max": "maximize",
    "maximise": "maximize",
    "maximum": "maximize",
    "higher": "maximize",
    "min": "minimize",
    "minimise": "minimize",
    "minimum": "minimize",
    "lower": "minimize",
    "gt": ">",
    "ge": ">=",
    "gte": ">=",
    "=>": ">=",
    "≥": ">=",
    "==": ">=",
    "=": ">=",
    "lt": "<",
    "le": "<=",
    "lte": "<=",
    "=<": "<=",
    "≤": "<=",
}
"""Other words for the ones that we know."""
_TRUE, _FALSE = {"yes", "on", "true", "y", "1", "enabled"}, {"no", "off", "false", "n", "0", "disabled"}
_UNITS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "hr": 3600, "d": 86400}
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)")
_AMOUNT = re.compile(r"\$?\s*([-+]?\d[\d,_]*(?:\.\d+)?(?:[eE][-+]?\d+)?)\s*(?:%|usd|gb|gib|\$)?", re.IGNORECASE)


def meant(value: Any, fits: Callable[[Any], bool]) -> str:
    """`; did you mean X?` for the first other way to write this value that fits, or nothing."""
    found = next((other for other in _others(value) if fits(other)), None)
    return "" if found is None else f"; did you mean {json.dumps(found, ensure_ascii=False).replace(chr(34), chr(39))}?"


def _others(value: Any) -> Iterator[Any]:
    """The value in other notations, the likeliest first."""
    if isinstance(value, str):
        yield from _of_text(value.strip())
        yield [value]
    elif isinstance(value, bool):
        yield "on" if value else "off"
    elif isinstance(value, (int, float)):
        yield str(value)
        yield from [bool(value)] if value in (0, 1) else []
        yield from [int(value)] if isinstance(value, float) and abs(value) < 1e15 and value == int(value) else []
    elif isinstance(value, dict):
        yield [value]
    elif isinstance(value, list) and len(value) == 1:
        yield value[0]


def _of_text(text: str) -> Iterator[Any]:
    low = text.lower()
    yield from [_SAME[low]] if low in _SAME else []
    yield from [low, text.replace("_", "-"), low.replace("_", "-")]
    yield from [True] if low in _TRUE else [False] if low in _FALSE else []
    if amount := _AMOUNT.fullmatch(low):
        number = float(amount.group(1).replace(",", "").replace("_", ""))
        yield from [int(number)] if abs(number) < 1e15 and number == int(number) else []
        yield number
    parts = _SPAN.findall(low)
    if (
        parts
        and "".join(a + b for a, b in parts) == re.sub(r"\s", "", low)
        and all(unit in _UNITS for _, unit in parts)
    ):
        seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
        yield int(seconds) if seconds == int(seconds) else seconds
    yield from ["ml." + low] if low else []
    if bucket := re.match(r"(?:arn:aws[a-z-]*:s3:::|https?://s3[^/]*/|s3:/{0,3})([^/].*)", low):
        yield "s3://" + text[bucket.start(1) :]
    if zone := re.fullmatch(r"([a-z]{2}(?:-[a-z]+)+-\d)[a-z]", low):
        yield zone.group(1)
    yield re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")
