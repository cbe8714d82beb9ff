"""ListTrainingJobs: filters, order and pages. Pure."""

from __future__ import annotations

import base64
import json
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sweeper.engine.errors import invalid
from sweeper.engine.training.job import Job

_DEFAULT_PAGE = 10
Key = tuple[float | str, float, str]
Filter = Callable[[Job], bool]


class Listing:
    """Cuts pages. What it has sorted it keeps for the next page, until a job comes or goes."""

    def __init__(self) -> None:
        self._sorted: tuple[str, list[Key], list[Job]] | None = None

    def forget(self) -> None:
        """A job was created or deleted."""
        self._sorted = None

    def page(self, jobs: Iterable[Job], params: Mapping[str, Any], default_order: str) -> tuple[list[Job], str | None]:
        """One page in the asked order, before the filters by status, and the token of the next."""
        keys, found = self._in_order(jobs, params)
        size = params.get("MaxResults", _DEFAULT_PAGE)
        after = _decode(params["NextToken"], params) if "NextToken" in params else None
        if params.get("SortOrder", default_order) == "Descending":
            end = len(keys) if after is None else bisect_left(keys, after)
            begin = max(0, end - size)
            cut, last, more = found[begin:end][::-1], begin, begin > 0
        else:
            begin = 0 if after is None else bisect_right(keys, after)
            end = min(len(keys), begin + size)
            cut, last, more = found[begin:end], end - 1, end < len(keys)
        return cut, _encode(keys[last]) if more else None

    def _in_order(self, jobs: Iterable[Job], params: Mapping[str, Any]) -> tuple[list[Key], list[Job]]:
        asked = json.dumps([params.get(name) for name in ("SortBy", *_FILTERS)])
        if self._sorted is not None and self._sorted[0] == asked:
            return self._sorted[1], self._sorted[2]
        by = params.get("SortBy", "CreationTime")
        filters = [make(params[name]) for name, make in _FILTERS.items() if name in params]
        keyed = sorted((_key(job, by), job) for job in jobs if all(keep(job) for keep in filters))
        keys, found = [key for key, _ in keyed], [job for _, job in keyed]
        if by != "Status" and not any(name in params for name in _CHANGING):
            self._sorted = (asked, keys, found)
        return keys, found


def keeps(job: Job, warm_pool: Mapping[str, Any] | None, params: Mapping[str, Any]) -> bool:
    """The filters that are applied to a page already cut."""
    status, pool = params.get("StatusEquals"), params.get("WarmPoolStatusEquals")
    if status is not None and job.status.value != status:
        return False
    return pool is None or (warm_pool is not None and warm_pool["Status"] == pool)


def _named(part: str) -> Filter:
    lower = part.lower()
    return lambda job: lower in job.name.lower()


_FILTERS: Mapping[str, Callable[[Any], Filter]] = {
    "NameContains": _named,
    "CreationTimeAfter": lambda at: lambda job: job.created > at,
    "CreationTimeBefore": lambda at: lambda job: job.created < at,
    "LastModifiedTimeAfter": lambda at: lambda job: job.modified > at,
    "LastModifiedTimeBefore": lambda at: lambda job: job.modified < at,
    "TrainingPlanArnEquals": lambda arn: lambda job: job.request["ResourceConfig"].get("TrainingPlanArn") == arn,
}
_CHANGING = ("LastModifiedTimeAfter", "LastModifiedTimeBefore")  # true of a job today and not tomorrow


def _key(job: Job, by: str) -> Key:
    first: float | str = {"Name": job.name, "Status": job.status.value}.get(by, job.created)
    return (first, job.created, job.name)


def _encode(key: Key) -> str:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode()


def _decode(token: str, params: Mapping[str, Any]) -> Key:
    try:
        first, created, name = json.loads(base64.urlsafe_b64decode(token.encode()))
        if isinstance(first, str) is not (params.get("SortBy") in ("Name", "Status")):
            raise ValueError("the token of another order")
        return first if isinstance(first, str) else float(first), float(created), str(name)
    except (ValueError, TypeError, RecursionError) as error:
        raise invalid("Invalid pagination token.") from error
