"""S3's conditional writes in memory: what the lease on a pool is kept in, under a virtual clock and with outages."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import format_datetime
from typing import Any

from botocore.exceptions import ClientError, ConnectionClosedError

from sweeper.aws.errors import mapped
from sweeper.core.ports import Clock


@dataclass
class Bucket:
    """Answers as S3 does to what a lease asks."""

    clock: Clock
    owner: str = "123456789012"
    objects: dict[str, tuple[bytes, str, datetime]] = field(default_factory=dict)
    writes: int = 0

    def held_by_another(self, holder: str) -> bool:
        """True when the one object names another holder."""
        return any(json.loads(body)["holder"] != holder for body, _, _ in self.objects.values())

    def reached(self, trouble: Callable[[], str]) -> Any:
        """The clients of one caller, in place of `sweeper.aws.clients.Clients`.

        `trouble` says what meets a call: nothing, "out" (it cannot be reached), "lost" (done, and the answer lost),
        "expired" (the credentials have run out).
        """
        return _Caller(self, trouble)


@dataclass
class _Caller:
    bucket: Bucket
    trouble: Callable[[], str]

    def asked(self, operation: str) -> AbstractContextManager[None]:
        """What goes wrong inside becomes an ApiError."""
        return mapped(operation)

    def client(self, service: str, attempts: int = 1) -> _Caller:
        """The S3 client."""
        return self

    def put_object(self, Bucket: str, Key: str, Body: bytes, **condition: str) -> dict[str, Any]:  # noqa: N803 - S3's
        lost = self._reach("PutObject", condition.pop("ExpectedBucketOwner", None))
        known = self.bucket.objects.get(Key)
        if condition.get("IfNoneMatch") == "*" and known:
            raise _refusal("PreconditionFailed", 412, "PutObject")
        if "IfMatch" in condition and known is None:
            raise _refusal("NoSuchKey", 404, "PutObject")
        if "IfMatch" in condition and known and known[1] != condition["IfMatch"]:
            raise _refusal("PreconditionFailed", 412, "PutObject")
        self.bucket.writes += 1
        etag = f'"{self.bucket.writes}"'
        self.bucket.objects[Key] = (Body, etag, self._now)
        if lost:
            raise ConnectionClosedError(endpoint_url="s3://simulated")
        return {"ETag": etag}

    def get_object(self, Bucket: str, Key: str, ExpectedBucketOwner: str | None = None) -> dict[str, Any]:  # noqa: N803
        self._reach("GetObject", ExpectedBucketOwner)
        if Key not in self.bucket.objects:
            raise _refusal("NoSuchKey", 404, "GetObject")
        body, etag, written = self.bucket.objects[Key]
        date = format_datetime(self._now, usegmt=True)
        headers = {"ResponseMetadata": {"HTTPHeaders": {"date": date}}}
        return {"Body": io.BytesIO(body), "ETag": etag, "LastModified": written, **headers}

    def delete_object(self, Bucket: str, Key: str, ExpectedBucketOwner: str | None = None) -> dict[str, Any]:  # noqa: N803
        self._reach("DeleteObject", ExpectedBucketOwner)
        self.bucket.objects.pop(Key, None)
        return {}

    @property
    def _now(self) -> datetime:
        # S3 tells whole seconds
        return datetime.fromtimestamp(int(self.bucket.clock.now()), timezone.utc)

    def _reach(self, operation: str, owner: str | None) -> bool:
        """Raises when it cannot be reached, or belongs to another account; True when the answer will be lost."""
        if owner not in (None, self.bucket.owner):
            raise _refusal("AccessDenied", 403, operation)
        trouble = self.trouble()
        if trouble == "expired":
            raise _refusal("ExpiredToken", 400, operation)
        if trouble == "out":
            raise _refusal("ServiceUnavailable", 503, operation)
        return trouble == "lost"


def _refusal(code: str, status: int, operation: str) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, operation)
