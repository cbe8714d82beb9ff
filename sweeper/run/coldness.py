"""Finds out why a job started cold that should have found a warm pool, while both can still be looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sweeper.core import cold
from sweeper.core.chain import Job
from sweeper.core.events import PoolStatus
from sweeper.errors import ApiError
from sweeper.run.notes import Notes

REMEMBERED = 4
"""Jobs whose last description is kept: the two of a pair, and those that were before."""


class Coldness:
    """Looks on, and asks the service only for what nobody has looked at."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._last: dict[str, Mapping[str, Any]] = {}

    def look(self, job: Job, description: Mapping[str, Any]) -> None:
        """A job was looked at: note why a job started cold, once that is known."""
        self._last.pop(job.name, None)
        self._last[job.name] = description
        while len(self._last) > REMEMBERED:
            del self._last[next(iter(self._last))]
        if not self._notes.sweep.backend.keeps_pool:
            return
        running = next(iter(self._notes.chain.unfinished.values()), None)
        for back in (1, 2):
            found = cold.pair(self._notes.chain, running, back)
            if found is None:
                continue
            before, after = found
            if after is job and job.ended and before.pool is PoolStatus.ABSENT:
                self._last.pop(before.name, None)  # nobody waits for it any more: asked once more
                self._note(before, after)
            elif before is job or before.closed:  # else its pool may have moved on since it was last looked at
                self._note(before, after)

    def _note(self, before: Job, after: Job) -> None:
        try:
            first, second = self._described(before), self._described(after)
        except ApiError:
            return  # another look may do
        pool = cold.history(before, first)
        if not cold.is_known(after, second, pool):
            return
        if (pool.retained_s or 0.0) < cold.SHORTEST_S and pool.status is not PoolStatus.AVAILABLE:
            pool = cold.history(before, first, self._notes.world.warm_pool_quota())
        self._notes.note(cold.why(first, second, pool))

    def _described(self, job: Job) -> Mapping[str, Any]:
        known = self._last.get(job.name)
        return self._notes.world.api.describe_training_job(job.name) if known is None else known
