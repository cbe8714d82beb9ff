"""What the machine reports, told to the service as it happens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sweeper.engine.job_metrics import JobMetrics
from sweeper.engine.machine.folders import JobView
from sweeper.engine.services import Services


class MachineReports:
    """Whom the machine tells what happened, and asks what is to be run."""

    def __init__(self, services: Services, metrics: JobMetrics) -> None:
        self._services, self._metrics = services, metrics
        self._told = services.training.reports

    def view(self, name: str) -> JobView | None:
        """What is to be run."""
        with self._services.lock:
            job = self._services.training.jobs.get(name)
            if job is None or job.status.terminal:
                return None
            keeps = job.keep_alive_s > 0 or job.warm
            return JobView(job.name, job.arn, job.request, job.pool_id or job.name, keeps)

    def uploads_model(self, name: str) -> bool:
        """A failed job leaves no model."""
        with self._services.lock:
            job = self._services.training.jobs.get(name)
            return job is not None and job.failure is None

    def note_container(self, name: str, facts: Mapping[str, Any]) -> None:
        """The engine's own record of processes."""
        self._services.note_container(name, facts)

    def started(self, name: str) -> None:
        """The entrypoint runs."""
        self._services.report(lambda now: self._told.container_started(name, now))

    def exited(self, name: str, exit_code: int, failure_text: str, ended_at: float | None = None) -> None:
        """The entrypoint ended; its last metrics count."""
        self._metrics.refresh(name)
        self._services.report(lambda now: self._told.container_exited(name, exit_code, failure_text, now, ended_at))

    def vacated(self, name: str) -> None:
        """The checkpoints are in S3, and nothing but the log is left of the attempt."""
        self._services.report(lambda now: self._told.vacated(name, now))

    def uploaded(self, name: str, problem: str | None) -> None:
        """The artifacts are in S3."""
        self._metrics.forget(name)
        self._services.report(lambda now: self._told.artifacts_uploaded(name, now, problem))

    def failed(self, name: str, reason: str) -> None:
        """The platform gives up on the job."""
        self._metrics.forget(name)
        self._services.report(lambda now: self._told.platform_failed(name, reason, now))
