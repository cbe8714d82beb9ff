"""What lies beneath an experiment besides our own defaults: values that others have said, each with its place.

They take the place of what `conf/config.yaml` says; an experiment and the command line have the last word.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweeper.config.problems import KeyPath

Place = tuple[Path, int, int]
"""A file, a line and a column."""


@dataclass(frozen=True)
class Layer:
    """Sections that somebody has said, and where each of its keys stands; None: on the command line."""

    sections: Mapping[str, Any]
    places: Mapping[KeyPath, Place | None]


_layers: ContextVar[tuple[Layer, ...]] = ContextVar("layers", default=())
"""Hydra makes its plugins itself: they cannot be given anything."""


@contextmanager
def beneath(layers: Sequence[Layer]) -> Iterator[None]:
    """While it lasts experiments are composed upon these, the last one uppermost."""
    token = _layers.set(tuple(layers))
    try:
        yield
    finally:
        _layers.reset(token)


def layers() -> tuple[Layer, ...]:
    """What lies there now, the last one uppermost."""
    return _layers.get()
