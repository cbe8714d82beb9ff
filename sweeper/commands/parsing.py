"""Reading the words of a verb, and what a command was asked to print for programs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from sweeper.commands.output import Output
from sweeper.errors import UsageError


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are errors like all others, told as JSON where that was asked for."""

    def error(self, message: str) -> NoReturn:
        """Show the usage, and say what is wrong. Raises UsageError."""
        self.print_usage(sys.stderr)
        raise UsageError(f"{self.prog.removeprefix('sweeper ')}: {message}")


def add_output(parser: argparse.ArgumentParser) -> None:
    """What a run may be asked to print."""
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout, at the end")
    parser.add_argument(
        "--events", choices=["jsonl"], metavar="jsonl", help="a JSON object on stdout for each thing that happens"
    )


def add_detach(parser: argparse.ArgumentParser) -> None:
    """That a run is not waited for."""
    parser.add_argument(
        "--detach",
        action="store_true",
        help="return once it is accepted; `sweeper wait` waits for its end",
    )


def output_of(options: argparse.Namespace) -> Output:
    """What it was asked for. Raises UsageError."""
    output = Output(options.json, options.events is not None, getattr(options, "detach", False))
    if output.detach and output.events:
        raise UsageError("--events is of a run that is waited for; of a detached one: sweeper wait NAME --events jsonl")
    return output


def of_run(arguments: Sequence[str]) -> tuple[Output, list[str]]:
    """What a run is to print, and its other words: experiment, overrides and Hydra's flags. Raises UsageError."""
    parser = Parser(prog="command line", usage=argparse.SUPPRESS, add_help=False, allow_abbrev=False)
    add_output(parser)
    add_detach(parser)
    options, rest = parser.parse_known_args(arguments)
    return output_of(options), rest
