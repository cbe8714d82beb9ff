"""Answers in JSON, as the services of the JSON protocol give them."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sweeper.engine.errors import ServiceError
from sweeper.engine.wire.faults import Loss, WireError
from sweeper.engine.wire.http import Environ, StartResponse

_LOG = logging.getLogger(__name__)
_JSON = "application/x-amz-json-1.1"


def json_call(environ: Environ, start: StartResponse, call: Callable[[object], dict[str, Any]]) -> Iterable[bytes]:
    """The answer to a call whose parameters are the body."""

    def parsed() -> dict[str, Any]:
        try:
            params = json.loads(environ["wsgi.input"].read() or b"{}")
        except (ValueError, RecursionError) as error:
            raise ServiceError("SerializationException", "The request body is not JSON.") from error
        return call(params)

    return answer(start, parsed)


def answer(start: StartResponse, call: Callable[[], dict[str, Any]]) -> Iterable[bytes]:
    """The answer of a call, or how it was refused or lost."""
    try:
        return reply(start, call())
    except WireError as error:
        if error.loss is not Loss.READING:
            raise ConnectionError("simulated") from error
        return reply(start, "<html>not what you asked for")
    except ServiceError as error:
        return refusal(start, error)
    except Exception:  # noqa: BLE001 - a bug of ours is an internal error on the wire, and a traceback in the log
        _LOG.exception("internal error")
        body = {"__type": "InternalFailure", "message": "We encountered an internal error. Please try again."}
        return reply(start, body, status=500, error="InternalFailure")


def refusal(start: StartResponse, error: ServiceError) -> Iterable[bytes]:
    """A refusal in the words of the service."""
    body = {"__type": error.code, "message": error.message}
    return reply(start, body, status=error.http_status, error=error.code)


def reply(
    start: StartResponse,
    body: Mapping[str, Any] | str,
    status: int = 200,
    error: str | None = None,
    headers: Sequence[tuple[str, str]] = (),
) -> list[bytes]:
    """A body of JSON, with what every answer says of itself."""
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


def for_this_client_alone(start: StartResponse) -> StartResponse:
    """No page may read an answer (moto would let every one), and no browser keeps one for a page to find."""

    def begin(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
        kept = [(name, value) for name, value in headers if not name.lower().startswith("access-control-")]
        if not any(name.lower() == "cache-control" for name, _ in kept):
            kept.append(("Cache-Control", "no-store"))
        return start(status, kept, *rest)

    return begin
