"""One WSGI application for one port: SageMaker, its logs and quotas are answered here, everything else by moto."""

from __future__ import annotations

import json
import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol
from urllib.parse import unquote

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from sweeper.engine import rules
from sweeper.engine.batch import wire as batch
from sweeper.engine.control import Control
from sweeper.engine.errors import ServiceError
from sweeper.engine.faults import Loss, WireError
from sweeper.engine.iam import Iam
from sweeper.engine.s3 import ObjectStore
from sweeper.engine.wire import Environ, StartResponse

_LOG = logging.getLogger(__name__)
SAGEMAKER = "SageMaker."
_JSON = "application/x-amz-json-1.1"
_REQUEST_MAX = 16 << 20
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class Part(Protocol):
    """Answers some requests of a service whose others are moto's."""

    def knows(self, operation: str, params: Mapping[str, Any]) -> bool:
        """Is this ours to answer?"""

    def call(self, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one request, or raise ServiceError."""


class Application:
    """Dispatches one request; knows nothing of processes and of time but when it was last asked."""

    def __init__(
        self, control: Control, objects: ObjectStore, parts: Mapping[str, Part], admin: Admin, account: str
    ) -> None:
        self._control, self._objects, self._parts, self._admin = control, objects, parts, admin
        self._moto: Callable[[Environ, StartResponse], Iterable[bytes]] = DomainDispatcherApplication(
            create_backend_app
        )
        self._iam = Iam(control.permissions, account, self._moto)
        self.asked_at = time.monotonic()

    def __call__(self, environ: Environ, start: StartResponse) -> Iterable[bytes]:
        """WSGI."""
        self.asked_at = time.monotonic()
        if not _from_this_machine(environ):
            return _reply(start, {"message": "this engine serves programs on this machine only"}, status=403)
        if environ["PATH_INFO"].startswith("/_engine/"):
            return self._admin.answer(environ, start)
        service, dot, operation = environ.get("HTTP_X_AMZ_TARGET", "").partition(".")
        if service + dot == SAGEMAKER:
            return _json_call(environ, start, lambda params: self._sagemaker(operation, params))
        if service + dot in self._parts:
            return self._part_or_moto(self._parts[service + dot], operation, environ, start)
        scope = _scope(environ)
        if scope == "iam":
            return self._iam(environ, start)
        if scope == batch.SERVICE:
            return self._batch(environ, start)
        if scope == "monitoring":
            self._control.publish_metrics()
        if scope in ("s3", "") and not service and not _is_form(environ):
            return self._s3(environ, start)
        return self._moto(environ, start)

    def _sagemaker(self, operation: str, params: object) -> dict[str, Any]:
        if rules.operation(operation) is None:
            raise ServiceError("UnknownOperationException", f"The requested operation {operation} is not recognized.")
        if operation not in self._control.operations:
            raise ServiceError(
                "UnknownOperationException", f"The local engine does not emulate the operation {operation}."
            )
        answer = self._control.call(operation, rules.validated(operation, params))
        return rules.shaped(operation, answer)

    def _batch(self, environ: Environ, start: StartResponse) -> Iterable[bytes]:
        method, path, query = environ["REQUEST_METHOD"], environ["PATH_INFO"], environ.get("QUERY_STRING", "")
        return _json_call(environ, start, lambda body: batch.answer(self._control, method, path, query, body))

    def _part_or_moto(self, part: Part, operation: str, environ: Environ, start: StartResponse) -> Iterable[bytes]:
        action = f"{_scope(environ)}:{operation}"
        if not self._control.permissions.allows(action):
            return _refusal(start, self._control.permissions.refused(action))
        if operation == "DescribeLogGroups":
            self._control.publish_log_group()
        body = environ["wsgi.input"]
        try:
            params = json.loads(body.read(_REQUEST_MAX))
        except (ValueError, RecursionError):
            params = None
        if isinstance(params, dict) and part.knows(operation, params):
            return _answer(start, lambda: part.call(operation, params))
        body.seek(0)
        return self._moto(environ, start)

    def _s3(self, environ: Environ, start: StartResponse) -> Iterable[bytes]:
        """moto has no lock and forgets everything: one request at a time, and what it changed goes to disk first."""
        with self._objects.lock:
            chunks = list(self._moto(environ, start))
            if environ["REQUEST_METHOD"] in ("PUT", "POST", "DELETE"):
                bucket, key = _object_of(environ)
                if bucket:
                    self._objects.sync(bucket, key)
        return chunks


class Admin:
    """What sweeper itself asks of an engine, below /_engine/."""

    def __init__(self, identity: Mapping[str, Any], records: Callable[[], dict[str, Any]], stop: Callable[[], None]):
        self._identity, self._records, self._stop = identity, records, stop

    def answer(self, environ: Environ, start: StartResponse) -> Iterable[bytes]:
        """health and status are for everyone; stop needs the secret of engine.json."""
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        if (method, path) == ("GET", "/_engine/health"):
            return _reply(start, {k: self._identity[k] for k in ("id", "pid")})
        if environ.get("HTTP_X_ENGINE_SECRET") != self._identity["secret"]:
            return _reply(start, {"message": "wrong secret"}, status=403)
        if (method, path) == ("GET", "/_engine/status"):
            return _reply(start, self._records())
        if (method, path) == ("POST", "/_engine/stop"):
            threading.Thread(target=self._stop, name="stop", daemon=True).start()
            return _reply(start, {})
        return _reply(start, {"message": "no such page"}, status=404)


# ---------------------------------------------------------------------- small things of the wire


def _json_call(environ: Environ, start: StartResponse, call: Callable[[object], dict[str, Any]]) -> Iterable[bytes]:
    def parsed() -> dict[str, Any]:
        raw = environ["wsgi.input"].read(_REQUEST_MAX + 1)
        if len(raw) > _REQUEST_MAX:
            raise ServiceError("RequestEntityTooLarge", "The request is too large.", 413)
        try:
            params = json.loads(raw or b"{}")
        except (ValueError, RecursionError) as error:
            raise ServiceError("SerializationException", "The request body is not JSON.") from error
        return call(params)

    return _answer(start, parsed)


def _answer(start: StartResponse, call: Callable[[], dict[str, Any]]) -> Iterable[bytes]:
    try:
        return _reply(start, call())
    except WireError as error:
        if error.loss is not Loss.READING:
            raise ConnectionError("simulated") from error
        return _reply(start, "<html>not what you asked for")
    except ServiceError as error:
        return _refusal(start, error)
    except Exception:  # noqa: BLE001 - a bug of ours is an internal error on the wire, and a traceback in the log
        _LOG.exception("internal error")
        body = {"__type": "InternalFailure", "message": "We encountered an internal error. Please try again."}
        return _reply(start, body, status=500, error="InternalFailure")


def _refusal(start: StartResponse, error: ServiceError) -> Iterable[bytes]:
    body = {"__type": error.code, "message": error.message}
    return _reply(start, body, status=error.http_status, error=error.code)


def _reply(
    start: StartResponse, body: Mapping[str, Any] | str, status: int = 200, error: str | None = None
) -> list[bytes]:
    data = (body if isinstance(body, str) else json.dumps(body)).encode()
    headers = [
        ("x-amzn-RequestId", str(uuid.uuid4())),
        ("Content-Type", _JSON),
        ("Content-Length", str(len(data))),
    ]
    if error is not None:
        headers.append(("x-amzn-ErrorType", error))
    reasons = {200: "OK", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 500: "Internal Server Error"}
    start(f"{status} {reasons.get(status, 'Error')}", headers)
    return [data]


def _from_this_machine(environ: Environ) -> bool:
    """A page in a browser must not start programs here: no cross-origin request, no borrowed host name."""
    host = str(environ.get("HTTP_HOST", ""))
    name = host[: host.rfind(":")] if ":" in host and not host.endswith("]") else host
    return "HTTP_ORIGIN" not in environ and (name in _LOOPBACK or name.endswith(".localhost"))


def _object_of(environ: Environ) -> tuple[str, str]:
    """Bucket and key that an S3 request is about, in either way of addressing."""
    path = unquote(str(environ["RAW_URI"]).partition("?")[0]).removeprefix("/")
    host = str(environ.get("HTTP_HOST", "")).partition(":")[0]
    if host.endswith(".localhost"):
        return host.removesuffix(".localhost"), path
    bucket, _, key = path.partition("/")
    return bucket, key


def _scope(environ: Environ) -> str:
    """The service a request is signed for; empty when it is not signed."""
    _, found, credential = str(environ.get("HTTP_AUTHORIZATION", "")).partition("Credential=")
    parts = credential.partition(",")[0].split("/")
    return parts[3].lower() if found and len(parts) > 3 else ""


def _is_form(environ: Environ) -> bool:
    """The query protocol of sts, which is moto's."""
    return str(environ.get("CONTENT_TYPE", "")).startswith("application/x-www-form-urlencoded")
