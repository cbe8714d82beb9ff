"""`sweeper init`: a project to begin with, or an experiment made of what another tool was told."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from sweeper.commands import making, written_from
from sweeper.commands.parsing import Parser
from sweeper.commands.say import relative, tell
from sweeper.config import templates


def main(arguments: Sequence[str]) -> int:
    """Make what is not there yet; returns the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.folder and (options.from_job or options.file):
        parser.error(f"--from{'-job' if options.from_job else ''} writes into this project: leave DIR out")
    if options.from_job and options.file:
        parser.error("--from and --from-job: one at a time")
    goes = {"name": "--from or --from-job"} if not (options.file or options.from_job) else {}
    goes |= {} if options.from_job else {"region": "--from-job", "profile": "--from-job"}
    if given := [flag for flag in goes if getattr(options, flag)]:
        parser.error(f"--{given[0]}: goes with {goes[given[0]]}")
    if options.from_job:
        written_from.training_job(options)
    elif options.file:
        written_from.other_tool(options.file, options.name)
    else:
        _skeleton((options.folder or Path()).resolve())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="sweeper init",
        description="A project to begin with: a first experiment, its script, and what git leaves alone. With --from: "
        "an experiment made of what another tool was told. With --from-job: an experiment whose only trial sends the "
        "same request. What is there already is never overwritten.",
    )
    parser.add_argument("folder", nargs="?", type=Path, metavar="DIR", help="where; default: here")
    parser.add_argument(
        "--from",
        dest="file",
        type=Path,
        metavar="FILE",
        help="a W&B sweep.yaml, a configuration with hydra.sweeper, an AMT request (JSON), or a Python script or "
        "notebook with a ModelTrainer, an Estimator or a Ray Tuner, which is read and not run",
    )
    parser.add_argument("--from-job", metavar="JOB", help="write the experiment that this training job is a trial of")
    parser.add_argument("--name", metavar="EXPERIMENT", help="what it is called; default: as the file or the job")
    parser.add_argument("--engine", choices=["aws", "local"], default="aws", help="where that job is; default: aws")
    parser.add_argument("--region", help="the AWS region of it")
    parser.add_argument("--profile", help="the AWS profile")
    return parser


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
