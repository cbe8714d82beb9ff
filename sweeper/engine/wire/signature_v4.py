"""Version 4 of signatures, in a header or in the URL, computed again by botocore's own signers."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from http.client import HTTPMessage
from typing import IO, Any
from urllib.parse import quote, unquote_to_bytes

from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth
from botocore.credentials import Credentials

from sweeper.engine.wire.signed import (
    SKEW_S,
    Flaw,
    Known,
    Received,
    SignatureError,
    Signed,
    compare,
    hmac_of,
    seconds_of,
    text_of,
    time_of,
)
from sweeper.engine.wire.signed_bodies import check_body, check_chunks

EXPIRES_MAX_S = 7 * 86400
_IN_CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"


@dataclass(frozen=True)
class Scope:
    """What version 4 signs for: `KEY/DATE/REGION/SERVICE/aws4_request`."""

    access_key: str
    date: str
    region: str
    service: str

    @classmethod
    def parse(cls, text: str) -> Scope:
        """Raises SignatureError."""
        parts = text.rsplit("/", 4)
        if len(parts) != 5 or parts[4] != "aws4_request":
            raise SignatureError(Flaw.MISSING)
        return cls(*parts[:4])

    @property
    def signed(self) -> Signed:
        """What it is signed for, if the signature holds."""
        return Signed(self.access_key, self.region, self.service.lower())

    @property
    def credential(self) -> str:
        """Without the key."""
        return f"{self.date}/{self.region}/{self.service}/aws4_request"

    def key(self, known: Known) -> bytes:
        """What such a request is signed with. Raises SignatureError."""
        secret = known.secret_of(self.access_key)
        if secret is None:
            raise SignatureError(Flaw.UNKNOWN_KEY, self.service)
        return self.key_of(secret)

    def key_of(self, secret: str) -> bytes:
        """What such a request is signed with by who has this secret."""
        return _signing_key(secret, self.date, self.region, self.service)


@lru_cache(maxsize=64)
def _signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    """What a request for a service of that day is signed with."""
    key = f"AWS4{secret}".encode()
    for word in (date, region, service, "aws4_request"):
        key = hmac.new(key, word.encode(), hashlib.sha256).digest()
    return key


@dataclass
class _Asked:
    """A request in the words of botocore's signers."""

    method: str
    url: str
    query: str
    headers: HTTPMessage  # those that are signed, and no other
    body: IO[bytes]
    context: dict[str, Any] = field(default_factory=dict)


class _AsItCame:
    """Signs exactly the headers that were signed, where a signer of botocore's would choose them."""

    def headers_to_sign(self, request: _Asked) -> HTTPMessage:
        return request.headers

    def canonical_query_string(self, request: _Asked) -> str:
        pairs = (pair.partition("=") for pair in request.query.split("&") if pair)
        encoded = sorted((_encoded(name), _encoded(value)) for name, _, value in pairs)
        return "&".join(f"{name}={value}" for name, value in encoded if name != "X-Amz-Signature")


class _Signer(_AsItCame, SigV4Auth):  # type: ignore[misc]
    pass


class _S3Signer(_AsItCame, S3SigV4Auth):  # type: ignore[misc]
    pass


class _S3UrlSigner(_AsItCame, S3SigV4QueryAuth):  # type: ignore[misc]
    pass


def header(request: Received, told: Mapping[str, str], known: Known) -> Signed:
    """What is signed for by the parts of an Authorization header. Raises SignatureError."""
    scope = Scope.parse(told.get("Credential", ""))
    stamp, at = time_of(request.headers)
    known.check_time(at, scope.service)
    signer = _S3Signer if scope.service == "s3" else _Signer
    names = told.get("SignedHeaders", "").split(";")
    return _compare(request, signer, scope, stamp, names, told.get("Signature", ""), known)


def url(request: Received, told: Mapping[str, str], known: Known) -> Signed:
    """What is signed for by the parts of a presigned URL. Raises SignatureError."""
    scope = Scope.parse(told.get("X-Amz-Credential", ""))
    stamp = told.get("X-Amz-Date", "")
    at, expires = seconds_of(stamp), told.get("X-Amz-Expires", "")
    if not expires.isdecimal() or not 0 < int(expires) <= EXPIRES_MAX_S:
        raise SignatureError(Flaw.EXPIRED, scope.service)
    if at - known.now > SKEW_S:
        raise SignatureError(Flaw.SKEWED, scope.service)
    if known.now > at + int(expires):
        raise SignatureError(Flaw.EXPIRED, scope.service)
    signer = _S3UrlSigner if scope.service == "s3" else _Signer
    names = told.get("X-Amz-SignedHeaders", "").split(";")
    return _compare(request, signer, scope, stamp, names, told["X-Amz-Signature"], known)


def _compare(
    request: Received,
    kind: type[SigV4Auth],
    scope: Scope,
    stamp: str,
    names: Collection[str],
    signature: str,
    known: Known,
) -> Signed:
    key = scope.key(known)
    if scope.date != stamp[:8]:
        raise SignatureError(Flaw.MISMATCH, scope.service)
    if not _must_be_signed(request.headers) <= {name.lower() for name in names}:
        raise SignatureError(Flaw.UNSIGNED_HEADER, scope.service)
    signer = kind(Credentials(scope.access_key, ""), scope.service, scope.region)
    headers = _chosen(request.headers, names)
    asked: Any = _Asked(request.method, f"http://engine{request.path}", request.query, headers, request.body)
    asked.context["timestamp"] = stamp
    told = signer.string_to_sign(asked, signer.canonical_request(asked))
    request.body.seek(0)
    compare(hmac_of(key, told), signature, scope.service)
    said = headers.get("x-amz-content-sha256")
    if scope.service == "s3" and said in (_IN_CHUNKS, f"{_IN_CHUNKS}-TRAILER"):
        check_chunks(request.body, key, f"{stamp}\n{scope.credential}", signature)
    else:
        check_body(request, said, scope.service)
    return scope.signed


def _must_be_signed(headers: HTTPMessage) -> set[str]:
    """The host, and what tells a service what to do: who was given a presigned URL could say more than it was for."""
    return {"host", *(name.lower() for name in headers if name.lower().startswith("x-amz-"))}


def _chosen(headers: HTTPMessage, names: Iterable[str]) -> HTTPMessage:
    found = HTTPMessage()
    for name in names:
        for value in headers.get_all(name, [""]):
            found[name.lower()] = text_of(value)
    return found


def _encoded(quoted: str) -> str:
    """A part of a query as the service quotes it, however the client did."""
    return quote(unquote_to_bytes(quoted), safe="-_.~")
