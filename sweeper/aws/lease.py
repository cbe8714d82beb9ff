"""A lease on a pool in S3, for teams: one runner at a time across hosts, by conditional writes (R13).

Terraform's S3 lock file works the same way. A holder that is silent for three heartbeats has lost it; one that is seen
to have ended, on this machine, at once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from sweeper.aws.clients import Clients
from sweeper.core.ports import Clock
from sweeper.errors import ApiError, ApiErrorKind, LockHeldError, UsageError

HEARTBEAT_S = 60.0
SILENT_BEATS = 3
_TAKEN = {"PreconditionFailed", "412", "ConditionalRequestConflict", "409"}


@dataclass
class Lease:
    """One object whose ETag only its holder knows. `where`: an s3:// prefix; `key`: the pool it stands for."""

    clients: Callable[[], Clients]
    where: str
    key: str
    holder: str
    clock: Clock
    process: Mapping[str, Any] = field(default_factory=dict)
    """What tells this process from every other (sweeper.record.locks)."""
    has_ended: Callable[[Mapping[str, Any]], bool] = lambda process: False
    """True for a process that is seen to have ended."""
    owner: str | None = None
    """The account that the bucket must belong to: whoever has made another one of its name holds no lease of ours."""
    _etag: str = field(default="", init=False)
    _beat_at: float = field(default=0.0, init=False)

    def acquire(self) -> None:
        """Take it, or take it over from a silent holder. Raises LockHeldError that names the holder, ApiError."""
        if not self._put(IfNoneMatch="*"):
            etag, age_s, told = self._look()
            holder = told.get("holder")
            if age_s < HEARTBEAT_S * SILENT_BEATS and not self.has_ended(told.get("process") or {}):
                raise LockHeldError(f"another runner holds the lease {self.where}: {holder}, {age_s:.0f} s ago")
            if not self._put(IfMatch=etag):
                raise LockHeldError(f"another runner has just taken the lease {self.where} over")

    def beat(self) -> bool:
        """Say that we live, when it is time to; False once the lease is someone else's.

        A heartbeat that cannot be written is tried again at the next call: until three have been missed it is ours.
        While nothing can be signed nothing can be created either: then it is ours until somebody is seen to have it.
        """
        now = self.clock.monotonic()
        if now - self._beat_at < HEARTBEAT_S:
            return True
        try:
            return self._put(IfMatch=self._etag) or self._still_ours()
        except ApiError as error:
            if error.kind.wants_credentials:
                return True
            gone = error.kind is ApiErrorKind.NOT_FOUND
            return not gone and now - self._beat_at < HEARTBEAT_S * SILENT_BEATS

    def release(self) -> None:
        """Give it back. What goes wrong here only makes the next runner wait for three heartbeats."""
        try:
            if self._look()[0] == self._etag:
                with self.clients().asked("DeleteObject"):
                    self._s3.delete_object(**self._object)
        except ApiError:
            return

    def _still_ours(self) -> bool:
        """A heartbeat whose answer was lost has changed the object all the same: then the holder in it is us."""
        etag, _, lease = self._look()
        return lease.get("holder") == self.holder and self._put(IfMatch=etag)

    def _put(self, **condition: str) -> bool:
        """Write the object under a condition; False when the condition does not hold."""
        body = json.dumps({"holder": self.holder, "process": self.process}).encode()
        try:
            with self.clients().asked("PutObject"):
                answer = self._s3.put_object(**self._object, Body=body, **condition)
        except ApiError as error:
            if error.code in _TAKEN or error.kind is ApiErrorKind.NOT_FOUND:
                return False
            if error.kind is ApiErrorKind.DENIED and self.owner:
                whose = (
                    f"the bucket of pool.lease must belong to account {self.owner}, or pool.lease_owner name another"
                )
                raise ApiError(error.kind, error.operation, error.code, f"{error.message} ({whose})") from error
            raise
        self._etag, self._beat_at = str(answer["ETag"]), self.clock.monotonic()
        return True

    def _look(self) -> tuple[str, float, Mapping[str, Any]]:
        """(ETag, seconds since its last heartbeat by the service's own clock, what it tells of its holder)."""
        with self.clients().asked("GetObject"):
            answer = self._s3.get_object(**self._object)
            lease = json.loads(answer["Body"].read())
        now = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
        written: datetime = answer["LastModified"]
        return str(answer["ETag"]), (now - written).total_seconds(), lease

    @property
    def _object(self) -> dict[str, str]:
        """Which object it is, in S3's words. Raises UsageError."""
        bucket, _, prefix = self.where.removeprefix("s3://").partition("/")
        if not self.where.startswith("s3://") or not bucket:
            raise UsageError(f"pool.lease: {self.where!r} is not an S3 URI; write s3://BUCKET/PREFIX")
        name = f"{prefix.strip('/')}/{self.key}.json".lstrip("/")
        return {"Bucket": bucket, "Key": name, **({"ExpectedBucketOwner": self.owner} if self.owner else {})}

    @property
    def _s3(self) -> Any:
        return self.clients().client("s3", attempts=1)
