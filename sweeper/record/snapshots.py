"""The sources that a sweep has run, each content once, and how each differed from its commit: `runs/NAME/sources/`.

Only what is staged is kept, so what is never sent is not here either. The archive is what the jobs read, byte for byte;
the diff is for people, and known secrets are masked in it.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sweeper.core.request import ARCHIVE, Revision
from sweeper.core.words import human
from sweeper.errors import UsageError
from sweeper.record import revision
from sweeper.record.atomic import replacing_bytes, write_atomically
from sweeper.record.parcel import Archive, Parcel

SOURCES = "sources"
MOST = 64_000_000
"""Bytes that one archive may hold, packed, to be kept here as well: what is larger lies in S3 alone."""


class _TooMuchError(Exception):
    """An archive is larger than what is kept."""


@dataclass(frozen=True)
class Sent:
    """A source that was staged: where, as what, from which folder."""

    where: str
    parcel: Parcel
    names: frozenset[str]
    """The files of the folder that are sent."""
    folder: Path
    revision: Revision

    @property
    def archive(self) -> Archive | None:
        """The files of the folder, as the jobs read them."""
        found = self.parcel.files.get(ARCHIVE)
        return found if isinstance(found, Archive) else None


@dataclass(frozen=True)
class Snapshot:
    """What is kept of one source, for jobs that were sent with it at one commit."""

    archive: Path
    diff: Path

    @classmethod
    def of(cls, sweep: Path, source: str, commit: str) -> Snapshot:
        """That of the source that lies at this S3 prefix, in a sweep's folder, whether it is there or not."""
        name = source.rstrip("/").rpartition("/")[2] or "none"
        return cls(sweep / SOURCES / f"{name}.tar.gz", sweep / SOURCES / f"{name}-{commit[:12] or 'none'}.diff")

    @property
    def changes(self) -> str:
        """How it differed from its commit; empty when it did not, or nobody knows."""
        try:
            return self.diff.read_text(encoding="utf-8")
        except OSError:
            return ""

    @property
    def names(self) -> list[str]:
        """The files of it; none when it is not kept. Raises UsageError when it cannot be read."""
        if not self.archive.exists():
            return []
        try:
            with tarfile.open(self.archive) as tar:
                return sorted(tar.getnames())
        except (OSError, EOFError, tarfile.TarError) as error:
            raise UsageError(f"{self.archive}: cannot be read: {error}") from error


@dataclass(frozen=True)
class Snapshots:
    """Keeps what is staged for the sweep in this folder. `redact` masks what it knows of, `say` tells a person."""

    sweep: Path
    redact: Callable[[str], str]
    say: Callable[[str], None]

    def keep(self, sent: Sent) -> None:
        """Keep it, unless it is kept. A source that changed meanwhile is not: it is none that a job reads."""
        kept = Snapshot.of(self.sweep, sent.where, sent.revision.commit)
        try:
            if sent.archive and not kept.archive.exists():
                self._archive(kept.archive, sent.archive, sent.parcel)
            if sent.revision.dirty and not kept.diff.exists():
                write_atomically(kept.diff, self.redact(revision.diff(sent.folder, sent.names)))
        except (OSError, _TooMuchError) as error:
            self.say(f"warning: no copy of the source is kept in {SOURCES}/: {error}; it lies at {sent.where}")

    def _archive(self, to: Path, archive: Archive, parcel: Parcel) -> None:
        with replacing_bytes(to) as file:
            archive.write(file)
            if file.tell() > MOST:
                raise _TooMuchError(f"it holds {human(file.tell())}, and at most {human(MOST)} are kept")
            if changed := parcel.changed():
                raise UsageError(f"{changed} has changed while it was sent: run the same command again")
