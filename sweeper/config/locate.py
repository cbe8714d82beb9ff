"""Which file and line set a key: Hydra's defaults list walked in merge order, with the marks of each YAML file."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweeper.config.layers import Place, layers, written
from sweeper.config.problems import COMMAND_LINE, KeyPath, Problem, dotted, shown
from sweeper.config.reading import marks

if TYPE_CHECKING:
    from hydra.core.config_loader import ConfigLoader

GROUP = "experiment"
"""The config group whose options are the experiment files."""


class Origin:
    """Answers where a key of the composed configuration came from. Made lazily: only errors ask."""

    def __init__(self, loader: ConfigLoader, overrides: Sequence[Any], own: Path) -> None:
        self._loader = loader
        self._overrides = list(overrides)
        self._own = own

    def problem(self, path: KeyPath, what: str, key: str = "", *, missing: bool = False) -> Problem:
        """A problem at this key, placed where it was set."""
        return Problem(self.of(path, missing=missing), key or dotted(path), what)

    def of(self, path: KeyPath, *, missing: bool = False) -> str:
        """`command line`, or the file, line and column that set this key last, or the nearest parent of it.

        Nothing is placed in our defaults, which say what is needed and are right; what is `missing` there neither.
        """
        key = dotted(path)
        for override in reversed(self._overrides):
            name = override.key_or_group
            if name == GROUP:
                continue
            if key == name or key.startswith(name + "."):
                return COMMAND_LINE
        if not missing and path in self._places and not self._ours(self._places[path][-1]):
            return written(self._places[path][-1])
        if any(override.key_or_group.startswith(key + ".") for override in self._overrides):
            return COMMAND_LINE
        for length in range(len(path), 0, -1):
            places = [place for place in self._places.get(path[:length], []) if not self._ours(place)]
            if places:
                return written(places[-1])
        return f"{shown(self.files[-1])}:1:1" if self.files else COMMAND_LINE

    def place_of(self, path: KeyPath) -> Place | None:
        """Where a key was set last; None: on the command line."""
        places = self._places.get(path, [])
        return None if self.of(path) == COMMAND_LINE or not places else places[-1]

    def is_of(self, path: KeyPath, place: Place | None) -> bool:
        """Does this place have the last word about a key?"""
        return self.of(path) == written(place)

    @property
    def files(self) -> list[Path]:
        """The files of the user that were composed, in merge order."""
        return [file for file, _ in self._composed if self._own not in file.parents]

    def _ours(self, place: Place | None) -> bool:
        return place is not None and self._own in place[0].parents

    @cached_property
    def _places(self) -> dict[KeyPath, list[Place | None]]:
        """The places of each key, the last one uppermost; None: the command line, for a layer that it has named."""
        places: dict[KeyPath, list[Place | None]] = {}
        for position, (file, package) in enumerate(self._composed):
            for path, (line, column) in marks(file).items():
                if path[:1] != ("defaults",):
                    places.setdefault((*package, *path), []).append((file, line, column))
            if position == 0:  # our own defaults are composed first, and what lies upon them next
                for layer in layers():
                    for path, place in layer.places.items():
                        places.setdefault(path, []).append(place)
        return places

    @cached_property
    def _composed(self) -> list[tuple[Path, tuple[str, ...]]]:
        """Every file of the defaults list in merge order, with the package it was merged into."""
        from hydra.types import RunMode

        lines = [o.input_line for o in self._overrides if not o.is_sweep_override()]
        defaults = self._loader.compute_defaults_list("config", lines, RunMode.MULTIRUN)
        found: list[tuple[Path, tuple[str, ...]]] = []
        for entry in defaults.defaults:
            if entry.config_path is None:
                continue
            file = file_of(self._loader.get_sources(), entry.config_path)
            if file is not None:
                package = entry.package if entry.package not in (None, "_global_") else ""
                found.append((file, tuple(package.split(".")) if package else ()))
        return found


def file_of(sources: Sequence[Any], config_path: str) -> Path | None:
    """The file behind a config of Hydra's search path, when it is one."""
    for source in sources:
        if source.is_config(config_path):
            if source.scheme() == "file":
                return Path(source.path) / (config_path.removesuffix(".yaml") + ".yaml")
            return source.file(config_path) if hasattr(source, "file") else None
    return None
