"""The training service as a pure state machine over (request | tick | report, now): no I/O, no clock, no threads."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from typing import Any

from sweeper.engine.errors import ServiceError
from sweeper.engine.training.effects import Effect
from sweeper.engine.training.job import Job
from sweeper.engine.training.jobs import Jobs
from sweeper.engine.training.ledger import TrainingLedger
from sweeper.engine.training.operations import Answer, Operations
from sweeper.engine.training.plans import Plans
from sweeper.engine.training.pool import CloseReason, Pool
from sweeper.engine.training.pools import Pools
from sweeper.engine.training.reports import Reports
from sweeper.engine.training.settings import ServiceSettings
from sweeper.engine.training.states import Secondary
from sweeper.engine.training.timers import Timers


def only_reads(operation: str) -> bool:
    """Does an operation, of this service or of one on top of it, leave everything as it is?"""
    return operation.startswith(("Describe", "List", "Get", "Search"))


class Service:
    """Training jobs and warm pools of one account in one Region, by SageMaker's operations."""

    def __init__(self, settings: ServiceSettings | None = None, rng: random.Random | None = None) -> None:
        self.settings = settings or ServiceSettings()
        rng = rng or random.Random(0)
        self.ledger = TrainingLedger()
        """What changed of jobs and pools, for who writes it down."""
        self._timers = Timers(self.ledger)
        plans = Plans(self.settings, self.ledger, self._timers)
        self._pools = Pools(self.settings, rng, self.ledger, self._timers, plans)
        self._jobs = Jobs(self.settings, self.ledger, self._timers, self._pools, plans)
        self.reports = Reports(self.settings, rng, self.ledger, self._timers, self._jobs, self._pools)
        """Whom the world tells what it did."""
        self._operations = Operations(self.settings, self.ledger, self._jobs, self._pools)
        self.operations = frozenset(self._operations.known)
        """The operations this service knows."""

    @property
    def jobs(self) -> Mapping[str, Job]:
        """Every job by its name, in the order of creation."""
        return self.ledger.jobs

    @property
    def pools(self) -> Mapping[str, Pool]:
        """Every pool that has not ended, by its id."""
        return self.ledger.pools

    @property
    def running(self) -> list[Job]:
        """Jobs that have not ended."""
        return self.ledger.running

    @property
    def idle_pools(self) -> list[Pool]:
        """Pools that are retained and bill."""
        return self.ledger.idle_pools

    def call(self, operation: str, params: Mapping[str, Any], now: float) -> Answer:
        """Answer one request, or raise ServiceError. Whatever was due before `now` has happened first."""
        handler = self._operations.known.get(operation)
        if handler is None:
            raise ServiceError("UnknownOperationException", f"The requested operation {operation} is not recognized.")
        self.tick(now)
        return handler(params, now)

    def stop(self, name: str, now: float) -> None:
        """Stop a job for another service of the platform, which sees it at once; one that has ended stays so."""
        self.tick(now)
        if name in self.jobs:
            self._jobs.stop(self.jobs[name], Secondary.STOPPED, now)

    def tick(self, now: float) -> None:
        """Let everything happen that is due, in the order of time."""
        self._jobs.tick(now)

    def next_due(self) -> float | None:
        """When something happens next by itself; None when nothing will."""
        return self._timers.next_due()

    def drain(self) -> list[Effect]:
        """Take the effects asked for since the last call, in order."""
        return self.ledger.drain()

    def restore(self, jobs: Iterable[Job], pools: Iterable[Pool]) -> None:
        """Take up what an earlier process left, and ask for every container again."""
        self.ledger.take_up(jobs, pools)
        self._timers.take_up()
        self._jobs.take_up()

    def release_all(self, now: float) -> None:
        """End every idle pool: the engine is being stopped."""
        for pool in self.idle_pools:
            self._pools.close(pool, CloseReason.RELEASED, now)
