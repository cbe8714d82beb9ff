"""What trackers share that keep a run per trial: which attempt it shows, and what stands in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple

from sweeper.core.tracked import Notebook, Tracked, TrialEnded


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
