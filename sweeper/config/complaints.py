"""Hydra's own complaints as our one line each: what it raised, which override or file it was about, what to do."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException, MissingConfigException

from sweeper.config import project
from sweeper.config.check import findings
from sweeper.config.draft import UnknownKey
from sweeper.config.layers import written
from sweeper.config.locate import GROUP
from sweeper.config.problems import COMMAND_LINE, Problem, dotted, nearest, shown
from sweeper.config.reading import load, marks, text
from sweeper.config.schema import experiment
from sweeper.config.sources import SUFFIX
from sweeper.config.values import plain, say

_TWICE = re.compile(r"(?:Multiple values for )?([^\s.]+?)(?:\. To override| appears more than once)")
MERGING = "while composing config"
UNLIKE = "a list stands where a mapping belongs, or the other way round"
_NOT_THERE = ("Could not override", "Could not delete from config. '")
_WITHIN = re.compile(r"In '?(?P<name>[^':]+)'?: (?P<what>.+)")
"""A complaint about a file: its defaults list, or what it was merged into."""


@dataclass(frozen=True)
class Complaint:
    """What Hydra said, in our words, and the override to leave out to hear what else is wrong."""

    problem: Problem | None = None
    unknown: UnknownKey | None = None
    culprit: str | None = None
    more: Sequence[Problem] = ()


def explain(error: HydraException, overrides: Sequence[str], root: Path) -> Complaint:
    """Hydra's exception as a complaint."""
    text = str(error) or str(error.__cause__ or error.__context__ or "")
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        return _missing(error, overrides, root)
    if (within := _WITHIN.match(text)) and (file := _file(within["name"], root)):
        return _in_file(file, within["what"])
    parsed = {line: OverridesParser.create().parse_override(line) for line in overrides}
    if twice := _TWICE.match(text):
        place = _entry(twice.group(1), overrides, root) or COMMAND_LINE
        what = f"{twice.group(1)} has an option already: write {{override /{twice.group(1)}: OPTION}}"
        return Complaint(Problem(place, "defaults", what))
    culprit = _culprit(text, parsed)
    if culprit is None:
        return Complaint(Problem(COMMAND_LINE, "", _say(error)))
    key = parsed[culprit].key_or_group
    if text.startswith(_NOT_THERE) and "No match in the defaults list" not in text:
        return Complaint(unknown=UnknownKey(key, culprit), culprit=culprit)
    return Complaint(Problem(COMMAND_LINE, culprit, _say(error)), culprit=culprit)


def _in_file(file: Path, said: str) -> Complaint:
    """What is wrong with a file as a whole: its defaults list, or a list where a mapping belongs."""
    found = marks(file)
    if MERGING in said:
        wrong = [(path, what) for path, what in findings(plain(load(file)), experiment()) if path in found]
        path, what = wrong[0] if wrong else ((), UNLIKE)
        return Complaint(Problem(written((file, *found.get(path, (1, 1)))), dotted(path), what))
    what = said[:1].lower() + said[1:]
    first, *more = _overrides_of_nothing(file) or [Problem(_entry_of(file), "defaults", what)]
    return Complaint(first, more=more)


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
        elif kind := _no_file(folder / f"{wanted.removeprefix(GROUP + '/')}{SUFFIX}"):
            what = f"{wanted.removeprefix(GROUP + '/')}{SUFFIX} in {shown(folder)} is {kind}"
    else:
        what = f"there is no option {option!r} of {group or 'the root'}{near}"
    for line in overrides:
        override = OverridesParser.create().parse_override(line)
        if f"{override.key_or_group}/{override.value()}" == wanted:
            culprit = None if override.key_or_group == GROUP else line
            return Complaint(Problem(COMMAND_LINE, line, what), culprit=culprit)
    within = _WITHIN.match(str(error))
    file = _file(within["name"], root) if within else None
    place = _entry(option, overrides, root) or (_entry_of(file, option) if file else COMMAND_LINE)
    return Complaint(Problem(place, "defaults", what))


def _no_file(path: Path) -> str:
    """What stands in the place of a file; nothing when nothing does."""
    try:
        found = path.lstat().st_mode
    except (OSError, ValueError):
        return ""
    if stat.S_ISLNK(found):
        return "a link that leads to no file"
    return "a folder" if stat.S_ISDIR(found) else "no regular file"


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


def _entry_of(file: Path, word: str = "") -> str:
    """Where the defaults list of a file says this word, else where the list stands."""
    found = marks(file)
    lines = text(file).splitlines() if found else []
    entries = [at for path, at in found.items() if path[0] == "defaults" and len(path) > 1]
    named = [at for at in entries if word and re.search(rf"\b{re.escape(word)}\b", lines[at[0] - 1])]
    return written((file, *(named or [found.get(("defaults",), (1, 1))])[0]))


def circle(overrides: Sequence[str], root: Path) -> Complaint:
    """A defaults list that leads back to where it came from: Python has given up following it."""
    folder = root / project.EXPERIMENTS
    chosen = (OverridesParser.create().parse_override(line) for line in overrides)
    start = next((str(o.value()) for o in chosen if o.key_or_group == GROUP), "")
    way = [folder / f"{start}{SUFFIX}"]
    while way[-1] not in way[:-1]:
        following = [folder / f"{Path(str(entry).lstrip('/'))}{SUFFIX}" for entry in _experiments(way[-1])]
        known = [file for file in following if project.is_file(file)]
        if not known:
            return Complaint(Problem(COMMAND_LINE, f"+{GROUP}={start}", "its defaults lists lead back to themselves"))
        way.append(next((file for file in known if file in way), known[0]))
    told = " -> ".join(file.stem for file in way[way.index(way[-1]) :])
    return Complaint(Problem(_entry_of(way[-2], way[-1].stem), "defaults", f"leads back to itself: {told}"))


def _experiments(file: Path) -> list[str]:
    """The experiments that a file starts from."""
    entries = plain(load(file)).get("defaults") or [] if marks(file) else []
    named = [next(iter(e.items())) if isinstance(e, dict) and e else (GROUP, e) for e in entries]
    return [str(option).removeprefix(f"/{GROUP}/") for group, option in named if group.split()[-1].strip("/") == GROUP]


def _file(path: str, root: Path) -> Path | None:
    """The file that Hydra calls so."""
    candidates = [root / "conf" / (path + SUFFIX), project.packaged_conf() / (path + SUFFIX)]
    if path.startswith(GROUP + "/"):
        candidates = [root / project.EXPERIMENTS / (path.removeprefix(GROUP + "/") + SUFFIX)]
    return next((candidate for candidate in candidates if project.is_file(candidate)), None)


def _say(error: HydraException) -> str:
    cause = error.__cause__
    text = _first(error)
    if cause is not None and "Cannot merge" in str(cause):
        return UNLIKE
    if cause is not None and (not text or text.startswith("Error merging override")):
        return say(cause)
    if already := re.match(r"Could not append to config. An item is already at '(.+)'", text):
        return f"is there already: write {already.group(1)}=..."
    return text[:1].lower() + text[1:]


def _first(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else ""
