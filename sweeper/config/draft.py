"""A declaration on its way to becoming a Sweep: what was composed, by whom, and what is wrong with it so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from sweeper.config import project
from sweeper.config.axes import ROUND, Axis
from sweeper.config.check import Finding
from sweeper.config.locate import Origin
from sweeper.config.problems import KeyPath, Problem, dotted
from sweeper.config.values import plain
from sweeper.core.identity import flatten

if TYPE_CHECKING:
    from hydra.core.config_loader import ConfigLoader

FREE = ("job", "hyperparameters", "environment", "vars", "dependencies")
"""The sections whose keys may be swept."""
ONE_LOCKED = "it is one for the whole sweep; give it one value"


@dataclass(frozen=True)
class UnknownKey:
    """An override of a key that does not exist; Hydra has refused it, the words are ours."""

    key: str
    line: str


@dataclass
class Draft:
    """A declaration on its way to becoming a Sweep: what was composed, by whom, and what is wrong so far."""

    composed: DictConfig
    loader: ConfigLoader
    overrides: Sequence[Override]
    root: Path
    problems: list[Problem] = field(default_factory=list)
    unknown: Sequence[UnknownKey] = ()
    axes: Sequence[Axis] = ()
    bad: set[KeyPath] = field(default_factory=set)

    _options: dict[str, list[str]] = field(default_factory=dict)

    @cached_property
    def config(self) -> DictConfig:
        """The composed configuration without Hydra's own part."""
        config = OmegaConf.masked_copy(self.composed, [str(key) for key in self.composed if key != "hydra"])
        OmegaConf.set_struct(config, False)
        return config

    @cached_property
    def origin(self) -> Origin:
        """Where each key came from; made when the first error asks."""
        return Origin(self.loader, self.overrides, project.packaged_conf())

    @property
    def choices(self) -> Mapping[str, str]:
        """The options that were chosen of each config group."""
        return {str(group): str(option) for group, option in self.composed.hydra.runtime.choices.items()}

    @cached_property
    def sections(self) -> Mapping[str, Any]:
        """Every section as plain containers, interpolations left as they are written; asked for once it has a name."""
        return {str(section): plain(self.config._get_node(section)) for section in self.config}

    @property
    def names(self) -> list[str]:
        """The dotted key of every value there is."""
        return [".".join(path) for path, _ in flatten({k: v for k, v in self.sections.items() if k != "sweep"})]

    def options(self, key: str) -> list[str]:
        """The options of a config group; none when the key is no group. A dotted key never is; asking Hydra is slow."""
        if key not in self._options:
            self._options[key] = [] if "." in key else list(self.loader.get_group_options(key))
        return self._options[key]

    def is_group(self, key: str) -> bool:
        """True when the key names a config group."""
        return bool(self.options(key))

    def holds(self, *path: str) -> bool:
        """True when nothing at, above or below this key is wrong so far: what depends on it may be looked at."""
        return not any(bad[: len(path)] == path[: len(bad)] for bad in self.bad)

    def wrong(self, path: KeyPath, what: str, *, missing: bool = False) -> None:
        """Note a problem at this key."""
        self.bad.add(path)
        for axis in self.axes:
            for key in axis.block.keys:
                if (dotted(path) + ".").startswith(key + "."):
                    self.problems.append(Problem(axis.where(self.origin, key), dotted(path), what))
                    return
        self.problems.append(self.origin.problem(path, what, missing=missing))

    def note(self, found: Sequence[Finding]) -> None:
        """Note findings."""
        for path, what in found:
            self.wrong(path, what, missing=what.startswith("is missing"))

    def wrong_at(self, axis: Axis, key: str, what: str) -> None:
        """Note a problem where an axis is written."""
        self.problems.append(Problem(axis.where(self.origin, key), key, what))


def apply(config: DictConfig, values: Mapping[str, Any]) -> None:
    """Set these values as Hydra's own composition would."""
    for key, value in values.items():
        if key != ROUND:  # it tells repeats apart, and is no parameter
            OmegaConf.update(config, key, value, merge=True, force_add=True)


def there_is(options: Sequence[str]) -> str:
    """`; there is a, b`: what could have been meant."""
    return f"; there is {', '.join(options) or 'none'}"
