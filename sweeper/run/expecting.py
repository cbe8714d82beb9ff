"""When each job is to be looked at again, by all that was seen of it and of those before it. Decides nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any

from sweeper.core import looks
from sweeper.core.chain import Job
from sweeper.core.foretold import RECENT
from sweeper.core.looks import ENDED, RAREST_S, SAVED, Known
from sweeper.core.phases import transitions
from sweeper.core.shown import looks as is_decided_on
from sweeper.core.waits import USUAL_S
from sweeper.run.notes import Notes

FREE = 2
"""Looks that each job gets whatever is saved: one when it was sent, and one that shows its end."""


@dataclass
class _Seen:
    """What the looks at one job have shown. `spare`: the looks that it had left at first."""

    since: float
    spare: float
    marks: Mapping[str, float] = field(default_factory=dict)
    made: int = -FREE
    looked_at: float = -inf


class Expecting:
    """Keeps what tells when jobs end, and counts the looks at them."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._seen: dict[str, _Seen] = {}
        self._saved = SAVED
        self._settled_after: tuple[float, ...] = ()
        self._lengths: tuple[int, Mapping[str, tuple[float, ...]]] = (-1, {})
        self._offset = _Offset()
        self._rarest_s = USUAL_S if is_decided_on(notes.sweep) else RAREST_S

    def looked(self, job: Job, description: Mapping[str, Any] | None) -> None:
        """It was looked at; None: without an answer."""
        if job.settled and job.name not in self._seen:
            return  # whether its successor has taken its pool
        now, seen = self._notes.world.clock.now(), self._of(job)
        seen.made += 1
        if description is None:
            return
        marks = looks.marks(transitions(description))
        for mark, at in marks.items():
            if seen.marks.get(mark) != at and mark != ENDED:
                self._offset.take(at, seen.looked_at, now)
        if job.settled:
            self._settled(self._seen.pop(job.name), marks, now)
        seen.marks, seen.looked_at = marks, now

    def pause_s(self, job: Job) -> float:
        """Seconds until this job is to be looked at again."""
        if job.settled:
            return USUAL_S  # its successor is running, or is on its way
        now, seen = self._notes.world.clock.now(), self._of(job)
        if ENDED in seen.marks:
            marks, lengths = {ENDED: seen.marks[ENDED]}, {ENDED: self._settled_after}
        else:
            marks, lengths = dict(seen.marks), dict(self._of_others)
        spare = seen.spare + (now - seen.since) / USUAL_S - seen.made
        return looks.pause_s(Known(marks, lengths, None, spare), now - self._offset.seconds, self._rarest_s)

    def _of(self, job: Job) -> _Seen:
        if job.name not in self._seen:
            self._seen[job.name] = _Seen(self._notes.world.clock.now(), self._saved)
            self._saved = 0.0
        return self._seen[job.name]

    def _settled(self, seen: _Seen, marks: Mapping[str, float], now: float) -> None:
        """Its pool shows: what that took is what the next one's may take. What it has left of its looks it leaves."""
        self._saved = min(SAVED, self._saved + seen.spare + (now - seen.since) / USUAL_S - seen.made)
        if (ended_at := marks.get(ENDED)) is None:
            return
        # between two looks at the ended job; by the first one it may have shown from the beginning
        shown_at = (max(ended_at, seen.looked_at) + now) / 2 - self._offset.seconds if ENDED in seen.marks else ended_at
        self._settled_after += (max(0.0, shown_at - ended_at),)
        self._settled_after = self._settled_after[-RECENT:]

    @property
    def _of_others(self) -> Mapping[str, tuple[float, ...]]:
        chain = self._notes.chain
        if self._lengths[0] != len(chain.outcomes):
            self._lengths = len(chain.outcomes), looks.lengths(chain)
        return self._lengths[1]


class _Offset:
    """How far our clock is ahead of the service's: as little as what was seen allows."""

    def __init__(self) -> None:
        self._least, self._most = -inf, inf

    def take(self, at: float, before: float, after: float) -> None:
        """What the service dates at that time was not seen before, and was seen after, by our clock."""
        least, most = max(self._least, before - at), min(self._most, after - at)
        self._least, self._most = (least, most) if least <= most else (before - at, after - at)

    @property
    def seconds(self) -> float:
        """Seconds; negative when it is behind."""
        return min(max(0.0, self._least), self._most)
