"""Lists in pages: of resources in the order of creation, of service jobs with filters, newest first. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import dropwhile, islice, takewhile
from typing import Any

from sweeper.engine.batch.ledger import short
from sweeper.engine.batch.limits import check_range, refused
from sweeper.engine.batch.records import Answer, ServiceJob

Keep = Callable[[ServiceJob], bool]
_BY_SHARE = {"SHARE_IDENTIFIER": "shareIdentifier", "QUOTA_SHARE_NAME": "quotaShareName"}


def chosen(known: Mapping[str, Answer], asked: Iterable[str] | None) -> list[Answer]:
    """Those that were asked for and exist; all when none was named."""
    if not asked:
        return list(known.values())
    return [known[short(name)] for name in asked if short(name) in known]


def page(found: list[Answer], params: Mapping[str, Any]) -> tuple[list[Answer], Answer]:
    """One page, and the member that holds the token of the next, if there is one."""
    check_range(size := params.get("maxResults", 100), 1, 100, "maxResults")
    token = params.get("nextToken", "0")
    if not token.isdecimal():
        raise refused("Invalid nextToken.")
    start = int(token)
    token_of_next = {"nextToken": str(start + size)} if start + size < len(found) else {}
    return found[start : start + size], token_of_next


def page_of_jobs(jobs: Iterable[ServiceJob], params: Mapping[str, Any]) -> tuple[list[ServiceJob], str | None]:
    """One page of jobs, which come newest first, and the token of the next; no older job than that takes is looked at.

    Raises ServiceError.
    """
    check_range(size := params.get("maxResults", 100), 1, 100, "maxResults")
    if "nextToken" in params:
        before = _number(params["nextToken"])
        jobs = dropwhile(lambda job: job.number >= before, jobs)
    found = [*islice(_chosen(jobs, params), size + 1)]
    return found[:size], str(found[size - 1].number) if len(found) > size else None


def the_name(params: Mapping[str, Any]) -> str:
    """The one name that all jobs of the list have; empty when others have it too."""
    (only, *others) = params.get("filters") or [{}]
    values = only.get("values", []) if only.get("name") == "JOB_NAME" and not others else []
    return str(values[0]) if len(values) == 1 and not values[0].endswith("*") else ""


def _chosen(jobs: Iterable[ServiceJob], params: Mapping[str, Any]) -> Iterable[ServiceJob]:
    filters = params.get("filters", [])
    if len(filters) == 1 and filters[0].get("name") == "AFTER_CREATED_AT" and filters[0].get("values"):
        since = min(map(_number, filters[0]["values"]))
        return takewhile(lambda job: job.created * 1000 > since, jobs)
    return filter(_filter(params), jobs)


def _filter(params: Mapping[str, Any]) -> Keep:
    """Without a filter the status counts, RUNNING by default; with most filters it is ignored."""
    filters = params.get("filters", [])
    status = params.get("jobStatus")
    if not filters:
        wanted = status or "RUNNING"
        return lambda job: job.status.value == wanted
    if len(filters) > 1:
        raise refused("Only one filter can be used at a time.")
    name, values = filters[0].get("name"), filters[0].get("values", [])
    if not values:
        raise refused(f"The filter {name} has no values.")
    if name == "JOB_NAME":
        wanted = [value.lower() for value in values]
        return lambda job: any(_fits(job.name.lower(), one) for one in wanted)
    if name == "BEFORE_CREATED_AT":
        until = max(map(_number, values))
        return lambda job: job.created * 1000 < until
    if name in _BY_SHARE:
        return lambda job: job.request.get(_BY_SHARE[name]) in values and status in (None, job.status.value)
    raise refused(f"Unknown filter: {name}")


def _fits(name: str, wanted: str) -> bool:
    return name == wanted or (wanted.endswith("*") and name.startswith(wanted[:-1]))


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise refused(f"Invalid value: {text[:100]}") from error
