"""What the service answers when it refuses: a code, a text and an HTTP status, as on the wire."""

from __future__ import annotations


class ServiceError(Exception):
    """An error of the service itself."""

    def __init__(self, code: str, message: str, http_status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.http_status = http_status


def invalid(message: str) -> ServiceError:
    """The request is refused."""
    return ServiceError("ValidationException", message)


def not_found() -> ServiceError:
    """SageMaker says ValidationException for a training job that does not exist."""
    return invalid("Requested resource not found.")
