"""Handing the command line to Hydra, which composes; our sweep plugin declares the sweep and gives it to the caller."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn

import hydra
import yaml
from hydra._internal.callbacks import Callbacks
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.utils import get_args_parser
from hydra.core.config_loader import ConfigLoader
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, RunMode, TaskFunction
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from sweeper.config import builder, complaints, project, sdk_defaults, sources
from sweeper.config.axes import ENDLESS
from sweeper.config.declare import declare
from sweeper.config.draft import Draft, UnknownKey
from sweeper.config.locate import Origin
from sweeper.config.overrides import before
from sweeper.config.problems import COMMAND_LINE, Problem, refuse
from sweeper.config.sources import (
    PARAMS,
    PRIMARY,
    ExperimentSource,
    KeptSource,
    PackagedSource,
    ProjectSearchPath,
    ProjectSource,
    Repository,
)
from sweeper.config.values import plain, register_resolvers, say
from sweeper.core.model import Sweep
from sweeper.errors import UsageError

Then = Callable[[Sweep], int]
# 1.4 deprecates what 1.3 needs
_VERSION: dict[str, Any] = {"version_base": "1.3"} if hydra.__version__.startswith("1.3") else {}


@dataclass
class Call:
    """One invocation: what to do with the sweep, and what is wrong so far."""

    then: Then
    root: Path
    problems: list[Problem] = field(default_factory=list)
    unknown: list[UnknownKey] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    upon: bool = False
    """Is it composed upon the template of its builder?"""

    @property
    def everything(self) -> list[Problem]:
        """All that is wrong, when no configuration came about that could say more about an unknown key."""
        return [*self.problems, *(Problem(COMMAND_LINE, u.key, u.told()) for u in self.unknown)]


class ChainSweeper(Sweeper):
    """The sweep plugin: expansion, order and the chain are ours; Hydra's part is the composition.

    It is made here and never by Hydra, which would call whatever a configuration names in its place.
    """

    def __init__(self, call: Call) -> None:
        self._call = call

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what Hydra has composed. `task_function` is never called: a run outside of the chain has no release."""
        self.draft = _draft(config, hydra_context.config_loader, self._call)

    def sweep(self, arguments: list[str]) -> int:
        """Declare the sweep, its trials and their order, and hand it on; returns the exit code.

        `arguments` are the overrides that `setup` was given composed.
        """
        self.draft.problems += self._call.problems
        return self._call.then(declare(self.draft))


def run(argv: Sequence[str], then: Then, *, prog: str = "sweeper") -> int:
    """Compose what `argv` says, declare the Sweep and return what `then` makes of it.

    Everything wrong with the configuration is one UsageError, a line for each mistake. What `then` raises passes
    through as it is. Hydra's own flags (--cfg, --info, --hydra-help) print and end as Hydra does.
    """
    flags, overrides = split(argv)
    call = Call(then, project.here())
    _register()
    with sources.also(flags.folder):
        if flags.completes:
            return _hydra_main([prog, *flags.shows, *overrides])
        with sdk_defaults.beneath() as call.warnings:
            return _compose(call, [prog, *flags.shows] if flags.shows else [], overrides)


def _compose(call: Call, shows: Sequence[str], overrides: Sequence[str]) -> int:
    """Declare what was composed and hand it on, or have Hydra show it: upon a template, where it names a builder."""
    lines, call.unknown, call.problems = before(overrides, call.root)
    if shows:  # Hydra shows one configuration: the base, in which nothing is swept
        lines = [line for line in lines if not OverridesParser.create().parse_override(line).is_sweep_override()]
    with ExitStack() as within:
        plugin = _tried(call, lines, within)
        template = None if call.upon else builder.template(plugin.draft)
        if not (template or shows):
            return plugin.sweep(lines)
    if template:
        call.upon = True
        with template.beneath():
            return _compose(call, shows, overrides)
    code = _hydra_main([*shows, *lines])
    refuse(call.everything)  # a flag of Hydra's has printed what there is, and was not asked what is wrong with it
    return code


def _tried(call: Call, lines: list[str], within: ExitStack) -> ChainSweeper:
    """The plugin, set up with what Hydra composes, without what it complains of: to hear of the rest.

    `within` is open as long as the plugin may compose anew. Raises UsageError when nothing is left.
    """
    while True:
        try:
            return within.enter_context(_composed(lines, call))
        except HydraException as error:
            complaint = complaints.explain(error, lines, call.root)
        except RecursionError:
            complaint = complaints.circle(lines, call.root)
        except OmegaConfBaseException as error:
            complaint = complaints.Complaint(Problem(COMMAND_LINE, "", say(error)))
        except yaml.YAMLError as error:
            said = " ".join(str(error).split())
            complaint = complaints.Complaint(Problem("a configuration file", "", f"not valid YAML: {said}"))
        call.problems += [*([complaint.problem] if complaint.problem else []), *complaint.more]
        call.unknown += [complaint.unknown] if complaint.unknown else []
        if complaint.culprit is None:
            refuse(call.everything)
        lines.remove(str(complaint.culprit))


@contextmanager
def _composed(lines: Sequence[str], call: Call) -> Iterator[ChainSweeper]:
    """The plugin, set up with what Hydra composes of these overrides.

    That is Hydra's whole part in a run: the callbacks, loggers, launchers and sweepers that a configuration names are
    not made, because each of them is a callable.
    """
    with hydra.initialize_config_dir(str(project.packaged_conf()), **_VERSION):
        within = GlobalHydra.instance().hydra
        assert within is not None  # it has just been made
        loader = within.config_loader
        assert isinstance(loader, ConfigLoaderImpl)  # there is no other
        loader.repository = Repository(loader.get_search_path())
        config = within.compose_config(PRIMARY, [*lines, "hydra.mode=MULTIRUN"], RunMode.MULTIRUN)
        sources.refuse_callables(config.hydra)
        HydraConfig.instance().set_config(config)
        plugin = ChainSweeper(call)
        context = HydraContext(config_loader=loader, callbacks=Callbacks())
        plugin.setup(hydra_context=context, task_function=_never, config=config)
        yield plugin


def _draft(config: DictConfig, loader: ConfigLoader, call: Call) -> Draft:
    """The composed configuration with its overrides; `hydra.sweeper.params` of a file come before those of the user."""
    task = OverridesParser.create().parse_overrides(plain(config.hydra.overrides.task))
    params = _params(config, Origin(loader, task, project.packaged_conf()), call)
    lines = [*params, *plain(config.hydra.overrides.task)]
    overrides = OverridesParser.create(config_loader=loader).parse_overrides(lines)
    if params:
        fixed = [o.input_line or "" for o in overrides if not o.is_sweep_override()]
        config = loader.load_sweep_config(config, fixed)
    return Draft(config, loader, overrides, call.root, call.unknown, warnings=[*call.warnings])


def _params(config: DictConfig, origin: Origin, call: Call) -> list[str]:
    """`hydra.sweeper.params` as overrides. They may say what a word of the command line may; others are problems."""
    found: list[str] = []
    for key, value in (plain(config.hydra.sweeper.params) or {}).items():
        line = f"{key}={value}"
        _, _, problems = before([line], call.root)
        wrong = [problem.what for problem in problems] or _endless(line)
        call.problems += [origin.problem((*PARAMS, key), what) for what in wrong]
        found += [] if wrong else [line]
    return found


def _endless(line: str) -> list[str]:
    """What is wrong with a sweep that has no end; nothing when it has one, or is none."""
    override = OverridesParser.create().parse_override(line)
    if not override.is_sweep_override() or override.is_discrete_sweep():
        return []
    from sweeper.config.foreign.notation import told  # only a mistake needs it

    return [told(ENDLESS, line.partition("=")[2])]


@dataclass(frozen=True)
class Flags:
    """What Hydra's own flags ask for: to show something in place of a run, a folder to read, tab completion."""

    shows: Sequence[str] = ()
    folder: Path | None = None
    completes: bool = False


def split(argv: Sequence[str]) -> tuple[Flags, list[str]]:
    """Hydra's flags, and the overrides: its parser wants flags first. `-m` is understood. Raises UsageError."""
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
            _refuse_flag(f"{word}: an experiment is always run as a chain; leave it out")
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
    return _asked(parser.parse_args(flags)), overrides


def _asked(given: argparse.Namespace) -> Flags:
    """The flags that there are, each in its place."""
    for name in ("config_path", "config_name", "experimental_rerun"):
        if getattr(given, name) is not None:
            flag = "--" + name.replace("_", "-")
            _refuse_flag(f"{flag}: the base is always sweeper's own: put yours under conf/, or give --config-dir")
    ways = {
        "--cfg": ["--cfg", given.cfg] if given.cfg else [],
        "--info": ["--info", given.info] if given.info else [],
        "--help": ["--help"] if given.help else [],
        "--hydra-help": ["--hydra-help"] if given.hydra_help else [],
        "--shell-completion": ["-sc"] if given.shell_completion else [],
    }
    asked = [flag for flag, words in ways.items() if words]
    if len(asked) > 1:
        _refuse_flag(f"{' and '.join(asked)}: one at a time")
    shows = ways[asked[0]] if asked else []
    if given.package is not None or given.resolve:
        if asked != ["--cfg"]:
            _refuse_flag(f"{'--resolve' if given.resolve else '--package'}: goes with --cfg job")
        shows += (["--resolve"] if given.resolve else []) + (["--package", given.package] if given.package else [])
    if given.shell_completion and "COMP_LINE" not in os.environ:
        _refuse_flag("-sc: is what a shell calls while it completes a line: see `sweeper complete --help`")
    if given.config_dir is not None and not project.is_dir(Path(given.config_dir)):
        _refuse_flag(f"--config-dir: there is no folder {given.config_dir!r}")
    return Flags(shows, Path(given.config_dir).absolute() if given.config_dir else None, given.shell_completion)


def _refuse_flag(message: str) -> NoReturn:
    raise UsageError(f"{COMMAND_LINE}: {message}")


def _never(config: DictConfig) -> NoReturn:
    """The task function of Hydra's entry point, which only ever shows things: a run would leave its pool behind."""
    raise AssertionError("Hydra was to show something, not to run it")


def _hydra_main(argv: Sequence[str]) -> int:
    """Hydra's own entry point on these words, which show something. Errors are raised; returns the exit code."""
    main = hydra.main(config_path=str(project.packaged_conf()), config_name=PRIMARY, **_VERSION)(_never)
    with _words(argv), _raw_errors():
        try:
            main()
        except SystemExit as ending:
            return UsageError.exit_code if ending.code else 0
        except (HydraException, OmegaConfBaseException) as error:
            raise UsageError(f"{COMMAND_LINE}: {say(error)}") from None
    return 0


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


@lru_cache(maxsize=1)
def _register() -> None:
    """Make our plugins known to Hydra, once for each process."""
    register_resolvers()
    for plugin in (ChainSweeper, ExperimentSource, ProjectSource, KeptSource, PackagedSource, ProjectSearchPath):
        Plugins.instance().register(plugin)
    ConfigStore.instance().store(group="hydra/sweeper", name="chain", provider="sweeper", node={"params": {}})
