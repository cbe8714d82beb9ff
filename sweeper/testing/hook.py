"""Real botocore over the twin, in process: its before-send hook answers in place of the network."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from botocore import UNSIGNED
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError

from sweeper.aws.clients import Clients, Endpoint, SageMakerApi
from sweeper.engine.errors import ServiceError
from sweeper.engine.wire import rules
from sweeper.engine.wire.faults import Loss, WireError
from sweeper.testing.twin import Twin

_TARGET = "SageMaker."
SENDING = "before-send.sagemaker.*"


def attach(client: Any, twin: Twin) -> None:
    """Let this boto3 SageMaker client talk to the twin: no socket, and no sleep but the twin's own clock."""
    Hook(twin).answers(client.meta.events)


class Wire(Clients):
    """Real boto3 clients whose wire is one twin after another; one attempt a call, so that botocore never sleeps."""

    def __init__(self) -> None:
        super().__init__(Endpoint("http://twin.invalid", "us-east-1", access_key="twin", secret_key="twin"))
        self.hook = Hook(Twin())

    def _make(self, service: str, attempts: int, patience_s: float) -> Any:
        made = super()._make(service, 1, patience_s)
        self.hook.answers(made.meta.events)
        made.meta.events.register_first("choose-signer.sagemaker", lambda **_: UNSIGNED)  # nobody would look at it
        return made

    def _renew(self) -> None:
        """Nothing: a twin asks for no credentials."""

    def to(self, twin: Twin) -> SageMakerApi:
        """The TrainingApi port over botocore to this twin; the one before is not answered for any more."""
        self.hook.twin = twin
        return SageMakerApi(lambda: self)


class Hook:
    """Answers in place of the network for whatever twin it is given at the time."""

    def __init__(self, twin: Twin) -> None:
        self.twin = twin

    def answers(self, events: Any) -> None:
        """Answer for the client that these botocore events are of."""
        events.register(SENDING, self.answer)

    def answer(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        """What botocore gets instead of sending."""
        target = request.headers["X-Amz-Target"]
        operation = (target.decode() if isinstance(target, bytes) else str(target))[len(_TARGET) :]
        try:
            body = self._call(operation, json.loads(_body(request)))
        except ServiceError as error:
            return _response(
                request.url, error.http_status, {"__type": error.code, "message": error.message}, error.code
            )
        except WireError as error:
            if error.loss is Loss.REQUEST:
                raise ReadTimeoutError(endpoint_url=request.url) from error
            if error.loss is Loss.ANSWER:
                raise ConnectionClosedError(endpoint_url=request.url) from error
            return AWSResponse(request.url, 200, HTTPHeaders(), _Raw(b"<html>not what you asked for"))
        return _response(request.url, 200, body)

    def _call(self, operation: str, params: Any) -> dict[str, Any]:
        if operation not in self.twin.service.operations:
            raise ServiceError("UnknownOperationException", f"The twin does not emulate the operation {operation}.")
        answer = self.twin.request(operation, rules.validated(operation, params))
        return rules.shaped(operation, answer)


class _Raw:
    """The body of an answer as urllib3 would hand it over."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield self._data


def _response(url: str, status: int, body: dict[str, Any], error: str | None = None) -> AWSResponse:
    headers = {"Content-Type": "application/x-amz-json-1.1", "x-amzn-RequestId": "00000000-0000-4000-8000-000000000000"}
    if error is not None:
        headers["x-amzn-ErrorType"] = error
    return AWSResponse(url, status, HTTPHeaders.from_dict(headers), _Raw(json.dumps(body).encode()))


def _body(request: AWSPreparedRequest) -> bytes | str:
    assert isinstance(request.body, (bytes, str)), "the JSON protocol sends no streams"
    return request.body
