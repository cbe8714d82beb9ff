"""S3 objects: moto answers the protocol, the bytes live in the state folder and are there again after a restart."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import shutil
import sqlite3
import threading
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from moto.s3.models import FakeKey, s3_backends

from sweeper.engine.training.settings import ServiceSettings

_BLOCK = 1 << 20
_ENCRYPTED = {"Rule": {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": "false"}}
"""As S3 encrypts where nobody says how, as moto keeps it."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS buckets (name TEXT PRIMARY KEY, region TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS objects (
    bucket TEXT NOT NULL, key TEXT NOT NULL, file TEXT NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL,
    modified TEXT NOT NULL, metadata TEXT NOT NULL, PRIMARY KEY (bucket, key)
);
"""


class NoSuchBucketError(Exception):
    """The bucket does not exist."""


class StoredKey(FakeKey):
    """An object of moto whose bytes are a file; opened when asked for, so that memory and descriptors stay free."""

    stored_at: Path

    @property
    def _value_buffer(self) -> IO[bytes]:  # type: ignore[override]
        return self.stored_at.open("rb")

    @property
    def value(self) -> bytes:
        """The whole object."""
        return self.stored_at.read_bytes()

    def dispose(self, garbage: bool = False) -> None:
        """Nothing is held open."""
        self.disposed = True


@dataclass(frozen=True)
class Received:
    """Bytes on disk that are no object yet."""

    path: Path
    size: int
    etag: str


class ObjectStore:
    """The buckets of one account. `lock` guards moto's backend, which has no lock of its own."""

    def __init__(self, folder: Path, settings: ServiceSettings) -> None:
        self.lock = threading.RLock()
        self._folder = folder / "objects"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._backend = s3_backends[settings.account][settings.partition]
        self._db = sqlite3.connect(folder / "index.db", check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_SCHEMA)

    def restore(self) -> None:
        """Give moto everything an earlier process had."""
        with self.lock:
            for name, region in self._db.execute("SELECT name, region FROM buckets").fetchall():
                self._backend.create_bucket(name, region).encryption = _ENCRYPTED
            rows = self._db.execute("SELECT bucket, key, file, size, etag, modified, metadata FROM objects").fetchall()
            for bucket, key, file, size, etag, modified, metadata in rows:
                if not (self._folder / file).is_file():
                    continue
                made = self._backend.put_object(bucket, key, b"", etag=etag, disable_notification=True)
                made.last_modified = dt.datetime.fromisoformat(modified)
                made.set_metadata(json.loads(metadata))
                _become_stored(made, self._folder / file, size)

    def sync(self, bucket: str, key: str) -> None:
        """Write through what a request just did to this bucket, or to one key of it."""
        with self.lock:
            self._sync_bucket(bucket)
            if bucket not in self._backend.buckets:
                return
            if key:
                self._sync_object(bucket, key)
                return
            # a request on the whole bucket (delete many, post a form): compare all names
            ours = {row[0] for row in self._db.execute("SELECT key FROM objects WHERE bucket=?", (bucket,))}
            for changed in ours ^ set(self._backend.buckets[bucket].keys):
                self._sync_object(bucket, changed)

    def lacks(self, bucket: str, key: str) -> bool:
        """Is there a bucket of this name, and no such object in it?"""
        with self.lock:
            return bucket in self._backend.buckets and key not in self._backend.buckets[bucket].keys

    def has(self, bucket: str) -> bool:
        """Is there a bucket of this name?"""
        with self.lock:
            return bucket in self._backend.buckets

    def keys(self, bucket: str, prefix: str) -> list[str]:
        """Names under a prefix, in order."""
        with self.lock:
            held = self._held(bucket)
            return sorted(k for k in held.keys if k.startswith(prefix) and isinstance(held.keys[k], FakeKey))

    def read(self, bucket: str, key: str) -> bytes | None:
        """The bytes of an object; None when there is none."""
        with self.lock:
            found = self._held(bucket).keys.get(key)
            return bytes(found.value) if isinstance(found, FakeKey) else None

    def copy_to(self, bucket: str, key: str, target: Path) -> None:
        """Copy an object into a file of its own."""
        with self.lock:
            found = self._held(bucket).keys[key]
            if not isinstance(found, StoredKey):
                target.write_bytes(found.value)
                return
            source = found.stored_at.open("rb")
        with source, target.open("wb") as out:
            shutil.copyfileobj(source, out, 1 << 20)

    def link_to(self, bucket: str, key: str, target: Path) -> None:
        """Let a path be an object's own file, for readers alone; a copy where that cannot be."""
        with self.lock:
            found = self._held(bucket).keys[key]
            target.unlink(missing_ok=True)
            if isinstance(found, StoredKey):
                with suppress(OSError):  # not every file system has links
                    target.hardlink_to(found.stored_at)
                    return
        self.copy_to(bucket, key, target)

    def put(self, bucket: str, key: str, source: Path) -> None:
        """Store a file as an object."""
        with self.lock:
            self._held(bucket)
        with source.open("rb") as file:
            received = self.receive(file)
        with self.lock:
            self._backend.put_object(bucket, key, b"", disable_notification=True)
            self.keep(bucket, key, received)

    def receive(self, source: IO[bytes]) -> Received:
        """Put bytes on disk as they come, beside the objects."""
        path, md5, size = self._folder / uuid.uuid4().hex, hashlib.md5(usedforsecurity=False), 0
        with path.open("wb") as file:
            while block := source.read(_BLOCK):
                file.write(block)
                md5.update(block)
                size += len(block)
        return Received(path, size, md5.hexdigest())

    def keep(self, bucket: str, key: str, received: Received, content_type: str | None = None) -> None:
        """Let an object that moto has just made without bytes be these; another type than moto was told."""
        with self.lock:
            self._sync_bucket(bucket)
            made = self._backend.buckets[bucket].keys[key]
            made._etag = received.etag
            if content_type is not None:
                made.set_metadata({"Content-Type": content_type})
            before = self._file_of(bucket, key)
            self._record(bucket, key, made, received)
            if before is not None:
                (self._folder / before).unlink(missing_ok=True)

    def remove(self, bucket: str, prefix: str) -> None:
        """Remove every object under a prefix; a bucket that is not there has none."""
        with self.lock:
            if bucket not in self._backend.buckets:
                return
            for key in self.keys(bucket, prefix):
                self._backend.delete_object(bucket, key)
                self._sync_object(bucket, key)

    def size(self) -> int:
        """Bytes kept."""
        with self.lock:
            return int(self._db.execute("SELECT coalesce(sum(size), 0) FROM objects").fetchone()[0])

    def close(self) -> None:
        """Close the index."""
        with self.lock:
            self._db.close()

    def _held(self, bucket: str) -> Any:
        if bucket not in self._backend.buckets:
            raise NoSuchBucketError(bucket)
        return self._backend.buckets[bucket]

    def _sync_bucket(self, bucket: str) -> None:
        known = self._backend.buckets.get(bucket)
        if known is not None:
            known.encryption = known.encryption or _ENCRYPTED
            self._db.execute("INSERT OR IGNORE INTO buckets VALUES (?, ?)", (bucket, known.region_name))
            return
        for (file,) in self._db.execute("SELECT file FROM objects WHERE bucket=?", (bucket,)).fetchall():
            (self._folder / file).unlink(missing_ok=True)
        self._db.execute("DELETE FROM objects WHERE bucket=?", (bucket,))
        self._db.execute("DELETE FROM buckets WHERE name=?", (bucket,))

    def _sync_object(self, bucket: str, key: str) -> None:
        found = self._backend.buckets[bucket].keys.get(key)
        before = self._file_of(bucket, key)
        if not isinstance(found, FakeKey):  # gone, or only a delete marker
            self._db.execute("DELETE FROM objects WHERE bucket=? AND key=?", (bucket, key))
        elif isinstance(found, StoredKey):
            return  # untouched: every new version is a new key
        else:
            found._value_buffer.seek(0)
            self._record(bucket, key, found, self.receive(found._value_buffer))
        if before is not None:
            (self._folder / before).unlink(missing_ok=True)

    def _file_of(self, bucket: str, key: str) -> str | None:
        found = self._db.execute("SELECT file FROM objects WHERE bucket=? AND key=?", (bucket, key)).fetchone()
        return None if found is None else str(found[0])

    def _record(self, bucket: str, key: str, made: Any, received: Received) -> None:
        metadata = json.dumps({k: v for k, v in made.metadata.items() if isinstance(v, str)})
        file, etag, modified = received.path.name, made.etag.strip('"'), made.last_modified.isoformat()
        row = (bucket, key, file, received.size, etag, modified, metadata)
        self._db.execute("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        _become_stored(made, received.path, received.size)


def _become_stored(key: Any, path: Path, size: int) -> None:
    """Swap the class in place: moto holds references to this very object."""
    key._value_buffer.close()
    key.__class__ = StoredKey
    key.stored_at, key.contentsize = path, size


def parse_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of `s3://bucket/key` or of `https://host/bucket/key`."""
    scheme, _, rest = uri.partition("://")
    if scheme == "https":
        rest = rest.partition("/")[2]
    bucket, _, key = rest.partition("/")
    return bucket, key


def matching(keys: list[str], prefix: str) -> Iterator[tuple[str, str]]:
    """Each key under a prefix with the path it gets in the channel's folder.

    A prefix that names an object or a folder strips to what is below it; one that is cut in the middle of a name
    keeps that name.
    """
    folder = prefix if not prefix or prefix.endswith("/") else prefix + "/"
    parent = prefix.rpartition("/")[0]
    for key in keys:
        if key == prefix:
            yield key, key.rpartition("/")[2]
        elif key.startswith(folder):
            yield key, key[len(folder) :]
        else:
            yield key, key[len(parent) :].lstrip("/")
