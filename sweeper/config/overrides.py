"""What a word of the command line may say: read as Hydra reads it, and refused in words of ours where it may not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import MISSING

from sweeper.config import project
from sweeper.config.draft import GROUPS, UnknownKey
from sweeper.config.locate import GROUP
from sweeper.config.problems import COMMAND_LINE, Problem, brief
from sweeper.config.schema import SECTIONS
from sweeper.config.sources import CHAIN, PARAMS, hydras
from sweeper.config.values import UNREAD
from sweeper.core.identity import path_of

OPEN = (
    "hyperparameters.",
    "environment.",
    "dependencies.",
    "vars.",
    "request.",
    "job.inputs.",
    "sweep.",
    "on_failure.",
    "prices.usd_per_hour.",
)
"""Where the keys are the user's own: one of them may be taken out."""
MOST_LETTERS = 100_000
MOST_REPEATED = 200
_KEY = re.compile(r"(\+\+?|~)?[\w$./@:-]+")


def before(overrides: Sequence[str], root: Path) -> tuple[list[str], list[UnknownKey], list[Problem]]:
    """The overrides that Hydra may see, those that it would take for something else, what is wrong with the others."""
    parser = OverridesParser.create()
    kept: list[str] = []
    kept_back: list[UnknownKey] = []
    problems: list[Problem] = []
    for line in overrides:
        if len(line) > MOST_LETTERS:
            problems.append(Problem(COMMAND_LINE, _cut(line), f"is too long: at most {MOST_LETTERS} characters"))
            continue
        try:
            override = parser.parse_override(line)
        except (HydraException, RecursionError) as error:
            problems.append(Problem(COMMAND_LINE, _cut(line), unread(line, str(error))))
            continue
        what = _refused(override, root)
        if what:
            problems.append(Problem(COMMAND_LINE, _cut(line), what))
        elif not override.is_sweep_override() and _is_distribution(override.key_or_group):
            kept_back.append(UnknownKey(override.key_or_group, line))
        else:
            kept.append(line)
    return kept, kept_back, problems


def _cut(line: str) -> str:
    return line if len(line) <= MOST_REPEATED else f"{line[:MOST_REPEATED]}..."


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
    if function := re.match(r"(Error while evaluating|Unknown function) (.*)", said):
        return f"{function.group(2).splitlines()[0].strip(chr(39))}"
    return f"{brief(value)} cannot be read: write it in quotes, inside those of the shell: '{key}=\"...\"'"


def _refused(override: Override, root: Path) -> str:
    """Why an override may not be made; nothing when it may."""
    key = override.key_or_group
    parts = re.split(r"[./]", key)
    if (parts[0] == "hydra" and tuple(key.split(".")[:3]) != PARAMS) or hydras(override.package or ""):
        if parts[1:2] and parts[1] in CHAIN:
            return "cannot be set: an experiment is always run as a chain, so that its pool is always released"
        return "cannot be set: of hydra only sweeper.params is read"
    if override.is_delete():
        return _deleted(key)
    if key != GROUP:
        return _no_option(override, root)
    if override.is_sweep_override():
        return "one sweep is one experiment: run them one after another"
    if not _is_name(override.value()):
        return f"name one experiment: +{GROUP}=NAME, a file of {project.EXPERIMENTS}/"
    return "" if override.is_add() else f"write +{GROUP}={override.value()}"


def _is_name(value: object) -> bool:
    """What can name an option. Hydra asks a resolver before it knows what there is, and trips over what is no text."""
    return isinstance(value, str) and value not in ("", MISSING) and not re.search(r"\$\{[^}]*:", value)


def _deleted(key: str) -> str:
    section = key.split(".")[0]
    if section not in {*SECTIONS, *GROUPS, GROUP} or any(key.startswith(place) for place in OPEN):
        return ""
    if "." not in key:
        return f"cannot be taken out: every sweep has it; set what is in it, as {key}.KEY=null"
    return f"cannot be taken out: every sweep has it; set it, as {key}=null"


def _no_option(override: Override, root: Path) -> str:
    """Why this is no option of a config group: Hydra takes a name, or several of them."""
    key = override.key_or_group
    if override.is_sweep_override() or "." in key:
        return ""
    if key not in GROUPS and not project.is_dir(root / "conf" / key):
        return ""
    value = override.value()
    if _is_name(value):
        return ""
    if isinstance(value, list) and key not in GROUPS and value and all(isinstance(one, str) for one in value):
        return ""
    return f"{brief(value)} is no option of {key}: name one"
