"""When to look at a job again: rarely while it cannot end, often when it is about to, so that no pool waits. Pure.

A look is a call, of which an account answers so many to all who share it. Over a sweep there are no more of them than
one in `USUAL_S` for each job: what is saved while nothing can happen is spent where something will.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sweeper.core.chain import Chain
from sweeper.core.foretold import FEW, RECENT, Window, width, windows
from sweeper.core.phases import ENDS, Transition
from sweeper.core.waits import USUAL_S

SOON_S = 2.0
"""Seconds between two looks at one job at least, where it is about to end."""
DOUBTFUL_S, RAREST_S = 15.0, 40.0
"""Seconds between two looks at a job that is not expected to end, after a few jobs and after some: it may fail."""
GAP_S = 0.2
"""Seconds between two looks at jobs of which several run: others ask the same account."""
LATER = 0.2
"""What is late is looked at again after this part of the time for which it is late."""
SHORTER = 0.8
"""Which part of the shortest time so far from one mark to the end the next one is sure to take."""
SAVED = 6.0
"""Looks that one job leaves to the next at most."""

SEEN = 32
"""Ended jobs among which those are looked for that completed."""

CREATED, TRAINING, UPLOADING, STOPPING, ENDED = "Created", "Training", "Uploading", "Stopping", "Ended"
_COMES_TO = (TRAINING, UPLOADING)
_ENDING = (UPLOADING, STOPPING, ENDED)


@dataclass(frozen=True)
class Known:
    """What tells when a job ends; of one that has ended, when its pool shows. Times are UTC seconds since the epoch.

    `marks`: when it came to what it has come to. `lengths`: by mark, the seconds from there to the end of the jobs
    before it, oldest first. `told`: when it is to end by what it says itself. `spare`: the looks that it has left.
    """

    marks: Mapping[str, float]
    lengths: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    told: Window | None = None
    spare: float = 0.0


def pause_s(known: Known, now: float, rarest_s: float = RAREST_S) -> float:
    """Seconds until the next look at this job, `rarest_s` at most."""
    if expected := _expected(known, now):
        pause = max(expected[0].early - now, _step(expected, known.spare, now))
    else:
        pause = _unexpected(known, now)
    sure = len(known.lengths.get(TRAINING, ())) >= FEW or ENDED in known.marks
    most_s = min(rarest_s, RAREST_S if sure else DOUBTFUL_S)
    return min(max(pause, _sure_to_last(known), SOON_S), most_s)


def _expected(known: Known, now: float) -> list[Window]:
    """Where the end is to be expected from now on: by what tells it most exactly, and was not proved wrong."""
    choices = [[known.told]] if known.told else []
    for mark, at in known.marks.items():
        if found := windows(known.lengths.get(mark, ())):
            choices.append([Window(at + early, at + late) for early, late in found])
    best = min((choice for choice in choices if choice[-1].late > now), key=width, default=[])
    return [Window(max(early, now), late) for early, late in best if late > now]


def _step(expected: Sequence[Window], spare: float, now: float) -> float:
    """Seconds between two looks where the end is expected: what can be spent is spread over all of it."""
    can_be_spent = spare + (expected[-1].late - now) / USUAL_S
    return min(USUAL_S, width(expected) / can_be_spent) if can_be_spent > 0 else USUAL_S


def _sure_to_last(known: Known) -> float:
    """Seconds for which a job cannot end: what every job comes to before was not seen of it yet."""
    if STOPPING in known.marks or ENDED in known.marks:
        return 0.0
    ahead = next((mark for mark in _COMES_TO if mark not in known.marks), "")
    return SHORTER * min(known.lengths.get(ahead, ()), default=0.0)


def _unexpected(known: Known, now: float) -> float:
    """Seconds until the next look at a job of which nothing tells when it ends, or that is late."""
    newest = max(known.marks, key=lambda mark: known.marks[mark], default="")
    before = windows(known.lengths.get(newest, ()))
    if not before and newest not in _ENDING:
        return USUAL_S if newest in ("", TRAINING) else DOUBTFUL_S
    late_s = now - known.marks[newest] - (before[-1].late if before else 0.0)
    return min(USUAL_S, max(SOON_S, LATER * late_s)) if known.spare > 0 else USUAL_S


def marks(transitions: Iterable[Transition]) -> dict[str, float]:
    """When a job came to each mark, the last time: by the transitions that the service tells of it."""
    found: dict[str, float] = {}
    for status, start, _ in transitions:
        if start is None:
            continue
        found[CREATED] = min(start, found.get(CREATED, start))
        if status in (*_COMES_TO, STOPPING):
            found[status] = max(start, found.get(status, start))
        elif status in ENDS:
            found[ENDED] = start
    return found


def lengths(chain: Chain) -> dict[str, tuple[float, ...]]:
    """By mark, the seconds from there to the end of the latest completed jobs, oldest first."""
    latest = [job for job in chain.outcomes[-SEEN:] if job.completed][-RECENT:]
    found: dict[str, list[float]] = {}
    for job in latest:
        if job.outcome and (ended_at := job.outcome.ended_at) is not None:
            for mark, at in marks(job.outcome.transitions).items():
                found.setdefault(mark, []).append(max(0.0, ended_at - at))
    return {mark: tuple(seconds) for mark, seconds in found.items() if mark != ENDED}
