"""A declaration on its way to becoming a Sweep: what was composed, by whom, and what is wrong with it so far."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from sweeper.config import project
from sweeper.config.axes import Axis
from sweeper.config.check import Finding
from sweeper.config.layers import layers
from sweeper.config.locate import Origin
from sweeper.config.problems import KeyPath, Problem, dotted
from sweeper.config.values import plain, without
from sweeper.core.identity import DEPENDENCIES, flatten, path_of, within
from sweeper.core.space.declared import ROUND

if TYPE_CHECKING:
    from hydra.core.config_loader import ConfigLoader

FREE = ("job", "hyperparameters", "environment", "vars", "dependencies", "request")
"""The sections whose keys may be swept."""
GROUPS = ("backend", "engine", "prices")
"""The config groups of our own."""
MOST_ROWS = 1000
"""How many values of an axis are looked at one by one; the rest are met when their trial comes."""
ONE_LOCKED = "it is one for the whole sweep; give it one value"


@dataclass(frozen=True)
class UnknownKey:
    """An override of a key that Hydra cannot find; what to say of it is added when nobody else finds it either."""

    key: str
    line: str

    def told(self, hint: str = "") -> str:
        """What is wrong with it; `hint`: what was probably meant."""
        adds = "" if self.line.startswith("~") else f"; {to_add(self.key, self.line)}"
        return f"is not in the configuration{hint}{adds}"

    @property
    def adds(self) -> bool:
        """True when the key need not exist before."""
        return self.key.startswith(DEPENDENCIES + ".") and not self.line.startswith("~")

    @property
    def override(self) -> Override:
        """The override itself."""
        return OverridesParser.create().parse_override(self.line)


@dataclass
class Draft:
    """A declaration on its way to becoming a Sweep: what was composed, by whom, and what is wrong so far.

    `overrides` are those that Hydra has composed, `unknown` those that it could not.
    """

    composed: DictConfig
    loader: ConfigLoader
    overrides: Sequence[Override]
    root: Path
    unknown: Sequence[UnknownKey] = ()
    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    axes: Sequence[Axis] = ()
    bad: set[KeyPath] = field(default_factory=set)

    _options: dict[str, list[str]] = field(default_factory=dict)

    @cached_property
    def config(self) -> DictConfig:
        """The composed configuration without Hydra's own part."""
        config = without(self.composed, "hydra")
        for override in self._dotted:
            _override(config, override)
        return config

    @cached_property
    def line(self) -> list[Override]:
        """Every override of the command line that means something here."""
        return [*self.overrides, *self._dotted]

    @cached_property
    def _dotted(self) -> list[Override]:
        """The overrides of names that have dots themselves, which Hydra does not look for."""
        return [unknown.override for unknown in self.unknown if unknown not in self.nowhere]

    @property
    def twice(self) -> list[Override]:
        """The overrides that would add what is there already under a name that has dots."""
        adding = [o for o in self.overrides if (o.is_add() or o.is_force_add()) and not o.is_sweep_override()]
        return [o for o in adding if _has_dots(self.composed, o.key_or_group)]

    @property
    def nowhere(self) -> list[UnknownKey]:
        """The overrides of keys that do not exist."""
        adds = [unknown for unknown in self.unknown if unknown.adds]
        return [u for u in self.unknown if u not in adds and not _has_dots(self.composed, u.key)]

    @cached_property
    def origin(self) -> Origin:
        """Where each key came from; made when the first error asks."""
        return Origin(self.loader, self.line, project.packaged_conf())

    @property
    def given_by(self) -> dict[str, str]:
        """The place of each key that neither the experiment nor our own defaults have said."""
        return {key: place for layer in layers() for key, place in layer.told(self.origin.is_of).items()}

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
        """The options of a config group; none when the key is no group. A dotted key never is; asking Hydra is slow.

        A group may be put elsewhere than its name says: `data@hyperparameters.data`.
        """
        group, _, package = key.partition("@")
        if key not in self._options:
            none = "." in group or package.split(".")[0] == "hydra"
            self._options[key] = [] if none else list(self.loader.get_group_options(group))
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
        self.problems.append(self.problem(path, what, missing=missing))

    def problem(self, path: KeyPath, what: str, *, missing: bool = False) -> Problem:
        """What there is to say of this key, placed where it is swept or else where it is set."""
        for axis in self.axes:
            for key in axis.block.keys:
                if (dotted(path) + ".").startswith(key + "."):
                    return Problem(axis.where(self.origin, key), dotted(path), what)
        return self.origin.problem(path, what, missing=missing)

    def written(self) -> Iterator[tuple[tuple[str, ...], Any]]:
        """Every value as it is written: of `locked` and of what may vary, then the swept ones."""
        yield from flatten({s: v for s, v in self.sections.items() if s in (*FREE, "locked")})
        holds = within(self.sections)
        for axis in self.axes:
            for row in axis.block.rows[:MOST_ROWS]:
                for key, value in row.items():
                    yield from flatten(value, path_of(key, holds))

    def note(self, found: Sequence[Finding]) -> None:
        """Note findings."""
        for path, what in found:
            self.wrong(path, what, missing=what.startswith("is missing"))

    def wrong_at(self, axis: Axis, key: str, what: str) -> None:
        """Note a problem where an axis is written."""
        self.problems.append(Problem(axis.where(self.origin, key), key, what))


def told(draft: Draft, job: Mapping[str, Any], key: str) -> list[Any]:
    """Each value of this key of `job` that a trial may have: the resolved one, then the swept ones."""
    rows = (row for axis in draft.axes for row in axis.block.rows[:MOST_ROWS])
    return [job.get(key), *(row[f"job.{key}"] for row in rows if f"job.{key}" in row)]


def apply(config: DictConfig, values: Mapping[str, Any]) -> None:
    """Set these values as Hydra's own composition would."""
    for key, value in values.items():
        if key != ROUND:  # it tells repeats apart, and is no parameter
            OmegaConf.update(config, _addressed(_path(config, key)), value, merge=True, force_add=True)


def _path(config: DictConfig, key: str) -> tuple[str, ...]:
    return path_of(key, lambda path: _holds(config, path))


def _holds(config: DictConfig, path: tuple[str, ...]) -> bool:
    node: Any = config
    for part in path:
        plain_node = isinstance(node, DictConfig) and not (node._is_none() or node._is_interpolation())
        if not plain_node or part not in node.keys():  # noqa: SIM118 - OmegaConf's `in` leaves out what is missing
            return False
        node = node._get_node(part)
    return True


def _addressed(path: tuple[str, ...]) -> str:
    """A path in OmegaConf's own words: what has dots stands in brackets."""
    return path[0] + "".join(f"[{part}]" if "." in part else f".{part}" for part in path[1:])


def _has_dots(config: DictConfig, key: str) -> bool:
    """True when the key is there under a name that has dots itself."""
    path = _path(config, key)
    return any("." in part for part in path[1:]) and _holds(config, path)


def _override(config: DictConfig, override: Override) -> None:
    """What Hydra would do with an override, had it found its key."""
    *above, last = _path(config, override.key_or_group)
    if override.is_delete():
        del OmegaConf.select(config, _addressed(tuple(above)))[last]
    else:
        apply(config, {override.key_or_group: override.value()})


def section_of(group: str) -> str:
    """The section that a config group's options are put into."""
    name, _, package = group.partition("@")
    return package.split(".")[0] or name.split("/")[0]


def to_add(key: str, line: str = "") -> str:
    """How a parameter that is not there is added; `line`: what was written of it, if more than its key."""
    section, _, name = key.partition(".")
    if section == "hyperparameters" and "." in name:
        into = f"to add to a mapping {name.partition('.')[0]!r} +{line or key}"
        return f"for one called {name!r} write `{name}: null` under {section}, {into}"
    return f"to add it write +{line or key}"


def there_is(options: Sequence[str]) -> str:
    """`; there is a, b`: what could have been meant."""
    return f"; there is {', '.join(options) or 'none'}"
