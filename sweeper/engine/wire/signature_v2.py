"""Version 2 of signatures, by which boto3 presigns for S3 unless it is told otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from http.client import HTTPMessage
from typing import Any
from urllib.parse import urlsplit

from botocore.auth import HmacV1Auth
from botocore.credentials import Credentials

from sweeper.engine.wire.signed import Flaw, Known, Received, SignatureError, Signed, compare, text_of, time_of


class SignerV2(HmacV1Auth):
    """Signs with the time that came, where botocore's would take the clock's."""

    def __init__(self, access_key: str, secret: str, date: str) -> None:
        super().__init__(Credentials(access_key, secret))
        self._date = date

    def _get_date(self) -> str:
        return self._date


def header(request: Received, access_key: str, signature: str, known: Known) -> Signed:
    """What is signed for by an Authorization header. Raises SignatureError."""
    known.check_time(time_of(request.headers)[1], "s3")
    date = "" if "x-amz-date" in request.headers else request.headers.get("Date", "")
    return _compare(request, request.headers, access_key, date, signature, known)


def url(request: Received, told: Mapping[str, str], known: Known) -> Signed:
    """What is signed for by the parts of a presigned URL. Raises SignatureError."""
    expires = told.get("Expires", "")
    if not expires.isdecimal() or known.now > int(expires):
        raise SignatureError(Flaw.EXPIRED, "s3")
    headers = HTTPMessage()
    for name, value in request.headers.items():
        headers[name] = value
    for name, value in told.items():  # boto3 names in the URL what it has presigned as a header
        if name not in headers and (name in ("content-md5", "content-type") or name.startswith("x-amz-")):
            headers[name] = value
    return _compare(request, headers, told["AWSAccessKeyId"], expires, told["Signature"], known)


def _compare(
    request: Received, headers: HTTPMessage, access_key: str, date: str, signature: str, known: Known
) -> Signed:
    secret = known.secret_of(access_key)
    if secret is None:
        raise SignatureError(Flaw.UNKNOWN_KEY, "s3")
    own: Any = HTTPMessage()
    for name, value in headers.items():
        own[name] = text_of(value)
    place = f"/{request.bucket_in_host}{request.path}" if request.bucket_in_host else request.path
    place += "/" * (place.count("/") == 1 and place != "/")  # a bucket alone is signed with a slash
    signer = SignerV2(access_key, secret, date)
    found = signer.get_signature(request.method, urlsplit(f"http://engine{request.target}"), own, auth_path=place)
    compare(found, signature, "s3")
    return Signed(access_key, "", "s3")
