"""What the service knows: jobs and pools, what changed of them, and what it asks of the world. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from sweeper.engine.training.effects import Effect
from sweeper.engine.training.job import Job
from sweeper.engine.training.pool import Pool, PoolState


class TrainingLedger:
    """Jobs and pools by name, what changed since they were last written, and effects in order."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self.pools: dict[str, Pool] = {}
        self.changed_jobs: set[str] = set()
        self.changed_pools: set[str] = set()
        self._running: dict[str, Job] = {}
        self._effects: list[Effect] = []

    @property
    def running(self) -> list[Job]:
        """Jobs that have not ended."""
        return list(self._running.values())

    @property
    def idle_pools(self) -> list[Pool]:
        """Pools that are retained and bill."""
        return [pool for pool in self.pools.values() if pool.state is PoolState.IDLE]

    def take_up(self, jobs: Iterable[Job], pools: Iterable[Pool]) -> None:
        """Hold what an earlier process left."""
        self.jobs.update((job.name, job) for job in jobs)
        self.pools.update((pool.id, pool) for pool in pools)
        self._running.update((name, job) for name, job in self.jobs.items() if not job.status.terminal)

    def add(self, job: Job) -> None:
        """A job that runs from now on."""
        self.jobs[job.name] = self._running[job.name] = job

    def close(self, job: Job) -> None:
        """It runs no longer, and is still known."""
        self._running.pop(job.name, None)

    def open(self, name: str) -> Job | None:
        """The job that a report is about, marked as changed, unless it ended or was deleted meanwhile."""
        job = self.jobs.get(name)
        if job is None or job.status.terminal:
            return None
        self.mark(job)
        return job

    def mark(self, subject: Job | Pool) -> str:
        """Note that the subject changed; returns its name."""
        if isinstance(subject, Job):
            self.changed_jobs.add(subject.name)
            return subject.name
        self.changed_pools.add(subject.id)
        return subject.id

    def ask(self, effect: Effect) -> None:
        """Ask this of the world, after what was asked before."""
        self._effects.append(effect)

    def drain(self) -> list[Effect]:
        """Take the effects asked for since the last call, in order."""
        effects, self._effects = self._effects, []
        return effects
