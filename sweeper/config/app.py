"""Handing the command line to Hydra: our sweep plugin composes once, declares the sweep and gives it to the caller."""

from __future__ import annotations

import importlib
import os
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import hydra
import yaml
from hydra._internal.utils import get_args_parser
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from sweeper.config import complaints, project
from sweeper.config.declare import declare
from sweeper.config.draft import Draft, UnknownKey
from sweeper.config.problems import COMMAND_LINE, Problem, refuse
from sweeper.config.sources import PRIMARY, ExperimentSource, ProjectSearchPath, ProjectSource
from sweeper.config.values import register_resolvers, say
from sweeper.core.model import Sweep
from sweeper.errors import UsageError

Then = Callable[[Sweep], int]
# 1.4 deprecates what 1.3 needs
_VERSION: dict[str, Any] = {"version_base": "1.3"} if hydra.__version__.startswith("1.3") else {}


@dataclass
class Call:
    """One invocation: what to do with the sweep, and what came of it. Hydra drops what a sweeper returns."""

    then: Then
    root: Path
    problems: list[Problem] = field(default_factory=list)
    unknown: list[UnknownKey] = field(default_factory=list)
    declared: bool = False
    """A configuration came about, and has been asked what is wrong with it."""
    code: int = 0
    error: BaseException | None = None

    @property
    def everything(self) -> list[Problem]:
        """All that is wrong, when no configuration came about that could say more about an unknown key."""
        return [*self.problems, *(Problem(COMMAND_LINE, u.key, u.told()) for u in self.unknown)]

    def run(self, draft: Draft) -> None:
        """Declare the sweep and hand it on. What is raised is kept: Hydra would reformat it."""
        self.declared = True
        try:
            draft.problems += self.problems
            self.code = self.then(declare(draft))
        except BaseException as error:  # noqa: BLE001 - raised again, unharmed, outside of Hydra
            self.error = error


_calls: list[Call] = []
"""The invocation that Hydra is inside of; a list, because a plugin is made by name and cannot be given anything."""


class ChainSweeper(Sweeper):
    """The sweep plugin: expansion, order and the chain are ours; Hydra's part is the composition."""

    def __init__(self, params: Any = None) -> None:
        self._params = dict(params or {})

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what Hydra has composed."""
        self._loader = hydra_context.config_loader
        self._config = config

    def sweep(self, arguments: list[str]) -> None:
        """Hand the declaration to the caller of `run`; Hydra's own `hydra.sweeper.params` come first."""
        lines = [f"{key}={value}" for key, value in self._params.items()] + list(arguments)
        overrides = OverridesParser.create(config_loader=self._loader).parse_overrides(lines)
        config = self._config
        if self._params:
            fixed = [o.input_line or "" for o in overrides if not o.is_sweep_override()]
            config = self._loader.load_sweep_config(self._config, fixed)
        HydraConfig.instance().set_config(config)
        call = _calls[-1]
        call.run(Draft(config, self._loader, overrides, call.root, call.unknown))


def _never(config: DictConfig) -> NoReturn:
    """The task function: a run outside of the chain would leave its pool behind."""
    raise UsageError(
        f"{COMMAND_LINE}: the configuration leaves the chain (hydra.mode or hydra/sweeper is set in a group of "
        "your own): remove it, so that the pool is always released"
    )


def run(argv: Sequence[str], then: Then, *, prog: str = "sweeper") -> int:
    """Compose what `argv` says, declare the Sweep and return what `then` makes of it.

    Everything wrong with the configuration is one UsageError, a line for each mistake. What `then` raises passes
    through as it is. Hydra's own flags (--cfg, --info, --hydra-help) print and end as Hydra does.
    """
    flags, overrides = split(argv)
    call = Call(then, project.find(os.environ, Path.cwd()))
    _register()
    _calls.append(call)
    try:
        return _compose(call, prog, flags, overrides)
    finally:
        _calls.remove(call)


def _compose(call: Call, prog: str, flags: Sequence[str], overrides: Sequence[str]) -> int:
    lines, call.unknown, call.problems = complaints.before(overrides)
    if flags:  # Hydra shows one configuration: the base, in which nothing is swept
        lines = [line for line in lines if not OverridesParser.create().parse_override(line).is_sweep_override()]
    while True:
        try:
            if flags:
                _hydra_main([prog, *flags, *lines])
            else:
                _multirun(lines)
            break
        except HydraException as error:
            complaint = complaints.explain(error, lines, call.root)
        except OmegaConfBaseException as error:
            complaint = complaints.Complaint(Problem(COMMAND_LINE, "", say(error)))
        except yaml.YAMLError as error:
            said = " ".join(str(error).split())
            complaint = complaints.Complaint(Problem("a configuration file", "", f"not valid YAML: {said}"))
        call.problems += [complaint.problem] if complaint.problem else []
        call.unknown += [complaint.unknown] if complaint.unknown else []
        if complaint.culprit is None:
            refuse(call.everything)
        lines.remove(str(complaint.culprit))
    if call.error is not None:
        raise call.error
    if not call.declared:
        refuse(call.everything)  # a flag of Hydra's has printed what there is
    return call.code


def split(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Hydra's flags with their values, and the overrides: its parser wants flags first. `-m` is understood."""
    parser = get_args_parser()
    parser.error = _refuse_flag  # type: ignore[method-assign]
    takes = {name: action for action in parser._actions for name in action.option_strings if action.nargs != 0}
    flags: list[str] = []
    overrides: list[str] = []
    rest = iter(argv)
    for word in rest:
        if not word.startswith("-") or word == "-":
            overrides.append(word)
        elif word in ("-m", "--multirun"):
            continue
        elif word in ("-r", "--run"):
            raise UsageError(f"{COMMAND_LINE}: {word}: an experiment is always run as a chain; leave it out")
        else:
            flags.append(word)
            if word not in takes:
                continue
            value = next(rest, None)
            if takes[word].nargs == "?" and (value is None or "=" in value):
                flags.append(str(takes[word].const))  # said, or the first override would be taken for it
                overrides += [value] if value else []
            elif value is not None:
                flags.append(value)
    parser.parse_args([*flags, *overrides])
    return flags, overrides


def _refuse_flag(message: str) -> NoReturn:
    raise UsageError(f"{COMMAND_LINE}: {message}")


def _multirun(lines: Sequence[str]) -> None:
    """Hydra's multirun of these overrides. Its entry point of 1.3 would compose them once before, to ask which mode."""
    with hydra.initialize_config_dir(str(project.packaged_conf()), **_VERSION):
        within = GlobalHydra.instance().hydra
        assert within is not None  # it has just been made
        within.multirun(PRIMARY, _never, [*lines, "hydra.mode=MULTIRUN"])


def _hydra_main(argv: Sequence[str]) -> None:
    """Hydra's own entry point on these words. It reports errors by raising them; help and the like print."""
    main = hydra.main(config_path=str(project.packaged_conf()), config_name=PRIMARY, **_VERSION)(_never)
    with _words(argv), _raw_errors():
        try:
            main()
        except SystemExit as ending:
            if ending.code:
                raise


@contextmanager
def _words(argv: Sequence[str]) -> Iterator[None]:
    before, sys.argv = sys.argv, list(argv)
    try:
        yield
    finally:
        sys.argv = before


@contextmanager
def _raw_errors() -> Iterator[None]:
    """Hydra prints its own errors and exits; with this variable it raises them."""
    name = "HYDRA_FULL_ERROR"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = before


def _register() -> None:
    """Make our plugins known to Hydra, once for each process."""
    name = "hydra_plugins.sweeper_chain"
    if name in sys.modules:
        return
    register_resolvers()
    plugins = Plugins.instance()
    plugins.register(ExperimentSource)
    plugins.register(ProjectSource)
    plugins.register(ProjectSearchPath)
    node = {"_target_": f"{name}.{ChainSweeper.__name__}", "params": {}}
    ConfigStore.instance().store(group="hydra/sweeper", name="chain", provider="sweeper", node=node)
    # Hydra 1.3 makes a sweeper only from a module below `hydra_plugins`; a real one would be imported by every other
    # Hydra application of the environment. With 1.4 alone this is `plugins.register(ChainSweeper)`.
    module = types.ModuleType(name)
    plugin = type(ChainSweeper.__name__, (ChainSweeper,), {"__module__": name})
    module.ChainSweeper = plugin  # type: ignore[attr-defined]
    package = sys.modules.setdefault("hydra_plugins", _hydra_plugins())
    package.sweeper_chain = module  # type: ignore[attr-defined]
    sys.modules[name] = module
    plugins.register(plugin)


def _hydra_plugins() -> types.ModuleType:
    try:
        return importlib.import_module("hydra_plugins")
    except ImportError:
        package = types.ModuleType("hydra_plugins")
        package.__path__ = []
        return package
