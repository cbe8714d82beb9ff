"""What so many jobs take and cost, by how their machines are had: the one place for this arithmetic. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from sweeper.core.costs import Rate
from sweeper.core.ports import Backend

MOST_MACHINES = 1000.0
"""Machines that a trial which begins anew on each may be expected to need: with more it would hardly ever end."""


@dataclass(frozen=True)
class Pace:
    """Seconds of one job, as they were measured or are assumed; what nobody knows counts as nothing."""

    cold_start_s: float
    warm_start_s: float
    train_s: float
    idle_s: float = 0.0
    """What passes between two jobs that run one after another: a pool idles, and nobody pays for cold machines."""
    wait_s: float = 0.0
    """Unbilled, for each machine, beyond the start of one that is there: in a queue, or for spot machines."""
    interrupted_every_s: float | None = None
    """Seconds of training after which a spot machine is taken, on average; None: never."""
    savings_percent: float | None = None


@dataclass(frozen=True)
class Way:
    """How machines are had, as far as time and money go."""

    keeps_pool: bool = False
    in_flight: int = 1
    interrupts: bool = False
    restarts: bool = False
    """Does an interrupted job begin anew, as it has no checkpoints?"""


@dataclass(frozen=True)
class Taken:
    """Seconds of all jobs together by what they go to, those on the wall, and those that are billed for."""

    start_s: float
    run_s: float
    idle_s: float
    wait_s: float
    wall_s: float
    billed_s: float

    def usd(self, rate: Rate | None) -> float | None:
        """What it costs; None when the price is unknown."""
        return None if rate is None else round(self.billed_s * rate.usd_per_second, 4)


def way_of(backend: Backend, job: Mapping[str, Any]) -> Way:
    """How a backend has its machines for jobs of this section."""
    restarts = backend.interrupts and not job.get("checkpoint_s3_uri")
    return Way(backend.keeps_pool, backend.capacity, backend.interrupts, restarts)


def rounds(jobs: int, in_flight: int) -> int:
    """How often machines are filled, when so many jobs of one length run at a time."""
    return -(-jobs // in_flight)


def taken(way: Way, jobs: int, pace: Pace) -> Taken | None:
    """What so many equal jobs take, one at least; None for trials that would hardly ever end.

    The start of a machine is counted as billed: the upper end of the truth. What is waited for is not. Of one that goes
    on from a checkpoint only the start is spent again, since what it has lost since that checkpoint is not known.
    """
    if way.keeps_pool:
        start, idle = pace.cold_start_s + (jobs - 1) * pace.warm_start_s, (jobs - 1) * pace.idle_s
        run = jobs * pace.train_s
        seconds = start + run + idle
        return Taken(start, run, idle, 0.0, seconds, seconds)
    if (of_one := expected(way, pace)) is None:
        return None
    start, wait = (jobs * of_one.machines * each for each in (pace.cold_start_s, pace.wait_s))
    run = jobs * of_one.train_s
    times = rounds(jobs, way.in_flight)
    wall = times * (start + run + wait) / jobs + (times - 1) * pace.idle_s
    saved = (pace.savings_percent or 0.0) if way.interrupts else 0.0
    return Taken(start, run, 0.0, wait, wall, (start + run) * (1 - saved / 100))


class Expected(NamedTuple):
    """What one job is expected to need."""

    machines: float
    train_s: float


def expected(way: Way, pace: Pace) -> Expected | None:
    """Of machines and of seconds of training, when they are taken at random; None when it would hardly ever end.

    With a mean of m seconds between two interruptions, T seconds without one take m(exp(T/m) - 1) from nothing.
    """
    if not way.interrupts or not pace.interrupted_every_s:
        return Expected(1.0, pace.train_s)
    spans = pace.train_s / pace.interrupted_every_s
    if not way.restarts:
        return Expected(1 + spans, pace.train_s)
    if spans > math.log(MOST_MACHINES):
        return None
    return Expected(math.exp(spans), math.expm1(spans) * pace.interrupted_every_s)
