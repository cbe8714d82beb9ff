"""What will happen in the world of the twin, and when: one order of time for containers, people and late requests."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple


class What(str, Enum):
    """What may happen."""

    STARTED = "started"
    EXITED = "exited"
    TERMINATED = "terminated"
    KILLED = "killed"
    GAVE_UP = "gave up"  # the platform does
    VACATED = "vacated"
    UPLOADED = "uploaded"
    HUMAN_STOPS = "human stops"
    STRANGER = "stranger"
    ARRIVES = "arrives"  # a request that was lost on its way


class Happening(NamedTuple):
    """One of them. What was noted first happens first at the same moment.

    `name`: of the job, or of the request that arrives; `attempt`: of the job's container, which may be another by then.
    """

    at: float
    number: int
    what: What
    name: str
    attempt: int


class Agenda:
    """Happenings in the order of time."""

    def __init__(self) -> None:
        self._heap: list[Happening] = []
        self._number = 0

    def note(self, at: float, what: What, name: str, attempt: int = 0) -> None:
        """Let this happen then."""
        self._number += 1
        heapq.heappush(self._heap, Happening(at, self._number, what, name, attempt))

    def next_at(self) -> float | None:
        """When something happens next; None when nothing will."""
        return self._heap[0].at if self._heap else None

    def pop(self) -> Happening:
        """Take what happens next."""
        return heapq.heappop(self._heap)

    def coming(self, what: What) -> Iterator[str]:
        """Whom this will happen to."""
        return (happening.name for happening in self._heap if happening.what is what)
