"""What is put into S3 under one name: files, texts of ours, an archive; known by content, never whole in memory."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Union

from sweeper.core.identity import canonical

BLOCK = 1 << 20


@dataclass(frozen=True)
class Archive:
    """A tar.gz that is made when it is sent; the same members give the same bytes."""

    members: Mapping[str, bytes | Path]

    def write(self, to: IO[bytes]) -> None:
        """Write it, a block at a time."""
        with (
            gzip.GzipFile(filename="", fileobj=to, mode="wb", mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
        ):
            for name, member in sorted(self.members.items()):
                _add(tar, name, member)


Content = Union[bytes, Path, Archive]  # noqa: UP007 - a runtime alias on Python 3.10


def _add(tar: tarfile.TarFile, name: str, member: bytes | Path) -> None:
    info = tarfile.TarInfo(name)
    info.mode = 0o755 if _runs(member) else 0o644
    with io.BytesIO(member) if isinstance(member, bytes) else member.open("rb") as file:
        info.size = file.seek(0, os.SEEK_END)
        file.seek(0)
        tar.addfile(info, file)


def _runs(member: bytes | Path) -> bool:
    return isinstance(member, Path) and bool(member.stat().st_mode & 0o100)


def digest(path: Path) -> str:
    """sha256 of a file, read a block at a time."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            found.update(block)
    return found.hexdigest()


@dataclass(frozen=True)
class Parcel:
    """Files by name. `also`: what else tells one from another, such as the key that encrypts it."""

    files: Mapping[str, Content]
    also: str = ""

    @cached_property
    def digest(self) -> str:
        """sha256 over names and contents. Raises OSError."""
        self.stamps  # noqa: B018 - taken before the first byte is read
        told = {name: _of(content) for name, content in self.files.items()}
        return hashlib.sha256(canonical([told, self.also]).encode()).hexdigest()

    @cached_property
    def stamps(self) -> Mapping[Path, tuple[int, int, int]]:
        """What tells of each file that it was not touched since."""
        return {path: _stamp(path) for path in self._paths()}

    def changed(self) -> Path | None:
        """A file that is another one than when the digest was taken."""
        return next((path for path, before in self.stamps.items() if _stamp(path) != before), None)

    def _paths(self) -> Iterator[Path]:
        for content in self.files.values():
            members = content.members.values() if isinstance(content, Archive) else [content]
            yield from (one for one in members if isinstance(one, Path))


def _of(content: Content) -> object:
    if isinstance(content, Archive):
        return {name: [_of(member), _runs(member)] for name, member in content.members.items()}
    return digest(content) if isinstance(content, Path) else hashlib.sha256(content).hexdigest()


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except OSError:
        return (-1, -1, -1)
    return (found.st_size, found.st_mtime_ns, found.st_ino)
