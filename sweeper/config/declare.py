"""From a composed configuration to a `Sweep`: all that is wrong is found first, then it is frozen."""

from __future__ import annotations

import copy
import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from sweeper.config import project, source
from sweeper.config.axes import ROUND, Axis, Builder, CommandLine
from sweeper.config.check import Finding, findings
from sweeper.config.locate import GROUP, Origin
from sweeper.config.problems import COMMAND_LINE, KeyPath, Problem, dotted, nearest, refuse, shown
from sweeper.config.schema import SECTIONS, engine_schema
from sweeper.config.sources import ExperimentSource, load
from sweeper.config.values import (
    COSMETIC,
    PINNED,
    environment_text,
    handing_over,
    identity_leaves,
    plain,
    prev_keys,
    read,
)
from sweeper.core import stop
from sweeper.core.handover import why_not
from sweeper.core.identity import Base, Leaves, canonical, flatten
from sweeper.core.model import (
    BackendKind,
    EngineKind,
    EngineSettings,
    Goal,
    Launch,
    MetricDefinition,
    Objective,
    PoolSettings,
    Sweep,
    Trial,
)
from sweeper.core.request import digest
from sweeper.core.search_optuna import OptunaSearch, OptunaTrials, Settings, study
from sweeper.core.space import Bases, Part, RuleFailedError, Space, show
from sweeper.errors import UsageError

if TYPE_CHECKING:
    from hydra.core.config_loader import ConfigLoader

    from sweeper.core.chain import Chain
    from sweeper.ports import Search

FREE = ("job", "hyperparameters", "environment", "vars", "dependencies")
"""The sections whose keys may be swept."""
ONE_LOCKED = "it is one for the whole sweep; give it one value"
MOST_ROWS = 1000
"""How many values of an axis are tried one by one; the rest are met when their trial comes."""


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
    optuna: Settings | None = None
    bad: set[str] = field(default_factory=set)
    """The sections that are wrong in themselves: what depends on them is not looked at."""

    @cached_property
    def config(self) -> DictConfig:
        """The composed configuration without Hydra's own part."""
        config = copy.deepcopy(self.composed)
        OmegaConf.set_struct(config, False)
        with open_dict(config):
            config.pop("hydra")
        return config

    @cached_property
    def origin(self) -> Origin:
        """Where each key came from; made when the first error asks."""
        return Origin(self.loader, self.overrides, project.packaged_conf())

    @property
    def choices(self) -> Mapping[str, str]:
        """The options that were chosen of each config group."""
        return {str(group): str(option) for group, option in self.composed.hydra.runtime.choices.items()}

    def wrong(self, path: KeyPath, what: str, *, missing: bool = False) -> None:
        """Note a problem at this key."""
        self.bad.add(str(path[0]))
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


def declare(draft: Draft) -> Sweep:
    """The Sweep that this configuration declares. Raises UsageError with every problem, one line each."""
    _experiment(draft)
    draft.config.name = _name(draft)
    line = CommandLine.of(draft.overrides)
    section = plain(draft.config.get("sweep")) or {}
    _shape_of_sweep(draft, section)
    parts: list[Part] = []
    blocks: list[Axis] = []
    if "sweep" not in draft.bad:
        builder = Builder(line, lambda: draft.origin, dict(flatten(_sections(draft))))
        parts, blocks = builder.build(section), builder.axes
        draft.optuna = builder.optuna
        draft.axes = blocks
        draft.problems += builder.problems
    for axis in blocks:
        _may_vary(draft, axis)
    values = _validated(draft, blocks)
    _unknown_keys(draft)
    if not draft.problems:
        _every_row(draft, blocks, values)
    folder = _source_folder(draft, values["job"]) if "job" not in draft.bad else None
    if "job" not in draft.bad:
        _cross_checks(draft, values)
    if not draft.bad & {"job", "objective"}:
        _handover(draft, values)
    refuse(draft.problems)
    return _freeze(draft, values, blocks, parts, folder)


# -- checks -----------------------------------------------------------------------------------------------------


def _experiment(draft: Draft) -> None:
    if GROUP not in draft.choices:
        known = draft.loader.get_group_options(GROUP)
        there = f"there is {', '.join(known)}" if known else f"none is in {shown(draft.root / project.EXPERIMENTS)}"
        if not any(GROUP in problem.key for problem in draft.problems):
            draft.problems.append(Problem(COMMAND_LINE, "", f"no experiment given: add +experiment=NAME; {there}"))
        refuse(draft.problems)


def _name(draft: Draft) -> Any:
    """The experiment's own name: written in its file or on the command line, else the file's stem."""
    option = draft.choices[GROUP]
    if any(o.key_or_group == "name" for o in draft.overrides):
        return plain(draft.config)["name"]
    sources = (s for s in draft.loader.get_sources() if isinstance(s, ExperimentSource))
    file = next((file for s in sources if (file := s.file(f"{GROUP}/{option}"))), None)
    own = load(file)._get_node("name") if file else None
    return plain(own._value()) if own is not None and own._value() is not None else Path(option).name


def _shape_of_sweep(draft: Draft, section: Mapping[str, Any]) -> None:
    draft.note(findings(section, SECTIONS["sweep"], ("sweep",)))


def _may_vary(draft: Draft, axis: Axis) -> None:
    """A swept key must exist, and must be one that may differ from trial to trial."""
    leaves = _sections(draft)
    for key in axis.block.keys:
        if what := _why_not(draft, key, leaves, axis):
            draft.problems.append(Problem(axis.where(draft.origin, key), key, what))


def _why_not(draft: Draft, key: str, leaves: Mapping[str, Any], axis: Axis) -> str:
    section, _, rest = key.partition(".")
    if key == ROUND:
        return ""
    if section == "locked":
        return (
            "is locked and cannot be swept: every job of a sweep shares one locked section; "
            "give it one value, or write one experiment for each"
        )
    if section in SECTIONS.keys() | {"engine"} and section not in FREE:
        return "cannot be swept: it is one for the whole sweep"
    if options := draft.loader.get_group_options(key):
        wrong = next((row[key] for row in axis.block.rows if key in row and str(row[key]) not in options), None)
        return "" if wrong is None else f"there is no option {wrong!r}{nearest(wrong, options) or _there_is(options)}"
    if section not in FREE:
        return f"is not a parameter{nearest(key, _names(leaves))}"
    if section == "job" and rest.split(".")[0] in COSMETIC:
        return "cannot be swept: it changes no result, so all its trials would be one and the same"
    if section == "job" and rest.split(".")[0] in PINNED:
        return "cannot be swept: a sweep has one source; sweep job.entry_script instead"
    return "" if key in axis.added else _absent(key, leaves)


def _there_is(options: Sequence[str]) -> str:
    return f"; there is {', '.join(options) or 'none'}"


def _absent(key: str, leaves: Mapping[str, Any]) -> str:
    node: Any = leaves
    for part in key.split("."):
        if isinstance(node, list):
            return "is an item of a list: sweep the whole list"
        if not isinstance(node, Mapping) or part not in node:
            return f"is not a parameter{nearest(key, _names(leaves))}; to add it write +{key}"
        node = node[part]
    return ""


def _sections(draft: Draft) -> dict[str, Any]:
    return {str(section): plain(draft.config._get_node(section)) for section in draft.config}


def _names(leaves: Mapping[str, Any]) -> list[str]:
    return [".".join(path) for path, _ in flatten({k: v for k, v in leaves.items() if k != "sweep"})]


def _unknown_keys(draft: Draft) -> None:
    known = _names(_sections(draft))
    for unknown in draft.unknown:
        hint = nearest(unknown.key, known)
        what = f"is not in the configuration{hint}; to add it write +{unknown.line}"
        draft.problems.append(Problem(COMMAND_LINE, unknown.key, what))


def _validated(draft: Draft, blocks: Sequence[Axis]) -> dict[str, Any]:
    """Every section of the first trial, resolved and checked against its schema."""
    first = copy.deepcopy(draft.config)
    for axis in blocks:
        apply(first, {k: v for k, v in axis.block.rows[0].items() if "." in k and not k.startswith("locked")})
    values: dict[str, Any] = {}
    for section in draft.config:
        if section == "sweep":
            continue
        values[str(section)], found = read(first, str(section))
        draft.note(found)
        broken = {path for path, _ in found}
        shape = (
            engine_schema((values["engine"] or {}).get("kind")) if section == "engine" else SECTIONS.get(str(section))
        )
        if shape is None:
            _section(draft, str(section))
        else:
            found = findings(values[str(section)], shape, (str(section),))
            draft.note([(path, what) for path, what in found if path not in broken])
    return values


def _every_row(draft: Draft, blocks: Sequence[Axis], values: Mapping[str, Any]) -> None:
    """Each value of an axis, one at a time: it must resolve, fit the schemas, and leave the locked section alone."""
    written = {s: plain(draft.config._get_node(s)) for s in (*FREE, "locked") if s in draft.config}
    follows = any(isinstance(v, str) and "${" in v for _, v in flatten(written))
    for axis in blocks:
        if not follows and not any(key.split(".")[0] in ("job", "environment") for key in axis.block.keys):
            continue
        for row in itertools.islice(axis.block.rows, MOST_ROWS):
            found = _row(draft, {k: v for k, v in row.items() if "." in k}, values)
            if found:
                key = next(iter(row))
                draft.problems += [Problem(axis.where(draft.origin, key), f"{key}={show(row[key])}", s) for s in found]
                break


def _row(draft: Draft, row: Mapping[str, Any], values: Mapping[str, Any]) -> list[str]:
    config = copy.deepcopy(draft.config)
    apply(config, row)
    found: list[Finding] = []
    for section in (*FREE, "locked"):
        value, wrong = read(config, section) if section in config else ({}, [])
        known = {path for path, _ in wrong} | {path for path, _ in read(draft.config, section)[1]}
        found += [(path, what) for path, what in wrong if not what.startswith("is missing")]
        if section in SECTIONS:
            found += [(p, what) for p, what in findings(value, SECTIONS[section], (section,)) if p not in known]
        if section == "locked" and not wrong and digest(value) != digest(values["locked"]):
            before = dict(flatten(values["locked"], ("locked",)))
            path = next(p for p, v in flatten(value, ("locked",)) if canonical(v) != canonical(before.get(p)))
            draft.wrong(path, f"changes with {', '.join(row)}, which is swept: {ONE_LOCKED}")
    return [f"{dotted(path)} {what}" for path, what in found]


def _section(draft: Draft, section: str) -> None:
    """A section that is none of ours must come from a config group of the user's."""
    groups = {choice.split("/")[0].split("@")[0] for choice in draft.choices}
    if section == GROUP:
        draft.wrong((section,), "is not a section; to start from an experiment list it under defaults")
    elif section not in groups and section != "dependencies":
        hint = nearest(section, [*SECTIONS, "engine"]) or "; values of your own go under vars"
        draft.wrong((section,), f"is not a section{hint}")


def _handover(draft: Draft, values: Mapping[str, Any]) -> None:
    """What `${prev:...}` names must be something that a trial hands on."""
    metrics = [metric["name"] for metric in values["job"]["metrics"]]
    goal = values["objective"]
    objective = Objective(goal["metric"], Goal(goal["goal"])) if goal else None
    for path, leaf in flatten({s: v for s, v in _sections(draft).items() if s in (*FREE, "locked")}):
        for key in prev_keys(leaf):
            if path[0] == "locked":
                draft.wrong(path, f"may not depend on the trial before: {ONE_LOCKED}")
            elif what := why_not(key, metrics, objective):
                draft.wrong(path, f"${{prev:{key}}}: {what}")


def _source_folder(draft: Draft, job: Mapping[str, Any]) -> Path | None:
    if job["source_dir"] is None:
        if job["launch"] != Launch.IMAGE.value:
            draft.wrong(("job", "source_dir"), f"is missing: launch {job['launch']} starts a script", missing=True)
        return None
    folder = Path(draft.root / job["source_dir"])
    if not folder.is_dir():
        near = (
            [p.relative_to(draft.root).as_posix() for p in folder.parent.glob("*/")] if folder.parent.is_dir() else []
        )
        draft.wrong(
            ("job", "source_dir"), f"there is no folder {job['source_dir']!r}{nearest(job['source_dir'], near)}"
        )
        return None
    for key in ("entry_script", "requirements"):
        if job[key] is None:
            if key == "entry_script" and job["launch"] != Launch.IMAGE.value:
                draft.wrong(("job", key), "is missing: name the script to start", missing=True)
        elif not (folder / job[key]).is_file():
            near = [name for name, _ in source.files(folder)]
            draft.wrong(("job", key), f"there is no file {job[key]!r} in {job['source_dir']}{nearest(job[key], near)}")
    return folder


def _cross_checks(draft: Draft, values: Mapping[str, Any]) -> None:
    """What no schema can say: one section's values that must fit another's."""
    for position, metric in enumerate(values["job"]["metrics"]):
        path = ("job", "metrics", position, "regex")
        try:
            if re.compile(metric["regex"]).groups < 1:
                draft.wrong(path, "has no group: put brackets around the part that is the value")
        except re.error as error:
            draft.wrong(path, f"is not a regular expression: {error}")
    metrics = [metric["name"] for metric in values["job"]["metrics"]]
    for section in (("objective",), ("stop", "until")):
        node = values[section[0]] if section[0] not in draft.bad else None
        node = node["until"] if node and section[1:] else node
        if node is not None and node["metric"] not in metrics:
            hint = nearest(node["metric"], metrics) or _there_is(metrics)
            draft.wrong((*section, "metric"), f"{node['metric']!r} is not one of job.metrics{hint}")


# -- freezing ---------------------------------------------------------------------------------------------------


def apply(config: DictConfig, values: Mapping[str, Any]) -> None:
    """Set these values as Hydra's own composition would."""
    for key, value in values.items():
        if key == ROUND:
            continue  # tells repeats apart, and is no parameter
        OmegaConf.update(config, key, value, merge=True, force_add=True)


def _freeze(
    draft: Draft, values: Mapping[str, Any], blocks: Sequence[Axis], parts: Sequence[Part], folder: Path | None
) -> Sweep:
    try:
        source_digest = source.digest(folder) if folder else ""
    except source.SourceError as error:
        draft.wrong(("job", "source_dir"), str(error))
        refuse(draft.problems)
    locked = values["locked"]
    compositions = Compositions(draft, digest(locked))
    groups = _groups(draft, blocks)
    _groups_keep_the_rest(draft, blocks, compositions, groups)
    swept = tuple(dict.fromkeys(key for axis in blocks for key in axis.block.keys if key not in groups))

    def leaves(chosen: Mapping[str, Any]) -> Leaves:
        return identity_leaves(compositions.of(chosen), locked, source_digest or None, swept)

    space = _space(
        draft,
        parts,
        groups,
        leaves,
    )
    settings = {f.name: values["engine"][f.name] for f in fields(EngineSettings) if f.name in values["engine"]}
    objective = values["objective"]
    trials, search = _optuna(draft, values, leaves({}))
    return Sweep(
        name=values["name"],
        locked=locked,
        locked_digest=digest(locked),
        digest=digest([plain(draft.config), source_digest]),
        source_digest=source_digest,
        trials=trials or space,
        search=search,
        resolve=Resolve(compositions, groups),
        engine=EngineKind(values["engine"]["kind"]),
        backend=BackendKind(values["backend"]["kind"]),
        engine_options=values["engine"],
        engine_settings=EngineSettings(**settings),
        owner=values["owner"],
        metrics=tuple(MetricDefinition(m["name"], m["regex"]) for m in values["job"]["metrics"]),
        objective=Objective(objective["metric"], Goal(objective["goal"])) if objective else None,
        stop=stop.rules(values["stop"]),
        pool=PoolSettings(**values["pool"]),
        on_failure={k: v for k, v in values["on_failure"].items() if v is not None},
        composed={**values, "sweep": plain(draft.config.sweep)},
        project=str(draft.root),
        prev=tuple(_prev_keys(draft, blocks)),
        warnings=_warnings(values, space),
    )


def _optuna(
    draft: Draft, values: Mapping[str, Any], leaves: Leaves
) -> tuple[OptunaTrials | None, Callable[[Chain], Search] | None]:
    """The trials and the search of `sweep.optuna`; nothing without one."""
    settings, goal = draft.optuna, values["objective"]
    if settings is None:
        return None, None
    if goal is None:
        draft.wrong(("sweep", "optuna"), "needs an objective, which says what is better")
        refuse(draft.problems)
    objective = Objective(goal["metric"], Goal(goal["goal"]))
    try:
        study(settings, objective)
    except ImportError as error:
        needed = error.name or "optuna"
        install = "sweeper[optuna]" if needed == "optuna" else needed
        draft.wrong(("sweep", "optuna"), f"needs {needed}, which is not installed: pip install {install!r}")
        refuse(draft.problems)
    keys = tuple(settings.of)
    trials = OptunaTrials(settings.count, keys, Base(leaves, keys))

    def search(chain: Chain) -> Search:
        made = OptunaSearch(settings, trials, objective)
        made.learn(chain)
        return made

    return trials, search


def _prev_keys(draft: Draft, blocks: Sequence[Axis]) -> list[str]:
    rows = {
        str(number): dict(row)
        for number, row in enumerate(row for axis in blocks for row in axis.block.rows[:MOST_ROWS])
    }
    return prev_keys({**{s: v for s, v in _sections(draft).items() if s in FREE}, "swept": rows})


def _space(draft: Draft, parts: Sequence[Part], groups: frozenset[str], leaves: Bases) -> Space:
    try:
        return Space(parts, leaves, groups)
    except RuleFailedError as error:
        draft.wrong(error.rule.place, str(error))
        refuse(draft.problems)
        raise


def _warnings(values: Mapping[str, Any], space: Space) -> tuple[str, ...]:
    said = [f"{line}: only the first counts" for line in space.duplicates]
    said += [f"{dotted(rule.place)}: {rule.text} matches nothing" for rule, count in space.excluded if count == 0]
    keep_alive = values["pool"]["keep_alive_s"]
    if isinstance(keep_alive, int) and 0 < keep_alive < 60:
        said.append(f"pool.keep_alive_s is {keep_alive}: a pool may be gone before the next job reaches it")
    return tuple(said)


class Compositions:
    """The composed configuration for each choice of config group options: one Hydra composition per choice."""

    def __init__(self, draft: Draft, locked_digest: str) -> None:
        self._draft = draft
        self._locked_digest = locked_digest
        self._known: dict[tuple[tuple[str, Any], ...], DictConfig] = {(): draft.config}

    def of(self, chosen: Mapping[str, Any]) -> DictConfig:
        """The configuration under these options. Do not change it: copy it."""
        key = tuple(chosen.items())
        if key not in self._known:
            self._known[key] = self._compose(chosen)
        return self._known[key]

    def _compose(self, chosen: Mapping[str, Any]) -> DictConfig:
        draft = self._draft
        fixed = [
            str(o.input_line) for o in draft.overrides if not o.is_sweep_override() and o.key_or_group not in chosen
        ]
        added = {o.key_or_group for o in draft.overrides if o.is_add()}
        known = draft.choices.keys() - added
        options = [f"{'' if group in known else '+'}{group}={option}" for group, option in chosen.items()]
        try:
            composed = draft.loader.load_sweep_config(draft.composed, [*fixed, *options])
        except HydraException as error:
            first = (str(error) or str(error.__cause__)).splitlines()[0]
            raise UsageError(f"{', '.join(options)}: {first}") from None
        return Draft(composed, draft.loader, draft.overrides, draft.root).config


def _groups(draft: Draft, blocks: Sequence[Axis]) -> frozenset[str]:
    keys = [key for axis in blocks for key in axis.block.keys]
    return frozenset(key for key in keys if draft.loader.get_group_options(key))


def _groups_keep_the_rest(
    draft: Draft, blocks: Sequence[Axis], compositions: Compositions, groups: frozenset[str]
) -> None:
    """An option of a swept config group may change only what may vary: above all not the locked section."""
    rest = [str(section) for section in draft.config if section not in (*FREE, "sweep", "name", *groups)]
    for axis in blocks:
        for key in groups.intersection(axis.block.keys):
            for option in dict.fromkeys(row[key] for row in axis.block.rows if key in row):
                other = compositions.of({key: option})
                for section in rest:
                    _same(draft, axis, key, option, section, other)
    refuse(draft.problems)


def _same(draft: Draft, axis: Axis, key: str, option: Any, section: str, other: DictConfig) -> None:
    before = dict(flatten(read(draft.config, section)[0], (section,)))
    after = dict(flatten(read(other, section)[0] if section in other else None, (section,)))
    changed = [path for path in {**before, **after} if before.get(path) != after.get(path)]
    if changed:
        told = ", ".join(f"{dotted(p)} ({show(before.get(p))} -> {show(after.get(p))})" for p in changed)
        what = f"option {option} changes {told}: that is one for the whole sweep; write one experiment for each"
        draft.problems.append(Problem(axis.where(draft.origin, key), key, what))


@dataclass(frozen=True)
class Resolve:
    """A trial's complete configuration: the composed base with the trial's values, every interpolation resolved."""

    compositions: Compositions
    groups: frozenset[str]

    def __call__(self, trial: Trial, taken: Mapping[str, Any] = MappingProxyType({})) -> Mapping[str, Any]:
        """Plain `locked`, `job`, `hyperparameters`, `environment` and `dependencies`."""
        chosen = {key: value for key, value in trial.values.items() if key in self.groups}
        config = copy.deepcopy(self.compositions.of(chosen))
        apply(config, {key: value for key, value in trial.values.items() if key not in self.groups})
        try:
            with handing_over(taken):
                resolved = {s: _container(config, s) for s in (*FREE, "locked") if s in config and s != "vars"}
        except OmegaConfBaseException as error:
            raise UsageError(f"trial {trial.name}: {str(error).splitlines()[0]}") from None
        inputs = {channel: where for channel, where in resolved["job"]["inputs"].items() if where is not None}
        return {
            **resolved,
            "job": {**resolved["job"], "inputs": inputs},
            "environment": environment_text(resolved["environment"]),
        }


def _container(config: DictConfig, section: str) -> Any:
    return OmegaConf.to_container(config[section], resolve=True, throw_on_missing=True)
