"""A request as it came, what its signature is held against, and what it turns out to be signed for."""

from __future__ import annotations

import calendar
import hashlib
import hmac
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import mktime_tz, parsedate_tz
from enum import Enum
from functools import lru_cache
from http.client import HTTPMessage
from typing import IO

SKEW_S = 15 * 60.0
"""As S3: how far a request's time may be from ours."""
SIGNED_IN = "awsssoportal"
"""What a request is for that is not signed, and shows the token of somebody who has signed in."""
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
    TOKEN = "temporary credentials come with a token of their own"
    TOKEN_EXPIRED = "the credentials were good until a time that has passed"
    SIGNED_OUT = "nobody has signed in with this token"


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
    token: str = ""
    """Of the session, where it does not stand in a header or in the URL."""
    person: str = ""
    """Who has signed in, of those who may by single sign-on; empty: whoever holds the key."""
    arn: str = ""
    """Of the role that STS has handed out the key of, which may be another account's."""


def compare(ours: str, theirs: str, service: str) -> None:
    """Raises SignatureError when they differ; how much they differ cannot be timed."""
    if not hmac.compare_digest(ours.encode(), theirs.encode("utf-8", "replace")):
        raise SignatureError(Flaw.MISMATCH, service)


def hmac_of(key: bytes, text: str) -> str:
    """HMAC-SHA256, in hexadecimal."""
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def text_of(value: str) -> str:
    """A header's value: it was read as Latin-1, and clients sign it as UTF-8."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


def time_of(headers: HTTPMessage) -> tuple[str, float]:
    """A request's own time, as version 4 writes it and in seconds since the epoch. Raises SignatureError."""
    stamp = headers.get("x-amz-date") or headers.get("Date") or ""
    parsed = parsedate_tz(stamp)
    if not re.fullmatch(r"\d{8}T\d{6}Z", stamp) and parsed is not None:
        at = float(mktime_tz(parsed))
        return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at)), at
    return stamp, seconds_of(stamp)


@lru_cache(maxsize=64)
def seconds_of(stamp: str) -> float:
    """Seconds since the epoch of a time as version 4 writes it. Raises SignatureError."""
    try:
        return float(calendar.timegm(time.strptime(stamp, "%Y%m%dT%H%M%SZ")))
    except ValueError:
        raise SignatureError(Flaw.MISSING) from None
