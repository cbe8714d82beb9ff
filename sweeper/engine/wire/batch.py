"""AWS Batch over HTTP: REST with JSON, judged by botocore's own model."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Protocol
from urllib.parse import parse_qs

from sweeper.engine.batch.limits import REQUEST_MAX, refused
from sweeper.engine.errors import ServiceError
from sweeper.engine.wire import rules

SERVICE = "batch"


class BatchAnswerer(Protocol):
    """Whoever answers."""

    @property
    def batch_operations(self) -> frozenset[str]:
        """The operations it knows."""

    def call_batch(self, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one request."""


def answer(answerer: BatchAnswerer, method: str, path: str, query: str, body: object) -> dict[str, Any]:
    """Answer one request; raises ServiceError. `path` is unquoted."""
    if not isinstance(body, dict):
        raise ServiceError("SerializationException", "Start of structure or map found where not expected.")
    if len(json.dumps(body)) > REQUEST_MAX:
        raise refused(f"The request must be at most {REQUEST_MAX} bytes.")
    operation, in_path = _operation(method, path)
    if operation not in answerer.batch_operations:
        raise ServiceError(
            "UnknownOperationException", f"The local engine does not emulate the operation {operation} of AWS Batch."
        )
    params = {**body, **in_path, **parse_qs(query)}
    try:
        cleaned = rules.validated(operation, params, SERVICE)
    except ServiceError as error:
        raise refused(error.message) from error
    return rules.shaped(operation, answerer.call_batch(operation, cleaned), SERVICE)


def _operation(method: str, path: str) -> tuple[str, dict[str, str]]:
    """The operation of a request, and the members that its path holds."""
    for wanted, pattern, operation in _paths():
        if wanted == method and (found := pattern.fullmatch(path)):
            return operation, found.groupdict()
    raise ServiceError("UnknownOperationException", f"AWS Batch has no operation {method} {path[:200]}", 404)


@cache
def _paths() -> list[tuple[str, re.Pattern[str], str]]:
    model = rules.model(SERVICE)
    found = []
    for name in model.operation_names:
        http = model.operation_model(name).http
        found.append((http["method"], re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>.+)", http["requestUri"])), name))
    return found
