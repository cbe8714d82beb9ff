"""Lists in pages: of resources in the order of creation, of service jobs with filters, newest first. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
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
    """One page, and the token of the next."""
    check_range(size := params.get("maxResults", 100), 1, 100, "maxResults")
    before = _number(params["nextToken"]) if "nextToken" in params else None
    keep = _filter(params)
    found = [job for job in jobs if keep(job) and (before is None or job.number < before)]
    found.sort(key=lambda job: -job.number)
    cut = found[:size]
    return cut, str(cut[-1].number) if len(found) > size else None


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
        return lambda job: any(_named(job.name, value) for value in values)
    if name == "BEFORE_CREATED_AT":
        return lambda job: any(job.created * 1000 < _number(value) for value in values)
    if name == "AFTER_CREATED_AT":
        return lambda job: any(job.created * 1000 > _number(value) for value in values)
    if name in _BY_SHARE:
        return lambda job: job.request.get(_BY_SHARE[name]) in values and status in (None, job.status.value)
    raise refused(f"Unknown filter: {name}")


def _named(name: str, value: str) -> bool:
    lower, wanted = name.lower(), value.lower()
    return lower.startswith(wanted[:-1]) if wanted.endswith("*") else lower == wanted


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise refused(f"Invalid value: {text[:100]}") from error
