"""`sweeper init`: a project to begin with, or an experiment made of what another tool was told."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from sweeper.commands import making
from sweeper.commands.say import relative, tell
from sweeper.config import templates


def main(arguments: Sequence[str]) -> int:
    """Make what is not there yet; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="sweeper init",
        description="A project to begin with: a first experiment, its script, and what git leaves alone. What is "
        "there already is never overwritten.",
    )
    parser.add_argument("folder", nargs="?", type=Path, metavar="DIR", help="where; default: here")
    options = parser.parse_args(arguments)
    _skeleton((options.folder or Path()).resolve())
    return 0


def _skeleton(root: Path) -> None:
    """The smallest experiment and its script, where they are not there yet."""
    root.mkdir(parents=True, exist_ok=True)
    files = templates.named(templates.FIRST, templates.FIRST)
    there = [file for file in files if (root / file.place).exists()]
    for file in there:
        tell(f"{relative(root / file.place)} is there already")
    making.made(root, [file for file in files if file not in there])
    if said := making.ignore(root):
        tell(said)
    making.tell_next(root, templates.FIRST)
