"""Whatever botocore's signers sign is known again, and nothing that differs from it in one place."""

from __future__ import annotations

import dataclasses
import io
import time
from collections.abc import Callable, Mapping
from http.client import HTTPMessage
from typing import Any
from urllib.parse import quote

import pytest
from botocore.auth import (
    HmacV1Auth,
    HmacV1QueryAuth,
    S3SigV4Auth,
    S3SigV4QueryAuth,
    SigV4Auth,
    SigV4QueryAuth,
)
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from sweeper.engine.wire import signatures
from sweeper.engine.wire.signed import SKEW_S, Flaw, Known, Received, SignatureError, Signed

KEY, SECRET = "LOCALKEY", "the secret"
CREDENTIALS = Credentials(KEY, SECRET)
SIGNERS: Mapping[str, Callable[[], Any]] = {
    "header": lambda: SigV4Auth(CREDENTIALS, "sagemaker", "eu-west-1"),
    "header of s3": lambda: S3SigV4Auth(CREDENTIALS, "s3", "eu-west-1"),
    "url": lambda: SigV4QueryAuth(CREDENTIALS, "sts", "eu-west-1"),
    "url of s3": lambda: S3SigV4QueryAuth(CREDENTIALS, "s3", "eu-west-1"),
    "header, version 2": lambda: HmacV1Auth(CREDENTIALS),
    "url, version 2": lambda: HmacV1QueryAuth(CREDENTIALS),
}
V4 = [name for name in SIGNERS if "version 2" not in name]
SEGMENT = st.text(st.characters(codec="utf-8", exclude_characters="/?#"), min_size=1, max_size=8)
VALUE = st.text(st.characters(codec="latin-1", exclude_categories=["C"]), max_size=12)


def signed(
    kind: str, method: str = "PUT", path: str = "/bucket/a b", query: str = "", body: bytes = b"x", **headers: str
) -> Received:
    """A request as the wire brings it, signed by one of botocore's signers."""
    body = b"" if kind == "url" else body  # such a URL is good for no other
    url = f"http://127.0.0.1:5000{quote(path, safe='/~')}" + ("?" + query if query else "")
    request = AWSRequest(method, url, {"x-amz-meta-a": "1", **headers}, body if "url" not in kind else b"")
    SIGNERS[kind]().add_auth(request)
    came = HTTPMessage()
    came["Host"] = "127.0.0.1:5000"
    for name, value in request.headers.items():
        came[name] = value.encode().decode("latin-1")  # UTF-8 on the wire, and http.server reads Latin-1
    return Received(method, request.url.removeprefix("http://127.0.0.1:5000"), came, io.BytesIO(body))


def verified(request: Received, now: float | None = None, secret: str = SECRET, since: float = 0) -> Signed:
    """Who it is, for one who knows one key."""
    return signatures.verified(request, Known({KEY: secret}.get, time.time() if now is None else now, since))


def flaw(request: Received, now: float | None = None, secret: str = SECRET, since: float = 0) -> Flaw:
    """Why it is nobody's."""
    with pytest.raises(SignatureError) as refused:
        verified(request, now, secret, since)
    return refused.value.flaw


@pytest.mark.parametrize("kind", SIGNERS)
@given(st.lists(SEGMENT, max_size=3), st.lists(st.tuples(SEGMENT, SEGMENT), max_size=3), st.binary(max_size=9), VALUE)
def test_what_is_signed_is_known_again(
    kind: str, path: list[str], query: list[tuple[str, str]], body: bytes, value: str
) -> None:
    """Any path, query, header and body, by each of the ways in which botocore signs."""
    asked = "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in query)
    place = "/bucket/" + "/".join(path)
    request = signed(kind, "PUT", place, asked, body, **{"x-amz-meta-b": value})
    found = verified(request)
    assert found.access_key == KEY
    assert found.service == {"header": "sagemaker", "url": "sts"}.get(kind, "s3")
    assert request.body.read() == (b"" if kind == "url" else body)  # it can be read again


def changed(request: Received, **parts: Any) -> Received:
    """The same but for one part."""
    request.body.seek(0)
    return dataclasses.replace(request, **parts)


def with_header(request: Received, name: str, value: str) -> Received:
    """The same with another value of a header."""
    headers = HTTPMessage()
    for known, kept in request.headers.items():
        headers[known] = value if known.lower() == name else kept
    return changed(request, headers=headers)


@pytest.mark.parametrize("kind", SIGNERS)
def test_one_difference_is_another_request(kind: str) -> None:
    """Method, path, secret, a signed header: each is bound."""
    request = signed(kind, query="acl=")
    assert verified(request).access_key == KEY
    assert flaw(changed(request, method="GET")) is Flaw.MISMATCH
    assert flaw(changed(request, target=request.target.replace("a%20b", "a%20c"))) is Flaw.MISMATCH
    assert flaw(changed(request, target=request.target.replace("acl=", "acl=1"))) is Flaw.MISMATCH
    assert flaw(with_header(request, "x-amz-meta-a", "2")) is Flaw.MISMATCH
    assert flaw(request, secret="another") is Flaw.MISMATCH
    with pytest.raises(SignatureError) as unknown:
        signatures.verified(request, Known(lambda _: None, time.time()))
    assert unknown.value.flaw is Flaw.UNKNOWN_KEY


@pytest.mark.parametrize("kind", SIGNERS)
def test_nothing_is_added_to_what_was_signed(kind: str) -> None:
    """Who was given a URL copies no other object with it, and reaches none whose key goes on behind a `#`."""
    request = signed(kind)
    more = HTTPMessage()
    for name, value in (*request.headers.items(), ("x-amz-copy-source", "/other/object")):
        more[name] = value
    assert flaw(changed(request, headers=more)) is (Flaw.UNSIGNED_HEADER if kind in V4 else Flaw.MISMATCH)
    path, question, query = request.target.partition("?")
    assert flaw(changed(request, target=f"{path}#more{question}{query}")) is Flaw.MISMATCH


def test_a_host_must_be_signed() -> None:
    """A bucket may stand in it."""
    request = signed("header of s3")
    names = request.headers["Authorization"].replace("SignedHeaders=host;", "SignedHeaders=")
    assert flaw(with_header(request, "authorization", names)) is Flaw.UNSIGNED_HEADER


@pytest.mark.parametrize("kind", V4)
def test_a_scope_is_bound(kind: str) -> None:
    """What is signed for one service or region is of no use for another."""
    request = signed(kind)
    for known, other in (("eu-west-1", "us-east-1"), ("/s3/", "/iam/"), ("sagemaker", "batch"), ("%2Fsts", "%2Fiam")):
        told = request.headers.get("Authorization", "").replace(known, other)
        away = changed(request, target=request.target.replace(known, other))
        if "Authorization" in request.headers:
            away = with_header(request, "authorization", told)
        if (away.target, away.headers.items()) != (request.target, request.headers.items()):
            assert flaw(away) is Flaw.MISMATCH


@pytest.mark.parametrize(("kind", "found"), [("header", Flaw.MISMATCH), ("header of s3", Flaw.BODY)])
def test_a_body_is_bound(kind: str, found: Flaw) -> None:
    """Another body under the same signature is refused, whether its hash is said or not."""
    request = signed(kind)
    assert flaw(changed(request, body=io.BytesIO(b"y"))) is found
    assert flaw(changed(request, body=io.BytesIO(b""))) is found


@pytest.mark.parametrize("kind", SIGNERS)
def test_a_signature_is_good_for_a_time(kind: str) -> None:
    """Fifteen minutes for a header; until it expires for a URL."""
    request, now = signed(kind), time.time()
    until = 3600 if "url" in kind else SKEW_S
    assert verified(request, now + until - 60)
    assert flaw(request, now + until + 60) is (Flaw.EXPIRED if "url" in kind else Flaw.SKEWED)
    later = time.time() + 60
    assert verified(request, later, since=0 if "url" not in kind else later)
    assert "url" in kind or flaw(request, later, since=later) is Flaw.SKEWED  # it was meant for who was there before
    if kind != "url, version 2":  # which says only when it ends
        assert flaw(request, now - SKEW_S - 60) is Flaw.SKEWED


@pytest.mark.parametrize("told", ["UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"])
def test_only_s3_takes_a_body_that_was_not_signed(told: str) -> None:
    """As on AWS."""
    assert flaw(signed("header", **{"x-amz-content-sha256": told})) is Flaw.BODY


NONSENSE = [
    {},
    {"Authorization": "AWS4-HMAC-SHA256"},
    {"Authorization": "AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=host, Signature=0"},
    {"Authorization": f"AWS4-HMAC-SHA256 Credential={KEY}/20260101/r/s3/aws4_request"},
    {"Authorization": f"AWS {KEY}:", "Date": "never"},
    {"Authorization": "Bearer x"},
    {"Authorization": "Basic x"},
    {"Authorization": "AWS4-ECDSA-P256-SHA256 Credential=x"},
]


@given(st.sampled_from(NONSENSE), st.text(st.characters(codec="latin-1"), max_size=60), st.text(max_size=60))
def test_nonsense_is_nobodys(headers: Mapping[str, str], value: str, query: str) -> None:
    """Whatever stands in the header or in the query, there is an answer, and it is no."""
    came = HTTPMessage()
    for name, given_value in headers.items():
        came[name] = given_value
    came["X-Amz-Date"] = value
    target = f"/?X-Amz-Signature={quote(value)}&X-Amz-Credential={quote(query)}&{quote(query, safe='&=')}"
    with pytest.raises(SignatureError):
        verified(Received("GET", target, came, io.BytesIO()))


# The examples that AWS publishes for S3 ("Signature Calculations ... Transferring Payload in Multiple Chunks", "Using
# Query Parameters"): what they sign was computed by nobody here.
EXAMPLE = Known({"AKIAIOSFODNN7EXAMPLE": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}.get, 1369353600.0)
SCOPE = "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"
CHUNKED = {
    "Host": "s3.amazonaws.com",
    "x-amz-date": "20130524T000000Z",
    "x-amz-storage-class": "REDUCED_REDUNDANCY",
    "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "Content-Encoding": "aws-chunked",
    "x-amz-decoded-content-length": "66560",
    "Content-Length": "66824",
    "Authorization": f"AWS4-HMAC-SHA256 Credential={SCOPE},"
    "SignedHeaders=content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;"
    "x-amz-storage-class,Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
}
CHUNKS = [
    (b"a" * 65536, b"ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"),
    (b"a" * 1024, b"0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"),
    (b"", b"b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"),
]


def chunked(*chunks: tuple[bytes, bytes]) -> Received:
    """The published upload with these chunks."""
    headers = HTTPMessage()
    for name, value in CHUNKED.items():
        headers[name] = value
    body = b"".join(b"%x;chunk-signature=%s\r\n%s\r\n" % (len(data), said, data) for data, said in chunks)
    return Received("PUT", "/examplebucket/chunkObject.txt", headers, io.BytesIO(body))


def test_an_upload_in_chunks_is_verified_chunk_by_chunk() -> None:
    """The published example passes; other bytes, another order, a chunk too few or none are another body."""
    request = chunked(*CHUNKS)
    assert signatures.verified(request, EXAMPLE) == Signed("AKIAIOSFODNN7EXAMPLE", "us-east-1", "s3")
    assert request.body.tell() == 0
    first, second, last = CHUNKS
    other = (b"b" + first[0][1:], first[1])
    for wrong in ([other, second, last], [second, first, last], [first, last], [first, second], []):
        with pytest.raises(SignatureError):
            signatures.verified(chunked(*wrong), EXAMPLE)


def test_a_published_url_is_verified() -> None:
    """As presigned by AWS's own example for a day."""
    headers = HTTPMessage()
    headers["Host"] = "examplebucket.s3.amazonaws.com"
    target = (
        f"/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={quote(SCOPE, safe='')}"
        "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )
    assert signatures.verified(Received("GET", target, headers, io.BytesIO()), EXAMPLE).service == "s3"
