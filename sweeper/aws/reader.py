"""Reads the logs of one sweep's jobs for whoever decides by them: on from where it was left, its end, its metrics."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sweeper.aws import logs
from sweeper.core.chain import Job
from sweeper.core.model import MetricDefinition
from sweeper.core.watch import News
from sweeper.errors import ApiError

TAIL_LINES = 60


class LogReader:
    """`client` makes a CloudWatch Logs client that gives up soon: a log is never in the way of the chain."""

    def __init__(self, client: Callable[[], Any], metrics: Sequence[MetricDefinition], folder: Path) -> None:
        self._client, self._metrics, self._folder = client, metrics, folder
        self._tails: dict[str, logs.Tail] = {}

    def news(self, name: str) -> News | None:
        """What has come in this job's log since it was last asked for; None when it cannot be read."""
        lines, points = 0, list[tuple[str, float]]()
        try:
            if name not in self._tails:
                self._tails = {name: logs.Tail(self._client(), name)}  # one job runs at a time: the others have ended
            for line in self._tails[name].new():  # one by one: a log may be larger than what is worth keeping
                lines += 1
                points += ((metric, value) for _, metric, value in logs.points(iter((line,)), self._metrics))
        except ApiError:
            return News(lines, tuple(points)) if lines else None
        return News(lines, tuple(points))

    def tail(self, name: str) -> str:
        """The last lines of a job's log. Raises ApiError."""
        last = deque(logs.Tail(self._client(), name).new(), maxlen=TAIL_LINES)
        return "\n".join(line for _, line in last)

    def curve(self, job: Job) -> list[tuple[str, float]]:
        """The metrics of an ended job as they are stored below trials/ID, else those in its log."""
        stored = self._folder / "trials" / job.intent.trial / "metrics.csv"
        try:
            with stored.open(newline="", encoding="utf-8") as file:
                return [(row["metric"], float(row["value"])) for row in csv.DictReader(file)]
        except (OSError, KeyError, ValueError):
            news = LogReader(self._client, self._metrics, self._folder).news(job.name)
            return list(news.points) if news else []
