"""What an S3 request needs of IAM: the action and the resource, as the service authorization reference says. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import parse_qsl, unquote

_VERBS = {"GET": "Get", "HEAD": "Get", "PUT": "Put", "POST": "Put", "DELETE": "Put"}
_OF_BUCKETS = {"versions": "ListBucketVersions", "uploads": "ListBucketMultipartUploads"}
_PROPERTIES = {
    "accelerate": "AccelerateConfiguration",
    "acl": "Acl",
    "cors": "BucketCORS",
    "encryption": "EncryptionConfiguration",
    "lifecycle": "LifecycleConfiguration",
    "location": "BucketLocation",
    "logging": "BucketLogging",
    "notification": "BucketNotification",
    "object-lock": "BucketObjectLockConfiguration",
    "ownershipControls": "BucketOwnershipControls",
    "policy": "BucketPolicy",
    "publicAccessBlock": "BucketPublicAccessBlock",
    "replication": "ReplicationConfiguration",
    "requestPayment": "BucketRequestPayment",
    "tagging": "Tagging",
    "versioning": "BucketVersioning",
    "website": "BucketWebsite",
}
"""What a word in the query asks for instead of the bucket or the object itself."""
_OF_ANY = ("Acl", "Tagging")


def needed(
    partition: str, method: str, bucket: str, key: str, query: str, headers: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """(action, resource) of everything that this request needs."""
    asked = dict(parse_qsl(query, keep_blank_values=True))
    prefix = f"arn:{partition}:s3:::"
    if not bucket:
        yield "s3:ListAllMyBuckets", "*"
        return
    where = f"{prefix}{bucket}/{key}" if key else f"{prefix}{bucket}"
    named = next((words for word, words in _PROPERTIES.items() if word in asked), "")
    if named:
        kind = ("Object" if key else "Bucket") if named in _OF_ANY else ""
        yield f"s3:{_VERBS[method]}{kind}{named}", where
    elif key:
        yield f"s3:{_of_object(method, asked)}", where
        if source := headers.get("HTTP_X_AMZ_COPY_SOURCE", ""):
            yield "s3:GetObject", f"{prefix}{unquote(source).lstrip('/').partition('?')[0]}"
    else:
        action, of_objects = _of_bucket(method, asked)
        yield f"s3:{action}", f"{where}/*" if of_objects else where


def _of_object(method: str, asked: Mapping[str, str]) -> str:
    if method == "DELETE":
        return "AbortMultipartUpload" if "uploadId" in asked else "DeleteObject"
    if method in ("GET", "HEAD"):
        return "ListMultipartUploadParts" if "uploadId" in asked else "GetObject"
    return "PutObject"


def _of_bucket(method: str, asked: Mapping[str, str]) -> tuple[str, bool]:
    """The action, and whether it is on the bucket's objects."""
    if method == "PUT":
        return "CreateBucket", False
    if method == "DELETE":
        return "DeleteBucket", False
    if method == "POST":
        return ("DeleteObject" if "delete" in asked else "PutObject"), True
    return next((action for word, action in _OF_BUCKETS.items() if word in asked), "ListBucket"), False
