"""What the containers of the twin do: a script of seconds and metrics, run in one stretch or in several."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sweeper.core.ports import Request

STARTUP_S = 1.0
"""Virtual seconds from a container's start to its entrypoint's."""


@dataclass(frozen=True)
class Script:
    """What the container of one job does."""

    seconds: float = 60.0
    exit_code: int = 0
    failure: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    points: Sequence[tuple[float, Mapping[str, float]]] = ()  # seconds into training, and what is printed then
    stops_in: float = 5.0  # seconds from SIGTERM to its exit; past the grace it is killed
    uploads_in: float = 1.0  # seconds until what it left is in S3
    platform_failure: str | None = None  # the platform gives up after `seconds`, with this FailureReason
    saves_every: float = 0.0  # seconds between checkpoints; 0: it saves where it is when SIGTERM comes


Behaviour = Callable[[Request, random.Random], Script]


def always(script: Script) -> Behaviour:
    """Every job does the same."""
    return lambda _request, _rng: script


@dataclass
class Stretch:
    """One attempt of a container: since when, and from which second of its script."""

    at: float
    begins: float = 0.0
    asked_at: float | None = None  # SIGTERM
    ended: float | None = None


@dataclass
class Run:
    """A job's script and its stretches: one, or as many as its spot machines were taken away."""

    script: Script
    checkpoints: str = ""
    """The S3 prefix of its checkpoints; empty when it keeps none."""
    stretches: list[Stretch] = field(default_factory=list)

    @property
    def attempt(self) -> int:
        """How often it was started."""
        return len(self.stretches)

    def start(self, at: float, begins: float) -> float:
        """Begin a stretch at this second of the script; returns how many are left."""
        self.stretches.append(Stretch(at, begins))
        return max(0.0, self.script.seconds - begins)

    def end(self, at: float, *, killed: bool) -> float:
        """The stretch is over; returns the second of the script that its newest checkpoint holds."""
        last, every = self.stretches[-1], self.script.saves_every
        last.ended = at
        if every:
            return max(last.begins, self._reached(last, at) // every * every)
        if killed:
            return last.begins
        return self._reached(last, at if last.asked_at is None else last.asked_at)

    def printed(self, now: float) -> Iterator[tuple[float, str, float]]:
        """(when, metric, value) of everything printed by now, in order."""
        for stretch in self.stretches:
            end = now if stretch.ended is None else min(now, stretch.ended)
            for second, values in self.script.points:
                when = stretch.at + second - stretch.begins
                if second >= stretch.begins and when <= end:
                    yield from ((when, name, value) for name, value in values.items())

    def _reached(self, stretch: Stretch, at: float) -> float:
        """The second of the script that a stretch had come to."""
        ran = max(0.0, at - stretch.at - STARTUP_S)
        return min(self.script.seconds, stretch.begins + ran)
