"""ListTrainingJobs: filters, order and pages. Pure."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from sweeper.engine.errors import invalid
from sweeper.engine.jobs import Job

DEFAULT_PAGE = 10
Key = tuple[float | str, float, str]


def page(jobs: Sequence[Job], params: Mapping[str, Any], default_order: str) -> tuple[list[Job], str | None]:
    """One page in the asked order, before the filters by status, and the token of the next."""
    by = params.get("SortBy", "CreationTime")
    descending = params.get("SortOrder", default_order) == "Descending"
    named = ((_key(job, by), job) for job in jobs if _named(job, params))
    keyed = sorted(named, key=lambda k: k[0], reverse=descending)
    if token := params.get("NextToken"):
        last = _decode(token)
        keyed = [k for k in keyed if (k[0] < last if descending else k[0] > last)]
    size = params.get("MaxResults", DEFAULT_PAGE)
    cut = keyed[:size]
    return [job for _, job in cut], _encode(cut[-1][0]) if len(keyed) > size else None


def keeps(job: Job, warm_pool: Mapping[str, Any] | None, params: Mapping[str, Any]) -> bool:
    """The filters that are applied to a page already cut."""
    status, pool = params.get("StatusEquals"), params.get("WarmPoolStatusEquals")
    if status is not None and job.status.value != status:
        return False
    return pool is None or (warm_pool is not None and warm_pool["Status"] == pool)


def _named(job: Job, params: Mapping[str, Any]) -> bool:
    """The filters that are applied before the page is cut."""
    wanted = params.get("TrainingPlanArnEquals")
    return (
        params.get("NameContains", "").lower() in job.name.lower()
        and job.created > params.get("CreationTimeAfter", float("-inf"))
        and job.created < params.get("CreationTimeBefore", float("inf"))
        and job.modified > params.get("LastModifiedTimeAfter", float("-inf"))
        and job.modified < params.get("LastModifiedTimeBefore", float("inf"))
        and (wanted is None or job.request["ResourceConfig"].get("TrainingPlanArn") == wanted)
    )


def _key(job: Job, by: str) -> Key:
    first: float | str = {"Name": job.name, "Status": job.status.value}.get(by, job.created)
    return (first, job.created, job.name)


def _encode(key: Key) -> str:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode()


def _decode(token: str) -> Key:
    try:
        first, created, name = json.loads(base64.urlsafe_b64decode(token.encode()))
        return first, float(created), str(name)
    except (ValueError, TypeError) as error:
        raise invalid("Invalid pagination token.") from error
