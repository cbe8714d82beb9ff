"""What must hold of a composed configuration beyond its syntax: each section by its schema, and one with another."""

from __future__ import annotations

import copy
import json
import posixpath
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from sweeper.config import project
from sweeper.config.check import Finding, findings
from sweeper.config.draft import GROUPS, MOST_ROWS, ONE_LOCKED, Draft, apply, section_of, there_is, told
from sweeper.config.locate import GROUP
from sweeper.config.problems import COMMAND_LINE, KeyPath, Problem, brief, dotted, nearest, refuse, shown
from sweeper.config.reading import load
from sweeper.config.schema import SECTIONS, backend_schema, engine_schema, stop_schema, trackers_schema
from sweeper.config.sources import ExperimentSource
from sweeper.config.values import hydra_keys, plain, prev_keys, read
from sweeper.core import stop
from sweeper.core.handover import why_not
from sweeper.core.identity import path_of, within
from sweeper.core.model import EngineKind, Launch, Objective
from sweeper.core.options import Schema, from_section
from sweeper.errors import UsageError
from sweeper.record.source import OURS, Folder, SourceError

Sections = Mapping[str, Any]
MOST_NAME = 100
"""Letters of an option's name that are repeated."""

_CALLED = {
    Launch.TOOLKIT.value: "the sagemaker-training toolkit always calls a script with --name value",
    Launch.IMAGE.value: "an image reads its hyperparameters itself",
}
MOST_NAMES = 5
"""Names of files that a warning tells."""


def experiment_given(draft: Draft) -> None:
    """There is no sweep without an experiment."""
    if GROUP not in draft.choices:
        known = draft.loader.get_group_options(GROUP)
        there = there_is(known) if known else f"; none is in {shown(draft.root / project.EXPERIMENTS)}"
        if not any(GROUP in problem.key for problem in draft.problems):
            draft.problems.append(Problem(COMMAND_LINE, "", f"no experiment given: add +experiment=NAME{there}"))
        refuse(draft.problems)


def name_of(draft: Draft) -> Any:
    """The experiment's own name: written in its file or on the command line, else the file's stem."""
    option = draft.choices[GROUP]
    if any(o.key_or_group == "name" for o in draft.line):
        return plain(draft.config)["name"]
    sources = (s for s in draft.loader.get_sources() if isinstance(s, ExperimentSource))
    file = next((file for s in sources if (file := s.file(f"{GROUP}/{option}"))), None)
    own = load(file)._get_node("name") if file else None
    return plain(own._value()) if own is not None and own._value() is not None else Path(option).name


def sections(draft: Draft) -> dict[str, Any]:
    """Every section of the first trial, resolved and checked against its schema."""
    first = copy.deepcopy(draft.config)
    for axis in draft.axes:
        row = axis.block.rows[0]
        apply(first, {k: v for k, v in row.items() if not draft.is_group(k) and not k.startswith("locked")})
    values: dict[str, Any] = {}
    for section in draft.sections:
        if section == "sweep":
            continue
        values[section], unresolved = read(first, section)
        draft.note(unresolved)
        try:
            shape = _shape(section, values[section])
        except UsageError as error:  # a kind that there is not
            draft.wrong((section, "kind") if section in GROUPS else (section,), str(error))
            continue
        if shape is None:
            _other_section(draft, section)
            continue
        if section in GROUPS and isinstance(values[section], str):
            draft.wrong((section,), _chosen(section, values[section]))
            continue
        broken = {path for path, _ in unresolved}
        found = findings(values[section], shape, (section,))
        if section == "stop" and not found:
            found = [*_unusable(values[section])]
        draft.note([(path, what) for path, what in found if path not in broken])
    return values


def _shape(section: str, value: Any) -> Schema | None:
    kind = value.get("kind") if isinstance(value, Mapping) else None
    if section == "engine":
        return engine_schema(kind)
    if section == "stop":
        return stop_schema(value)
    if section == "trackers" and isinstance(value, Mapping):
        return trackers_schema(value)
    return backend_schema(kind) if section == "backend" else SECTIONS.get(section)


def _unusable(section: Mapping[str, Any]) -> Iterator[Finding]:
    """The stop rules of a user's own that cannot be used."""
    for path, value in stop.written(section):
        try:
            stop.made(str(path[-1]), value)
        except UsageError as error:
            yield path, str(error)


def _chosen(group: str, option: str) -> str:
    name = option if len(option) < MOST_NAME else "NAME"
    ways = f"{group}={name} on the command line, or `defaults: [{{override /{group}: {name}}}, _self_]`"
    return f"is chosen by its name, not set: write {ways}"


def keys_are_text(draft: Draft) -> None:
    """Every key is text, in swept values too: those of files were looked at when they were read. Raises UsageError."""
    swept = [(key, row[key]) for axis in draft.axes for row in axis.block.rows[:MOST_ROWS] for key in row]
    odd = [*_odd_keys(draft.sections, ()), *(one for key, value in swept for one in _odd_keys(value, (key,)))]
    for path, key in odd:
        what = f"{json.dumps(key)} is a key that is no text: only a file can say it, in quotes"
        draft.problems.append(draft.origin.problem(path, what))
    if odd:
        refuse(draft.problems)


def _odd_keys(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    if isinstance(value, Mapping):
        yield from ((path, key) for key in value if not isinstance(key, str))
        for key, below in value.items():
            yield from _odd_keys(below, (*path, str(key)))
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from _odd_keys(item, (*path, position))


def _other_section(draft: Draft, section: str) -> None:
    """A section that is none of ours must come from a config group of the user's."""
    groups = set(map(section_of, draft.choices))
    if section == GROUP:
        draft.wrong((section,), "is not a section; to start from an experiment list it under defaults")
    elif section not in groups:
        owner = next((name for name, shape in SECTIONS.items() if section in shape.get("properties", {})), None)
        hint = nearest(section, [*SECTIONS, "engine"]) or (f"; it belongs under {owner}" if owner else "")
        draft.wrong((section,), f"is not a section{hint or '; values of your own go under vars'}")


def unknown_keys(draft: Draft) -> None:
    """What Hydra has refused to override, with what was probably meant."""
    for unknown in draft.nowhere:
        draft.problems.append(Problem(COMMAND_LINE, unknown.key, unknown.told(nearest(unknown.key, draft.names))))
    for override in draft.twice:
        draft.problems.append(Problem(COMMAND_LINE, override.key_or_group, "is there already: leave out the +"))


# -- one section with another -----------------------------------------------------------------------------------


def objective_of(values: Sections) -> Objective | None:
    """The declared objective."""
    return from_section(Objective, values["objective"]) if values["objective"] else None


def metrics_fit(draft: Draft, values: Sections) -> None:
    """Regular expressions have a group; what is decided by a metric names one that is read."""
    metrics = [metric["name"] for metric in values["job"]["metrics"]]
    for position, metric in enumerate(values["job"]["metrics"]):
        path = ("job", "metrics", position, "regex")
        try:
            if re.compile(metric["regex"]).groups < 1:
                draft.wrong(path, "has no group: put brackets around the part that is the value")
        except re.error as error:
            draft.wrong(path, f"is not a regular expression: {error}")
    for place, name in _decided_by(draft, values):
        if name not in metrics:
            hint = nearest(name, metrics) or there_is(metrics)
            draft.wrong(place, f"{name!r} is not one of job.metrics{hint}")


def _decided_by(draft: Draft, values: Sections) -> Iterator[tuple[KeyPath, str]]:
    """The metrics that something is decided by, and where they are named."""
    if draft.holds("objective") and values["objective"] is not None:
        yield ("objective", "metric"), values["objective"]["metric"]
    section = values["stop"] if isinstance(values["stop"], Mapping) else {}
    sound = {key: value for key, value in section.items() if draft.holds("stop", key)}
    for path, value in stop.written(sound):
        said = value if isinstance(value, Mapping) else {}
        for name in stop.made(str(path[-1]), value).asks:
            yield (*path, *[key for key, said_so in said.items() if said_so == name][:1]), name


def handover_fits(draft: Draft, values: Sections) -> None:
    """What `${prev:...}` names must be something that a trial hands on."""
    metrics = [metric["name"] for metric in values["job"]["metrics"]]
    for path, leaf in draft.written():
        for key in prev_keys(leaf):
            if path[0] == "locked":
                draft.wrong(path, f"may not depend on the trial before: {ONE_LOCKED}")
            elif what := why_not(key, metrics, objective_of(values)):
                draft.wrong(path, f"${{prev:{key}}}: {what}")


def arguments_fit(draft: Draft, job: Sections) -> None:
    """How a script is called is ours to say only when our driver calls it, and of hyperparameters that there are."""
    launches, every = told(draft, job, "launch"), told(draft, job, "arguments")
    if other := next((launch for launch in launches if launch in _CALLED), None) if any(every) else None:
        draft.wrong(("job", "arguments"), f"is for launch: driver; {_CALLED[other]}")
    keys = [key for axis in draft.axes for key in axis.block.keys]
    if any(map(draft.is_group, keys)):
        return  # an option may bring hyperparameters of its own
    swept = [path_of(key, within(draft.sections))[1] for key in keys if key.startswith("hyperparameters.")]
    known = [*(given if isinstance(given := draft.sections["hyperparameters"], Mapping) else ()), *swept]
    for name in dict.fromkeys(name for styles in every if isinstance(styles, Mapping) for name in styles):
        if name not in known:
            draft.wrong(("job", "arguments", name), f"is not a hyperparameter{nearest(name, known)}")


def images_run(draft: Draft, values: Sections) -> None:
    """The local engine runs no image: what it is to run instead has to be said, or every such trial would fail."""
    engine, job = values["engine"], values["job"]
    launches, images = told(draft, job, "launch"), set(told(draft, job, "image_uri"))
    if EngineKind(engine["kind"]).on_aws or Launch.IMAGE.value not in launches:
        return
    known = engine.get("images") or {}
    if other := next((image for image in sorted(images) if not any(fnmatchcase(image, p) for p in known)), None):
        instead = f"engine: {{images: {{{other!r}: [COMMAND]}}}}"
        what = f"image: the local engine runs no image: write what it is to run instead, {instead}, or take engine=aws"
        draft.wrong(("job", "launch"), what)


def hydra_tells(draft: Draft) -> None:
    """What `${hydra:...}` names must be there: there is no job of Hydra's, nor its number, and Hydra is silent then."""
    for path, leaf in draft.written():
        for key in hydra_keys(leaf):
            with suppress(OmegaConfBaseException, RecursionError):  # that one has been told
                if OmegaConf.select(draft.composed, f"hydra.{key}") is None:
                    draft.wrong(path, f"${{hydra:{key}}} is nothing here, where no job of Hydra's runs: leave it out")


# -- files ------------------------------------------------------------------------------------------------------


def source_folder(draft: Draft, job: Sections) -> Folder | None:
    """The folder with the code, when it and the files named in it are there."""
    starts_script = job["launch"] != Launch.IMAGE.value
    if job["source_dir"] is None:
        if starts_script:
            draft.wrong(("job", "source_dir"), f"is missing: launch {job['launch']} starts a script", missing=True)
        return None
    folder = _folder(draft, ("job", "source_dir"), job["source_dir"], job)
    if folder is not None:
        folder = replace(folder, most_mb=job["max_source_mb"])
    names = _names(draft, folder) if folder else None
    if folder is None or names is None:
        return None
    for key in ("entry_script", "requirements"):
        if job[key] is None:
            if key == "entry_script" and starts_script:
                draft.wrong(("job", key), "is missing: name the script to start", missing=True)
        elif Path(job[key]).is_absolute() or ".." in Path(job[key]).parts:
            draft.wrong(("job", key), f"{brief(job[key])} leads out of source_dir: name a file in {job['source_dir']}")
        elif not project.is_file(folder.path / job[key]):
            near = nearest(job[key], names)
            draft.wrong(("job", key), f"there is no file {brief(job[key])} in {job['source_dir']}{near}")
        elif posixpath.normpath(job[key]) not in names:
            what = f"{job[key]!r} is not sent: an ignore file or its name leaves it out; write !{job[key]} into {OURS}"
            draft.wrong(("job", key), what)
    return folder


def input_folders(draft: Draft, job: Sections) -> dict[tuple[str, ...], Folder]:
    """The channels that are folders of this machine, by the path of their key."""
    found: dict[tuple[str, ...], Folder] = {}
    for channel, where in job["inputs"].items():
        if where is not None and "://" not in where:
            folder = _folder(draft, ("job", "inputs", channel), where, job)
            if folder is not None:
                found["job", "inputs", channel] = replace(folder, data=True, most_mb=job["max_input_mb"])
    return found


def _folder(draft: Draft, path: tuple[str, ...], where: str, job: Sections) -> Folder | None:
    folder = draft.root / where
    if project.is_dir(folder):
        found = Folder(folder, draft.root)
        if not found.outside or job["allow_outside_project"]:
            return found
        what = f"{where!r} lies outside of the project {draft.root}: all of it would be sent; "
        draft.wrong(path, what + "move it in, or set job.allow_outside_project=true")
        return None
    beside = folder.parent.iterdir() if project.is_dir(folder.parent) else iter(())
    near = [p.relative_to(draft.root).as_posix() for p in beside if p.is_dir() and p.is_relative_to(draft.root)]
    draft.wrong(path, f"there is no folder {brief(where)}{nearest(where, near)}")
    return None


def _names(draft: Draft, folder: Folder) -> list[str] | None:
    """The files of the source; None when one of them cannot be staged."""
    try:
        return [name for name, _ in folder.files()]
    except (SourceError, OSError) as error:
        draft.wrong(("job", "source_dir"), str(error))
        return None


def digest_of(draft: Draft, path: tuple[str, ...], folder: Folder) -> str:
    """The digest of a folder's files; a file that cannot be staged is a problem of the key that names the folder."""
    try:
        found = folder.digest()
    except (SourceError, OSError) as error:
        draft.wrong(path, str(error))
        return ""
    if folder.secrets:
        named = ", ".join(sorted(folder.secrets)[:MOST_NAMES]) + (", ..." if len(folder.secrets) > MOST_NAMES else "")
        draft.warnings.append(f"{dotted(path)}: not sent, as the names say that they are secret: {named}")
    return found
