"""What is wrong with a configuration, as lines for a person: where, which key, what, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sweeper.errors import Fault, UsageError, remedy_in

COMMAND_LINE = "command line"
MOST_LINES = 50
"""Problems that are told at once; who has more has one mistake that was made again and again."""
MOST_SHOWN = 80
MOST_LETTERS = 100
"""Of a word that is compared with known ones: nobody misspells a longer one."""

KeyPath = tuple[str | int, ...]


def dotted(path: KeyPath) -> str:
    """A path as a person writes it."""
    return ".".join(map(str, path))


def nearest(word: object, known: Iterable[object]) -> str:
    """`; did you mean 'x'?`, or nothing when no known word is near. Small letters and capitals are alike."""
    if len(str(word)) > MOST_LETTERS:
        return ""
    import difflib  # only a mistake needs it

    folded = {str(one).casefold(): str(one) for one in known}
    near = difflib.get_close_matches(str(word).casefold(), folded, 1)
    return f"; did you mean {folded[near[0]]!r}?" if near else ""


def brief(value: object) -> str:
    """A value as it is repeated in a message: the beginning of a long one says which it is."""
    text = repr(value)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}... ({len(text)} characters)"


def shown(path: Path) -> str:
    """A file as it is named in messages: relative to the working directory when it lies below it."""
    try:
        return path.resolve().relative_to(Path.cwd().resolve()).as_posix()
    except ValueError:
        return str(path)


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong. `where` is `file:line:col` or `command line`."""

    where: str
    key: str
    what: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.where, self.key, self.what) if part)

    @property
    def fault(self) -> Fault:
        """The same in parts."""
        file, line, column = [*self.where.rsplit(":", 2), "", ""][:3]
        placed = line.isdigit() and column.isdigit()
        return Fault(
            "configuration",
            str(self),
            file=(file if placed else None if self.where == COMMAND_LINE else self.where) or None,
            line=int(line) if placed else None,
            column=int(column) if placed else None,
            key=self.key or None,
            remedy=remedy_in(self.what),
        )


def refuse(problems: Sequence[Problem]) -> None:
    """Raise all of them at once, when there are any: files by line first, the command line last."""
    told = {str(problem): problem for problem in sorted(problems, key=_place)}
    if told:
        lines, more = list(told)[:MOST_LINES], len(told) - MOST_LINES
        text = "\n".join([*lines, *([f"... and {more} more"] if more > 0 else [])])
        raise UsageError(text, [told[line].fault for line in lines])


def _place(problem: Problem) -> tuple[bool, str, int, int, str]:
    file, line, column = [*problem.where.rsplit(":", 2), "", ""][:3]
    if not (line.isdigit() and column.isdigit()):
        return (True, problem.where, 0, 0, problem.key)
    return (problem.where == COMMAND_LINE, file, int(line), int(column), problem.key)
