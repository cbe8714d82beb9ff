"""What an AWS Batch queue lists of several service jobs: one question for all of them, and an answer to each of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Told = Mapping[str, Any]
"""A service job as DescribeServiceJob tells it, or as a row of ListServiceJobs."""
PAGES = 5
"""Of a hundred jobs each: in a queue in which so many others were submitted since, ours are asked for one by one."""
_CHANGES = ("status", "statusReason", "isTerminated", "latestAttempt")
"""What a row tells that may change."""


class Listing:
    """Service jobs as they were described, for as long as the queue lists them unchanged.

    Each list answers once for every job in it: so all are looked at by one question a round, whenever in it their turn
    comes.
    """

    def __init__(self, call: Callable[[str, Told], Told], queue: str) -> None:
        self._call, self._queue = call, queue
        self._described: dict[str, Told] = {}
        self._rows: dict[str, Told] = {}

    def keep(self, job: Told) -> Told:
        """This is how it was described just now; of one that has ended nothing more will come."""
        self.forget(str(job["jobId"]))
        if job["status"] not in ("SUCCEEDED", "FAILED"):
            self._described[str(job["jobId"])] = job
        return job

    def forget(self, id: str) -> None:  # noqa: A002 - Batch's word
        """It has changed: it is to be described anew."""
        self._described.pop(id, None)
        self._rows.pop(id, None)

    def unchanged(self, id: str) -> Told | None:  # noqa: A002
        """The job as it was described, if the queue lists it so; None: it is to be described. Raises ApiError.

        One job alone is described as often as it is looked at.
        """
        known = self._described.get(id)
        if known is None or len(self._described) < 2:
            return None
        if id not in self._rows:
            self._list()
        row = self._rows.pop(id, None)
        same = row is not None and all(row.get(name) == known.get(name) for name in _CHANGES)
        return known if same else None

    def _list(self) -> None:
        """Ask for all jobs since the oldest of ours."""
        oldest = min(int(job["createdAt"]) for job in self._described.values())
        asked = {"jobQueue": self._queue, "filters": [{"name": "AFTER_CREATED_AT", "values": [str(oldest - 1)]}]}
        token: dict[str, Any] = {}
        for _ in range(PAGES):
            page = self._call("ListServiceJobs", {**asked, **token})
            rows = {str(row["jobId"]): row for row in page["jobSummaryList"]}
            self._rows |= {id: row for id, row in rows.items() if id in self._described}  # noqa: A001
            if not page.get("nextToken"):
                return
            token = {"nextToken": page["nextToken"]}
