"""A CloudWatch Logs that behaves, and the logs of a sweep's jobs that are read from it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sweeper.core import events as ev
from sweeper.core.chain import Job
from sweeper.core.model import Sweep
from sweeper.core.ports import TrainingApi
from sweeper.core.secrets import Redactor
from sweeper.errors import ApiError, ApiErrorKind
from sweeper.run.connect import Connection
from sweeper.run.job_logs import JobLogs
from sweeper.simulation.drawn import SCOPE
from sweeper.testing.twin import Twin, VirtualClock


class Service:
    """One stream for each job, with so many lines a page; `down` from a line of a log on."""

    def __init__(self, *lines: str, page: int = 1) -> None:
        self.lines = list(lines)
        self.page = page
        self.down = 1_000_000
        self.asked: list[str] = []
        """The places from which lines were asked for, in order; "end" for the last ones."""

    def client(self, service: str, **wishes: Any) -> Service:
        """As the clients of a connection."""
        return self

    def describe_log_streams(self, **request: Any) -> dict[str, Any]:
        """One stream, once there is a line."""
        return {"logStreams": [{"logStreamName": "job/algo-1-1"}] if self.lines else []}

    def get_log_events(self, **request: Any) -> dict[str, Any]:
        """The lines at the token; without one the last lines, where the beginning is not asked for."""
        head = bool(request.get("startFromHead"))
        at = int(request.get("nextToken", "0")) if head else max(0, len(self.lines) - request["limit"])
        self.asked.append(str(at) if head else "end")
        if head and at >= self.down:
            raise ApiError(ApiErrorKind.UNAVAILABLE, "GetLogEvents", "500", "down")
        found = self.lines[at : at + self.page] if head else self.lines[at:]
        events = [{"timestamp": 1000 * second, "message": line} for second, line in enumerate(found, at)]
        return {"events": events, "nextForwardToken": str(at + len(events))}


def job(attempt: int = 1) -> Job:
    """A job of the trial `t`."""
    return Job(ev.Intent(f"job-{attempt}", "t", 0, "x", {"hyperparameters.x": 0}, attempt, "f", 0, 60, ""))


def job_logs(
    folder: Path,
    service: Service,
    sweep: Sweep,
    *,
    api: TrainingApi | None = None,
    clock: VirtualClock | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> JobLogs:
    """The logs of a sweep whose jobs write to this service."""
    clock = clock or VirtualClock()
    return JobLogs(
        sweep=sweep,
        folder=folder,
        connection=Connection(SCOPE, "tester", lambda: service),  # type: ignore[arg-type, return-value]
        api=api or Twin(clock),
        redact=Redactor(),
        learn_credentials=lambda: None,
        as_yaml=json.dumps,
        say=say,
        monotonic=clock.monotonic,
    )
