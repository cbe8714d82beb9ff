"""Where Hydra finds things: `experiments://DIR` serves the experiment files, the user's `conf/` comes before ours."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from copy import copy
from functools import lru_cache
from pathlib import Path

import hydra.conf
import yaml
from hydra._internal.config_repository import ConfigRepository
from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf

from sweeper.config import project
from sweeper.config.layers import layers
from sweeper.config.locate import GROUP
from sweeper.config.problems import COMMAND_LINE, KeyPath, Problem, brief, dotted, refuse, shown
from sweeper.config.reading import GIVEN, Loader, Mark, is_given, load, marks, text
from sweeper.config.theirs import our_word
from sweeper.config.values import plain
from sweeper.errors import UsageError

SUFFIX = ".yaml"
PRIMARY = "config"
"""The configuration that Hydra starts from: ours."""


_folder: ContextVar[Path | None] = ContextVar("folder", default=None)
"""What `--config-dir` names; a plugin is made by Hydra and cannot be given anything."""
_composed: ContextVar[dict[Path, None] | None] = ContextVar("composed", default=None)
"""The user's files that were composed, whichever source has loaded them."""


@contextmanager
def also(folder: Path | None) -> Iterator[None]:
    """While it lasts the files of this folder are found after all others, and what is composed is remembered."""
    tokens = _folder.set(folder), _composed.set({})
    try:
        yield
    finally:
        _folder.reset(tokens[0])
        _composed.reset(tokens[1])


def composed() -> list[Path]:
    """The user's own files that were composed, in the order in which Hydra asked for them."""
    return list(_composed.get() or ())


def _load(file: Path) -> DictConfig:
    known = _composed.get()
    if known is not None:
        known[file] = None
    return load(file)


class ExperimentSource(ConfigSource):
    """The YAML files of a folder as the options of group `experiment`; no package header needed."""

    @staticmethod
    def scheme() -> str:
        """The scheme of the search path."""
        return "experiments"

    def available(self) -> bool:
        """Always: a missing folder is a group without options, so that a wrong name is refused in clear words."""
        return True

    def _place(self, config_path: str) -> Path | None:
        config_path = config_path.removesuffix(SUFFIX)
        if config_path == GROUP:
            return Path(self.path)
        prefix = GROUP + "/"
        return Path(self.path) / config_path[len(prefix) :] if config_path.startswith(prefix) else None

    def file(self, config_path: str) -> Path | None:
        """The file of this config, None when it is none of ours."""
        place = self._place(config_path)
        if place is None or place == Path(self.path):
            return None
        if place.name == GIVEN.name and is_given():
            return GIVEN
        file = place.with_name(place.name + SUFFIX)
        return file if project.is_file(file) else None

    def is_group(self, config_path: str) -> bool:
        """True for `experiment` and the folders below it."""
        place = self._place(config_path)
        return config_path == "" or config_path == GROUP or (place is not None and project.is_dir(place))

    def is_config(self, config_path: str) -> bool:
        """True when there is such a file."""
        return self.file(config_path) is not None

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """The experiments and folders in this group."""
        if config_path == "":
            return [GROUP] if results_filter in (None, ObjectType.GROUP) else []
        place, found = self._place(config_path), list[str]()
        if place is None or not project.is_dir(place):
            return found
        for name in sorted(entry.name for entry in place.iterdir()):
            if not name.startswith((".", "_")):
                self._list_add_result(found, f"{config_path}/{name}", name, results_filter)
        return sorted(set(found))

    def load_config(self, config_path: str) -> ConfigResult:
        """The file's content, merged at the root."""
        file = self.file(config_path)
        if file is None:
            raise ConfigLoadError(f"no experiment {config_path}")
        config = _load(file)
        refuse_foreign(file, config)
        header: dict[str, str | None] = {"package": "_global_"}
        return ConfigResult(config=config, path=self.full_path(), provider=self.provider, header=header)


class ProjectSource(FileConfigSource):
    """The project's `conf/`: groups that add to ours or shadow them.

    Its `config.yaml` and its `hydra/` are not read: a repository that trains with Hydra has them for that application.
    """

    @staticmethod
    def scheme() -> str:
        """The scheme of the search path."""
        return "project"

    def is_config(self, config_path: str) -> bool:
        """True when there is such a file, `config.yaml` aside."""
        return self.file(config_path) is not None

    def is_group(self, config_path: str) -> bool:
        """True for a folder of groups, `hydra/` aside."""
        return not _hydras(config_path) and project.is_dir(Path(self.path) / config_path)

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """What is in this group."""
        return [name for name in super().list(config_path, results_filter) if not _hydras(f"{config_path}/{name}")]

    def file(self, config_path: str) -> Path | None:
        """The file of this config, None when it is none of ours."""
        name = config_path.removesuffix(SUFFIX)
        file = Path(self.path) / (name + SUFFIX)
        return file if name != PRIMARY and not _hydras(name) and project.is_file(file) else None

    def load_config(self, config_path: str) -> ConfigResult:
        """The file's content, as Hydra reads it. Raises UsageError with the place of what is wrong."""
        file = self.file(config_path)
        if file is None:
            raise ConfigLoadError(f"no configuration {config_path}")
        config = _load(file)
        try:
            header = self._get_header_dict(text(file)[:512])
        except ValueError:
            raise UsageError(f"{shown(file)}:1:1: # @package: is not read: write # @package _global_") from None
        refuse_foreign(file, config, header.get("package"))
        return ConfigResult(config=config, path=self.full_path(), provider=self.provider, header=header)


class KeptSource(FileConfigSource):
    """Files that nobody changes while this program runs, Hydra's own: read with the C parser, and once."""

    @staticmethod
    def scheme() -> str:
        """The scheme of the search path."""
        return "kept"

    def _place(self, config_path: str) -> Path:
        return Path(self.path) / (config_path.removesuffix(SUFFIX) + SUFFIX)

    def load_config(self, config_path: str) -> ConfigResult:
        """The file's content, as Hydra reads it."""
        file = self._place(config_path)
        config, header = pickle.loads(_kept(file, file.stat().st_mtime_ns))
        return ConfigResult(config=config, path=self.full_path(), provider=self.provider, header=header)


class PackagedSource(KeptSource):
    """Our own defaults; what lies upon them (sweeper.config.layers) is part of what Hydra starts from."""

    @staticmethod
    def scheme() -> str:
        """The scheme of the search path."""
        return "packaged"

    def file(self, config_path: str) -> Path:
        """The file of this config."""
        return self._place(config_path)

    def load_config(self, config_path: str) -> ConfigResult:
        """One file of ours, the first with each layer upon it."""
        found = super().load_config(config_path)
        if config_path.removesuffix(SUFFIX) == PRIMARY and layers():
            found.config = OmegaConf.merge(found.config, *(layer.sections for layer in layers()))
        return found


@lru_cache(maxsize=64)
def _kept(file: Path, _changed: int) -> bytes:
    """What a file holds, and its header, to be made of it anew each time: Hydra works with what it is given.

    As bytes: a copy of a DictConfig takes six times as long.
    """
    written = text(file)
    return pickle.dumps(
        (OmegaConf.create(yaml.load(written, Loader) or {}), ConfigSource._get_header_dict(written[:512]))
    )


class Repository(ConfigRepository):
    """Hydra's, which copies it for each question: a copy has its own list of sources, but none of what they hold."""

    def __deepcopy__(self, memo: dict[int, object]) -> Repository:
        copied = copy(self)
        copied.sources = [*self.sources]
        return copied


class ProjectSearchPath(SearchPathPlugin):
    """Puts the user's project into Hydra's search path."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """The project's `conf/` before ours, its `experiments/` and the folder of the command line after."""
        if _composed.get() is None:
            return  # an application of Hydra's in the same process, which has a project of its own
        root = project.here()
        kept = {"main": f"packaged://{project.packaged_conf()}", "hydra": f"kept://{Path(hydra.conf.__file__).parent}"}
        for element in search_path.get_path():
            element.path = kept.get(element.provider or "", element.path)
        conf = root / "conf"
        if project.is_dir(conf) and conf.resolve() != project.packaged_conf():
            search_path.prepend("project", f"project://{conf}", anchor="main")
        search_path.append("experiments", f"experiments://{root / project.EXPERIMENTS}")
        if folder := _folder.get():
            search_path.append("command-line", f"project://{folder}")


# -- Hydra's own part -------------------------------------------------------------------------------------------

CHAIN = ("mode", "launcher", "sweeper")
"""The keys of Hydra that say how jobs are run."""
PARAMS = ("hydra", "sweeper", "params")
"""What a configuration may say of Hydra itself: sweeps, as its own sweepers are given them."""
_SILENT = {"version": 1, "root": None, "disable_existing_loggers": False}


def hydras(package: str) -> bool:
    """True for a package that is a part of Hydra's own configuration."""
    return package.removeprefix("_global_.").split(".")[0] == "hydra"


def _hydras(config_path: str) -> bool:
    return config_path.strip("/").split("/")[0] == "hydra"


def refuse_foreign(file: Path, config: DictConfig, package: str | None = None) -> None:
    """Of Hydra's own part a file says what is swept and nothing else: the rest names callables, or leaves the chain.

    Raises UsageError with a line for each key.
    """
    where = marks(file)
    problems = [*_keys(where), *_kinds(where, config), *_entries(where, config)]
    if hydras(package or ""):
        problems.append(
            ((1, 1), "# @package", f"{package} is Hydra's own part, which no file may set; remove the line")
        )
    refuse([Problem(f"{shown(file)}:{line}:{column}", key, what) for (line, column), key, what in problems])


def _keys(where: Mapping[KeyPath, Mark]) -> Iterator[tuple[Mark, str, str]]:
    told: list[KeyPath] = []
    for path in where:
        if path[:1] != ("hydra",) or path == PARAMS[: len(path)] or path[:3] == PARAMS:
            continue
        if any(path[: len(other)] == other for other in told):
            continue
        told.append(path)
        chain = path[1] in CHAIN
        what = "cannot be set in an experiment: it is always run as a chain; remove the line"
        other = "cannot be set in a file: of hydra only sweeper.params is read; remove the line"
        yield where[path], dotted(path), (what if chain else other) + our_word(path[-1], ())


def _kinds(where: Mapping[KeyPath, Mark], config: DictConfig) -> Iterator[tuple[Mark, str, str]]:
    """What holds the sweeps is a mapping: Hydra takes anything else apart before it looks."""
    value = plain(config)
    for depth, key in enumerate(PARAMS):
        path = PARAMS[: depth + 1]
        if key not in value:
            return
        value = value[key]
        if path == PARAMS and value is None:
            return
        if not isinstance(value, dict):
            at = where.get(path, (1, 1))
            yield at, dotted(path), "must be a mapping: of hydra only sweeper.params is read"
            return


def _entries(where: Mapping[KeyPath, Mark], config: DictConfig) -> Iterator[tuple[Mark, str, str]]:
    """The entries of the defaults list that reach for Hydra's own part."""
    for position, entry in enumerate(plain(config).get("defaults") or []):
        for key in map(str, entry if isinstance(entry, dict) else [entry]):
            group, _, package = key.split()[-1].partition("@") if key.strip() else ("", "", "")
            if _hydras(group) or hydras(package):
                chain = any(f"hydra/{part}" in group for part in CHAIN)
                what = "cannot be changed: an experiment is always run as a chain; remove the line"
                other = "cannot be changed: it is Hydra's own part, which no file may set; remove the line"
                yield where[("defaults", position)], key, what if chain else other


def refuse_callables(composed: DictConfig) -> None:
    """Hydra's own part as it was composed names nothing that could be called, however it came in. Raises UsageError."""
    if not isinstance(params := plain(composed.sweeper.params) or {}, dict):
        raise UsageError(f"{COMMAND_LINE}: {dotted(PARAMS)}: {brief(params)} is not a mapping")
    for key, usual in (("callbacks", {}), ("hydra_logging", _SILENT), ("job_logging", _SILENT)):
        if plain(composed._get_node(key)) != usual:
            raise UsageError(f"{COMMAND_LINE}: hydra.{key}: cannot be set: it could call anything; leave it out")
