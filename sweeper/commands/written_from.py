"""An experiment that is written from what somebody else was told."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from sweeper.aws.clients import SageMakerApi
from sweeper.commands import making
from sweeper.commands.say import complain, relative, tell
from sweeper.config import from_job, project, run, templates, whole_request
from sweeper.config.foreign import detect
from sweeper.config.problems import Problem, dotted, refuse, shown
from sweeper.config.templates import NewFile
from sweeper.core.ports import Description, Request
from sweeper.core.scope import EngineKind
from sweeper.core.unbuilt import Unbuilt, experiment_of, requested
from sweeper.errors import ApiError, ApiErrorKind, UsageError
from sweeper.run.connect import Connection, aws, local


def training_job(options: argparse.Namespace) -> None:
    """Write the experiment that this training job is a trial of. Raises UsageError for what no experiment may say."""
    root, job, name = project.here(), str(options.from_job), str(options.name or options.from_job)
    templates.check_name(name, "--name")
    on_aws = EngineKind(options.engine).on_aws
    where = {key: value for key, value in (("region", options.region), ("profile", options.profile)) if value}
    connection = aws(where, None) if on_aws else local(root, {}, None, reading=True)
    request = _asked(connection, job)
    unbuilt = experiment_of(request)
    found = [*from_job.unsayable(unbuilt)] or [*whole_request.refused({"TrainingJobName": job, **request})]
    refuse([Problem(job, dotted(path), what) for path, what in found])
    named = where if on_aws else {}
    if named:
        unbuilt = replace(unbuilt, sections={"engine": named, **unbuilt.sections})
    heading = f"What the training job {job} was asked for: its only trial sends the same request."
    text = from_job.text(unbuilt, heading, chosen={"engine": options.engine})
    making.made(root, [NewFile(templates.experiment_file(name), text.encode())])
    _tell(unbuilt, name)


def _asked(connection: Connection, job: str) -> Request:
    """The request behind a job. Raises UsageError when there is none."""
    api = SageMakerApi(connection.clients)
    try:
        description = api.describe_training_job(job)
    except ApiError as error:
        if error.kind is not ApiErrorKind.NOT_FOUND:
            raise
        scope = connection.scope
        raise UsageError(f"{job}: there is no such training job in {scope.account}, {scope.region}") from None
    tags = [{"Key": key, "Value": value} for key, value in _tags(api, description).items()]
    return {**requested(description), **({"Tags": tags} if tags else {})}


def _tags(api: SageMakerApi, description: Description) -> dict[str, str]:
    """Its tags; none, and a word about it, where they may not be read."""
    try:
        return api.tags_of(str(description["TrainingJobArn"]))
    except ApiError as error:
        complain(f"warning: its tags are left out, they could not be read: {error.message}")
        return {}


def _tell(unbuilt: Unbuilt, name: str) -> None:
    _tell_hidden(from_job.hidden(unbuilt.sections))
    tell(f"\nnext:\n  sweeper plan +experiment={name} --requests  what it would send; nothing is sent")


def _tell_hidden(variables: Iterable[str]) -> None:
    for variable in variables:
        complain(f"environment.{variable} looks like a secret: its value is not written, set it where you run this")


def other_tool(file: Path, wanted: str | None) -> None:
    """Write what another tool was told as an experiment; tell what is not as it was. Raises UsageError."""
    root = project.here()
    found = detect.converted(file)
    name = wanted or _UNNAMED.sub("-", file.stem).strip("-._") or "converted"
    templates.check_name(name, "--name")
    detect.place_script(found, file, root, name)
    place = templates.experiment_file(name)
    making.made(root, [NewFile(place, found.text(name, shown(file)).encode())])
    for line in found.left:
        complain(f"not as it was: {line}")
    _tell_hidden(from_job.hidden(found.sections))
    if wrong := _wrong(name):
        complain(f"{relative(root / place)} does not plan yet; it needs")
        for line in wrong:
            complain(f"  {line}")
    making.tell_next(root, name)


_UNNAMED = re.compile(r"[^A-Za-z0-9._-]+")
"""What cannot stand in an experiment's name."""


def _wrong(name: str) -> list[str]:
    """What is wrong with an experiment of this project as it stands."""
    try:
        run([f"+experiment={name}"], lambda _: 0)
    except UsageError as error:
        return str(error).splitlines()
    return []
