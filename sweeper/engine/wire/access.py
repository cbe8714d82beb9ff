"""Who asks a service that is moto's: may it be done? What sweeper's own parts answer they ask for themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs

from sweeper.engine.errors import ServiceError
from sweeper.engine.wire import s3_actions
from sweeper.engine.wire.http import Environ
from sweeper.engine.wire.permissions import Permissions

Needed = Iterator[tuple[str, str]]


def refused(permissions: Permissions, needed: Needed) -> ServiceError | None:
    """The refusal of the first action that may not be done on its resource; None when all may."""
    return next((permissions.refused(a, on) for a, on in needed if not permissions.allows(a, on)), None)


def of_s3(permissions: Permissions, environ: Environ, bucket: str, key: str, missing: Callable[[], bool]) -> Needed:
    """What an S3 request needs. That its object is `missing` is told to those alone who may list the bucket."""
    settings = permissions.settings
    if settings.policy or settings.deny:
        query, method = str(environ.get("QUERY_STRING", "")), str(environ["REQUEST_METHOD"])
        yield from s3_actions.needed(settings.partition, method, bucket, key, query, environ)
        if method in ("GET", "HEAD") and key and missing():
            yield "s3:ListBucket", f"arn:{settings.partition}:s3:::{bucket}"


def of_another_owner(permissions: Permissions, environ: Environ, bucket: str, *, there: bool) -> ServiceError | None:
    """The refusal of a request that expects a bucket which is there to belong to another account than it does."""
    settings, expected = permissions.settings, environ.get("HTTP_X_AMZ_EXPECTED_BUCKET_OWNER")
    owner = settings.bucket_owners.get(bucket, settings.account)
    return ServiceError("AccessDenied", "Access Denied") if there and expected not in (None, owner) else None


def of_sts(environ: Environ) -> Needed:
    """What a call of STS needs."""
    body = environ["wsgi.input"]
    asked = parse_qs(body.read().decode("utf-8", "replace")) or parse_qs(environ.get("QUERY_STRING", ""))
    body.seek(0)
    yield f"sts:{asked.get('Action', [''])[0]}", asked.get("RoleArn", ["*"])[0]


def of_part(permissions: Permissions, service: str, operation: str, params: Any) -> Needed:
    """What a call in JSON needs: of CloudWatch Logs the group, or one of its streams; of ECR the repository."""
    params = params if isinstance(params, Mapping) else {}
    group = params.get("logGroupIdentifier") or params.get("logGroupName")
    resource = "*"
    if service == "logs" and group:
        prefix = permissions.settings.prefix_of("logs")
        group = group if str(group).startswith("arn:") else f"{prefix}:log-group:{group}"
        resource = f"{group}:log-stream:{params.get('logStreamName', '')}"
    if service == "ecr" and (repository := params.get("repositoryName")):
        settings = permissions.settings
        registry = params.get("registryId", settings.account)
        resource = f"arn:{settings.partition}:ecr:{settings.region}:{registry}:repository/{repository}"
    yield f"{service}:{operation}", resource
