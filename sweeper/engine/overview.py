"""What the engine tells of its jobs besides SageMaker's own answers: for logs, for the disk, for its status."""

from __future__ import annotations

from typing import Any

from sweeper.engine.machine.folders import hosts_of
from sweeper.engine.services import Services


class Overview:
    """Looks at the services, and changes nothing."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def job(self, name: str) -> tuple[float, float | None] | None:
        """When a job that has a log began to train, and when it ended."""
        with self._services.lock:
            job = self._services.training.jobs.get(name)
            return None if job is None or job.training_from is None else (job.training_from, job.ended)

    def hosts(self, name: str) -> list[str]:
        """The names of a job's hosts; none of a job that is gone."""
        with self._services.lock:
            job = self._services.training.jobs.get(name)
            return [] if job is None else hosts_of(job.request)

    def logged_jobs(self) -> list[str]:
        """Jobs that may have a log, oldest first."""
        with self._services.lock:
            return [job.name for job in self._services.training.jobs.values() if job.training_from is not None]

    def ended_jobs(self) -> list[tuple[str, str]]:
        """Name and S3OutputPath of the jobs that have ended, oldest first."""
        with self._services.lock:
            jobs = [job for job in self._services.training.jobs.values() if job.status.terminal]
            return [(job.name, job.request["OutputDataConfig"]["S3OutputPath"]) for job in jobs]

    def busy(self) -> tuple[int, int]:
        """Running jobs and live pools."""
        with self._services.lock:
            return len(self._services.training.running), len(self._services.training.idle_pools)

    def records(self) -> list[dict[str, Any]]:
        """Every job with its status, pool and process: what `sweeper engine status` shows."""
        with self._services.lock:
            processes = {row["name"]: row for row in self._services.store.containers()}
            return [
                {
                    "name": job.name,
                    "status": job.status.value,
                    "secondary_status": job.secondary.value,
                    "pool": job.pool_id,
                    "warm": job.warm,
                    **processes.get(job.name, {}),
                }
                for job in self._services.training.jobs.values()
            ]
