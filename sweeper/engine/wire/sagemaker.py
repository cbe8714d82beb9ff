"""SageMaker over HTTP: JSON, judged by botocore's own model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from sweeper.engine.errors import ServiceError
from sweeper.engine.wire import rules

TARGET = "SageMaker."


class TrainingAnswerer(Protocol):
    """Whoever answers."""

    @property
    def operations(self) -> frozenset[str]:
        """The operations it knows."""

    def call(self, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one request."""


def answer(answerer: TrainingAnswerer, operation: str, params: object) -> dict[str, Any]:
    """Answer one request; raises ServiceError."""
    if rules.operation(operation) is None:
        raise ServiceError("UnknownOperationException", f"The requested operation {operation} is not recognized.")
    if operation not in answerer.operations:
        raise ServiceError("UnknownOperationException", f"The local engine does not emulate the operation {operation}.")
    return rules.shaped(operation, answerer.call(operation, rules.validated(operation, params)))
