"""Objects of S3 brought to disk: by chunks, gone on with where they broke off, proved before anybody reads them."""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path
from typing import Any, Protocol

from sweeper.aws.clients import Clients
from sweeper.errors import ApiError, ApiErrorKind

CHUNK = 1 << 20
MOST_BREAKS = 5
"""Connections that may break one after another with nothing of the object come."""
BY_SIZE, BY_PARTS = "its size", "the MD5 of its parts"
_OWN_KEYS = ("aws:kms", "aws:kms:dsse")
"""Server-side encryption under which an ETag is no MD5."""
_REPLACED = ("PreconditionFailed", "412")


class _Sum(Protocol):
    def update(self, data: bytes, /) -> None: ...

    def digest(self) -> bytes: ...


class _Crc32:
    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes, /) -> None:
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


class _OfParts:
    """S3's ETag of what was uploaded in parts of these sizes: the MD5 of their MD5s."""

    def __init__(self, sizes: Iterable[int]) -> None:
        self._sizes, self._left = iter(sizes), 0
        self._sums: list[_Sum] = []

    def update(self, data: bytes, /) -> None:
        while data:
            if not self._left:
                self._left = next(self._sizes, len(data))
                self._sums.append(_SUMS["MD5"]())
            self._sums[-1].update(data[: self._left])
            data, self._left = data[self._left :], max(0, self._left - len(data))

    def digest(self) -> bytes:
        of_all = _SUMS["MD5"]()
        for one in self._sums:
            of_all.update(one.digest())
        return of_all.digest()


_SUMS: Mapping[str, Callable[[], _Sum]] = {
    "SHA256": hashlib.sha256,
    "SHA1": lambda: hashlib.sha1(usedforsecurity=False),
    "MD5": lambda: hashlib.md5(usedforsecurity=False),
    "CRC32": _Crc32,
}
"""What S3 may tell of an object's bytes and Python can work out, the strongest first."""


@dataclass(frozen=True)
class Stored:
    """An object as S3 describes it."""

    bucket: str
    key: str
    size: int
    etag: str
    sums: Mapping[str, bytes] = field(default_factory=dict)
    """What is told of all of its bytes, by name."""
    of_parts: bytes = b""
    """The MD5 of the MD5s of its parts; empty where it was not uploaded in parts, or this is not told."""
    parts: int = 0


def described(clients: Clients, bucket: str, key: str) -> Stored:
    """The object of this key. Raises ApiError."""
    with clients.asked("HeadObject"):
        told = clients.client("s3").head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    etag = str(told["ETag"])
    plain = told.get("ServerSideEncryption") not in _OWN_KEYS and not told.get("SSECustomerAlgorithm")
    md5 = re.fullmatch('"?([0-9a-f]{32})(?:-([0-9]+))?"?', etag)
    parts = int(md5[2] or 0) if md5 else 0
    sums = {}
    if told.get("ChecksumType", "COMPOSITE" if parts else "FULL_OBJECT") == "FULL_OBJECT":
        names = (name for name in _SUMS if told.get(f"Checksum{name}"))
        sums = {name: base64.b64decode(told[f"Checksum{name}"]) for name in names}
    of_parts = b""
    if md5 and plain:
        of_parts = bytes.fromhex(md5[1]) if parts else b""
        sums |= {} if parts else {"MD5": bytes.fromhex(md5[1])}
    return Stored(bucket, key, int(told["ContentLength"]), etag, sums, of_parts, parts)


def below(clients: Clients, bucket: str, prefix: str) -> Iterator[str]:
    """The key of every object below this prefix, but of the empty ones that stand for folders. Raises ApiError."""
    with clients.asked("ListObjectsV2"):
        for page in clients.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            yield from (str(one["Key"]) for one in page.get("Contents") or () if not one["Key"].endswith("/"))


def bring(clients: Clients, stored: Stored, path: Path) -> str:
    """Bring an object to this file, which may hold its beginning already; returns what its bytes were proved by.

    Raises ApiError: one that is `passing` leaves what has come, for the next time; bytes that are not those of S3 are
    removed.
    """
    with path.open("ab") as file:
        breaks = 0
        while (begun := file.seek(0, 2)) < stored.size:
            try:
                _go_on(clients, stored, file, begun)
            except ApiError as error:
                if error.code in _REPLACED:
                    raise _torn("it was replaced while it was brought") from error
                breaks = breaks + 1 if file.seek(0, 2) == begun else 0
                if not error.kind.passing or breaks == MOST_BREAKS:
                    raise
    how, same = _proved(clients, stored, path)
    if not same:
        path.unlink()
        raise _torn(f"what came differs in {how} from what S3 has")
    return how


def _go_on(clients: Clients, stored: Stored, file: Any, begun: int) -> None:
    """What follows these bytes, as far as it comes."""
    where = {"Bucket": stored.bucket, "Key": stored.key, "IfMatch": stored.etag}
    with clients.asked("GetObject"):
        answer = clients.client("s3").get_object(**where, **({"Range": f"bytes={begun}-"} if begun else {}))
        if begun and not str(answer.get("ContentRange", "")).startswith(f"bytes {begun}-"):
            file.truncate(0)  # somebody in between knows no ranges, and sends it all
        for chunk in answer["Body"].iter_chunks(CHUNK):
            file.write(chunk)


def _torn(why: str) -> ApiError:
    return ApiError(ApiErrorKind.INVALID, "GetObject", "NotTheObject", f"{why}: nothing of it was kept; try again")


def _proved(clients: Clients, stored: Stored, path: Path) -> tuple[str, bool]:
    """(by what, are these its bytes?)"""
    if path.stat().st_size != stored.size:
        return BY_SIZE, False
    if name := next((name for name in _SUMS if name in stored.sums), None):
        return name, _sum(path, _SUMS[name]()) == stored.sums[name]
    if stored.of_parts:
        # nearly everybody sends parts of one size, and asking for each of them takes its time
        equal = repeat(_part(clients, stored, 1))
        told = (_part(clients, stored, number) for number in range(1, stored.parts + 1))
        return BY_PARTS, any(_sum(path, _OfParts(sizes)) == stored.of_parts for sizes in (equal, told))
    return BY_SIZE, True


def _part(clients: Clients, stored: Stored, number: int) -> int:
    """The size of a part, in bytes."""
    with clients.asked("HeadObject"):
        told = clients.client("s3").head_object(Bucket=stored.bucket, Key=stored.key, PartNumber=number)
    return int(told["ContentLength"])


def _sum(path: Path, of: _Sum) -> bytes:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            of.update(chunk)
    return of.digest()
