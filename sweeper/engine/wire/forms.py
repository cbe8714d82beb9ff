"""A form that a browser posts to S3 carries its own signature: that of a policy, which says what may be posted."""

from __future__ import annotations

import base64
import calendar
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from werkzeug.formparser import parse_form_data

from sweeper.engine.wire.http import Environ
from sweeper.engine.wire.signature_v4 import Scope
from sweeper.engine.wire.signatures import policy_signature
from sweeper.engine.wire.signed import Flaw, Known, SignatureError, Signed, compare

_OF_THE_FORM = frozenset({"bucket", "file", "policy", "signature", "awsaccesskeyid", "x-amz-signature"})


def verified(environ: Environ, bucket: str, known: Known) -> Signed:
    """What this form is signed for; its body can be read again. Raises SignatureError."""
    body = environ["wsgi.input"]
    try:
        _, fields, files = parse_form_data({**environ, "wsgi.input": body})
    finally:
        body.seek(0)
    told = {name.lower(): value for name, value in fields.items(multi=True)}
    if len(told) < sum(1 for _ in fields.items(multi=True)):  # whoever answers might take the other one
        raise SignatureError(Flaw.MISMATCH, "s3")
    policy = told.get("policy", "")
    if "x-amz-signature" in told:
        scope = Scope.parse(told.get("x-amz-credential", ""))
        signed, signature = scope.signed, told["x-amz-signature"]
    elif "signature" in told and "awsaccesskeyid" in told:
        scope, signed, signature = None, Signed(told["awsaccesskeyid"], "", "s3"), told["signature"]
    else:
        raise SignatureError(Flaw.MISSING, "s3")
    secret = known.secret_of(signed.access_key)
    if secret is None:
        raise SignatureError(Flaw.UNKNOWN_KEY, "s3")
    compare(policy_signature(policy, secret, scope), signature, "s3")
    file = files.get("file")
    size = _size(file.stream) if file is not None else len(told.get("file", "").encode())
    named = told.get("key", "").replace("${filename}", (file.filename if file is not None else None) or "")
    _check(policy, {**told, "key": named, "bucket": bucket}, size, known.now)
    return replace(signed, token=told.get("x-amz-security-token", ""))


def _size(stream: Any) -> int:
    return int(stream.seek(0, 2))


def _check(policy: str, told: Mapping[str, str], size: int, now: float) -> None:
    """Raises SignatureError for a form that its policy does not allow."""
    try:
        rules = json.loads(base64.b64decode(policy))
        until = calendar.timegm(time.strptime(rules["expiration"].partition(".")[0].rstrip("Z"), "%Y-%m-%dT%H:%M:%S"))
        allowed = all(_holds(rule, told, size) for rule in rules["conditions"]) and _all_named(
            rules["conditions"], told
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        raise SignatureError(Flaw.MISMATCH, "s3") from None
    if now > until:
        raise SignatureError(Flaw.EXPIRED, "s3")
    if not allowed:
        raise SignatureError(Flaw.MISMATCH, "s3")


def _all_named(rules: Iterable[Any], told: Mapping[str, str]) -> bool:
    """As S3: a form may say nothing of which its policy says nothing."""
    named = {
        name.lower()
        for rule in rules
        for name in (rule if isinstance(rule, dict) else [str(rule[1]).removeprefix("$")])
    }
    return all(name in named or name in _OF_THE_FORM or name.startswith("x-ignore-") for name in told)


def _holds(rule: Any, told: Mapping[str, str], size: int) -> bool:
    """One condition: `{"name": "value"}`, `["eq" or "starts-with", "$name", "value"]` or a range of lengths."""
    if isinstance(rule, dict):
        return all(told.get(name.lower(), "") == value for name, value in rule.items())
    kind, name, value = rule
    if kind == "content-length-range":
        return int(name) <= size <= int(value)
    found = told.get(name.removeprefix("$").lower(), "")
    if kind == "starts-with":
        return found.startswith(value)
    return bool(kind == "eq" and found == value)
