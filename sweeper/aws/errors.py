"""The one place where botocore's exceptions become ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from botocore import exceptions as boto

from sweeper.errors import ApiError, ApiErrorKind

_CODES = {
    "ThrottlingException": ApiErrorKind.THROTTLED,
    "Throttling": ApiErrorKind.THROTTLED,
    "TooManyRequestsException": ApiErrorKind.THROTTLED,
    "RequestLimitExceeded": ApiErrorKind.THROTTLED,
    "SlowDown": ApiErrorKind.THROTTLED,
    "ResourceInUse": ApiErrorKind.IN_USE,
    "ResourceLimitExceeded": ApiErrorKind.LIMIT,
    "ResourceNotFound": ApiErrorKind.NOT_FOUND,
    "ResourceNotFoundException": ApiErrorKind.NOT_FOUND,
    "NoSuchBucket": ApiErrorKind.NOT_FOUND,
    "NoSuchKey": ApiErrorKind.NOT_FOUND,
    "404": ApiErrorKind.NOT_FOUND,
    "AccessDeniedException": ApiErrorKind.DENIED,
    "AccessDenied": ApiErrorKind.DENIED,
    "403": ApiErrorKind.DENIED,
    "UnrecognizedClientException": ApiErrorKind.DENIED,
    "InvalidClientTokenId": ApiErrorKind.DENIED,
    "ExpiredToken": ApiErrorKind.EXPIRED,
    "ExpiredTokenException": ApiErrorKind.EXPIRED,
    "RequestExpired": ApiErrorKind.EXPIRED,
    "RequestTimeTooSkewed": ApiErrorKind.SKEWED,
    "RequestInTheFuture": ApiErrorKind.SKEWED,
    "InvalidSignatureException": ApiErrorKind.DENIED,
    "SignatureDoesNotMatch": ApiErrorKind.DENIED,
}

# Texts of a refused signature that tell of the wrong time and not of the wrong key.
_SKEWED = ("Signature expired", "Signature not yet current")

# Texts of a ValidationException that time heals: Terraform's SageMaker provider retries exactly these.
_PROPAGATION = (
    "Could not assume role",
    "Access denied to OutputDataConfig S3 bucket",
    "no identity-based policy allows the s3:ListBucket action",
    "Access denied for repository",
)
_MISSING = ("Requested resource not found", "could not be found", "does not exist")

_LOST = (boto.ReadTimeoutError, boto.ConnectionClosedError, boto.ResponseStreamingError, boto.IncompleteReadError)
_NEVER_SENT = (boto.EndpointConnectionError, boto.ConnectTimeoutError, boto.ProxyConnectionError, boto.SSLError)
_NO_CREDENTIALS = (boto.NoCredentialsError, boto.PartialCredentialsError, boto.TokenRetrievalError)
_EXPIRED = (boto.CredentialRetrievalError, boto.SSOTokenLoadError, boto.UnauthorizedSSOTokenError)


def kind_of(code: str, message: str, status: int) -> ApiErrorKind:
    """What an error answer of the service means."""
    if code == "ValidationException":
        if any(text in message for text in _PROPAGATION):
            return ApiErrorKind.PROPAGATION
        return ApiErrorKind.NOT_FOUND if any(text in message for text in _MISSING) else ApiErrorKind.INVALID
    if any(text in message for text in _SKEWED):
        return ApiErrorKind.SKEWED
    if code in _CODES:
        return _CODES[code]
    if status >= 500:
        return ApiErrorKind.UNAVAILABLE
    return ApiErrorKind.INVALID if 400 <= status < 500 else ApiErrorKind.UNKNOWN


@contextmanager
def mapped(operation: str) -> Iterator[None]:
    """Turn every botocore failure inside into an ApiError of this operation."""
    try:
        yield
    except boto.ClientError as error:
        answer = error.response.get("Error", {})
        code, message = str(answer.get("Code", "Unknown")), str(answer.get("Message", ""))
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        raise ApiError(kind_of(code, message, status), operation, code, message) from error
    except _LOST as error:
        raise ApiError(ApiErrorKind.LOST, operation, type(error).__name__, str(error)) from error
    except _NEVER_SENT as error:
        raise ApiError(ApiErrorKind.UNAVAILABLE, operation, type(error).__name__, str(error)) from error
    except _NO_CREDENTIALS as error:
        raise ApiError(ApiErrorKind.DENIED, operation, type(error).__name__, str(error)) from error
    except _EXPIRED as error:
        raise ApiError(ApiErrorKind.EXPIRED, operation, type(error).__name__, str(error)) from error
    except boto.ParamValidationError as error:
        raise ApiError(ApiErrorKind.INVALID, operation, "ParamValidation", str(error)) from error
    except (boto.BotoCoreError, boto.HTTPClientError) as error:
        # Whatever else: it may or may not have been sent.
        raise ApiError(ApiErrorKind.LOST, operation, type(error).__name__, str(error)) from error


def readable(operation: str, answer: Mapping[str, Any], needed: str) -> Mapping[str, Any]:
    """The answer, unless it is not the service's: botocore takes a proxy's page with status 200 for an empty one."""
    if needed not in answer:
        raise ApiError(ApiErrorKind.LOST, operation, "UnreadableAnswer", f"the answer holds no {needed}")
    return answer
