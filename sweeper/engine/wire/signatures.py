"""Whose request is it? Its signature is computed again by botocore's own signers, with the secret that we know.

In a header or in the URL, by version 4 or, as boto3 presigns for S3 by default, by version 2. A request that says
nothing, says it too late or says it of another body is nobody's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import parse_qsl

from sweeper.engine.wire import signature_v2, signature_v4
from sweeper.engine.wire.signature_v2 import SignerV2
from sweeper.engine.wire.signature_v4 import Scope
from sweeper.engine.wire.signed import Flaw, Known, Received, SignatureError, Signed, hmac_of

_V4 = re.compile(r"AWS4-HMAC-SHA256\s+(.+)", re.DOTALL)
_V2 = re.compile(r"AWS ([^:\s]+):(\S+)")


def verified(request: Received, known: Known) -> Signed:
    """What this request is signed for. Raises SignatureError."""
    if "#" in request.target:  # a signer would not look behind it, and whoever answers would
        raise SignatureError(Flaw.MISMATCH)
    authorization = request.headers.get("Authorization", "")
    if found := _V4.fullmatch(authorization):
        return signature_v4.header(request, dict(_pairs(found[1])), known)
    if found := _V2.fullmatch(authorization):
        return signature_v2.header(request, found[1], found[2], known)
    asked = dict(parse_qsl(request.query, keep_blank_values=True))
    if not authorization and "X-Amz-Signature" in asked:
        return signature_v4.url(request, asked, known)
    if not authorization and "Signature" in asked and "AWSAccessKeyId" in asked:
        return signature_v2.url(request, asked, known)
    raise SignatureError(Flaw.MISSING)


def named_key(authorization: str, query: str) -> str:
    """The access key that a request names, before anything of it is verified; empty when it names none."""
    if found := _V2.fullmatch(authorization):
        return found[1]
    asked = dict(parse_qsl(query))
    scope = dict(_pairs(authorization.partition(" ")[2])).get("Credential") or asked.get("X-Amz-Credential", "")
    return scope.partition("/")[0] or asked.get("AWSAccessKeyId", "")


def policy_signature(policy: str, secret: str, scope: Scope | None) -> str:
    """The signature of a form's policy: by version 4 with its scope, else by version 2."""
    if scope is None:
        return str(SignerV2("", secret, "").sign_string(policy))
    key = scope.key_of(secret)
    return hmac_of(key, policy)


def _pairs(text: str) -> Iterable[tuple[str, str]]:
    """`Credential=..., SignedHeaders=..., Signature=...`"""
    for part in text.split(","):
        name, _, value = part.strip().partition("=")
        yield name, value
