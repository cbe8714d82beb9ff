"""What the service knows: jobs, pools, timers, and what it asks of the world. Pure; time is an argument."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from enum import Enum

from sweeper.engine.settings import ServiceSettings
from sweeper.engine.training.effects import AdoptContainer, Effect, UploadArtifacts, Vacate
from sweeper.engine.training.jobs import Job
from sweeper.engine.training.pool import Pool, PoolState


class Timer(str, Enum):
    """What may be due: of a job, or of an idle pool."""

    PREPARE = "prepare"
    LAUNCH = "launch"
    MAX_RUNTIME = "max_runtime"
    MAX_WAIT = "max_wait"
    INTERRUPT = "interrupt"
    REQUEUE = "requeue"
    KILL = "kill"
    END = "end"
    EXPIRE = "expire"
    PATCH = "patch"

    @property
    def of_pool(self) -> bool:
        """Is it a pool's?"""
        return self in (Timer.EXPIRE, Timer.PATCH)


class Ledger:
    """Jobs and pools by name, what changed since they were last written, and effects in order."""

    def __init__(self, settings: ServiceSettings) -> None:
        self.settings = settings
        self.jobs: dict[str, Job] = {}
        self.pools: dict[str, Pool] = {}
        self.changed_jobs: set[str] = set()
        self.changed_pools: set[str] = set()
        self._running: dict[str, Job] = {}
        self._effects: list[Effect] = []
        self._timers: list[tuple[float, int, Timer, str]] = []  # due, sequence, kind, job name or pool id
        self._sequence = 0

    @property
    def running(self) -> list[Job]:
        """Jobs that have not ended."""
        return list(self._running.values())

    @property
    def idle_pools(self) -> list[Pool]:
        """Pools that are retained and bill."""
        return [pool for pool in self.pools.values() if pool.state is PoolState.IDLE]

    def drain(self) -> list[Effect]:
        """Take the effects asked for since the last call, in order."""
        effects, self._effects = self._effects, []
        return effects

    def next_due(self) -> float | None:
        """When something happens next by itself; None when nothing will."""
        while self._timers:
            due, _, kind, owner = self._timers[0]
            subject = self._subject(kind, owner)
            if subject is not None and subject.timers.get(kind.value) == due:
                return due
            heapq.heappop(self._timers)
        return None

    def restore(self, jobs: Iterable[Job], pools: Iterable[Pool]) -> None:
        """Take up what an earlier process left, and ask for every container again."""
        self.jobs = {job.name: job for job in jobs}
        self.pools = {pool.id: pool for pool in pools}
        self._running = {name: job for name, job in self.jobs.items() if not job.status.terminal}
        # a pool bears the name of its first job, so the two are never put into one mapping
        for name, job in self.jobs.items():
            for kind, due in job.timers.items():
                self._push(due, Timer(kind), name)
        for key, pool in self.pools.items():
            for kind, due in pool.timers.items():
                self._push(due, Timer(kind), key)
        for job in self.running:
            if job.exited:
                taken = job.interrupting and job.stop_why is None
                self._effects.append(Vacate(job.name) if taken else UploadArtifacts(job.name))
            elif job.container:
                self._effects.append(AdoptContainer(job.name))

    def _set(self, subject: Job | Pool, kind: Timer, due: float) -> None:
        subject.timers[kind.value] = due
        self._push(due, kind, self._mark(subject))

    def _push(self, due: float, kind: Timer, owner: str) -> None:
        self._sequence += 1
        heapq.heappush(self._timers, (due, self._sequence, kind, owner))

    def _cancel(self, subject: Job | Pool, *kinds: Timer) -> None:
        for kind in kinds:
            subject.timers.pop(kind.value, None)
        self._mark(subject)

    def _mark(self, subject: Job | Pool) -> str:
        """Note that the subject changed; returns its name."""
        if isinstance(subject, Job):
            self.changed_jobs.add(subject.name)
            return subject.name
        self.changed_pools.add(subject.id)
        return subject.id

    def _pop_due(self, now: float) -> tuple[float, Timer, Job | Pool] | None:
        """The next thing that is due by now; each is given once."""
        while self._timers and self._timers[0][0] <= now:
            due, _, kind, owner = heapq.heappop(self._timers)
            subject = self._subject(kind, owner)
            if subject is not None and subject.timers.get(kind.value) == due:
                del subject.timers[kind.value]
                return due, kind, subject
        return None

    def _subject(self, kind: Timer, owner: str) -> Job | Pool | None:
        return self.pools.get(owner) if kind.of_pool else self.jobs.get(owner)
