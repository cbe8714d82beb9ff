"""The metrics of running jobs, found in their logs when somebody looks, and given to CloudWatch when it is asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sweeper.engine.around.metrics import Scanner
from sweeper.engine.around.series import Series, lines
from sweeper.engine.services import Services
from sweeper.engine.training.job import Job


class JobMetrics:
    """Reads logs, of each only what is new since it was last read. `log_of`: where a job's log is."""

    def __init__(self, services: Services, log_of: Callable[[str], Path]) -> None:
        self._services, self._log_of = services, log_of
        self._series = Series(services.training.settings.account, services.training.settings.region)
        self._scanning = threading.Lock()  # a long log must not hold the services up
        self._scanners: dict[str, tuple[Scanner, int]] = {}

    def refresh(self, name: str) -> None:
        """Let the service know the last value of each metric in the log of a job that runs."""
        with self._services.lock:
            job = self._services.training.jobs.get(name)
            if job is None or job.status.terminal or not job.container:
                return
            definitions = _definitions(job)
        if definitions:
            found = self._last(name, definitions)
            with self._services.lock:
                self._services.training.reports.metrics_seen(name, found)

    def forget(self, name: str) -> None:
        """The job has ended, and its log is not read again."""
        with self._scanning:
            self._scanners.pop(name, None)

    def publish(self) -> None:
        """Give CloudWatch every point that the logs hold by now."""
        with self._services.lock:
            jobs = [job for job in self._services.training.jobs.values() if job.container]
            asked = [(job.name, _definitions(job)) for job in jobs]
        for name, definitions in asked:
            if definitions:
                self._series.publish(name, definitions, self._log_of(name))

    def _last(self, name: str, definitions: Sequence[Mapping[str, Any]]) -> dict[str, tuple[float, float]]:
        """The last value of each metric in the log as it is now."""
        with self._scanning:
            scanner, offset = self._scanners.get(name) or (Scanner(definitions), 0)
            for at, line, end in lines(self._log_of(name), offset):
                scanner.feed(line, at)
                offset = end
            self._scanners[name] = (scanner, offset)
            return dict(scanner.last)


def _definitions(job: Job) -> Sequence[Mapping[str, Any]]:
    """What the request asks to be found in the log."""
    definitions: Sequence[Mapping[str, Any]] = job.request["AlgorithmSpecification"].get("MetricDefinitions", [])
    return definitions
