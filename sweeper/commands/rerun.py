"""`sweeper rerun`: runs a trial again exactly as it ran, as its next attempt; every other row of its sweep stays.

Nothing is composed anew. What the trial ran with is in its folder, and what must not be written down (the environment)
or was uploaded for it (source, data) is asked of the service.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sweeper.commands import sweeps
from sweeper.commands.as_it_was import as_it_was, config_of, described, staged
from sweeper.commands.parsing import Parser, add_detach, add_output, output_of
from sweeper.commands.run import run
from sweeper.core.model import Launch
from sweeper.core.request import Staged
from sweeper.errors import LockHeldError, UsageError
from sweeper.run.session import Session
from sweeper.run.world import World


def main(arguments: Sequence[str]) -> int:
    """Run the trial again; returns its exit code."""
    parser = Parser(
        prog="sweeper rerun",
        description="Run a trial again exactly as it ran: the same hyperparameters, locked section, image, source and "
        "data, also those of an experiment file or a command line that is another one today. It is the trial's next "
        "attempt; no other trial runs, no stop rule but the budget counts, and every row of the sweep stays.",
        epilog="Exit code 1: this trial has failed, or lacks its metric. What the others came to does not count here.",
    )
    parser.add_argument("name", help="a folder of runs/, or its beginning")
    parser.add_argument("trial", nargs="?", default=sweeps.BEST, help="best (default), or its number, id or name")
    add_output(parser)
    add_detach(parser)
    options = parser.parse_args(arguments)
    stored = sweeps.find(options.name)
    job = sweeps.chosen(stored, options.trial).result
    if stored.runner:
        instead = f"sweeper retry {stored.name} --trial {job.intent.trial}"
        raise LockHeldError(f"{stored.name} runs now ({stored.runner}); have it take the trial again: {instead}")
    if stored.chain.debts or stored.chain.unfinished or not job.ended:
        raise UsageError(f"{stored.name} was cut short: run it to its end before one trial of it is run again")
    if not stored.config:
        raise UsageError(f"{stored.name}: config.yaml is gone or torn; run the experiment again")
    was = described(stored, job)
    launch = Launch(config_of(stored, job.intent.trial)["job"]["launch"])
    return run(as_it_was(stored, job, was), _session(staged(job, was, launch)), output_of(options))


def _session(where: Staged) -> type[Session]:
    class Again(Session):
        """An invocation that stages nothing: what the trial read is where it was."""

        def world(self) -> World:
            return replace(super().world(), stage=lambda config: where)

    return Again
