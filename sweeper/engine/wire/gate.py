"""Who may ask the engine: a program of this machine that holds a key of its, and no page in a browser."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from urllib.parse import parse_qsl

from sweeper.engine.wire import forms, signatures
from sweeper.engine.wire.holders import Holders
from sweeper.engine.wire.http import HEADERS, Environ
from sweeper.engine.wire.signed import SIGNED_IN, Flaw, Known, Received, SignatureError, Signed

_BEARER = "x-amz-sso_bearer_token"
"""The header of somebody who has signed in; WSGI has no name for one with an underscore."""
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class BrowserError(Exception):
    """The request comes from a page, or for another host."""


class Gate:
    """Lets a request in, or raises. It is made before the first one can come."""

    def __init__(self, holders: Holders) -> None:
        self._holders = holders
        # a request's time is in whole seconds, and it may have been under way for one
        self._since = math.floor(time.time()) - 1.0

    def admitted(self, environ: Environ) -> Signed:
        """What this request is signed for. Raises BrowserError or SignatureError."""
        if not _from_a_program(environ):
            raise BrowserError
        request = Received(
            method=environ["REQUEST_METHOD"],
            target=environ["RAW_URI"],
            headers=environ[HEADERS],
            body=environ["wsgi.input"],
            bucket_in_host=bucket_in_host(environ),
        )
        if _BEARER in request.headers:
            return self._signed_in(request.headers[_BEARER])
        return self._holders.checked(self._verified(environ, request))

    def _verified(self, environ: Environ, request: Received) -> Signed:
        known = Known(self._holders.secret_of, time.time(), self._since)
        try:
            return replace(signatures.verified(request, known), token=_token_of(environ))
        except SignatureError as error:
            if error.flaw is not Flaw.MISSING or not _is_form_of_s3(environ):
                raise
        bucket = request.bucket_in_host or request.path.strip("/")
        return forms.verified(environ, bucket, known)

    def may_know(self, environ: Environ) -> bool:
        """Does a request name a key of ours, as far as its head tells? Nobody else's body need be kept."""
        named = signatures.named_key(environ.get("HTTP_AUTHORIZATION", ""), environ.get("QUERY_STRING", ""))
        return self._holders.secret_of(named) is not None or (not named and _is_form_of_s3(environ))

    def _signed_in(self, token: str) -> Signed:
        person = self._holders.sessions.person(token)
        if person is None:
            raise SignatureError(Flaw.SIGNED_OUT, SIGNED_IN)
        return Signed("", "", SIGNED_IN, token, person)


def _token_of(environ: Environ) -> str:
    """The token of a session, in a header or in the URL."""
    asked = {name.lower(): value for name, value in parse_qsl(environ.get("QUERY_STRING", ""))}
    return str(environ.get("HTTP_X_AMZ_SECURITY_TOKEN") or asked.get("x-amz-security-token", ""))


def bucket_in_host(environ: Environ) -> str:
    """The bucket that a client has put before `localhost`; empty where it stands in the path."""
    name = str(environ.get("HTTP_HOST", "")).partition(":")[0]
    return name.removesuffix(".localhost") if name.endswith(".localhost") else ""


def _from_a_program(environ: Environ) -> bool:
    """Pages send an Origin or say where they come from; a borrowed host name is how a page gets round both."""
    host = str(environ.get("HTTP_HOST", ""))
    name = host[: host.rfind(":")] if ":" in host and not host.endswith("]") else host
    from_a_page = "HTTP_ORIGIN" in environ or environ.get("HTTP_SEC_FETCH_SITE", "none") != "none"
    return not from_a_page and (name in _LOOPBACK or name.endswith(".localhost"))


def _is_form_of_s3(environ: Environ) -> bool:
    kind = str(environ.get("CONTENT_TYPE", ""))
    return environ["REQUEST_METHOD"] == "POST" and kind.startswith("multipart/form-data")
