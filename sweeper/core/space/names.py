"""Names for trials: short, showing what differs, and made only when asked for where there are many."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sweeper.core.identity import canonical
from sweeper.core.space.blocks import Block
from sweeper.core.text import harmless

LABEL_WIDTH = 32
MANY = 10_000
"""Rows beyond which their names are made only when asked for; the first ones tell whether a key differs."""


def written(row: Mapping[str, Any]) -> str:
    """A row as a person writes it."""
    return ", ".join(f"{key}={show(value)}" for key, value in row.items()) or "the unchanged base"


def show(value: Any) -> str:
    """A value as it stands in a label: text on one line, everything else as JSON, cut when it is long."""
    text = harmless(value) if isinstance(value, str) else canonical(value)
    return text if len(text) <= LABEL_WIDTH else text[: LABEL_WIDTH - 1] + "…"


def labels(parts: Sequence[Sequence[Block]]) -> list[list[Callable[[int], str]]]:
    """What names a row, for every block of every part: what differs, under the shortest key that is clear."""
    seen: dict[str, set[str]] = {key: set() for blocks in parts for block in blocks for key in block.keys}
    for blocks in parts:
        for key, found in seen.items():
            rows = [row for block in blocks if key in block.keys for row in block.rows[:MANY]]
            found.update(canonical(row[key]) if key in row else "" for row in rows or [{}])
    differing = [key for key, values in seen.items() if len(values) > 1] or list(seen)
    short = shorten(differing)
    return [[_labels_of(block, short) for block in blocks] for blocks in parts]


def _labels_of(block: Block, short: Mapping[str, str]) -> Callable[[int], str]:
    def name_of(row: int) -> str:
        values = block.rows[row]
        return ",".join(f"{short[key]}={show(values[key])}" for key in values if key in short)

    if block.labels:
        return block.labels.__getitem__
    if len(block.rows) > MANY:
        return name_of
    return [name_of(row) for row in range(len(block.rows))].__getitem__


def shorten(keys: Sequence[str]) -> dict[str, str]:
    """Each dotted key cut to its last parts, as many as it takes to tell it from the others."""
    short: dict[str, str] = {}
    for key in keys:
        parts = key.split(".")
        for count in range(1, len(parts) + 1):
            short[key] = ".".join(parts[-count:])
            if sum(other == key or other.endswith("." + short[key]) for other in keys) == 1:
                break
    return short
