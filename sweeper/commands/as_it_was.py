"""A trial that has run, as a sweep of its own: what it was is stored, and the service has what was masked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sweeper.aws.batch import training_api
from sweeper.config.sweep_fields import fields_of
from sweeper.config.trackers import remembered
from sweeper.core.chain import Job
from sweeper.core.identity import canonical
from sweeper.core.model import Launch, Pruning, Sweep, Trial
from sweeper.core.outcome import environment_of
from sweeper.core.ports import Description
from sweeper.core.request import Revision, Staged, own_channel
from sweeper.core.secrets import MASK, user_info
from sweeper.driver import VALUES_CHANNEL
from sweeper.errors import ApiError, ApiErrorKind, UsageError
from sweeper.record.stored import StoredSweep
from sweeper.run.connect import reconnect
from sweeper.tracking import secrets_of


def as_it_was(stored: StoredSweep, job: Job, was: Description) -> Sweep:
    """The sweep of this one trial: everything as it is stored, the environment as the service has it."""
    environment = environment_of(was)
    config = _unmasked(stored, job, was, environment)
    try:
        settled = fields_of({**stored.config, **{section: config[section] for section in ("locked", "job")}})
    except (KeyError, TypeError, ValueError, UsageError) as error:
        why = f"its config.yaml was written by another version of sweeper, or changed ({error})"
        raise UsageError(f"{stored.name}: {why}; run the experiment again") from error
    opened = stored.chain.opened
    assert opened is not None  # there is a job
    trackers = remembered(stored.config)

    def resolve(trial: Trial, taken: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        if trial.id == job.intent.trial:
            return config
        return config_of(stored, trial.id)  # for best.yaml alone

    return Sweep(
        **{**settled, "stop": tuple(rule for rule in settled["stop"] if rule.most_usd is not None), "prune": Pruning()},
        digest=opened.digest,
        source_digest=opened.source_digest,
        trials=stored.declared.trials,
        resolve=resolve,
        composed={**stored.config, "environment": environment},
        seed=stored.declared.seed,
        project=str(stored.folder.parent.parent),
        trackers=trackers,
        secrets=(*user_info(canonical(config)), *secrets_of(trackers)),
        only=job.intent.trial,
    )


def _unmasked(stored: StoredSweep, job: Job, was: Description, environment: Mapping[str, str]) -> Mapping[str, Any]:
    """The configuration of the trial. A hyperparameter that was masked is as the service has it. Raises UsageError."""
    config = config_of(stored, job.intent.trial)
    given = was.get("HyperParameters") or {}
    as_json = config["job"]["launch"] == Launch.TOOLKIT.value
    if lost := [key for key, value in config["hyperparameters"].items() if MASK in str(value) and key not in given]:
        raise UsageError(f"{stored.name}: the service does not tell {', '.join(lost)}; run the experiment again")
    hyperparameters = {
        key: (json.loads(given[key]) if as_json else given[key]) if MASK in str(value) and key in given else value
        for key, value in config["hyperparameters"].items()
    }
    of_job = {**config["job"], "image_uri": was["AlgorithmSpecification"].get("TrainingImage")}
    return {**config, "job": of_job, "hyperparameters": hyperparameters, "environment": environment}


def config_of(stored: StoredSweep, trial: str) -> Mapping[str, Any]:
    """The configuration that a trial ran with, secrets masked. Raises UsageError when it is not there any more."""
    config = stored.config_of(trial)
    if not {"locked", "job", "hyperparameters", "environment"} <= config.keys():
        raise UsageError(f"{stored.name}: trials/{trial}/config.yaml is gone or torn; run the experiment again")
    return config


def described(stored: StoredSweep, job: Job) -> Description:
    """The job as the service has it. Raises UsageError when it is gone."""
    clients = reconnect(stored.folder.absolute(), stored.config).clients
    try:
        return training_api(clients, stored.said.queue).describe_training_job(job.name)
    except ApiError as error:
        if error.kind is not ApiErrorKind.NOT_FOUND:
            raise
        gone = f"{job.name} is gone from the service, and with it the environment and the source that it ran with"
        raise UsageError(f"{stored.name}: {gone}; run the experiment again") from error


def staged(job: Job, was: Description, launch: Launch) -> Staged:
    """Where the code and data of the job lie, and where its model went."""
    lies = {c["ChannelName"]: c["DataSource"].get("S3DataSource") for c in was.get("InputDataConfig") or []}
    channels = {name: place["S3Uri"] for name, place in lies.items() if place}  # the others are mounted
    channels.pop(VALUES_CHANNEL, None)  # it is put there anew
    own = own_channel(launch, bool(was.get("EnableNetworkIsolation")))
    source = channels.pop(own, job.intent.source).rstrip("/") if own else job.intent.source
    revision = Revision(job.intent.commit, job.intent.dirty)
    return Staged(source, channels, was["OutputDataConfig"]["S3OutputPath"], revision)
