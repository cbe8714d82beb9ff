"""Reads the logs of one sweep's jobs for whoever decides by them: on from where it was left, its end, its metrics."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sweeper.aws import logs
from sweeper.core import measured
from sweeper.core.chain import Job
from sweeper.core.watch import News
from sweeper.driver.matches import Metrics
from sweeper.errors import ApiError

TAIL_LINES = 60
PAGES = 4
"""A look takes so many megabytes of each host's log at most; the rest is there at the next one."""


class LogReader:
    """`client` makes a CloudWatch Logs client that gives up soon: a log is never in the way of the chain."""

    def __init__(self, client: Callable[[], Any], metrics: Metrics, folder: Path) -> None:
        self._client, self._metrics, self._folder = client, metrics, folder
        self._tails: dict[str, logs.Tail] = {}

    def news(self, name: str, most: int | None = PAGES) -> News | None:
        """What has come in this job's log since it was last asked for; None when it cannot be read."""
        lines, points = 0, list[tuple[str, float]]()
        try:
            if name not in self._tails:
                self._tails = {name: logs.Tail(self._client(), name)}  # one job runs at a time: the others have ended
            for page in self._tails[name].pages(most):
                lines += len(page)
                points += ((metric, value) for _, metric, value in measured.points(page, self._metrics))
        except ApiError:
            return News(lines, tuple(points)) if lines else None
        return News(lines, tuple(points))

    def tail(self, name: str) -> str:
        """The last lines of a job's log. Raises ApiError."""
        return "\n".join(logs.Tail(self._client(), name).last(TAIL_LINES))

    def curve(self, job: Job) -> list[tuple[str, float]]:
        """The metrics of an ended job as they are stored below trials/ID, else those in its log."""
        stored = self._folder / "trials" / job.intent.trial / measured.POINTS
        try:
            with stored.open(newline="", encoding="utf-8") as file:
                return [(row["metric"], float(row["value"])) for row in csv.DictReader(file)]
        except (OSError, KeyError, ValueError):
            news = LogReader(self._client, self._metrics, self._folder).news(job.name, None)
            return list(news.points) if news else []
