"""Storing the logs of ended jobs, step by step: never in the way of the next job."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice, takewhile

from sweeper.run.notes import Notes

UNKEPT_MOST = 3
"""Jobs at the end of a chain whose logs a killed invocation may have left, for each that was in flight."""
LONG_S = 3.0
"""Seconds after which the storing of logs at the end is told of."""
_DONE = object()


class Keeping:
    """Stores the logs of jobs whose pools are closed, oldest first."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._under_way: Iterator[None] = iter(())

    def find_unkept(self) -> None:
        """What a killed invocation did not come to store: its last logs."""
        notes = self._notes
        ended = (job for job in reversed(notes.chain.outcomes) if job.closed and job.acknowledged)
        last = islice(ended, UNKEPT_MOST * notes.sweep.in_flight)
        notes.unkept.extendleft(takewhile(lambda job: not notes.world.archive.kept(job), last))

    def keep_rest(self) -> None:
        """The end: what has ended and leaves its pool warm is stored as well, and everything that is not yet."""
        self._notes.unkept.extend(job for job in self._notes.chain.debts.values() if job.ended)
        self.keep()

    def keep(self, until: float = math.inf) -> None:
        """Store the logs of ended jobs, step by step, until a moment (monotonic) or a new signal."""
        world, unkept = self._notes.world, self._notes.unkept
        caught, begun = len(world.inbox.caught), world.clock.monotonic()
        while world.clock.monotonic() < until and len(world.inbox.caught) == caught:
            if next(self._under_way, _DONE) is _DONE:
                if not unkept:
                    return
                self._under_way = world.archive.keep(unkept.popleft())
            elif until == math.inf and world.clock.monotonic() - begun > LONG_S:
                line = "storing the rest of the logs; Ctrl-C ends that, and the next run goes on with it"
                self._notes.say_once("", line)
