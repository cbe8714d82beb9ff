"""`sweeper export`: what a sweep has come to, in the words of another tool."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sweeper.commands import as_script, sweeps
from sweeper.commands.say import complain, relative, tell
from sweeper.errors import UsageError
from sweeper.record.atomic import write_atomically
from sweeper.record.stored import StoredSweep

Export = Callable[[StoredSweep, str], tuple[str, list[str]]]
FORMS: Mapping[str, Export] = {"model_trainer": as_script.model_trainer}
"""What an export may be: each gives the text of a file for a sweep and a trial, and what it could not say."""


def main(arguments: Sequence[str]) -> int:
    """Write it; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="sweeper export",
        description="Write a trial of a sweep for another tool. model_trainer: a Python script that runs it again with "
        "version 3 of SageMaker's SDK alone, with the code and data where the job read them.",
    )
    parser.add_argument("name", help="a folder of runs/, or its beginning")
    parser.add_argument("trial", nargs="?", default=sweeps.BEST, help="best (default), or its number, id or name")
    parser.add_argument("--as", dest="form", required=True, choices=list(FORMS), help="what to write")
    parser.add_argument("--to", type=Path, metavar="FILE", help="where; default: print it")
    options = parser.parse_args(arguments)
    if options.to and options.to.exists():
        raise UsageError(f"{options.to} is there already, and nothing is overwritten")
    text, left = FORMS[options.form](sweeps.find(options.name), options.trial)
    for line in left:
        complain(f"warning: {line}")
    if options.to:
        write_atomically(options.to.absolute(), text)
        tell(f"wrote {relative(options.to.absolute())}")
    else:
        tell(text, end="")
    return 0
