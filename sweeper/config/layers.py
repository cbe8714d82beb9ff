"""What lies beneath an experiment besides our own defaults: values that others have said, each with its place.

They take the place of what `conf/config.yaml` says; an experiment and the command line have the last word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweeper.config.problems import COMMAND_LINE, KeyPath, dotted, shown

Place = tuple[Path, int, int]
"""A file, a line and a column."""


@dataclass(frozen=True)
class Layer:
    """Sections that somebody has said, and where each of its keys stands; None: on the command line."""

    sections: Mapping[str, Any]
    places: Mapping[KeyPath, Place | None]

    def beneath(self) -> AbstractContextManager[None]:
        """While it lasts experiments are composed upon this one too."""
        return beneath(self)

    def told(self, counts: Callable[[KeyPath, Place | None], bool]) -> dict[str, str]:
        """The place of each key for which it `counts`: nobody has said otherwise since."""
        return {dotted(path): written(place) for path, place in self.places.items() if counts(path, place)}


def written(place: Place | None) -> str:
    """A place as it is written."""
    if place is None:
        return COMMAND_LINE
    file, line, column = place
    return f"{shown(file)}:{line}:{column}"


_layers: ContextVar[tuple[Layer, ...]] = ContextVar("layers", default=())
"""Hydra makes its plugins itself: they cannot be given anything."""


@contextmanager
def beneath(*more: Layer) -> Iterator[None]:
    """While it lasts experiments are composed upon these too, the last one uppermost."""
    token = _layers.set((*_layers.get(), *more))
    try:
        yield
    finally:
        _layers.reset(token)


def layers() -> tuple[Layer, ...]:
    """What lies there now, the last one uppermost."""
    return _layers.get()
