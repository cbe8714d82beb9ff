"""The one place where botocore's exceptions become ours."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

from sweeper.core.failures import refined
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
    "InvalidAccessKeyId": ApiErrorKind.DENIED,
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
# A wrong enum is answered with every value there is: of instance types eight kilobytes.
_MANY_VALUES = re.compile(r"(enum value set: \[(?:[^,\]]*, ){5})[^\]]*\]")
# A value that is refused is repeated, of the environment all of them, and cut somewhere.
_ECHO = re.compile(r"Value '(?:(?!' at ').)*' at '(environment\b[^']*)' failed", re.DOTALL)
# Of a refused signature all that should have been signed is repeated, the session's token with it.
_TOKEN = re.compile(r"(x-amz-security-token[:=]\s*)[^\s'&]+", re.IGNORECASE)
# Nothing was sent, since there is nothing to sign with.
_UNSIGNED = (
    "NoCredentialsError",
    "PartialCredentialsError",
    "LoginInsufficientPermissions",
    "ProfileNotFound",
    "ConfigNotFound",
    "ConfigParseError",
    "InvalidConfigError",
    "UnknownCredentialError",
    "MissingDependencyException",
)
# What somebody renews beside us, in a browser or a file. `aws login` is younger than our oldest botocore.
_RENEWED = (
    "CredentialRetrievalError",
    "TokenRetrievalError",
    "SSOError",
    "LoginError",
    "RefreshWithMFAUnsupportedError",
)
_SIGN_IN = "sign in (`aws sso login`, `aws login`), or name a profile: AWS_PROFILE or engine.profile"
_OTHERS = "these credentials are not good there: sign in, or set other ones"
_NETWORK = "look at the network, and at AWS_ENDPOINT_URL and the proxy where they are set"
# What helps, where that is the same whoever asked for what.
_DO = {
    **dict.fromkeys(("NoCredentialsError", "PartialCredentialsError"), _SIGN_IN),
    "ProfileNotFound": "name one of ~/.aws/config: AWS_PROFILE or engine.profile",
    "NoRegionError": "set AWS_REGION, a profile's region or engine.region",
    **dict.fromkeys(("EndpointConnectionError", "ConnectTimeoutError", "ProxyConnectionError", "SSLError"), _NETWORK),
    **dict.fromkeys(("UnrecognizedClientException", "InvalidClientTokenId", "InvalidAccessKeyId"), _OTHERS),
    **dict.fromkeys(("InvalidSignatureException", "SignatureDoesNotMatch"), _OTHERS),
}
_MISSING = ("Requested resource not found", "could not be found", "does not exist")


def kind_of(code: str, message: str, status: int) -> ApiErrorKind:
    """What an error answer of the service means."""
    return refined(_by_code(code, message, status), message)


def _by_code(code: str, message: str, status: int) -> ApiErrorKind:
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
    except Exception as error:
        failure = _failure(error)
        if failure is None:
            raise
        kind, code, message = failure
        do = "" if kind is ApiErrorKind.SKEWED else _DO.get(code, "")
        raise ApiError(kind, operation, code, message, _request_id(error), do=do) from error


def _request_id(error: Exception) -> str:
    answer: Mapping[str, Any] = getattr(error, "response", None) or {}
    return str((answer.get("ResponseMetadata") or {}).get("RequestId") or "")


def _failure(error: Exception) -> tuple[ApiErrorKind, str, str] | None:
    """What a failure of botocore means: kind, code and message; None for any other exception."""
    from botocore import exceptions as boto

    if isinstance(error, boto.ClientError):
        answer = error.response.get("Error", {})
        code, message = str(answer.get("Code", "Unknown")), str(answer.get("Message", ""))
        message = _readable(message)
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        return kind_of(code, message, status), code, message
    if isinstance(error, boto.ParamValidationError):
        return ApiErrorKind.INVALID, "ParamValidation", str(error)
    kind = next((kind for classes, kind in _meanings() if isinstance(error, classes)), None)
    return kind and (kind, type(error).__name__, str(error))


def _readable(message: str) -> str:
    """A message of the service without lists that nobody reads and without what was sent in confidence."""
    message = _ECHO.sub(r"Value '***' at '\1' failed", _MANY_VALUES.sub(r"\1...]", message))
    return _TOKEN.sub(r"\1***", message)


@cache
def _meanings() -> tuple[tuple[tuple[type[Exception], ...], ApiErrorKind], ...]:
    """What botocore's exceptions mean, the first match counts. Made when the first call has failed."""
    from botocore import exceptions as boto

    lost = (boto.ReadTimeoutError, boto.ConnectionClosedError, boto.ResponseStreamingError, boto.IncompleteReadError)
    never_sent = (boto.EndpointConnectionError, boto.ConnectTimeoutError, boto.ProxyConnectionError, boto.SSLError)
    return (
        (lost, ApiErrorKind.LOST),
        (never_sent, ApiErrorKind.UNAVAILABLE),
        (_named(*_UNSIGNED), ApiErrorKind.DENIED),
        (_named(*_RENEWED), ApiErrorKind.EXPIRED),
        # Whatever else: it may or may not have been sent.
        ((boto.BotoCoreError, boto.HTTPClientError), ApiErrorKind.LOST),
    )


def _named(*names: str) -> tuple[type[Exception], ...]:
    """Those of botocore's exceptions that this version of it has."""
    from botocore import exceptions as boto

    return tuple(getattr(boto, name) for name in names if hasattr(boto, name))


def readable(operation: str, answer: Mapping[str, Any], needed: str) -> Mapping[str, Any]:
    """The answer, unless it is not the service's: botocore takes a proxy's page with status 200 for an empty one."""
    if needed not in answer:
        raise ApiError(ApiErrorKind.LOST, operation, "UnreadableAnswer", f"the answer holds no {needed}")
    return answer
