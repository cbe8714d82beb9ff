"""The model that a job has left: fetched from S3, unpacked whole or not at all, and never outside of its folder."""

from __future__ import annotations

import lzma
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from sweeper.aws.clients import Clients
from sweeper.errors import UsageError
from sweeper.record.atomic import private_folder, write_atomically

CHUNK = 1 << 20
# The first releases of Python 3.10 and 3.11 have no filters: there every link is refused.
_FILTER: Mapping[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}


def fetch(clients: Clients, uri: str, folder: Path, mark: str, told: str) -> None:
    """Unpack the archive at this S3 URI as a new folder, and write into its file `mark` what is told of it.

    A folder that is there must be empty. Raises ApiError, UsageError or OSError, and leaves nothing then.
    """
    there = folder.parent.exists()
    private_folder(folder.parent)
    aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        with tempfile.TemporaryFile(dir=aside) as archive:
            _download(clients, uri, archive)
            archive.seek(0)
            unpack(archive, aside, uri)
        write_atomically(aside / mark, told)
        aside.rename(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        if not there:
            with suppress(OSError):  # the model is in it
                folder.parent.rmdir()


def _download(clients: Clients, uri: str, to: IO[bytes]) -> None:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    with clients.asked("GetObject"):
        body: Any = clients.client("s3").get_object(Bucket=bucket, Key=key)["Body"]
        for chunk in body.iter_chunks(CHUNK):
            to.write(chunk)


def unpack(archive: IO[bytes], folder: Path, name: str) -> None:
    """Unpack a tar archive below this folder. Raises UsageError for what is none, or would leave the folder.

    Nothing but files, folders and links within the folder is taken, with no owner and no special rights.
    """
    try:
        with tarfile.open(fileobj=archive, mode="r:*") as tar:
            tar.extractall(folder, members=_checked(tar, name), **_FILTER)
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise UsageError(f"{name}: cannot be unpacked: {error}") from error


def _checked(tar: tarfile.TarFile, name: str) -> Iterator[tarfile.TarInfo]:
    """The members, once it is known that nothing leads out of the folder: absolute names are not made relative."""
    for member in tar:
        parts = Path(member.name).parts
        if Path(member.name).is_absolute() or ".." in parts:
            raise UsageError(f"{name}: not unpacked: {member.name!r} would be written outside of its folder")
        if not _FILTER and not (member.isfile() or member.isdir()):
            raise UsageError(f"{name}: not unpacked: {member.name!r} is neither a file nor a folder")
        yield member
