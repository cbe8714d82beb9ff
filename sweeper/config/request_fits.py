"""What a request may say beyond its schema: one image or algorithm, where a channel lies, commands, tags of ours."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from sweeper.config import builder, request_piece, silent, whole_request
from sweeper.config.check import Finding
from sweeper.config.draft import MOST_ROWS, Draft, told
from sweeper.config.problems import Problem, brief
from sweeper.core.channels import S3, channel_of
from sweeper.core.identity import path_of, within
from sweeper.core.model import Launch, Sweep, machines
from sweeper.core.pieces import RESERVED
from sweeper.core.request import own_channel
from sweeper.driver import VALUES_CHANNEL
from sweeper.driver.launchers import MPIRUN, NONE, TORCHRUN

Sections = Mapping[str, Any]
OF_IMAGES = ("algorithm_name", "container_entrypoint", "container_arguments")
"""Options of `job` that say what the container starts: under any other launch that is ours to say."""
_ARGUMENT = re.compile(r"[^\s=-][^\s=]*")
"""A name that a script can be called with; an image reads any other from a file."""


def findings(draft: Draft, values: Sections) -> Iterator[Finding]:
    """Everything of this kind, at its key; the sections have the shape that their schemas say."""
    job = values["job"]
    yield from silent.findings(draft, values)
    yield from _started(draft, job)
    yield from _launched(draft, values)
    yield from _arguments(draft, values)
    yield from _channels(draft, values)
    if values["locked"].get("session_tag_keys") and not values["locked"].get("enable_session_tag_chaining"):
        yield ("locked", "session_tag_keys"), "need locked.enable_session_tag_chaining too: no tag is passed on else"
    yield from builder.findings(draft, values)
    for tag in job.get("tags") or {}:
        if tag.lower().startswith(RESERVED):
            yield ("job", "tags", tag), f"begins with one of {', '.join(RESERVED)}, which are not yours to set"
    if job.get("training_repository_credentials_provider_arn") and not job.get("training_repository_access_mode"):
        path = ("job", "training_repository_credentials_provider_arn")
        yield path, "needs job.training_repository_access_mode too"


def whole(draft: Draft, sweep: Sweep) -> list[Problem]:
    """What the service would refuse of the requests that come of it all."""
    return [*whole_request.problems(draft, sweep)]


def piece_fits(draft: Draft, values: Sections) -> None:
    """What is wrong with the `request` section, where nothing else is: it is merged with all the rest."""
    if not draft.problems:
        draft.note([*request_piece.findings(draft, values)])


def needed(draft: Draft, values: Sections) -> Iterator[Finding]:
    """What no job does without, where nothing else is wrong with it: machines, and an image or an algorithm."""
    if draft.holds("locked", "instance_type") and draft.holds("locked", "instance_preferences"):
        yield from _machine_is_said(values["locked"])
    if draft.holds("job", "image_uri") and draft.holds("job", "algorithm_name"):
        yield from _image_is_said(draft, values["job"])


def _machine_is_said(locked: Sections) -> Iterator[Finding]:
    """A job runs on machines of one type, or of one of several."""
    if not locked.get("instance_type") and not locked.get("instance_preferences"):
        yield ("locked", "instance_type"), "is missing: it has no default"
    if locked.get("instance_type") and locked.get("instance_preferences"):
        yield ("locked", "instance_preferences"), "stand in place of a type: set locked.instance_type: null"


def _image_is_said(draft: Draft, job: Sections) -> Iterator[Finding]:
    """A job runs an image or an algorithm."""
    images, algorithms = told(draft, job, "image_uri"), told(draft, job, "algorithm_name")
    if None in images and not all(algorithms):
        yield ("job", "image_uri"), "is missing: it has no default"
    if any(algorithms) and any(images):
        yield ("job", "algorithm_name"), "stands in place of an image: set job.image_uri: null"


def _started(draft: Draft, job: Sections) -> Iterator[Finding]:
    other = next((one for one in told(draft, job, "launch") if one != Launch.IMAGE.value), None)
    for key in OF_IMAGES:
        if other and any(told(draft, job, key)):
            yield ("job", key), f"is for launch: image; under launch: {other} the command of the container is not yours"


def _arguments(draft: Draft, values: Sections) -> Iterator[Finding]:
    """Hyperparameters that no script can be called with."""
    if {Launch.IMAGE.value} == {*told(draft, values["job"], "launch")}:
        return
    for name in values["hyperparameters"] or {}:
        if not _ARGUMENT.fullmatch(name):
            what = "is not a possible name: text without blanks and =, that does not begin with -; any other is for "
            yield ("hyperparameters", name), what + "launch: image"


def _launched(draft: Draft, values: Sections) -> Iterator[Finding]:
    """What starts several processes is ours, or the toolkit's: each has what it can start."""
    job, path = values["job"], ("job", "launcher")
    launchers = {one for one in told(draft, job, "launcher") if one not in (None, NONE)}
    launches, counts = told(draft, job, "launch"), any(told(draft, job, "processes_per_host"))
    if counts and not launchers:
        yield ("job", "processes_per_host"), "is for job.launcher: torchrun or mpirun"
    if launchers and Launch.IMAGE.value in launches:
        yield path, "is for launch: driver or toolkit; an image starts its processes itself"
    other = next((entry for entry in told(draft, job, "entry_script") if entry and not entry.endswith(".py")), None)
    if launchers and other:
        yield path, f"starts Python files (.py) alone, and entry_script is {other}"
    if MPIRUN in launchers and Launch.DRIVER.value in launches and machines(values["locked"]) > 1:
        what = "mpirun reaches other machines by SSH, which an image may lack, and our driver starts none"
        yield path, f"{what}: take launcher: torchrun, or launch: toolkit with an image that has it"
    if TORCHRUN in launchers and Launch.TOOLKIT.value in launches and counts:
        what = "the toolkit starts a process for each GPU: leave it out, or take launch: driver"
        yield ("job", "processes_per_host"), what


def _channels(draft: Draft, values: Sections) -> Iterator[Finding]:
    isolated = bool(values["locked"].get("enable_network_isolation"))
    ours = {own_channel(Launch(launch), isolated): launch for launch in told(draft, values["job"], "launch")}
    for path, said in inputs(draft, values["job"]):
        if path[2] in ours:
            yield path, f"brings the code under launch: {ours[path[2]]}: give your channel another name"
        if path[2] == VALUES_CHANNEL and Launch.DRIVER.value in ours.values():
            yield path, "brings hyperparameters under launch: driver: give your channel another name"
        if said is not None:
            yield from ((path, what) for what in _placed(said, values["locked"]))


def _placed(said: Any, locked: Sections) -> Iterator[str]:
    """What is wrong with where a channel lies."""
    channel = channel_of(said)
    if channel.uri is not None and not channel.uri.startswith(S3):
        where = brief(channel.uri)
        yield f"must be s3://BUCKET/PREFIX or a folder of the project, not {where}: a channel is no download"
    if len(channel.sources) != 1:
        there = " and ".join(channel.sources) or "none"
        yield f"lies in one place, of uri, folder, efs, fsx and dataset_arn; there is {there}"
    if (channel.efs or channel.fsx) and not locked.get("subnets"):
        yield "is a file system, which is mounted in a VPC: set locked.subnets and locked.security_group_ids"


def inputs(draft: Draft, job: Sections) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every channel that a trial may have, by its path, with what it holds."""
    yield from ((("job", "inputs", channel), where) for channel, where in (job.get("inputs") or {}).items())
    for axis in draft.axes:
        for row in axis.block.rows[:MOST_ROWS]:
            paths = ((path_of(key, within(draft.sections)), where) for key, where in row.items())
            yield from ((path, where) for path, where in paths if path[:2] == ("job", "inputs") and len(path) == 3)
