"""A refusal in the words of the protocol that the request speaks: what SDKs raise by its code."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from enum import Enum
from xml.sax.saxutils import escape

from sweeper.engine.wire.http import Environ, StartResponse
from sweeper.engine.wire.signed import Flaw, Signed

_XML_SERVICES = frozenset({"s3", "s3express", "cloudfront", "route53"})
_REASONS = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden"}


class Form(Enum):
    """How a protocol writes an error."""

    JSON = "json"
    CBOR = "cbor"
    QUERY = "query"
    EC2 = "ec2"
    XML = "xml"


_CODES = {
    Flaw.MISSING: ("AccessDenied", "MissingAuthenticationToken", "MissingAuthenticationTokenException"),
    Flaw.UNKNOWN_KEY: ("InvalidAccessKeyId", "InvalidClientTokenId", "UnrecognizedClientException"),
    Flaw.MISMATCH: ("SignatureDoesNotMatch", "SignatureDoesNotMatch", "InvalidSignatureException"),
    Flaw.SKEWED: ("RequestTimeTooSkewed", "SignatureDoesNotMatch", "InvalidSignatureException"),
    Flaw.EXPIRED: ("AccessDenied", "SignatureDoesNotMatch", "InvalidSignatureException"),
    Flaw.BODY: ("XAmzContentSHA256Mismatch", "SignatureDoesNotMatch", "InvalidSignatureException"),
    Flaw.UNSIGNED_HEADER: ("AccessDenied", "SignatureDoesNotMatch", "InvalidSignatureException"),
    Flaw.TOKEN: ("InvalidToken", "InvalidClientTokenId", "UnrecognizedClientException"),
    Flaw.TOKEN_EXPIRED: ("ExpiredToken", "ExpiredToken", "ExpiredTokenException"),
    Flaw.SIGNED_OUT: ("UnauthorizedException",) * 3,
}
"""As AWS names it: S3, the query protocol, JSON."""
_SAID = {
    Flaw.MISSING: "The request must be signed with the credentials of this engine.",
    Flaw.UNKNOWN_KEY: "The access key is not one of this engine.",
    Flaw.MISMATCH: "The request signature we calculated does not match the signature you provided.",
    Flaw.SKEWED: "Signature expired, or not yet valid: the request's time is too far from the engine's.",
    Flaw.EXPIRED: "Request has expired.",
    Flaw.BODY: "The provided 'x-amz-content-sha256' header does not match what was computed.",
    Flaw.UNSIGNED_HEADER: "There were headers present in the request which were not signed.",
    Flaw.TOKEN: "The security token included in the request is invalid.",
    Flaw.TOKEN_EXPIRED: "The security token included in the request is expired",
    Flaw.SIGNED_OUT: "Session token not found or invalid",
}


def form_of(environ: Environ, service: str) -> Form:
    """What a client of this service reads an error in, by the looks of its request."""
    if environ.get("HTTP_SMITHY_PROTOCOL") == "rpc-v2-cbor":
        return Form.CBOR
    kind = str(environ.get("CONTENT_TYPE", ""))
    if environ.get("HTTP_X_AMZ_TARGET") or kind.startswith("application/json"):
        return Form.JSON
    if service in _XML_SERVICES:
        return Form.XML
    if service == "ec2":
        return Form.EC2
    if kind.startswith("application/x-www-form-urlencoded"):
        return Form.QUERY
    return Form.JSON if service else Form.XML


def unsigned(environ: Environ, start: StartResponse, flaw: Flaw, service: str) -> Iterable[bytes]:
    """For a request that is nobody's: 403, but of the tokens of S3 and of single sign-on."""
    form = form_of(environ, service)
    of_s3, of_query, of_json = _CODES[flaw]
    code = {Form.XML: of_s3, Form.QUERY: of_query, Form.EC2: of_query}.get(form, of_json)
    of_a_token = form is Form.XML and flaw in (Flaw.TOKEN, Flaw.TOKEN_EXPIRED)
    status = 401 if flaw is Flaw.SIGNED_OUT else 400 if of_a_token else 403
    return refusal(start, form, status, code, _SAID[flaw])


def of_another_region(environ: Environ, start: StartResponse, signed: Signed, region: str) -> Iterable[bytes]:
    """403 for a client of another Region than the engine's: only a part of what it asks for would be there."""
    form = form_of(environ, signed.service)
    _, of_query, of_json = _CODES[Flaw.MISMATCH]
    code = of_query if form in (Form.QUERY, Form.EC2) else of_json
    said = f"Credential should be scoped to a valid Region, not '{signed.region}': this engine is of {region}."
    return refusal(start, form, 403, code, said)


def not_emulated(environ: Environ, start: StartResponse, what: str, service: str) -> Iterable[bytes]:
    """400 for a service that nobody promised, or for what is not there of one that is."""
    said = f"The local engine does not emulate {what}."
    return refusal(start, form_of(environ, service), 400, "UnknownOperationException", said)


def denied(environ: Environ, start: StartResponse, service: str, message: str) -> Iterable[bytes]:
    """403 for what no policy allows."""
    return refusal(start, form_of(environ, service), 403, "AccessDenied", message)


def refusal(start: StartResponse, form: Form, status: int, code: str, message: str) -> Iterable[bytes]:
    """An error as this protocol writes it."""
    request = str(uuid.uuid4())
    headers = [("x-amzn-RequestId", request), ("x-amz-request-id", request)]
    if form in (Form.JSON, Form.CBOR):
        body = {"__type": code, "message": message}
        data = json.dumps(body).encode() if form is Form.JSON else _cbor(body)
        kind = "application/x-amz-json-1.1" if form is Form.JSON else "application/cbor"
        headers += [("x-amzn-ErrorType", code)]
        headers += [("smithy-protocol", "rpc-v2-cbor")] if form is Form.CBOR else []
    else:
        told = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
        data, kind = _xml(form, told, request).encode(), "application/xml"
    start(f"{status} {_REASONS[status]}", [*headers, ("Content-Type", kind), ("Content-Length", str(len(data)))])
    return [data]


def _xml(form: Form, told: str, request: str) -> str:
    if form is Form.XML:
        return f"<Error>{told}<RequestId>{request}</RequestId></Error>"
    if form is Form.EC2:
        return f"<Response><Errors><Error>{told}</Error></Errors><RequestID>{request}</RequestID></Response>"
    return f"<ErrorResponse><Error><Type>Sender</Type>{told}</Error><RequestId>{request}</RequestId></ErrorResponse>"


def _cbor(body: dict[str, str]) -> bytes:
    """A map of texts."""
    words = (text.encode() for pair in body.items() for text in pair)
    return bytes([0xA0 | len(body)]) + b"".join(b"\x79" + len(word).to_bytes(2, "big") + word for word in words)
