"""Is the body the one that was signed? By its hash, or chunk by chunk as S3's clients stream it."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterable
from typing import IO

from sweeper.engine.wire.signed import Flaw, Received, SignatureError, compare, hmac_of

_SIZE = re.compile(rb"[0-9a-fA-F]{1,15}")
_UNHASHED = frozenset({"UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"})
"""What S3's clients may say in place of a body's hash: then the signature is of everything else."""
_NOTHING = hashlib.sha256().hexdigest()
_BLOCK = 1 << 20
_LINE_MAX = 1 << 16


def check_body(request: Received, told: str | None, service: str) -> None:
    """What was signed in place of the body must be true of it."""
    if told is None or (service == "s3" and told in _UNHASHED):
        return
    found = _sha256(request.body, sys.maxsize)
    request.body.seek(0)
    if told != found:
        raise SignatureError(Flaw.BODY, service)


def check_chunks(body: IO[bytes], key: bytes, scope: str, signature: str) -> None:
    """Each chunk's signature is over its bytes and the signature before it, as that of the trailer is."""
    size = -1
    while size:
        length, _, said = body.readline(_LINE_MAX).strip().partition(b";chunk-signature=")
        if not _SIZE.fullmatch(length):
            raise SignatureError(Flaw.BODY, "s3")
        size = int(length, 16)
        hashed = _sha256(body, size)
        told = f"AWS4-HMAC-SHA256-PAYLOAD\n{scope}\n{signature}\n{_NOTHING}\n{hashed}"
        signature = hmac_of(key, told)
        compare(signature, said.decode("latin-1"), "s3")
        if size:
            body.readline(_LINE_MAX)
    _check_trailer(body.readlines(_LINE_MAX), key, scope, signature)
    body.seek(0)


def _check_trailer(lines: Iterable[bytes], key: bytes, scope: str, signature: str) -> None:
    trailer = [line.strip().decode("latin-1") for line in lines if line.strip()]
    said = [line.partition(":")[2] for line in trailer if line.startswith("x-amz-trailer-signature:")]
    if not trailer:
        return
    text = "".join(f"{line}\n" for line in trailer if not line.startswith("x-amz-trailer-signature:"))
    hashed = hashlib.sha256(text.encode("latin-1")).hexdigest()
    told = f"AWS4-HMAC-SHA256-TRAILER\n{scope}\n{signature}\n{hashed}"
    compare(hmac_of(key, told), "".join(said), "s3")


def _sha256(body: IO[bytes], size: int) -> str:
    """Of the next so many bytes, or of as many as there are."""
    found = hashlib.sha256()
    while block := body.read(min(size, _BLOCK)):
        found.update(block)
        size -= len(block)
    return found.hexdigest()
