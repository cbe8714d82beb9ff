"""Several experiments in one command: their names and overrides, each composed before anything of any is sent."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from sweeper.config import project
from sweeper.config.guest import Composed, compose
from sweeper.config.problems import COMMAND_LINE, KeyPath, Problem, dotted, nearest, refuse, shown
from sweeper.config.project import SUITE
from sweeper.config.reading import load, marks
from sweeper.errors import Fault, UsageError

_FOR_ONE = re.compile(r"([\w-]+):(.+)", re.DOTALL)
_KEYS = ("experiment", "overrides")


@dataclass(frozen=True)
class Entry:
    """One experiment of a suite. `where` it stands: `file:line:col`, or the command line."""

    experiment: str
    overrides: tuple[str, ...] = ()
    where: str = COMMAND_LINE


def entries(words: Sequence[str], root: Path) -> list[Entry]:
    """What these words ask for: names of experiments and of files with a `suite:`, overrides for all or for one.

    Raises UsageError with everything wrong.
    """
    names = [word for word in words if "=" not in word and not word.startswith("~")]
    found = [entry for name in names for entry in _named(name, root)]
    problems = [] if found else [Problem(COMMAND_LINE, "", "sweeper suite needs experiments: sweeper suite A B C")]
    for word in words:
        if word in names:
            continue
        one = _FOR_ONE.fullmatch(word)
        meant = one[1] if one and "=" not in one[1] else None
        known = {entry.experiment for entry in found}
        if meant is not None and meant not in known:
            problems.append(Problem(COMMAND_LINE, word, f"{meant!r} is not in the suite{nearest(meant, known)}"))
        override = one[2] if one and meant is not None else word
        found = [
            replace(entry, overrides=(*entry.overrides, override)) if meant in (None, entry.experiment) else entry
            for entry in found
        ]
    refuse(problems)
    return found


def composed(asked: Sequence[Entry], root: Path) -> list[Composed]:
    """Every experiment composed. Raises UsageError with everything that is wrong with any of them."""
    made: list[Composed] = []
    lines: list[str] = []
    faults: list[Fault] = []
    for entry in asked:
        try:
            made.append(compose(root, entry.experiment, entry.overrides))
        except UsageError as error:
            told = _placed(error, entry)
            lines += [line for line in str(told).splitlines() if line not in lines]
            faults += [fault for fault in told.faults if fault not in faults]
    if lines:
        raise UsageError("\n".join(lines), faults)
    _refuse_twice(asked, made)
    return made


def _named(name: str, root: Path) -> Iterator[Entry]:
    file = root / project.EXPERIMENTS / f"{name}.yaml"
    if not project.is_file(file):
        yield Entry(name)  # who composes it says what is wrong
        return
    content = OmegaConf.to_container(load(file), resolve=False)
    if isinstance(content, dict) and SUITE in content:
        yield from _written(content, file)
    else:
        yield Entry(name)


def _written(content: dict[Any, Any], file: Path) -> Iterator[Entry]:
    """The entries of a file with a `suite:`. Raises UsageError with each mistake and its place."""
    at, problems, found = marks(file), list[Problem](), list[Entry]()

    def where(path: KeyPath) -> str:
        line, column = at.get(path, (1, 1))
        return f"{shown(file)}:{line}:{column}"

    def wrong(path: KeyPath, what: str) -> None:
        problems.append(Problem(where(path), dotted(path), what))

    for key in content.keys() - {SUITE}:
        wrong((key,), "a file with a `suite:` says nothing else; overrides belong to an entry of it")
    listed = content[SUITE]
    if not isinstance(listed, list) or not listed:
        wrong((SUITE,), "must be a list of experiments: [a, {experiment: b, overrides: [KEY=VALUE]}]")
        listed = []
    for number, one in enumerate(listed):
        path: KeyPath = (SUITE, number)
        said = {"experiment": one} if isinstance(one, str) else one
        if not isinstance(said, dict) or not isinstance(said.get("experiment"), str):
            wrong(path, "must be the name of an experiment, or {experiment: NAME, overrides: [KEY=VALUE]}")
            continue
        for key in said.keys() - set(_KEYS):
            wrong((*path, key), f"is not known here{nearest(key, _KEYS)}")
        overrides = said.get("overrides") or []
        if not isinstance(overrides, list) or not all(isinstance(word, str) for word in overrides):
            wrong((*path, "overrides"), "must be a list of texts: [KEY=VALUE]")
            continue
        found.append(Entry(said["experiment"], tuple(overrides), where(path)))
    refuse(problems)
    yield from found


def _placed(error: UsageError, entry: Entry) -> UsageError:
    """The same, with the place of the entry where it speaks of the command line that there is not."""
    if entry.where == COMMAND_LINE:
        return error

    def placed(text: str) -> str:
        return re.sub(rf"^{COMMAND_LINE}(?=: )", lambda _: entry.where, text, flags=re.MULTILINE)

    file, line, column = entry.where.rsplit(":", 2)
    faults = [
        replace(fault, message=placed(fault.message), file=file, line=int(line), column=int(column))
        if fault.message.startswith(COMMAND_LINE)
        else fault
        for fault in error.faults
    ]
    return UsageError(placed(str(error)), faults)


def _refuse_twice(asked: Sequence[Entry], made: Sequence[Composed]) -> None:
    """One sweep is one folder: it cannot be two experiments of a suite."""
    seen: dict[str, Entry] = {}
    problems = []
    for entry, one in zip(asked, made, strict=True):
        before = seen.setdefault(one.sweep.name, entry)
        if before is not entry:
            what = f"is the sweep {one.sweep.name}, as {before.experiment} is; give it another name: name=NAME"
            problems.append(Problem(entry.where, entry.experiment, what))
    refuse(problems)
