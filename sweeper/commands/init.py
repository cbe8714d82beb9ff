"""`sweeper init`: a project to begin with, or an experiment made of what another tool was told."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from sweeper.commands import making, written_from
from sweeper.commands.say import relative, tell
from sweeper.config import templates


def main(arguments: Sequence[str]) -> int:
    """Make what is not there yet; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="sweeper init",
        description="A project to begin with: a first experiment, its script, and what git leaves alone. What is "
        "there already is never overwritten. With --from-job: an experiment whose only trial sends the same request.",
    )
    parser.add_argument("folder", nargs="?", type=Path, metavar="DIR", help="where; default: here")
    parser.add_argument("--from-job", metavar="JOB", help="write the experiment that this training job is a trial of")
    parser.add_argument("--name", metavar="EXPERIMENT", help="what it is called; default: as the job")
    parser.add_argument("--engine", choices=["aws", "local"], default="aws", help="where that job is; default: aws")
    parser.add_argument("--region", help="the AWS region of it")
    parser.add_argument("--profile", help="the AWS profile")
    options = parser.parse_args(arguments)
    if options.from_job:
        if options.folder:
            parser.error("--from-job writes into this project: leave DIR out")
        written_from.training_job(options)
        return 0
    if given := [flag for flag in ("name", "region", "profile") if getattr(options, flag)]:
        parser.error(f"--{given[0]}: goes with --from-job")
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
