"""Where Hydra finds things: `experiments://DIR` serves the experiment files, the user's `conf/` comes before ours."""

from __future__ import annotations

import copy
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf

from sweeper.config import project
from sweeper.config.locate import GROUP, marks
from sweeper.config.problems import Problem, shown
from sweeper.errors import UsageError

SUFFIX = ".yaml"
PRIMARY = "config"
"""The configuration that Hydra starts from: ours."""


def load(file: Path) -> DictConfig:
    """One YAML file as a mapping. Raises UsageError with the place of what does not parse."""
    try:
        text = file.read_text(encoding="utf-8")
        config = copy.deepcopy(_parsed(text)) if text.strip() else OmegaConf.create({})
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{shown(file)}:{mark.line + 1}:{mark.column + 1}" if mark else shown(file)
        what = " ".join(part for part in (error.context, error.problem) if part).replace("\n", " ")
        raise UsageError(f"{place}: not valid YAML: {what}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{shown(file)}:1:1: not valid YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(config, DictConfig):
        raise UsageError(f"{shown(file)}:1:1: not a mapping: an experiment is `key: value` lines")
    return config


@lru_cache(maxsize=8)
def _parsed(text: str) -> Any:
    """An experiment is read twice, as a whole and for its own name; parsing it is what takes time."""
    return OmegaConf.create(text)


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
        file = place.with_name(place.name + SUFFIX)
        return file if file.is_file() else None

    def is_group(self, config_path: str) -> bool:
        """True for `experiment` and the folders below it."""
        place = self._place(config_path)
        return config_path == "" or config_path == GROUP or (place is not None and place.is_dir())

    def is_config(self, config_path: str) -> bool:
        """True when there is such a file."""
        return self.file(config_path) is not None

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """The experiments and folders in this group."""
        if config_path == "":
            return [GROUP] if results_filter in (None, ObjectType.GROUP) else []
        place, found = self._place(config_path), list[str]()
        if place is None or not place.is_dir():
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
        config = load(file)
        refuse_hydra_keys(file, config)
        header: dict[str, str | None] = {"package": "_global_"}
        return ConfigResult(config=config, path=self.full_path(), provider=self.provider, header=header)


def refuse_hydra_keys(file: Path, config: DictConfig) -> None:
    """An experiment may not leave the chain: its pool would stay behind."""
    where = marks(file.read_text(encoding="utf-8"))
    problems = []
    for path in [("hydra", "mode"), ("hydra", "launcher"), ("hydra", "sweeper", "_target_")]:
        if path in where:
            line, column = where[path]
            what = "cannot be set in an experiment: it is always run as a chain; remove the line"
            problems.append(Problem(f"{shown(file)}:{line}:{column}", ".".join(path), what))
    for position, entry in enumerate(config.get("defaults") or []):
        for key in entry if isinstance(entry, DictConfig) else ():
            if any(f"hydra/{part}" in str(key) for part in ("sweeper", "launcher")):
                line, column = where[("defaults", position)]
                what = "cannot be changed: an experiment is always run as a chain; remove the line"
                problems.append(Problem(f"{shown(file)}:{line}:{column}", str(key), what))
    if problems:
        raise UsageError("\n".join(map(str, problems)))


class ProjectSource(FileConfigSource):
    """The project's `conf/`: groups that add to ours or shadow them.

    Its `config.yaml` is not read: a repository that trains with Hydra has one of its own, for another application.
    """

    @staticmethod
    def scheme() -> str:
        """The scheme of the search path."""
        return "project"

    def is_config(self, config_path: str) -> bool:
        """True when there is such a file, `config.yaml` aside."""
        return config_path.removesuffix(SUFFIX) != PRIMARY and super().is_config(config_path)

    def file(self, config_path: str) -> Path | None:
        """The file of this config, None when it is none of ours."""
        return Path(self.path) / (config_path.removesuffix(SUFFIX) + SUFFIX) if self.is_config(config_path) else None

    def load_config(self, config_path: str) -> ConfigResult:
        """The file's content, as Hydra reads it. Raises UsageError with the place of what does not parse."""
        try:
            return super().load_config(config_path)
        except (yaml.YAMLError, UnicodeDecodeError):
            load(Path(self.path) / (config_path.removesuffix(SUFFIX) + SUFFIX))
            raise


class ProjectSearchPath(SearchPathPlugin):
    """Puts the user's project into Hydra's search path."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """The project's `conf/` before ours, its `experiments/` after."""
        root = project.find(os.environ, Path.cwd())
        conf = root / "conf"
        if conf.is_dir() and conf.resolve() != project.packaged_conf():
            search_path.prepend("project", f"project://{conf}", anchor="main")
        search_path.append("experiments", f"experiments://{root / project.EXPERIMENTS}")
