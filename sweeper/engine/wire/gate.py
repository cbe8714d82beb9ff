"""Who may ask the engine: a program of this machine that holds its key pair, and no page in a browser."""

from __future__ import annotations

import hmac
import math
import sys
import time
from datetime import datetime, timezone

from sweeper.engine.credentials import KeyPair
from sweeper.engine.wire import forms, signatures
from sweeper.engine.wire.http import HEADERS, Environ
from sweeper.engine.wire.signed import Flaw, Known, Received, SignatureError, Signed

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class BrowserError(Exception):
    """The request comes from a page, or for another host."""


class Gate:
    """Lets a request in, or raises. It is made before the first one can come."""

    def __init__(self, pair: KeyPair) -> None:
        self._pair = pair
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
        known = Known(self._secret_of, time.time(), self._since)
        try:
            return signatures.verified(request, known)
        except SignatureError as error:
            if error.flaw is not Flaw.MISSING or not _is_form_of_s3(environ):
                raise
        bucket = request.bucket_in_host or request.path.strip("/")
        return forms.verified(environ, bucket, known)

    def may_know(self, environ: Environ) -> bool:
        """Does a request name a key of ours, as far as its head tells? Nobody else's body need be kept."""
        named = signatures.named_key(environ.get("HTTP_AUTHORIZATION", ""), environ.get("QUERY_STRING", ""))
        return self._secret_of(named) is not None or (not named and _is_form_of_s3(environ))

    def _secret_of(self, access_key: str) -> str | None:
        if hmac.compare_digest(access_key.encode("utf-8", "replace"), self._pair.access_key.encode()):
            return self._pair.secret_key
        return _secret_of_a_role(access_key)


def _secret_of_a_role(access_key: str) -> str | None:
    """The secret of temporary credentials that this engine's STS has given to whom it knew."""
    models = sys.modules.get("moto.sts.models")  # before anybody has asked it there are none
    if models is None:
        return None
    now = datetime.now(timezone.utc).replace(tzinfo=None)  # as moto keeps it
    for account in list(models.sts_backends.values()):
        for backend in list(account.values()):
            role = backend.get_assumed_role_from_access_key(access_key)
            if role is not None and role.expiration > now:
                return str(role.secret_access_key)
    return None


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
