"""What trackers share that keep a run per trial: which attempt it shows, and what stands in it."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, ClassVar, NamedTuple

from sweeper.core.tracked import Notebook, SweepEnded, Tracked, TrialEnded


def identity(notes: Notebook) -> str:
    """What tells this sweep from every other that its tracker has: drawn once, and noted before it is said."""
    found = notes.get("identity")
    if found is None:
        found = os.urandom(16).hex()
        notes.put("identity", found)
    return found


@contextmanager
def newest(sweep: Tracked, ended: TrialEnded) -> Iterator[bool]:
    """Is it the newest attempt at its trial of which the tracker was told? If so, noted once the body has ended well.

    What could not be told is told again, and another attempt may have been shown by then.
    """
    key, at = f"newest {ended.trial}", ended.ended_at or 0.0
    before = sweep.notes.get(key)
    found = before is None or at >= float(before)
    yield found
    if found:
        sweep.notes.put(key, repr(at))


class RunPerTrial(ABC):
    """A tracker that shows the newest attempt at each trial as a run; a dataclass with its options."""

    repeats: ClassVar[bool] = True

    @classmethod
    def unasked(cls, config: Mapping[str, Any]) -> bool:
        """No."""
        return False

    def started(self, sweep: Tracked) -> None:  # noqa: B027 - nothing is what there is to do
        """The sweep has no run of its own."""

    def trial(self, sweep: Tracked, ended: TrialEnded) -> None:
        """Show it, if it is the newest attempt. Raises what the tracker raises."""
        with newest(sweep, ended) as shown:
            if shown:
                self.show(sweep, ended)

    def ended(self, sweep: Tracked, ended: SweepEnded) -> None:  # noqa: B027 - as above
        """The sweep has no run of its own."""

    @abstractmethod
    def show(self, sweep: Tracked, ended: TrialEnded) -> None:
        """Have the trial's run show this attempt and no other."""


class Value(NamedTuple):
    """A value of a metric. `step` numbers those of a metric from 1; `at`: UTC seconds since the epoch."""

    metric: str
    step: int
    value: float
    at: float


def values(ended: TrialEnded) -> Iterator[Value]:
    """Every value of its metrics in the order in which they came; the last one of a metric whose log is not stored."""
    told = set[str]()
    for point in ended.points():
        told.add(point.metric)
        at = datetime.fromisoformat(point.at.replace("Z", "+00:00")).timestamp()
        yield Value(point.metric, point.step, point.value, at)
    for name, value in ended.metrics.items():
        if name not in told:
            yield Value(name, 1, value, ended.ended_at or 0.0)
