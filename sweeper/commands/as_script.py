"""A trial that has run, as a script of another tool."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sweeper.commands import sweeps
from sweeper.commands.as_it_was import config_of, described, staged
from sweeper.config.template import DRIVERS, sdk_start
from sweeper.core import dependencies
from sweeper.core.chain import Job
from sweeper.core.members import take
from sweeper.core.model import Launch
from sweeper.core.ports import Request
from sweeper.core.request import ARCHIVE, CODE, slug, text_of
from sweeper.core.secrets import MASK
from sweeper.core.unbuilt import requested
from sweeper.driver import CHANNEL
from sweeper.errors import UsageError
from sweeper.record.stored import StoredSweep
from sweeper.show.model_trainer import DISTRIBUTED, Call, Start, script, started


def model_trainer(stored: StoredSweep, word: str) -> tuple[str, list[str]]:
    """The script, and what it could not say. Raises UsageError."""
    job = sweeps.chosen(stored, word).result
    config = config_of(stored, job.intent.trial)
    was = described(stored, job)
    launch = Launch(config["job"]["launch"])
    request = requested(was)
    if config["locked"].get("enable_session_tag_chaining"):  # never described
        request["SessionChainingConfig"] = {"EnableSessionTagChaining": True}
    if checkpoints := request.get("CheckpointConfig"):
        checkpoints["S3Uri"] = f"{checkpoints['S3Uri']}/exported"  # of its own: it would go on where the trial ended
    if launch is Launch.DRIVER:
        start = _drivers(request, config, staged(job, was, launch).source)
    elif launch is Launch.IMAGE and request["AlgorithmSpecification"].get("ContainerEntrypoint"):
        start = _images(request, config, Path(stored.folder).parent.parent)
    else:
        request.get("HyperParameters", {}).pop("sagemaker_job_name", None)
        start = Start()
    made = script(
        request,
        start,
        name=slug(stored.name),
        head=_head(stored, job),
        tags=text_of(config["job"].get("tags") or {}),
        hidden=[name for name, value in config["hyperparameters"].items() if MASK in str(value)],
    )
    return made.text, [f"{member}: no ModelTrainer says it: it is left out" for member in made.left]


def _head(stored: StoredSweep, job: Job) -> list[str]:
    metrics = job.outcome.metrics if job.outcome else {}
    came_to = ", ".join(f"{name} = {value:g}" for name, value in metrics.items()) or "no metric"
    return [
        f"Trial {job.intent.label} of the sweep {stored.name}, as the job {job.name} ran it. It came to {came_to}.",
        "It needs version 3 of SageMaker's Python SDK alone. Code and data lie where that job read them. The machine",
        "is not kept: with keep_alive_period_in_seconds it would be billed until somebody lets go of it.",
    ]


def _drivers(request: Request, config: Mapping[str, Any], source: str) -> Start:
    """The script of a trial that our driver has started, as the SDK's own driver starts it."""
    job = config["job"]
    take(request, "AlgorithmSpecification.ContainerEntrypoint")
    request["InputDataConfig"] = [c for c in request["InputDataConfig"] if c["ChannelName"] != CHANNEL]
    versions = config.get("dependencies")
    needed = job.get("requirements") or (dependencies.file_for(Launch.DRIVER) if versions else None)
    code = {"source_dir": f"{source}/{ARCHIVE}", **({"requirements": needed} if needed else {})}
    return started(code, request.get("HyperParameters", {}), job)


def _images(request: Request, config: Mapping[str, Any], project: Path) -> Start:
    """A command of the user's own, or the SDK's scripts that an experiment with a builder has sent."""
    command = take(request, "AlgorithmSpecification.ContainerEntrypoint")
    words = take(request, "AlgorithmSpecification.ContainerArguments") or []
    channels = {c["ChannelName"]: c for c in request.get("InputDataConfig", [])}
    if DRIVERS not in channels:
        return Start({"command": command[0], "args": [*command[1:], *words]})
    said = config["job"]["inputs"].get(DRIVERS)
    where = project / str(said["folder"] if isinstance(said, Mapping) else said)
    request["InputDataConfig"] = [c for name, c in channels.items() if name not in (DRIVERS, CODE)]
    try:
        code, runner, options = sdk_start(where)
    except (OSError, ValueError) as error:
        again = "`sweeper plan` of its experiment makes them anew"
        raise UsageError(f"{where}: the SDK's scripts that the trial has sent cannot be read: {again}") from error
    if CODE in channels:
        place = channels[CODE]["DataSource"]["S3DataSource"]["S3Uri"]
        code["source_dir"] = place if place.endswith((".tar.gz", "/")) else f"{place}/"
    return Start(code, Call(runner, options, DISTRIBUTED) if runner else None)
