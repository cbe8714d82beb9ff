"""The service's answers as the port gives them: errors by their kind, times as boto3 has them."""

from __future__ import annotations

from datetime import datetime, timezone
from functools import lru_cache
from typing import Any

from sweeper.core.failures import refined
from sweeper.core.ports import Description
from sweeper.engine.errors import ServiceError
from sweeper.errors import ApiErrorKind

_KINDS = {
    "ThrottlingException": ApiErrorKind.THROTTLED,
    "InternalFailure": ApiErrorKind.UNAVAILABLE,
    "ServiceUnavailable": ApiErrorKind.UNAVAILABLE,
    "ResourceInUse": ApiErrorKind.IN_USE,
    "ResourceNotFound": ApiErrorKind.NOT_FOUND,
    "ResourceLimitExceeded": ApiErrorKind.LIMIT,
    "AccessDeniedException": ApiErrorKind.DENIED,
    "ExpiredTokenException": ApiErrorKind.EXPIRED,
    # of AWS Batch
    "TooManyRequestsException": ApiErrorKind.THROTTLED,
    "ClientException": ApiErrorKind.INVALID,
}
_UTC = timezone.utc


def kind_of(error: ServiceError) -> ApiErrorKind:
    """What kind of refusal it is."""
    return refined(_by_code(error), error.message)


def _by_code(error: ServiceError) -> ApiErrorKind:
    if error.code == "ValidationException":
        missing = "Requested resource not found" in error.message
        return ApiErrorKind.NOT_FOUND if missing else ApiErrorKind.INVALID
    return _KINDS.get(error.code, ApiErrorKind.UNKNOWN)


_TIMES = ("CreationTime", "LastModifiedTime", "TrainingStartTime", "TrainingEndTime")


@lru_cache(maxsize=1024)
def _moment(at: float) -> datetime:
    """The same few moments are told at every look."""
    return datetime.fromtimestamp(at, _UTC)


def with_datetimes(answer: dict[str, Any]) -> Description:
    """Epoch seconds as boto3 gives them: aware datetimes."""
    moment = _moment
    for key in _TIMES:
        if key in answer:
            answer[key] = moment(answer[key])
    for transition in answer.get("SecondaryStatusTransitions", ()):
        for key in ("StartTime", "EndTime"):
            if key in transition:
                transition[key] = moment(transition[key])
    for metric in answer.get("FinalMetricDataList", ()):
        metric["Timestamp"] = moment(metric["Timestamp"])
    return answer
