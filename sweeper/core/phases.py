"""The phases of a job in seconds, from the transitions that the service tells of it. Pure.

Every second between the first transition and the end belongs to one phase: to that of the status that was entered last,
or to none that we know (`other`) where the service says that this status was over already.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from typing import Any, NamedTuple

Transition = Sequence[Any]
"""(status, start, end) as the journal keeps it: UTC seconds since the epoch, None where the service does not say."""


class Phase(str, Enum):
    """What a job does at a time."""

    START = "start"  # it waits for its machine
    DOWNLOAD = "download"
    TRAIN = "train"
    UPLOAD = "upload"
    INTERRUPTED = "interrupted"  # its machine was taken away, and it waits for another
    STOP = "stop"  # it was asked to end
    OTHER = "other"


INTERRUPTED = "Interrupted"
"""The secondary status of a job whose machine was taken away."""
PHASES: Mapping[str, Phase] = {
    "Starting": Phase.START,
    "Pending": Phase.START,
    "LaunchingMLInstances": Phase.START,
    "PreparingTrainingStack": Phase.START,
    "Downloading": Phase.DOWNLOAD,
    "DownloadingTrainingImage": Phase.DOWNLOAD,
    "Training": Phase.TRAIN,
    "Updating": Phase.TRAIN,
    "Uploading": Phase.UPLOAD,
    INTERRUPTED: Phase.INTERRUPTED,
    "Restarting": Phase.INTERRUPTED,
    "Stopping": Phase.STOP,
}
"""The phase of each secondary status; one that is not here is `other`."""
ENDS = frozenset({"Completed", "Failed", "Stopped", "MaxRuntimeExceeded", "MaxWaitTimeExceeded"})
"""The secondary statuses of a job that has ended: nothing of it lasts."""


class Span(NamedTuple):
    """One stretch of a phase: since when (UTC seconds since the epoch), and for how long; None: that is not known."""

    phase: Phase
    at: float
    seconds: float | None


@dataclass(frozen=True)
class Phases:
    """Seconds of each phase, all its times together; None for one that was not seen, or whose end is not known."""

    start: float | None = None
    download: float | None = None
    train: float | None = None
    upload: float | None = None
    interrupted: float | None = None
    stop: float | None = None
    other: float | None = None
    first_start: float | None = None
    """From the first transition to the first machine; None when it never had one."""


def transitions(description: Mapping[str, Any]) -> list[list[Any]]:
    """The SecondaryStatusTransitions of a description, as the journal keeps them. Their messages are not kept."""
    told = description.get("SecondaryStatusTransitions") or ()
    return [
        [str(one.get("Status", "")), seconds_of(one.get("StartTime")), seconds_of(one.get("EndTime"))] for one in told
    ]


def begun_at(told: Iterable[Transition]) -> float | None:
    """When the job came to be: UTC seconds since the epoch; None when no transition says."""
    return min((start for _, start, _ in told if start is not None), default=None)


def spans(told: Iterable[Transition], ended_at: float | None) -> list[Span]:
    """The phases of a job that ended then, one after another, whatever the order of its transitions."""
    lasting, over = _placed(told, ended_at)
    found: list[Span] = []
    for (start, end, status), after in pairwise([*lasting, (over, None, "")]):
        phase = PHASES.get(status, Phase.OTHER)
        until = min((at for at in (after[0], over) if at is not None), default=end)
        if until is None:
            found.append(Span(phase, start, None))
            continue
        left = until if end is None else max(start, min(end, until))
        found.append(Span(phase, start, max(0.0, left - start)))
        if left < until:
            found.append(Span(Phase.OTHER, left, until - left))
    return found


def phases(told: Sequence[Transition], ended_at: float | None) -> Phases:
    """The seconds of each phase of a job that ended then, whichever transitions are missing."""
    seconds: dict[Phase, float] = {}
    unknown: set[Phase] = set()
    for phase, _, lasted in spans(told, ended_at):
        if lasted is None:
            unknown.add(phase)
        else:
            seconds[phase] = seconds.get(phase, 0.0) + lasted
    known = {phase.value: round(total, 3) for phase, total in seconds.items() if phase not in unknown}
    return Phases(**known, first_start=_first_start(_placed(told, ended_at)[0]))


def _placed(told: Iterable[Transition], ended_at: float | None) -> tuple[list[tuple[Any, Any, str]], float | None]:
    """The transitions that last, in the order of time, as (start, end, status); and when the job was over."""
    placed = sorted(((start, end, status) for status, start, end in told if start is not None), key=lambda one: one[0])
    over = next((start for start, _, status in placed if status in ENDS), ended_at)
    return [one for one in placed if one[2] not in ENDS], over


def _first_start(lasting: Sequence[tuple[float, Any, str]]) -> float | None:
    """Seconds until the first status of a job that has a machine."""
    machine = (Phase.DOWNLOAD, Phase.TRAIN, Phase.UPLOAD)
    got = next((start for start, _, status in lasting if PHASES.get(status) in machine), None)
    return None if got is None else round(got - lasting[0][0], 3)


def seconds_of(when: Any) -> float | None:
    """A time of boto3 as UTC seconds; None where there is none."""
    return None if when is None else float(when.timestamp())


def interruptions(told: Iterable[Transition]) -> int:
    """How often the machine was taken away."""
    return sum(1 for status, _, _ in told if status == INTERRUPTED)
