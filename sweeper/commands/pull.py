"""`sweeper pull`: brings the model that a trial has left from S3, and unpacks it."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypedDict

from sweeper.aws.artifacts import Unpack, fetch, found
from sweeper.commands import sweeps
from sweeper.commands.output import tell_json
from sweeper.commands.parsing import Parser
from sweeper.commands.say import relative, tell
from sweeper.core.chain import Job
from sweeper.core.words import counted, human
from sweeper.errors import ApiError, ApiErrorKind, UsageError
from sweeper.record.stored import StoredSweep, bytes_of
from sweeper.record.unpacking import GB, unpack
from sweeper.run.connect import reconnect

MODELS = "models"
MARK = ".sweeper-model.json"
"""Tells which job a folder's content is of."""


class _Model(TypedDict):
    sweep: str
    trial: str
    job_name: str
    model: str
    """Where it is in S3."""


class Pulled(_Model):
    """A model that was brought."""

    folder: str
    files: list[str]
    """Those in it, relative to it."""
    pulled: bool
    """False: it was there already."""
    proved_by: str | None
    """What its bytes were proved by."""


def main(arguments: Sequence[str]) -> int:
    """Bring it, or say that it is there; returns the exit code."""
    options = _parser().parse_args(arguments)
    sweep = sweeps.find(options.name)
    job = sweeps.chosen(sweep, options.trial).result
    model = job.outcome.model if job.outcome else ""
    if not model:
        raise UsageError(f"{job.intent.label} of {sweep.name} has left no model")
    folder = (options.to or sweep.folder / MODELS / job.name).absolute()
    there = _holds(folder, job)
    unpacked = partial(unpack, most=options.max_gb, links=options.links)
    how = "" if there else _bring(sweep, job, model, folder, unpacked)
    files = sorted(_files(folder))
    if options.json:
        told: Pulled = {
            **_told(sweep, job, model),
            "folder": str(folder),
            "files": files,
            "pulled": not there,
            "proved_by": how or None,
        }
        tell_json(told)
        return 0
    size = f"{counted(len(files), 'file')}, {human(bytes_of(folder) - (folder / MARK).stat().st_size)}"
    proof = f" (proved by {how})" if how else ""
    tell(
        f"model of {job.intent.label} ({job.name}){' is there already' if there else ''}: {relative(folder)}: "
        f"{size}{proof}"
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="sweeper pull",
        description="Download the model of a trial, prove its bytes by what S3 tells of them, and unpack it: whole or "
        "not at all. What is there already is not brought again; where a connection broke, the same command goes on. "
        "An archive that would write outside of its folder, holds a link or a device, or is too big, is refused.",
    )
    parser.add_argument("name", help="a folder of runs/, or its beginning")
    parser.add_argument("trial", nargs="?", default=sweeps.BEST, help="best (default), or its number, id or name")
    parser.add_argument("--to", type=Path, metavar="DIR", help=f"default: runs/NAME/{MODELS}/JOB")
    parser.add_argument(
        "--max-gb",
        type=gigabytes,
        metavar="GB",
        help="the most that an archive may hold; default: 100 times its size, and at least 10",
    )
    parser.add_argument("--links", action="store_true", help="take links that stay within the archive's folder")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return parser


def gigabytes(word: str) -> int:
    """So many bytes. Raises ValueError."""
    size = float(word) * GB
    if not 0 < size < math.inf:
        raise ValueError(word)
    return int(size)


def _told(sweep: StoredSweep, job: Job, model: str) -> _Model:
    """Which model it is."""
    return {"sweep": sweep.name, "trial": job.intent.trial, "job_name": job.name, "model": model}


def _holds(folder: Path, job: Job) -> bool:
    """Is this job's model in this folder already? Raises UsageError when something else is."""
    try:
        told: Any = json.loads((folder / MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        told = None
    if isinstance(told, dict) and told.get("job_name") == job.name:
        return True
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        of = f"holds the model of {told.get('job_name')}" if isinstance(told, dict) else "is not empty"
        raise UsageError(f"{folder} {of}: nothing was brought; give another folder with --to")
    return False


def _bring(sweep: StoredSweep, job: Job, model: str, folder: Path, unpacked: Unpack) -> str:
    """Bring it; returns what its bytes were proved by."""
    clients = reconnect(sweep.folder.absolute(), sweep.config).clients()

    def told(how: str) -> str:
        return json.dumps({**_told(sweep, job, model), "proved_by": how})

    try:
        return fetch(clients, found(clients, model), folder, MARK, told, unpacked)
    except ApiError as error:
        if error.kind is not ApiErrorKind.NOT_FOUND:
            raise
        why = "the script saved nothing in SM_MODEL_DIR, or it was removed since, as with the engine's state"
        raise UsageError(f"{model} is not there: {why}") from error


def _files(folder: Path) -> Iterator[str]:
    inside = (path.relative_to(folder) for path in folder.rglob("*") if not path.is_dir())
    return (str(path) for path in inside if str(path) != MARK)
