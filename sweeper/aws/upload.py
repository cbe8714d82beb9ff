"""Objects of S3: is one there, and putting files there, from disk and in parts, never whole in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweeper.aws.clients import Clients
from sweeper.errors import ApiError, ApiErrorKind
from sweeper.record.parcel import Archive, Content

PART = 16 << 20
"""Bytes from which on a file is sent in parts of that size; larger ones where there would be more than 10,000."""
AT_ONCE = 4


@dataclass(frozen=True)
class Bucket:
    """One bucket. `owner`: the account that it must belong to; `key`: what encrypts what is put there (SSE-KMS)."""

    clients: Callable[[], Clients]
    name: str
    owner: str | None = None
    key: str | None = None

    def is_there(self) -> bool:
        """Does it exist? Who may not ask finds out when something is put there. Raises ApiError."""
        try:
            with self.clients().asked("HeadBucket"):
                self._s3.head_bucket(Bucket=self.name, **self._owned)
        except ApiError as error:
            if error.kind is not ApiErrorKind.DENIED:
                return _absent(error)
        return True

    def make(self, region: str) -> None:
        """Create it. Raises ApiError."""
        # us-east-1 is the one region that must not be named.
        where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        with self.clients().asked("CreateBucket"):
            self._s3.create_bucket(Bucket=self.name, **where)

    def holds(self, name: str) -> bool:
        """Is there an object of this name? Raises ApiError."""
        try:
            with self.clients().asked("HeadObject"):
                self._s3.head_object(Bucket=self.name, Key=name, **self._owned)
        except ApiError as error:
            # Without ListBucket S3 answers 403 for what is not there: uploading again does no harm.
            return error.kind is not ApiErrorKind.DENIED and _absent(error)
        return True

    def put(self, files: Mapping[str, Content]) -> None:
        """Put files there, by name; all of them are there when it returns. Raises ApiError."""
        try:
            with self.clients().asked("PutObject"), tempfile.TemporaryDirectory(prefix="sweeper-") as aside:
                self._send(files, Path(aside))
        except ApiError as error:
            if error.kind is not ApiErrorKind.DENIED:
                raise
            whose = f", which must belong to account {self.owner}" if self.owner else ""
            message = f"{error.message} (to s3://{self.name}{whose})"
            raise ApiError(error.kind, error.operation, error.code, message) from error

    def _send(self, files: Mapping[str, Content], aside: Path) -> None:
        from boto3.s3.transfer import TransferConfig, create_transfer_manager

        config = TransferConfig(
            multipart_threshold=self.clients().most_at_once or PART, multipart_chunksize=PART, max_concurrency=AT_ONCE
        )
        options = {**self._owned, **self._encrypted}
        with create_transfer_manager(self._s3, config) as manager:
            sent = []
            for number, (name, content) in enumerate(files.items()):
                if isinstance(content, bytes):
                    self._s3.put_object(Bucket=self.name, Key=name, Body=content, **options)
                    continue
                path = content if isinstance(content, Path) else _made(content, aside / str(number))
                sent.append(manager.upload(str(path), self.name, name, options))
            for one in sent:
                one.result()

    @property
    def _owned(self) -> dict[str, str]:
        return {"ExpectedBucketOwner": self.owner} if self.owner else {}

    @property
    def _encrypted(self) -> dict[str, str]:
        return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": self.key} if self.key else {}

    @property
    def _s3(self) -> Any:
        return self.clients().client("s3")


def _absent(error: ApiError) -> bool:
    """False where a question was answered that there is nothing; raises what else has gone wrong."""
    if error.kind is not ApiErrorKind.NOT_FOUND:
        raise error
    return False


def _made(archive: Archive, path: Path) -> Path:
    with path.open("wb") as file:
        archive.write(file)
    return path
