"""What is due, and when: every job and every idle pool has timers. Pure; time is an argument."""

from __future__ import annotations

import heapq
from enum import Enum

from sweeper.engine.training.job import Job
from sweeper.engine.training.ledger import TrainingLedger
from sweeper.engine.training.pool import Pool


class Timer(str, Enum):
    """What may be due: of a job, or of an idle pool."""

    PREPARE = "prepare"
    LAUNCH = "launch"
    MAX_RUNTIME = "max_runtime"
    MAX_WAIT = "max_wait"
    MAX_PENDING = "max_pending"
    INTERRUPT = "interrupt"
    REQUEUE = "requeue"
    ADMIT = "admit"
    PLAN_WAIT = "plan_wait"
    KILL = "kill"
    END = "end"
    EXPIRE = "expire"
    PATCH = "patch"

    @property
    def of_pool(self) -> bool:
        """Is it a pool's?"""
        return self in (Timer.EXPIRE, Timer.PATCH)


class Timers:
    """The timers of a ledger's jobs and pools in the order of time; their records hold them, so that they are kept."""

    def __init__(self, ledger: TrainingLedger) -> None:
        self._ledger = ledger
        self._heap: list[tuple[float, int, Timer, str]] = []  # due, sequence, kind, job name or pool id
        self._sequence = 0

    def take_up(self) -> None:
        """Go on with those that the records of the ledger hold."""
        # a pool bears the name of its first job, so the two are never put into one mapping
        for name, job in self._ledger.jobs.items():
            for kind, due in job.timers.items():
                self._push(due, Timer(kind), name)
        for key, pool in self._ledger.pools.items():
            for kind, due in pool.timers.items():
                self._push(due, Timer(kind), key)

    def set(self, subject: Job | Pool, kind: Timer, due: float) -> None:
        """Let this be due then; what was set before is forgotten."""
        subject.timers[kind.value] = due
        self._push(due, kind, self._ledger.mark(subject))

    def cancel(self, subject: Job | Pool, *kinds: Timer) -> None:
        """Let none of these be due."""
        for kind in kinds:
            subject.timers.pop(kind.value, None)
        self._ledger.mark(subject)

    def next_due(self) -> float | None:
        """When something is due next; None when nothing will be."""
        while self._heap:
            due, _, kind, owner = self._heap[0]
            subject = self._subject(kind, owner)
            if subject is not None and subject.timers.get(kind.value) == due:
                return due
            heapq.heappop(self._heap)
        return None

    def pop_due(self, now: float) -> tuple[float, Timer, Job | Pool] | None:
        """The next thing that is due by now; each is given once."""
        while self._heap and self._heap[0][0] <= now:
            due, _, kind, owner = heapq.heappop(self._heap)
            subject = self._subject(kind, owner)
            if subject is not None and subject.timers.get(kind.value) == due:
                del subject.timers[kind.value]
                return due, kind, subject
        return None

    def _push(self, due: float, kind: Timer, owner: str) -> None:
        self._sequence += 1
        heapq.heappush(self._heap, (due, self._sequence, kind, owner))

    def _subject(self, kind: Timer, owner: str) -> Job | Pool | None:
        return self._ledger.pools.get(owner) if kind.of_pool else self._ledger.jobs.get(owner)
