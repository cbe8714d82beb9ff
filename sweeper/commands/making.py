"""Making the files of a new experiment: nothing that is there is touched, and what to type next is said."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from sweeper.commands.own_folders import own_folders
from sweeper.commands.say import relative, tell
from sweeper.config import project
from sweeper.config.problems import Problem, refuse, shown
from sweeper.config.templates import NewFile
from sweeper.record.atomic import write_atomically

IGNORED = ("runs/", ".sweeper/")
"""What git is to leave alone in a project."""


def made(root: Path, files: Sequence[NewFile]) -> None:
    """Write these files, and what a project needs besides. Raises UsageError for those that are there already."""
    taken = [root / file.place for file in files if os.path.lexists(root / file.place)]
    refuse([Problem(shown(path), "", "is there already, and nothing is overwritten") for path in taken])
    own_folders(root)
    for file in files:
        write(root, file)


def write(root: Path, file: NewFile) -> None:
    """Write one new file, and say so."""
    path = root / file.place
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as new:  # never one that somebody has made in between
        new.write(file.content)
    tell(f"wrote {relative(path)}")


def ignore(root: Path) -> str:
    """Have git leave alone what runs write; says what was done. Lines that are there are kept."""
    path = root / ".gitignore"
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    known = {line.strip().strip("/") for line in before.splitlines()}
    missing = [line for line in IGNORED if line.strip("/") not in known]
    if not missing:
        return ""
    start = before if before.endswith("\n") or not before else before + "\n"
    write_atomically(path, start + "".join(f"{line}\n" for line in missing))
    return f"{'added to' if before else 'wrote'} {relative(path)}: {' '.join(missing)}"


def tell_next(root: Path, name: str, *before: tuple[str, str]) -> None:
    """Say what to type next, in two columns; `before`: what comes first, and what it is for."""
    steps = [
        *([(f"cd {relative(root)}", "")] if root != project.here() else []),
        *before,
        (f"sweeper plan +experiment={name}", "what it would do; nothing is sent"),
        (f"sweeper +experiment={name}", "train on this machine; engine=aws: on SageMaker"),
    ]
    width = max(len(step) for step, _ in steps)
    tell("\nnext:")
    tell("".join(f"  {f'{step:<{width}}  {about}'.rstrip()}\n" for step, about in steps), end="")
