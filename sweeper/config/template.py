"""What SageMaker's SDK would send and upload, as sections of an experiment: the inverse of what a run does."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from omegaconf import MISSING

from sweeper.config import project
from sweeper.core.model import Launch
from sweeper.core.ports import Request
from sweeper.core.request import CODE, decode_hyperparameters
from sweeper.core.scope import NO_ACCOUNT
from sweeper.core.unbuilt import Unbuilt, experiment_of
from sweeper.errors import UsageError
from sweeper.record.atomic import unversioned
from sweeper.record.parcel import digest
from sweeper.record.unpacking import outside, unpack

SOURCE, INPUTS = "source", "inputs"
PROGRAM, DIRECTORY = "sagemaker_program", "sagemaker_submit_directory"
DRIVERS, SOURCE_CODE = "sm_drivers", "sourcecode.json"
"""The channel of version 3's own scripts, and its note of what they start."""
RUNNERS = {"torchrun_driver.py": "Torchrun", "mpi_driver.py": "MPI"}
"""The distributed runners of version 3, by the script that each is started with."""
_OURS = (PROGRAM, DIRECTORY, "sagemaker_container_log_level", "sagemaker_job_name", "sagemaker_region")
"""Hyperparameters of the sagemaker-training toolkit that each request of ours has of its own."""
_BUCKET = re.compile(rf"s3://sagemaker-[a-z0-9-]+-{NO_ACCOUNT}(/|$)")
"""The default bucket of an account that nobody was asked about."""
_FILLED_IN = ("DebugHookConfig", "ProfilerConfig")
"""What version 2 sends with every request, whoever asked for it."""
Files = Mapping[str, Path]


@dataclass(frozen=True)
class Captured:
    """A request, and the file of each object that would lie in S3 for it, by its URI."""

    request: Request
    uploads: Files


def sections_of(captured: Captured, root: Path) -> Unbuilt:
    """The experiment of which this is a trial. What would be uploaded is kept in the project. Raises UsageError."""
    request = copy.deepcopy(captured.request)
    started = _toolkit(request, captured.uploads)
    if not started:
        request["HyperParameters"] = decode_hyperparameters(request.get("HyperParameters") or {})
    channels = dict(_channels(request, captured.uploads))
    archive = captured.uploads[started.archive] if started else None
    where = _kept(root, channels, archive) if channels or archive else None
    _without_filled_in(request)
    found = experiment_of(request)
    job = dict(found.sections["job"])
    job["inputs"] = {
        name: _lies(said, f"{where}/{INPUTS}/{name}") if name in channels else said
        for name, said in job.get("inputs", {}).items()
    }
    if started:
        job |= {"launch": Launch.TOOLKIT.value, "source_dir": f"{where}/{SOURCE}", "entry_script": started.program}
    return replace(found, sections=_elsewhere({**found.sections, "job": job}))


@dataclass(frozen=True)
class _Toolkit:
    """A script that the sagemaker-training toolkit of the image starts, and the URI of the archive that has it."""

    program: str
    archive: str


def _toolkit(request: Request, uploads: Files) -> _Toolkit | None:
    """The script of an estimator, taken out of the request; its values are JSON, as the toolkit reads them."""
    values = request.get("HyperParameters") or {}
    read = {name: _read(value) for name, value in values.items()}
    sources = [read.get(DIRECTORY), *_uris(request, CODE)]
    archive = next((uri for place in sources for uri in uploads if place and uri.startswith(str(place))), None)
    if PROGRAM not in read or archive is None:
        return None
    request["HyperParameters"] = {name: value for name, value in read.items() if name not in _OURS}
    if not str(read.get(DIRECTORY)).startswith("s3://"):  # without a network it comes by a channel, as ours does
        request["InputDataConfig"] = [c for c in request["InputDataConfig"] if c["ChannelName"] != CODE]
    return _Toolkit(str(read[PROGRAM]), archive)


def _read(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value


def _uris(request: Request, name: str) -> Iterator[str]:
    for channel in request.get("InputDataConfig") or []:
        place = channel["DataSource"].get("S3DataSource")
        if channel["ChannelName"] == name and place:
            yield place["S3Uri"]


def _channels(request: Request, uploads: Files) -> Iterator[tuple[str, Files]]:
    """The files of each channel that was uploaded, by their names in it."""
    for channel in request.get("InputDataConfig") or []:
        name = channel["ChannelName"]
        for place in _uris(request, name):
            below = place.rstrip("/") + "/"
            files = {uri.removeprefix(below): file for uri, file in uploads.items() if uri.startswith(below)}
            if place in uploads:
                files[place.rpartition("/")[2]] = uploads[place]
            if files:
                yield name, files


def _lies(said: Any, where: str) -> Any:
    """A channel that lies in this folder and not where it would be in S3."""
    return {**{k: v for k, v in said.items() if k != "uri"}, "folder": where} if isinstance(said, Mapping) else where


def _kept(root: Path, channels: Mapping[str, Files], archive: Path | None) -> str:
    """The folder, relative to the project, that holds all this; the same content has the same. Raises UsageError."""
    with tempfile.TemporaryDirectory(dir=built(root)) as made:
        folder = Path(made, "all")
        folder.mkdir()
        for channel, files in channels.items():
            for name, file in files.items():
                _copy(file, folder / INPUTS / channel, name)
        _without_place(folder / INPUTS / DRIVERS / SOURCE_CODE)
        if archive is not None:
            (folder / SOURCE).mkdir()
            with archive.open("rb") as packed:
                unpack(packed, folder / SOURCE, archive.name)
        place = project.BUILT / _digest(folder)
        _put(folder, root / place)
    return place.as_posix()


def built(root: Path) -> Path:
    """The folder of a project that holds what functions have made."""
    folder = unversioned(root / project.BUILT.parent) / project.BUILT.name
    folder.mkdir(exist_ok=True)
    return folder


def _put(folder: Path, place: Path) -> None:
    """Move a folder to the place of its content, unless that is there already and nobody has changed it."""
    if place.exists() and _digest(place) == place.name:
        return
    shutil.rmtree(place, ignore_errors=True)
    try:
        folder.replace(place)
    except OSError:
        if not place.exists():  # else another process has just done the same
            raise


def _without_place(note: Path) -> None:
    """The SDK notes where the source was, which no script reads: on another machine it is another place."""
    if note.is_file() and isinstance(told := json.loads(note.read_bytes()), dict):
        note.unlink()  # it is the uploaded file itself
        note.write_text(json.dumps({**told, "source_dir": None}), encoding="utf-8")


def sdk_start(drivers: Path) -> tuple[dict[str, Any], str, dict[str, Any]]:
    """What the SDK's own scripts in this folder start: of `SourceCode`, the distributed runner, and of that.

    The runner is empty where there is none. Raises OSError, ValueError.
    """
    code = json.loads((drivers / SOURCE_CODE).read_bytes())
    options = json.loads((drivers / "distributed.json").read_bytes())
    started = (drivers / "sm_train.sh").read_text(encoding="utf-8")
    runner = next((name for script, name in RUNNERS.items() if script in started), "")
    return _told(code, ("entry_script", "requirements", "command", "args")), runner, _told(options, options)


def _told(said: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: said[name] for name in names if said.get(name) is not None}


def _copy(file: Path, folder: Path, name: str) -> None:
    if outside(name):
        raise UsageError(f"an object would be {name!r} in its channel, which leads out of it")
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    os.link(file, folder / name)  # both lie below `built`


def _digest(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    told = [[path.relative_to(folder).as_posix(), digest(path)] for path in files]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]


def _without_filled_in(request: Request) -> None:
    """Without what the SDK says for somebody who has said nothing: its default bucket, and empty settings."""
    for member in _FILLED_IN:
        said = {name: value for name, value in (request.get(member) or {}).items() if value and not _default(value)}
        request.pop(member, None)
        if said:
            request[member] = said
    output = request.get("OutputDataConfig") or {}
    if _default(output.get("S3OutputPath")):
        del output["S3OutputPath"]


def _default(value: Any) -> bool:
    return isinstance(value, str) and _BUCKET.match(value) is not None


def _elsewhere(value: Any) -> Any:
    """Everything else that would lie in that bucket is yet to be said: only its account has it."""
    if isinstance(value, Mapping):
        return {name: _elsewhere(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_elsewhere(inner) for inner in value]
    return MISSING if _default(value) else value
