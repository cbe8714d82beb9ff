"""`sweeper queue`: runs an experiment after those that run now, and takes their pool over where it fits."""

from __future__ import annotations

from collections.abc import Sequence

from sweeper import config
from sweeper.commands.parsing import Parser, add_detach, add_output, output_of
from sweeper.commands.run import run
from sweeper.errors import UsageError
from sweeper.run.tenure import Turn


def main(arguments: Sequence[str]) -> int:
    """Wait for its turn, then run; returns the exit code of the run."""
    parser = Parser(
        prog="sweeper queue",
        usage="sweeper queue +experiment=NAME [KEY=VALUE ...] [--json] [--events jsonl] [--detach]",
        description="Run an experiment when every sweep of this project that runs, or was queued before, has ended. "
        "Where its pool fits, its first job takes it over from the sweep before: no release between, no second cold "
        "start. Where it does not, that is said at once, and the pool is closed first. The sweep before may end in any "
        "way: by itself, by `sweeper stop`, by a failure, killed. Ctrl-C, and `sweeper stop NAME`, end the waiting.",
        epilog="Exit codes: as of a run; 4 when too many wait already.",
    )
    add_output(parser)
    add_detach(parser)
    options, overrides = parser.parse_known_args(arguments)
    if not overrides:
        raise UsageError("command line: sweeper queue needs an experiment: sweeper queue +experiment=NAME")
    output = output_of(options)
    return config.run(overrides, lambda sweep: run(sweep, output=output, turn=Turn.PATIENTLY))
