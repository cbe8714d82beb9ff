"""`sweeper rerun`: runs a trial again exactly as it ran, as its next attempt; every other row of its sweep stays.

Nothing is composed anew. What the trial ran with is in its folder, and what must not be written down (the environment)
or was uploaded for it (source, data) is asked of the service.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace

from sweeper.aws.batch import training_api
from sweeper.commands import sweeps
from sweeper.commands.as_it_was import as_it_was, config_of
from sweeper.commands.run import run
from sweeper.core.chain import Job
from sweeper.core.model import Launch
from sweeper.core.ports import Description
from sweeper.core.request import Revision, Staged, own_channel
from sweeper.errors import ApiError, ApiErrorKind, LockHeldError, UsageError
from sweeper.record.stored import StoredSweep
from sweeper.run.connect import reconnect
from sweeper.run.session import Session
from sweeper.run.world import World


def main(arguments: Sequence[str]) -> int:
    """Run the trial again; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="sweeper rerun",
        description="Run a trial again exactly as it ran: the same hyperparameters, locked section, image, source and "
        "data, also those of an experiment file or a command line that is another one today. It is the trial's next "
        "attempt; no other trial runs, no stop rule but the budget counts, and every row of the sweep stays.",
        epilog="Exit code 1: this trial has failed, or lacks its metric. What the others came to does not count here.",
    )
    parser.add_argument("name", help="a folder of runs/, or its beginning")
    parser.add_argument("trial", nargs="?", default=sweeps.BEST, help="best (default), or its number, id or name")
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
    was = _described(stored, job)
    launch = Launch(config_of(stored, job.intent.trial)["job"]["launch"])
    return run(as_it_was(stored, job, was), _session(staged(job, was, launch)))


def _described(stored: StoredSweep, job: Job) -> Description:
    """The job as the service has it. Raises UsageError when it is gone."""
    clients = reconnect(stored.folder.absolute(), stored.config).clients
    try:
        return training_api(clients, stored.queue).describe_training_job(job.name)
    except ApiError as error:
        if error.kind is not ApiErrorKind.NOT_FOUND:
            raise
        gone = f"{job.name} is gone from the service, and with it the environment and the source that it ran with"
        raise UsageError(f"{stored.name}: {gone}; run the experiment again") from error


def staged(job: Job, was: Description, launch: Launch) -> Staged:
    """Where the code and data of the job lie, and where its model went."""
    lies = {c["ChannelName"]: c["DataSource"].get("S3DataSource") for c in was.get("InputDataConfig") or []}
    channels = {name: place["S3Uri"] for name, place in lies.items() if place}  # the others are mounted
    own = own_channel(launch, bool(was.get("EnableNetworkIsolation")))
    source = channels.pop(own, job.intent.source).rstrip("/") if own else job.intent.source
    revision = Revision(job.intent.commit, job.intent.dirty)
    return Staged(source, channels, was["OutputDataConfig"]["S3OutputPath"], revision)


def _session(where: Staged) -> type[Session]:
    class Again(Session):
        """An invocation that stages nothing: what the trial read is where it was."""

        def world(self) -> World:
            return replace(super().world(), stage=lambda config: where)

    return Again
