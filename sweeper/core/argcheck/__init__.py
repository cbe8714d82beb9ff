"""Which hyperparameters can a script receive? Found in its text, without running it. Pure.

Three answers for each: it is read; it is never read; it cannot be told. A name that is said to be never read must be
one: whatever leaves a way open (code that is made, a package that reads the command line) makes it the third answer.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sweeper.core.argcheck import parsers
from sweeper.core.argcheck.command_lines import QUIET, command_lines
from sweeper.core.argcheck.containers import containers
from sweeper.core.argcheck.program import NotToldError, Read, follow
from sweeper.core.argcheck.reads import Reads
from sweeper.core.argcheck.ways_open import ways_open
from sweeper.core.model import Launch


@dataclass(frozen=True)
class Unread:
    """A hyperparameter that a script never reads."""

    name: str
    near: str
    """What the script reads that is nearest to it, as it writes it; empty when nothing is."""


@dataclass(frozen=True)
class Verdict:
    """What became of each name that was asked for."""

    script: str
    read: tuple[str, ...] = ()
    unread: tuple[Unread, ...] = ()
    unknown: tuple[str, ...] = ()
    why: str = ""
    """Why it cannot be told of the unknown ones."""


def check(names: Sequence[str], launch: Launch, entry: str, files: Collection[str], read: Read) -> Verdict:
    """What the script at `entry` reads of these hyperparameters; `files` and `read` are its source."""
    try:
        if launch is Launch.TOOLKIT and "setup.py" in files:
            raise NotToldError("a package with setup.py is started by its name")
        if not entry.endswith(".py"):
            raise NotToldError(f"{entry} is not Python")
        found = _reads(entry, files, read)
    except NotToldError as error:
        return Verdict(entry, unknown=tuple(names), why=str(error))
    seen = tuple(name for name in names if found.reads(name, option(name, launch)))
    rest = [name for name in names if name not in seen]
    if found.why:
        return Verdict(entry, seen, unknown=tuple(rest), why=found.why[0] if rest else "")
    return Verdict(entry, seen, tuple(Unread(name, found.nearest(name)) for name in rest))


def option(name: str, launch: Launch) -> str:
    """How a script gets a hyperparameter on its command line; the toolkit gives a single letter a single dash."""
    return f"-{name}" if launch is Launch.TOOLKIT and len(name) == 1 else f"--{name}"


def _reads(entry: str, files: Collection[str], read: Read) -> Reads:
    program, found = follow(entry, files, read), Reads()
    for look in (parsers.options, command_lines, containers, ways_open):
        look(program, found)
    strangers = sorted(program.foreign - set(QUIET))
    if not found.found and strangers:
        found.why.append(f"{strangers[0]} may read them, which is not looked into")
    return found
