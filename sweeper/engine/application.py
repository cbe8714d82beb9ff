"""One WSGI application for one port: SageMaker, its logs and quotas are answered here, S3 and a few more by moto."""

from __future__ import annotations

import json
import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import unquote

from moto.backends import SERVICE_NAMES
from moto.moto_server.werkzeug_app import create_backend_app

from sweeper.engine import launch
from sweeper.engine.around import logs, uploads
from sweeper.engine.around.iam import Iam
from sweeper.engine.around.s3 import ObjectStore
from sweeper.engine.control import Control
from sweeper.engine.credentials import KeyPair
from sweeper.engine.errors import ServiceError
from sweeper.engine.wire import access, batch, refusals, rules
from sweeper.engine.wire.faults import Loss, WireError
from sweeper.engine.wire.gate import BrowserError, Gate, bucket_in_host
from sweeper.engine.wire.http import Environ, StartResponse
from sweeper.engine.wire.signed import SignatureError

_LOG = logging.getLogger(__name__)
SAGEMAKER = "SageMaker."
_JSON = "application/x-amz-json-1.1"
_REGIONAL = frozenset({"sagemaker", "batch", "logs", "monitoring", "servicequotas"})
"""The services whose jobs, metrics, logs and quotas are those of the engine's own Region."""
Wsgi = Callable[[Environ, StartResponse], Iterable[bytes]]


class Part(Protocol):
    """Answers some requests of a service whose others are moto's."""

    def knows(self, operation: str, params: Mapping[str, Any]) -> bool:
        """Is this ours to answer?"""

    def call(self, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one request, or raise ServiceError."""


Parts = Mapping[tuple[str, str], Part]
"""By the service that a request is signed for and the target that it names."""


class Application:
    """Dispatches one request; knows nothing of processes and of time but when it was last asked."""

    def __init__(
        self, gate: Gate, control: Control, objects: ObjectStore, parts: Parts, admin: Admin, account: str
    ) -> None:
        self._gate, self._control, self._objects, self._parts, self._admin = gate, control, objects, parts, admin
        self._moto = Moto()
        self._iam = Iam(control.permissions, account, self._moto.app("iam"))
        self.asked_at = time.monotonic()

    def __call__(self, environ: Environ, start: StartResponse) -> Iterable[bytes]:
        """WSGI."""
        start = _for_this_client_alone(start)
        try:
            signed = self._gate.admitted(environ)
        except BrowserError:
            return _reply(start, {"message": "this engine serves programs on this machine only"}, status=403)
        except SignatureError as error:
            return refusals.unsigned(environ, start, error.flaw, error.service)
        self.asked_at = time.monotonic()
        region = self._control.permissions.settings.region
        if signed.service in _REGIONAL and signed.region != region:
            return refusals.of_another_region(environ, start, signed, region)
        return self._answer(signed.service, environ, start)

    def _answer(self, service: str, environ: Environ, start: StartResponse) -> Iterable[bytes]:
        target, dot, operation = environ.get("HTTP_X_AMZ_TARGET", "").partition(".")
        if service == launch.SERVICE:
            return self._admin.answer(environ, start)
        if service == "sagemaker" and target + dot == SAGEMAKER:
            return _json_call(environ, start, lambda params: self._sagemaker(operation, params))
        if service == batch.SERVICE:
            return self._batch(environ, start)
        if service == "iam":
            return self._iam(environ, start)
        if part := self._parts.get((service, target + dot)):
            return self._part_or_moto(part, service, operation, environ, start)
        if service == "monitoring":
            self._control.metrics.publish()
        if service == "s3":
            return self._s3(environ, start)
        if service == "sts" and (refused := access.refused(self._control.permissions, access.of_sts(environ))):
            return refusals.denied(environ, start, service, refused.message)
        if service in Moto.ANSWERS:
            return self._moto.app(service)(environ, start)
        path = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO'][:100]}"
        what = f"{path} of {service}" if service == "sagemaker" else service
        return refusals.not_emulated(environ, start, what, service)

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

    def _part_or_moto(
        self, part: Part, service: str, operation: str, environ: Environ, start: StartResponse
    ) -> Iterable[bytes]:
        body, permissions = environ["wsgi.input"], self._control.permissions
        try:
            params = json.loads(body.read())
        except (ValueError, RecursionError):
            params = None
        if refused := access.refused(permissions, access.of_part(permissions, service, operation, params)):
            return _refusal(start, refused)
        if operation == "DescribeLogGroups":
            self._publish_log_group()
        if isinstance(params, dict) and part.knows(operation, params):
            return _answer(start, lambda: part.call(operation, params))
        body.seek(0)
        return self._moto.app(service)(environ, start)

    def _publish_log_group(self) -> None:
        """moto lists the log groups: it is given the one of the jobs, once one of them has a log."""
        if self._control.overview.logged_jobs():
            settings = self._control.permissions.settings
            logs.publish_group(settings.account, settings.region)

    def _s3(self, environ: Environ, start: StartResponse) -> Iterable[bytes]:
        """moto has no lock and forgets everything: one request at a time, and what it changed goes to disk first."""
        bucket, key = _object_of(environ)
        moto, permissions = self._moto.app("s3"), self._control.permissions
        if refused := access.refused(permissions, access.of_s3(permissions, environ, bucket, key)):
            return refusals.denied(environ, start, "s3", refused.message)
        if uploads.is_plain_put(environ, key):
            return uploads.put(moto, self._objects, bucket, key, environ, start)
        with self._objects.lock:
            chunks = list(moto(uploads.as_bytes(environ), start))
            if bucket and environ["REQUEST_METHOD"] in ("PUT", "POST", "DELETE"):
                self._objects.sync(bucket, key)
        return chunks


class Moto:
    """The services that are moto's, each by the name that a request is signed for; of its others nothing is reached."""

    ANSWERS: Mapping[str, SERVICE_NAMES] = {
        "iam": "iam",
        "logs": "logs",
        "monitoring": "cloudwatch",
        "s3": "s3",
        "servicequotas": "service-quotas",
        "sts": "sts",
    }

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[str, Wsgi] = {}

    def app(self, service: str) -> Wsgi:
        """What answers for a service; made when it is first asked, which takes a moment."""

        def answer(environ: Environ, start: StartResponse) -> Iterable[bytes]:
            with self._lock:
                if service not in self._made:
                    self._made[service] = create_backend_app(self.ANSWERS[service])
            try:
                return list(self._made[service](environ, start))
            except NotImplementedError:  # an operation that moto has not; a 500 would be tried again and again
                return refusals.not_emulated(environ, start, f"this operation of {service}", service)

        return answer


class Admin:
    """What sweeper itself asks of an engine, below /_engine/."""

    def __init__(self, pair: KeyPair, records: Callable[[], dict[str, Any]], stop: Callable[[], None]):
        self._pair, self._records, self._stop = pair, records, stop

    def answer(self, environ: Environ, start: StartResponse) -> Iterable[bytes]:
        """Each answer proves that it comes from one who knows the secret."""
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        status, body = 200, {}
        if (method, path) == ("GET", "/_engine/status"):
            body = self._records()
        elif (method, path) == ("POST", "/_engine/stop"):
            threading.Thread(target=self._stop, name="stop", daemon=True).start()
        elif (method, path) != ("GET", "/_engine/health"):
            status, body = 404, {"message": "no such page"}
        text = json.dumps(body)
        proof = launch.proof(self._pair, environ.get("HTTP_AUTHORIZATION", ""), text.encode())
        return _reply(start, text, status=status, headers=[(launch.PROOF, proof)])


# ---------------------------------------------------------------------- small things of the wire


def _json_call(environ: Environ, start: StartResponse, call: Callable[[object], dict[str, Any]]) -> Iterable[bytes]:
    def parsed() -> dict[str, Any]:
        try:
            params = json.loads(environ["wsgi.input"].read() or b"{}")
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
    start: StartResponse,
    body: Mapping[str, Any] | str,
    status: int = 200,
    error: str | None = None,
    headers: Sequence[tuple[str, str]] = (),
) -> list[bytes]:
    data = (body if isinstance(body, str) else json.dumps(body)).encode()
    sent = [
        *headers,
        ("x-amzn-RequestId", str(uuid.uuid4())),
        ("Content-Type", _JSON),
        ("Content-Length", str(len(data))),
    ]
    if error is not None:
        sent.append(("x-amzn-ErrorType", error))
    reasons = {200: "OK", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 500: "Internal Server Error"}
    start(f"{status} {reasons.get(status, 'Error')}", sent)
    return [data]


def _for_this_client_alone(start: StartResponse) -> StartResponse:
    """No page may read an answer (moto would let every one), and no browser keeps one for a page to find."""

    def begin(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
        kept = [(name, value) for name, value in headers if not name.lower().startswith("access-control-")]
        if not any(name.lower() == "cache-control" for name, _ in kept):
            kept.append(("Cache-Control", "no-store"))
        return start(status, kept, *rest)

    return begin


def _object_of(environ: Environ) -> tuple[str, str]:
    """Bucket and key that an S3 request is about, in either way of addressing."""
    path = unquote(str(environ["RAW_URI"]).partition("?")[0]).removeprefix("/")
    if bucket := bucket_in_host(environ):
        return bucket, path
    bucket, _, key = path.partition("/")
    return bucket, key
