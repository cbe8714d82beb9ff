"""Archives that someone else made: unpacked whole, and nothing of them outside of their folder or larger than said.

Nothing is left to Python's own filters alone: its first releases of 3.10 and 3.11 have none, and later ones had gaps.
"""

from __future__ import annotations

import errno
import gzip
import lzma
import os
import shutil
import sys
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any

from sweeper.core.words import human
from sweeper.errors import UsageError

GB = 10**9
MOST_TIMES, MOST_AT_LEAST = 100, 10 * GB
"""Unpacked, an archive may be so many times as large as it is, and so many bytes in any case."""
MOST_MEMBERS = 100_000
MOST_HEADER = 1 << 20
"""Bytes of one header: it is read into memory as a whole."""
LATEST = 1 << 33
"""Seconds since the epoch; a member that says it is younger has no time."""
_FILTER: Mapping[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
_FULL = (errno.ENOSPC, errno.EDQUOT)
_TORN = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, ValueError, RecursionError)
"""What a damaged archive raises in Python's module: a name with a zero, a number that is none, headers of headers."""


class LinkError(UsageError):
    """An archive holds a link that stays within the folder, and nobody has said that links are to be taken."""


def unpack(archive: IO[bytes], folder: Path, name: str, most: int | None = None, *, links: bool = False) -> None:
    """Unpack a tar archive below this folder, which is empty. `most`: bytes that it may hold, else by its own size.

    Files and folders are taken, with no owner and no special rights; with `links` those that stay within the folder
    too. Raises UsageError for anything else, with the member's name, LinkError for such a link, UsageError for what is
    no archive, and OSError for a full disk.
    """
    most = most or max(MOST_AT_LEAST, MOST_TIMES * archive.seek(0, os.SEEK_END))
    archive.seek(0)
    try:
        with _Tar.open(fileobj=archive, mode="r:*") as tar:
            _Unpacking(tar, folder, name, most, links=links).all()
    except _TORN as error:
        raise UsageError(f"{name}: cannot be unpacked: {_line(error)}") from error


def outside(name: str) -> bool:
    """Would this relative name lead out of the folder that it is written to?"""
    path = PurePosixPath(name)
    return path.is_absolute() or ".." in path.parts or "\0" in name


def _line(error: Exception) -> str:
    """What an error says, on one line: tarfile tells of every kind of archive that this one is not."""
    return str(error).partition(":\n")[0]


class _Bounded:
    """An archive's bytes, of which no more are read than `left`: what stands before a member is read into memory."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.left = MOST_HEADER

    def read(self, size: int = -1) -> bytes:
        """As a file does. Raises ReadError for a header that is too large."""
        if not 0 <= size <= self.left:
            raise tarfile.ReadError(f"a header of more than {MOST_HEADER} bytes")
        self.left -= size
        return bytes(self._file.read(size))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class _Tar(tarfile.TarFile):
    members: list[tarfile.TarInfo]

    def __init__(self, name: Any = None, mode: Any = "r", fileobj: Any = None, **options: Any) -> None:
        self.bounded = _Bounded(fileobj)
        super().__init__(name, mode, self.bounded, **options)

    def following(self) -> tarfile.TarInfo | None:
        """The next member; None after the last. Those before it are forgotten: many would fill the memory."""
        self.bounded.left = MOST_HEADER
        member = self.next()
        self.members.clear()
        self.bounded.left = sys.maxsize
        return member


class _Unpacking:
    """One archive on its way to a folder. Links are made last, so that nothing is ever written through one."""

    def __init__(self, tar: _Tar, folder: Path, name: str, most: int, *, links: bool) -> None:
        self._tar, self._folder, self._name, self._most = tar, folder, name, most
        self._takes_links = links
        self._links: dict[str, str] = {}
        self._bytes = self._members = 0

    def all(self) -> None:
        """Take every member; raises UsageError at the first one that is not taken."""
        while (member := self._tar.following()) is not None:
            if why := self._refused(member):
                raise UsageError(f"{self._name}: not unpacked: {member.name!r} {why}")
            if (member.issym() or member.islnk()) and not self._takes_links:
                why = f"is a link, to {member.linkname!r}: --links takes those that stay within the folder"
                raise LinkError(f"{self._name}: not unpacked: {member.name!r} {why}")
            with self._naming(member.name):
                self._take(member)
        for path, to in self._links.items():
            with self._naming(path):
                (self._folder / path).parent.mkdir(parents=True, exist_ok=True)
                (self._folder / path).symlink_to(to)

    @contextmanager
    def _naming(self, name: str) -> Iterator[None]:
        """What goes wrong inside is this member's: its file is a folder already, or its name too long."""
        try:
            yield
        except (*_TORN, OSError) as error:
            if isinstance(error, OSError) and error.errno in _FULL:
                raise
            raise UsageError(f"{self._name}: not unpacked: {name!r}: {_line(error)}") from error

    def _refused(self, member: tarfile.TarInfo) -> str:
        """Why a member is not taken, in words that follow its name; empty when it is."""
        self._members += 1
        self._bytes += member.size
        free = shutil.disk_usage(self._folder).free
        if member.size < 0:
            return "has a size below zero"
        if outside(member.name):
            return "would be written outside of its folder"
        if member.issym() and _leads_out(member):
            return f"is a link out of its folder, to {member.linkname!r}"
        if member.islnk() and not self._has(member.linkname):
            return f"is a link to {member.linkname!r}, which is no file before it"
        if not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
            return "is neither a file nor a folder"
        if self._bytes > self._most:
            return f"is too big: with it {human(self._bytes)}, where {human(self._most)} are the most"
        if member.size > free:
            return f"is too big: {human(member.size)}, where {human(free)} are free"
        if self._members > MOST_MEMBERS:
            return f"is one too many: {MOST_MEMBERS} are the most"
        return ""

    def _take(self, member: tarfile.TarInfo) -> None:
        if member.issym():
            self._links[member.name] = member.linkname
            return
        if member.islnk():
            (self._folder / member.name).parent.mkdir(parents=True, exist_ok=True)
            os.link(self._folder / member.linkname, self._folder / member.name)
            return
        member.mode = (member.mode & 0o755) | (0o700 if member.isdir() else 0o600)
        member.uid, member.gid, member.uname, member.gname = os.getuid(), os.getgid(), "", ""
        member.mtime = member.mtime if 0 <= member.mtime < LATEST else 0
        self._tar.extract(member, self._folder, **_FILTER)

    def _has(self, name: str) -> bool:
        return not outside(name) and (self._folder / name).is_file()


def _leads_out(link: tarfile.TarInfo) -> bool:
    """Would it lead out of the folder? Its own place is no link, so that leading parents go up by one each.

    A parent further on might be that of another link's end: nobody needs one, and it is refused.
    """
    steps = PurePosixPath(link.linkname).parts
    up = next((n for n, step in enumerate(steps) if step != ".."), len(steps))
    below = len(PurePosixPath(link.name).parts) - 1
    return outside("/".join(steps[up:])) or link.linkname.startswith("/") or up > below
