"""Buckets as they are before anything is put there: whose, where, and how they encrypt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sweeper.aws.clients import Clients, looking
from sweeper.errors import ApiError, ApiErrorKind


@dataclass(frozen=True)
class Seen:
    """A bucket that is there. `owned`: by the account that it was asked of."""

    owned: bool
    region: str


def look(clients: Clients, name: str, account: str) -> Seen | None:
    """The bucket, asked whether it is of this account; None when there is none. Raises ApiError."""
    try:
        return Seen(True, _head(clients, name, ExpectedBucketOwner=account))
    except ApiError as error:
        if error.kind is ApiErrorKind.NOT_FOUND:
            return None
        if error.kind is not ApiErrorKind.DENIED:
            raise
    # of somebody else, or nothing of it may be seen: then this is denied as well
    return Seen(False, _head(clients, name))


def encryption(clients: Clients, name: str) -> str:
    """What encrypts what is put there by default, with its key where it has one. Raises ApiError."""
    client = looking(clients, "s3")
    with clients.asked("GetBucketEncryption"):
        told = client.get_bucket_encryption(Bucket=name)
    rules = told["ServerSideEncryptionConfiguration"]["Rules"]
    default = rules[0].get("ApplyServerSideEncryptionByDefault", {}) if rules else {}
    return " with key ".join(filter(None, (default.get("SSEAlgorithm", ""), default.get("KMSMasterKeyID", ""))))


def _head(clients: Clients, name: str, **owner: str) -> str:
    """The Region of a bucket; empty where it is not told."""
    client = looking(clients, "s3")
    with clients.asked("HeadBucket"):
        told: dict[str, Any] = client.head_bucket(Bucket=name, **owner)
    headers = told["ResponseMetadata"]["HTTPHeaders"]  # of old versions of botocore only there
    return str(told.get("BucketRegion") or headers.get("x-amz-bucket-region", ""))
