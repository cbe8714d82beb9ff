"""The model that a job has left: fetched from S3, unpacked whole or not at all, and never outside of its folder."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sweeper.aws.clients import Clients
from sweeper.aws.download import Stored, below, bring, described
from sweeper.core.words import human
from sweeper.errors import ApiError, ApiErrorKind, UsageError
from sweeper.record.atomic import private_folder, write_atomically
from sweeper.record.unpacking import LinkError, outside, unpack

PART = ".part"
_ARCHIVE = "model.tar.gz"
Unpack = Callable[[IO[bytes], Path, str], None]
"""Unpacks an archive below a folder; the text is what it is called."""


@dataclass(frozen=True)
class Model:
    """What lies at the URI of a model: an archive, or, from jobs that do not compress, a folder of objects."""

    uri: str
    objects: Sequence[Stored]
    prefix: str = ""
    """That of the folder's objects; empty for an archive."""

    @property
    def size(self) -> int:
        """Bytes of its objects."""
        return sum(stored.size for stored in self.objects)

    @property
    def digest(self) -> str:
        """What differs as soon as an object of it was replaced."""
        told = "\n".join(f"{stored.key} {stored.etag}" for stored in self.objects)
        return hashlib.sha256(told.encode()).hexdigest()[:12]


def found(clients: Clients, uri: str) -> Model:
    """The model at this URI. Raises ApiError, UsageError for a folder with a name that leads out of it."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    prefix = f"{key.rstrip('/')}/"
    try:
        if key != prefix:  # an object of that name may stand for the folder
            return Model(uri, [described(clients, bucket, key)])
    except ApiError as error:
        if error.kind is not ApiErrorKind.NOT_FOUND:
            raise
    names = list(below(clients, bucket, prefix))
    if not names:
        raise ApiError(ApiErrorKind.NOT_FOUND, "HeadObject", "404", f"there is nothing at {uri}")
    for name in names:
        if outside(name[len(prefix) :]):
            raise UsageError(f"{uri}: not brought: {name!r} would be written outside of its folder")
    return Model(uri, [described(clients, bucket, name) for name in names], prefix)


def fetch(
    clients: Clients, model: Model, folder: Path, mark: str, told: Callable[[str], str], unpacked: Unpack = unpack
) -> str:
    """Bring a model as a new folder, with a file `mark` of what is told of it; returns what its bytes were proved by.

    A folder that is there must be empty. `unpacked`: how an archive is. Raises ApiError, UsageError or OSError, and
    leaves nothing then but, where the same is asked again, what has come: a connection broke, a person did not want to
    wait, or has to say that links are to be taken.
    """
    there = folder.parent.exists()
    private_folder(folder.parent)
    try:
        with _beside(folder, model.digest) as aside:
            objects = private_folder(aside / "objects")
            how = _bring_all(clients, model, objects)
            made = objects if model.prefix else _unpacked(model, objects, aside / "unpacked", unpacked)
            write_atomically(made / mark, told(how))
            made.rename(folder)
    finally:
        if not there:
            with suppress(OSError):  # the model is in it
                folder.parent.rmdir()
    return how


def _bring_all(clients: Clients, model: Model, objects: Path) -> str:
    free = shutil.disk_usage(objects).free + sum(path.stat().st_size for path in objects.rglob("*"))
    if model.size > free:
        raise UsageError(f"{model.uri}: not brought: it has {human(model.size)}, where {human(free)} are free")
    proofs = set()
    for stored in model.objects:
        path = objects / (stored.key[len(model.prefix) :] if model.prefix else _ARCHIVE)
        private_folder(path.parent)
        proofs.add(bring(clients, stored, path))
    return " and ".join(sorted(proofs))


def _unpacked(model: Model, objects: Path, to: Path, how: Unpack) -> Path:
    shutil.rmtree(to, ignore_errors=True)  # of someone who did not want to wait
    with (objects / _ARCHIVE).open("rb") as archive:
        how(archive, private_folder(to), model.uri)
    return to


@contextmanager
def _beside(folder: Path, digest: str) -> Iterator[Path]:
    """A place beside a folder for what comes of a model, one process at a time, with what has come of it already."""
    path = folder.parent / f".{folder.name}.{digest}{PART}"
    _remove_others(path, f".{folder.name}.")
    handle = os.open(private_folder(path), os.O_RDONLY)
    keeps = False
    try:
        if not _locked(handle):
            keeps = True
            raise UsageError(f"{folder}: another process brings this model now")
        yield path
    except ApiError as error:
        if not error.kind.passing:
            raise
        keeps = True
        more = "what has come is kept: the same command goes on from there"
        raise ApiError(error.kind, error.operation, error.code, f"{error.message}; {more}") from error
    except (KeyboardInterrupt, LinkError):
        keeps = True
        raise
    finally:
        if not keeps:
            shutil.rmtree(path, ignore_errors=True)
        os.close(handle)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _remove_others(path: Path, begins: str) -> None:
    """What has come of a model that was replaced since, unless somebody is at it."""
    others = (one for one in path.parent.iterdir() if one.name.startswith(begins) and one.name.endswith(PART))
    for other in others:
        handle = os.open(other, os.O_RDONLY)
        if other != path and _locked(handle):
            shutil.rmtree(other, ignore_errors=True)
        os.close(handle)
