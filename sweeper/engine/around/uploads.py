"""PutObject without moto's memory: the bytes go to disk as they come, and moto is told of an object without any.

moto answers everything else of the request: conditions, metadata, tags, ownership, checksums that the client has sent.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl

from sweeper.engine.around.s3 import ObjectStore, Received
from sweeper.engine.wire.http import Application, Environ, StartResponse

_URL_FORM, _FORM = "application/x-www-form-urlencoded", "multipart/form-data"
_OF_THE_SIGNATURE = ("x-amz-", "x-id", "awsaccesskeyid", "signature", "expires", "content-")
_CHECKSUM = "HTTP_X_AMZ_SDK_CHECKSUM_ALGORITHM"


def is_plain_put(environ: Environ, key: str) -> bool:
    """Is the body an object as it is? No part of one, no copy, no property, nothing wrapped around it."""
    query = parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    algorithm = str(environ.get(_CHECKSUM, "")).upper()
    return (
        environ["REQUEST_METHOD"] == "PUT"
        and bool(key)
        and all(name.lower().startswith(_OF_THE_SIGNATURE) for name, _ in query)
        and "HTTP_X_AMZ_COPY_SOURCE" not in environ
        and not str(environ.get("HTTP_X_AMZ_CONTENT_SHA256", "")).startswith("STREAMING-")
        and (not algorithm or f"HTTP_X_AMZ_CHECKSUM_{algorithm}" in environ)  # else moto computes it of the body
    )


def as_bytes(environ: Environ) -> Environ:
    """The request without a type that would have its body read as a form; a form that a page posts to S3 is one."""
    kind = str(environ.get("CONTENT_TYPE", ""))
    posted = environ["REQUEST_METHOD"] == "POST" and kind.lower().startswith(_FORM)
    if posted or not kind.lower().startswith((_URL_FORM, _FORM)):
        return environ
    query = str(environ.get("QUERY_STRING", "")).split("&")  # a presigned URL may name it too
    kept = "&".join(part for part in query if not part.lower().startswith("content-type="))
    return {**environ, "CONTENT_TYPE": "", "QUERY_STRING": kept}


def put(
    moto: Application, objects: ObjectStore, bucket: str, key: str, environ: Environ, start: StartResponse
) -> Iterable[bytes]:
    """Answer it."""
    received = objects.receive(environ["wsgi.input"])
    told = {**as_bytes(environ), "wsgi.input": io.BytesIO(), "CONTENT_LENGTH": "0"}
    kind = environ.get("CONTENT_TYPE")
    hidden = kind if kind != told.get("CONTENT_TYPE") else None
    kept = False

    def begin(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
        nonlocal kept
        kept = status.startswith("200")
        of_ours = [(name, f'"{received.etag}"' if name.lower() == "etag" else value) for name, value in headers]
        return start(status, of_ours if kept else headers, *rest)

    try:
        with objects.lock:
            chunks = list(moto(told, begin))
            if kept:
                objects.keep(bucket, key, received, hidden)
    finally:
        if not kept:
            discard(received)
    return chunks


def discard(received: Received) -> None:
    """Nobody knows these bytes."""
    with suppress(FileNotFoundError):
        received.path.unlink()
