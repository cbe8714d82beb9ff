"""`sweeper rerun`: runs a trial again exactly as it ran, as its next attempt; every other row of its sweep stays.

Nothing is composed anew. What the trial ran with is in its folder, and what must not be written down (the environment)
or was uploaded for it (source, data) is asked of the service.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sweeper.aws.batch import training_api
from sweeper.commands import sweeps
from sweeper.commands.run import run
from sweeper.config.sweep_fields import fields_of
from sweeper.config.trackers import remembered
from sweeper.core.chain import Job
from sweeper.core.model import Launch, Pruning, Sweep, Trial
from sweeper.core.outcome import environment_of
from sweeper.core.ports import Description
from sweeper.core.request import Revision, Staged, canonical, own_channel
from sweeper.core.secrets import MASK, user_info
from sweeper.errors import ApiError, ApiErrorKind, LockHeldError, UsageError
from sweeper.record.stored import StoredSweep
from sweeper.run.connect import reconnect
from sweeper.run.session import Session
from sweeper.run.world import World
from sweeper.tracking import secrets_of


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
    launch = Launch(_config(stored, job.intent.trial)["job"]["launch"])
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


def as_it_was(stored: StoredSweep, job: Job, was: Description) -> Sweep:
    """The sweep of this one trial: everything as it is stored, the environment as the service has it."""
    environment = environment_of(was)
    config = _unmasked(stored, job, was, environment)
    try:
        found = fields_of({**stored.config, **{section: config[section] for section in ("locked", "job")}})
    except (KeyError, TypeError, ValueError, UsageError) as error:
        why = f"its config.yaml was written by another version of sweeper, or changed ({error})"
        raise UsageError(f"{stored.name}: {why}; run the experiment again") from error
    opened = stored.chain.opened
    assert opened is not None  # there is a job
    trackers = remembered(stored.config)

    def resolve(trial: Trial, taken: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        if trial.id == job.intent.trial:
            return config
        return _config(stored, trial.id)  # for best.yaml alone

    return Sweep(
        **{**found, "stop": tuple(rule for rule in found["stop"] if rule.most_usd is not None), "prune": Pruning()},
        digest=opened.digest,
        source_digest=opened.source_digest,
        trials=stored.declared.trials,
        resolve=resolve,
        composed={**stored.config, "environment": environment},
        project=str(stored.folder.parent.parent),
        trackers=trackers,
        secrets=(*user_info(canonical(config)), *secrets_of(trackers)),
        only=job.intent.trial,
    )


def _unmasked(stored: StoredSweep, job: Job, was: Description, environment: Mapping[str, str]) -> Mapping[str, Any]:
    """The configuration of the trial. A hyperparameter that was masked is as the service has it. Raises UsageError."""
    config = _config(stored, job.intent.trial)
    given = was.get("HyperParameters") or {}
    as_json = config["job"]["launch"] == Launch.TOOLKIT.value
    hyperparameters = {
        key: (json.loads(given[key]) if as_json else given[key]) if MASK in str(value) and key in given else value
        for key, value in config["hyperparameters"].items()
    }
    of_job = {**config["job"], "image_uri": was["AlgorithmSpecification"]["TrainingImage"]}
    return {**config, "job": of_job, "hyperparameters": hyperparameters, "environment": environment}


def _config(stored: StoredSweep, trial: str) -> Mapping[str, Any]:
    config = stored.config_of(trial)
    if not {"locked", "job", "hyperparameters", "environment"} <= config.keys():
        raise UsageError(f"{stored.name}: trials/{trial}/config.yaml is gone or torn; run the experiment again")
    return config


def staged(job: Job, was: Description, launch: Launch) -> Staged:
    """Where the code and data of the job lie, and where its model went."""
    channels = {c["ChannelName"]: c["DataSource"]["S3DataSource"]["S3Uri"] for c in was.get("InputDataConfig") or []}
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
