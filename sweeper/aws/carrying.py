"""A request on its way through AWS Batch: what that has no room for is put where the driver reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sweeper.aws.staging import Staging
from sweeper.core import carried
from sweeper.core.ports import Request
from sweeper.core.request import VALUES


def carry(staging: Staging, job: Mapping[str, Any], request: Request) -> Request:
    """The request of a resolved trial's `job` as AWS Batch can carry it. Raises ApiError, and UsageError for no way."""
    if not carried.too_large(request):
        return request
    return carried.lightened(request, staging.put_once(job, VALUES, carried.values(request)) + "/")
