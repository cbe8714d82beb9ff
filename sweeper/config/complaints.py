"""Hydra's own complaints as our one line each: what it raised, which override or file it was about, what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException, MissingConfigException

from sweeper.config import project
from sweeper.config.draft import UnknownKey
from sweeper.config.locate import GROUP
from sweeper.config.problems import COMMAND_LINE, Problem, brief, nearest, shown
from sweeper.config.reading import load, marks, text
from sweeper.config.sources import CHAIN, PARAMS, SUFFIX, hydras
from sweeper.config.values import UNREAD, say
from sweeper.core.identity import path_of

_NOT_THERE = ("Could not override", "Could not delete from config. '")
_WITHIN = re.compile(r"In '?(?P<name>[^':]+)'?: (?P<what>.+)")
"""A complaint about the defaults list of a file."""
_KEY = re.compile(r"(\+\+?|~)?[\w$./@:-]+")


@dataclass(frozen=True)
class Complaint:
    """What Hydra said, in our words, and the override to leave out to hear what else is wrong."""

    problem: Problem | None = None
    unknown: UnknownKey | None = None
    culprit: str | None = None
    more: Sequence[Problem] = ()


def before(overrides: Sequence[str]) -> tuple[list[str], list[UnknownKey], list[Problem]]:
    """The overrides that Hydra may see, those that it would take for something else, what is wrong with the others."""
    parser = OverridesParser.create()
    kept: list[str] = []
    kept_back: list[UnknownKey] = []
    problems: list[Problem] = []
    for line in overrides:
        try:
            override = parser.parse_override(line)
        except HydraException as error:
            problems.append(Problem(COMMAND_LINE, line, unread(line, _first(error))))
            continue
        what = _refused(override)
        if what:
            problems.append(Problem(COMMAND_LINE, line, what))
        elif not override.is_sweep_override() and _is_distribution(override.key_or_group):
            kept_back.append(UnknownKey(override.key_or_group, line))
        else:
            kept.append(line)
    return kept, kept_back, problems


def _is_distribution(key: str) -> bool:
    """True for a distribution's name that has dots, which Hydra would take apart."""
    return len(path_of(key, lambda _: False)) < len(key.split("."))


def unread(line: str, said: str) -> str:
    """Why a word is not `KEY=VALUE` in Hydra's grammar, whose parser has words of its own for it (`said`)."""
    key, equals, value = line.partition("=")
    if not equals and not key.startswith("~"):
        return "is not KEY=VALUE"
    if not _KEY.fullmatch(key):
        return f"{brief(key)} is no key: a key is words with dots between them"
    plain = re.sub(r"\\.", "", value)
    if any(plain.count(sign) % 2 for sign in "'\""):
        return "a quote is opened and not closed"
    if any(plain.count(opened) != plain.count(closed) for opened, closed in ("()", "[]", "{}")):
        return "a bracket is opened and not closed, or closed and not opened"
    if "${" in plain:
        return UNREAD
    if not key or not plain:
        return f"cannot be read: {said}"
    return f"{brief(value)} cannot be read: write it in quotes, inside those of the shell: '{key}=\"...\"'"


def _refused(override: Override) -> str:
    key = override.key_or_group
    parts = re.split(r"[./]", key)
    if (parts[0] == "hydra" and tuple(key.split(".")[:3]) != PARAMS) or hydras(override.package or ""):
        if parts[1:2] and parts[1] in CHAIN:
            return "cannot be set: an experiment is always run as a chain, so that its pool is always released"
        return "cannot be set: of hydra only sweeper.params is read"
    if key != GROUP:
        return ""
    if override.is_sweep_override():
        return "one sweep is one experiment: run them one after another"
    if not override.is_add():
        return f"write +{GROUP}={override.value()}"
    return ""


def explain(error: HydraException, overrides: Sequence[str], root: Path) -> Complaint:
    """Hydra's exception as a complaint."""
    text = str(error) or str(error.__cause__ or error.__context__ or "")
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        return _missing(error, overrides, root)
    if (within := _WITHIN.match(text)) and (file := _file(within["name"], root)):
        first, *more = _overrides_of_nothing(file) or [_in_defaults(file, within["what"])]
        return Complaint(first, more=more)
    parsed = {line: OverridesParser.create().parse_override(line) for line in overrides}
    culprit = _culprit(text, parsed)
    if culprit is None:
        return Complaint(Problem(_file_named(text, root), "", _say(error)))
    key = parsed[culprit].key_or_group
    if text.startswith(_NOT_THERE) and "No match in the defaults list" not in text:
        return Complaint(unknown=UnknownKey(key, culprit), culprit=culprit)
    return Complaint(Problem(COMMAND_LINE, culprit, _say(error)), culprit=culprit)


def _in_defaults(file: Path, what: str) -> Problem:
    line, column = marks(file).get(("defaults",), (1, 1))
    return Problem(f"{shown(file)}:{line}:{column}", "defaults", what[:1].lower() + what[1:])


def _overrides_of_nothing(file: Path) -> list[Problem]:
    """The entries of a file's defaults list that override a group of which no option was chosen before."""
    entries = [entry for path in (project.packaged_conf() / f"config{SUFFIX}", file) for entry in _defaults(path)]
    chosen = {group for _, group, overrides in entries if not overrides}
    found = []
    for position, group, overrides in _defaults(file):
        if overrides and group not in chosen:
            line, column = marks(file).get(("defaults", position), (1, 1))
            what = f"override /{group}: no option of {group!r} was chosen before: leave out the word override"
            found.append(Problem(f"{shown(file)}:{line}:{column}", "defaults", what))
    return found


def _defaults(file: Path) -> Iterator[tuple[int, str, bool]]:
    """The groups of a defaults list: the position of each, its name, and whether its entry overrides."""
    for position, entry in enumerate(load(file).get("defaults") or []):
        for key in entry if isinstance(entry, Mapping) else ():
            words = str(key).split()
            yield position, words[-1].lstrip("/").partition("@")[0], "override" in words[:-1]


def _culprit(text: str, parsed: dict[str, Override]) -> str | None:
    """The override that a message is about: it names the line, or else its key in quotes."""
    first = text.splitlines()[0] if text else ""
    by_line = [line for line in parsed if line in text]
    by_key = [line for line, override in parsed.items() if f"'{override.key_or_group}'" in first]
    by_word = [line for line, o in parsed.items() if re.search(rf"\b{re.escape(o.key_or_group)}\b", first)]
    return next(iter(sorted(by_line, key=len, reverse=True) or by_key or by_word), None)


def _missing(error: MissingConfigException, overrides: Sequence[str], root: Path) -> Complaint:
    """An option of a config group that does not exist: chosen on the command line, or in a defaults list."""
    wanted = str(error.missing_cfg_file)
    group, _, option = wanted.rpartition("/")
    options = list(error.options or ())
    near = nearest(option, options) or (f"; there is {', '.join(options)}" if options else "")
    if group == GROUP or group.startswith(GROUP + "/"):
        folder = root / project.EXPERIMENTS
        what = f"there is no experiment {wanted.removeprefix(GROUP + '/')!r} in {shown(folder)}{near}"
        if not project.is_dir(folder):
            what = f"there is no folder {shown(folder)}: run sweeper inside your project or set {project.VARIABLE}"
        elif project.is_file(other := folder / f"{wanted.removeprefix(GROUP + '/')}.yml"):
            what = f"{shown(other)} must be named {SUFFIX[1:]}: rename it to {other.stem}{SUFFIX}"
    else:
        what = f"there is no option {option!r} of {group or 'the root'}{near}"
    for line in overrides:
        override = OverridesParser.create().parse_override(line)
        if f"{override.key_or_group}/{override.value()}" == wanted:
            culprit = None if override.key_or_group == GROUP else line
            return Complaint(Problem(COMMAND_LINE, line, what), culprit=culprit)
    place = _entry(option, overrides, root) or _file_named(str(error), root, option)
    return Complaint(Problem(place, "defaults", what))


def _entry(option: str, overrides: Sequence[str], root: Path) -> str:
    """The defaults list entry of an experiment that names this option: the experiment that runs is asked first."""
    folder = root / project.EXPERIMENTS
    chosen = [OverridesParser.create().parse_override(line) for line in overrides]
    first = [folder / f"{o.value()}{SUFFIX}" for o in chosen if o.key_or_group == GROUP]
    for file in [*first, *sorted(folder.rglob("*" + SUFFIX))]:
        lines = text(file).splitlines() if marks(file) else []
        for path, (line, column) in marks(file).items():
            if path[0] == "defaults" and len(path) > 1 and re.search(rf"\b{re.escape(option)}\b", lines[line - 1]):
                return f"{shown(file)}:{line}:{column}"
    return ""


def _file_named(said: str, root: Path, word: str = "") -> str:
    """The place of a defaults list entry that Hydra complains about: `In 'experiment/x': ...`."""
    named = re.search(r"In '([^']+)'", said)
    if not named:
        return COMMAND_LINE
    file = _file(named.group(1), root)
    if file is None:
        return named.group(1)
    found = marks(file)
    lines = text(file).splitlines() if found else []
    for place, (line, column) in found.items():
        if place[:1] == ("defaults",) and len(place) == 2 and word and word in lines[line - 1]:
            return f"{shown(file)}:{line}:{column}"
    line, column = found.get(("defaults",), (1, 1))
    return f"{shown(file)}:{line}:{column}"


def _file(path: str, root: Path) -> Path | None:
    """The file that Hydra calls so."""
    candidates = [root / "conf" / (path + SUFFIX), project.packaged_conf() / (path + SUFFIX)]
    if path.startswith(GROUP + "/"):
        candidates = [root / project.EXPERIMENTS / (path.removeprefix(GROUP + "/") + SUFFIX)]
    return next((candidate for candidate in candidates if project.is_file(candidate)), None)


def _say(error: HydraException) -> str:
    cause = error.__cause__
    text = _first(error)
    if cause is not None and (not text or text.startswith("Error merging override")):
        return say(cause)
    return text[:1].lower() + text[1:]


def _first(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else ""
