"""Whose request is it? Its signature is computed again by botocore's own signers, with the secret that we know.

In a header or in the URL, by version 4 or, as boto3 presigns for S3 by default, by version 2. A request that says
nothing, says it too late or says it of another body is nobody's.
"""

from __future__ import annotations

import calendar
import hashlib
import hmac
import re
import sys
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import mktime_tz, parsedate_tz
from enum import Enum
from functools import lru_cache
from http.client import HTTPMessage
from typing import IO, Any
from urllib.parse import parse_qsl, quote, unquote_to_bytes, urlsplit

from botocore.auth import HmacV1Auth, S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth
from botocore.credentials import Credentials

SKEW_S = 15 * 60.0
"""As S3: how far a request's time may be from ours."""
EXPIRES_MAX_S = 7 * 86400
_V4 = re.compile(r"AWS4-HMAC-SHA256\s+(.+)", re.DOTALL)
_V2 = re.compile(r"AWS ([^:\s]+):(\S+)")
_SIZE = re.compile(rb"[0-9a-fA-F]{1,15}")
_UNHASHED = frozenset({"UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"})
"""What S3's clients may say in place of a body's hash: then the signature is of everything else."""
_IN_CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
_NOTHING = hashlib.sha256().hexdigest()
_BLOCK = 1 << 20
_LINE_MAX = 1 << 16
SecretOf = Callable[[str], str | None]


class Flaw(Enum):
    """Why a request is nobody's."""

    MISSING = "the request is not signed"
    UNKNOWN_KEY = "nobody knows its access key"
    MISMATCH = "the signature is not that of the request"
    SKEWED = "the request is signed for another time"
    EXPIRED = "the URL was good for a time that has passed"
    BODY = "the body is not the one that was signed"
    UNSIGNED_HEADER = "a header that says what is done is not among those that were signed"


class SignatureError(Exception):
    """The request is nobody's. `service`: what it says that it is for, as far as it can be seen."""

    def __init__(self, flaw: Flaw, service: str = "") -> None:
        super().__init__(flaw.value)
        self.flaw, self.service = flaw, service


@dataclass(frozen=True)
class Received:
    """A request as it came: path and query as they were on the wire, every header under its own name."""

    method: str
    target: str
    headers: HTTPMessage
    body: IO[bytes]
    bucket_in_host: str = ""

    @property
    def path(self) -> str:
        """Before the question mark, still quoted."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """After it, still quoted."""
        return self.target.partition("?")[2]


@dataclass(frozen=True)
class Known:
    """What a signature is held against.

    `since`: a request that was signed earlier is refused. Whoever listened in our place before us may have kept it.
    A presigned URL is made to be kept.
    """

    secret_of: SecretOf
    now: float
    since: float = 0.0

    def check_time(self, signed_at: float, service: str) -> None:
        """Of a request that was to be answered at once. Raises SignatureError."""
        if abs(signed_at - self.now) > SKEW_S or signed_at < self.since:
            raise SignatureError(Flaw.SKEWED, service)


@dataclass(frozen=True)
class Signed:
    """What a request is signed for, and with which key."""

    access_key: str
    region: str
    service: str


def verified(request: Received, known: Known) -> Signed:
    """What this request is signed for. Raises SignatureError."""
    if "#" in request.target:  # a signer would not look behind it, and whoever answers would
        raise SignatureError(Flaw.MISMATCH)
    authorization = request.headers.get("Authorization", "")
    if found := _V4.fullmatch(authorization):
        return _header_v4(request, dict(_pairs(found[1])), known)
    if found := _V2.fullmatch(authorization):
        return _header_v2(request, found[1], found[2], known)
    asked = dict(parse_qsl(request.query, keep_blank_values=True))
    if not authorization and "X-Amz-Signature" in asked:
        return _url_v4(request, asked, known)
    if not authorization and "Signature" in asked and "AWSAccessKeyId" in asked:
        return _url_v2(request, asked, known)
    raise SignatureError(Flaw.MISSING)


def named_key(authorization: str, query: str) -> str:
    """The access key that a request names, before anything of it is verified; empty when it names none."""
    if found := _V2.fullmatch(authorization):
        return found[1]
    asked = dict(parse_qsl(query))
    scope = dict(_pairs(authorization.partition(" ")[2])).get("Credential") or asked.get("X-Amz-Credential", "")
    return scope.partition("/")[0] or asked.get("AWSAccessKeyId", "")


# ---------------------------------------------------------------------- version 4


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
        return _signing_key(secret, self.date, self.region, self.service)


@lru_cache(maxsize=64)
def _signing_key(secret: str, date: str, region: str, service: str) -> bytes:
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


def _header_v4(request: Received, told: Mapping[str, str], known: Known) -> Signed:
    scope = Scope.parse(told.get("Credential", ""))
    stamp, at = _time(request.headers)
    known.check_time(at, scope.service)
    signer = _S3Signer if scope.service == "s3" else _Signer
    names = told.get("SignedHeaders", "").split(";")
    return _compare_v4(request, signer, scope, stamp, names, told.get("Signature", ""), known)


def _url_v4(request: Received, told: Mapping[str, str], known: Known) -> Signed:
    scope = Scope.parse(told.get("X-Amz-Credential", ""))
    stamp = told.get("X-Amz-Date", "")
    at, expires = _seconds(stamp), told.get("X-Amz-Expires", "")
    if not expires.isdecimal() or not 0 < int(expires) <= EXPIRES_MAX_S:
        raise SignatureError(Flaw.EXPIRED, scope.service)
    if at - known.now > SKEW_S:
        raise SignatureError(Flaw.SKEWED, scope.service)
    if known.now > at + int(expires):
        raise SignatureError(Flaw.EXPIRED, scope.service)
    signer = _S3UrlSigner if scope.service == "s3" else _Signer
    names = told.get("X-Amz-SignedHeaders", "").split(";")
    return _compare_v4(request, signer, scope, stamp, names, told["X-Amz-Signature"], known)


def _compare_v4(
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
    compare(_hmac(key, told), signature, scope.service)
    said = headers.get("x-amz-content-sha256")
    if scope.service == "s3" and said in (_IN_CHUNKS, f"{_IN_CHUNKS}-TRAILER"):
        _check_chunks(request.body, key, f"{stamp}\n{scope.credential}", signature)
    else:
        _check_body(request, said, scope.service)
    return scope.signed


def _must_be_signed(headers: HTTPMessage) -> set[str]:
    """The host, and what tells a service what to do: who was given a presigned URL could say more than it was for."""
    return {"host", *(name.lower() for name in headers if name.lower().startswith("x-amz-"))}


def _check_body(request: Received, told: str | None, service: str) -> None:
    """What was signed in place of the body must be true of it."""
    if told is None or (service == "s3" and told in _UNHASHED):
        return
    found = _sha256(request.body, sys.maxsize)
    request.body.seek(0)
    if told != found:
        raise SignatureError(Flaw.BODY, service)


def _check_chunks(body: IO[bytes], key: bytes, scope: str, signature: str) -> None:
    """Each chunk's signature is over its bytes and the signature before it, as that of the trailer is."""
    size = -1
    while size:
        length, _, said = body.readline(_LINE_MAX).strip().partition(b";chunk-signature=")
        if not _SIZE.fullmatch(length):
            raise SignatureError(Flaw.BODY, "s3")
        size = int(length, 16)
        hashed = _sha256(body, size)
        told = f"AWS4-HMAC-SHA256-PAYLOAD\n{scope}\n{signature}\n{_NOTHING}\n{hashed}"
        signature = _hmac(key, told)
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
    compare(_hmac(key, told), "".join(said), "s3")


def _hmac(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _sha256(body: IO[bytes], size: int) -> str:
    """Of the next so many bytes, or of as many as there are."""
    found = hashlib.sha256()
    while block := body.read(min(size, _BLOCK)):
        found.update(block)
        size -= len(block)
    return found.hexdigest()


def _pairs(text: str) -> Iterable[tuple[str, str]]:
    """`Credential=..., SignedHeaders=..., Signature=...`"""
    for part in text.split(","):
        name, _, value = part.strip().partition("=")
        yield name, value


def _chosen(headers: HTTPMessage, names: Iterable[str]) -> HTTPMessage:
    found = HTTPMessage()
    for name in names:
        for value in headers.get_all(name, [""]):
            found[name.lower()] = _text(value)
    return found


def _text(value: str) -> str:
    """A header's value: it was read as Latin-1, and clients sign it as UTF-8."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


def _encoded(quoted: str) -> str:
    """A part of a query as the service quotes it, however the client did."""
    return quote(unquote_to_bytes(quoted), safe="-_.~")


# ---------------------------------------------------------------------- version 2, of S3


class _SignerV2(HmacV1Auth):
    """Signs with the time that came, where botocore's would take the clock's."""

    def __init__(self, access_key: str, secret: str, date: str) -> None:
        super().__init__(Credentials(access_key, secret))
        self._date = date

    def _get_date(self) -> str:
        return self._date


def _header_v2(request: Received, access_key: str, signature: str, known: Known) -> Signed:
    known.check_time(_time(request.headers)[1], "s3")
    date = "" if "x-amz-date" in request.headers else request.headers.get("Date", "")
    return _compare_v2(request, request.headers, access_key, date, signature, known)


def _url_v2(request: Received, told: Mapping[str, str], known: Known) -> Signed:
    expires = told.get("Expires", "")
    if not expires.isdecimal() or known.now > int(expires):
        raise SignatureError(Flaw.EXPIRED, "s3")
    headers = HTTPMessage()
    for name, value in request.headers.items():
        headers[name] = value
    for name, value in told.items():  # boto3 names in the URL what it has presigned as a header
        if name not in headers and (name in ("content-md5", "content-type") or name.startswith("x-amz-")):
            headers[name] = value
    return _compare_v2(request, headers, told["AWSAccessKeyId"], expires, told["Signature"], known)


def _compare_v2(
    request: Received, headers: HTTPMessage, access_key: str, date: str, signature: str, known: Known
) -> Signed:
    secret = known.secret_of(access_key)
    if secret is None:
        raise SignatureError(Flaw.UNKNOWN_KEY, "s3")
    own: Any = HTTPMessage()
    for name, value in headers.items():
        own[name] = _text(value)
    place = f"/{request.bucket_in_host}{request.path}" if request.bucket_in_host else request.path
    place += "/" * (place.count("/") == 1 and place != "/")  # a bucket alone is signed with a slash
    signer = _SignerV2(access_key, secret, date)
    found = signer.get_signature(request.method, urlsplit(f"http://engine{request.target}"), own, auth_path=place)
    compare(found, signature, "s3")
    return Signed(access_key, "", "s3")


def policy_signature(policy: str, secret: str, scope: Scope | None) -> str:
    """The signature of a form's policy: by version 4 with its scope, else by version 2."""
    if scope is None:
        return str(_SignerV2("", secret, "").sign_string(policy))
    key = _signing_key(secret, scope.date, scope.region, scope.service)
    return _hmac(key, policy)


# ---------------------------------------------------------------------- both


def compare(ours: str, theirs: str, service: str) -> None:
    """Raises SignatureError when they differ; how much they differ cannot be timed."""
    if not hmac.compare_digest(ours.encode(), theirs.encode("utf-8", "replace")):
        raise SignatureError(Flaw.MISMATCH, service)


def _time(headers: HTTPMessage) -> tuple[str, float]:
    """A request's own time, as version 4 writes it and in seconds since the epoch. Raises SignatureError."""
    stamp = headers.get("x-amz-date") or headers.get("Date") or ""
    parsed = parsedate_tz(stamp)
    if not re.fullmatch(r"\d{8}T\d{6}Z", stamp) and parsed is not None:
        at = float(mktime_tz(parsed))
        return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at)), at
    return stamp, _seconds(stamp)


@lru_cache(maxsize=64)
def _seconds(stamp: str) -> float:
    try:
        return float(calendar.timegm(time.strptime(stamp, "%Y%m%dT%H%M%SZ")))
    except ValueError:
        raise SignatureError(Flaw.MISSING) from None
