"""What a running job has shown so far, and what a sweep's rules make of it. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from sweeper.core.events import Judged, TrialStatus

if TYPE_CHECKING:
    from sweeper.core.chain import Chain, Job
    from sweeper.core.model import Sweep

Curve = Sequence[tuple[float, float]]
"""(step, value) of a metric, in the order in which they came."""
Points = Sequence[tuple[str, float]]
"""(metric, value) in the order in which they stand in a log."""


@dataclass
class Seen:
    """What a running job has shown so far. `quiet_s`: seconds since its log grew; `blind_s`: since its last metric."""

    points: list[tuple[str, float]] = field(default_factory=list)
    shown: dict[str, float] = field(default_factory=dict)
    """The last values, as Describe shows them."""
    quiet_s: float = 0.0
    blind_s: float = 0.0

    @property
    def last(self) -> dict[str, float]:
        """The last value of each metric."""
        return {**dict(self.points), **self.shown}


def curve(points: Points, metric: str, step: str | None = None) -> list[tuple[float, float]]:
    """A metric over its steps: the value that `step`, another metric, had then; else the number of the point."""
    found: list[tuple[float, float]] = []
    at = math.nan
    for name, value in points:
        if name == step:
            at = value
        if name == metric:
            found.append((at if step else float(len(found) + 1), value))
    return [point for point in found if not math.isnan(point[0])]


@dataclass(frozen=True)
class Look:
    """A running job as a rule sees it. `curves`: those of the finished trials, worked out when asked for."""

    sweep: Sweep
    chain: Chain
    job: Job
    seen: Seen
    curves: Callable[[], Sequence[Curve]]

    @property
    def trains(self) -> bool:
        """Is its script at work? Before and after there is nothing to see."""
        return self.job.secondary == "Training"

    @property
    def metric(self) -> str:
        """The metric that is compared: that of `prune`, else the objective's; empty when there is none."""
        objective = self.sweep.objective
        return self.sweep.prune.metric or (objective.metric if objective else "")

    @property
    def sign(self) -> float:
        """What turns the metric into one of which more is better."""
        return self.sweep.objective.goal.sign if self.sweep.objective else 1.0

    @cached_property
    def own(self) -> list[tuple[float, float]]:
        """Its curve of that metric, more is better, without NaN."""
        found = curve(self.seen.points, self.metric, self.sweep.prune.step)
        return [(step, self.sign * value) for step, value in found if not math.isnan(value)]

    @property
    def latest(self) -> float:
        """The last value of its curve, as it was shown."""
        return self.sign * self.own[-1][1]

    @cached_property
    def others(self) -> list[Curve]:
        """The curves of the finished trials, more is better."""
        return [[(step, self.sign * value) for step, value in points] for points in self.curves()]

    def pruned(self, rule: str, why: str, value: float | None = None) -> Judged:
        """It is hopeless by this rule of `prune`, as this value of the compared metric shows."""
        metric = self.metric if value is not None else ""
        verdict = TrialStatus.PRUNED.value
        return Judged(self.job.name, f"prune.{rule}", verdict, why, metric, value, self.seen.last)


def at_step(curves: Sequence[Curve], step: float) -> list[float]:
    """The best value of each curve up to this step, of those that came so far."""
    found = []
    for points in curves:
        until = [value for at, value in points if at <= step and not math.isnan(value)]
        if until and points[-1][0] >= step:
            found.append(max(until))
    return found


def judge(sweep: Sweep, chain: Chain, job: Job, seen: Seen, curves: Callable[[], Sequence[Curve]]) -> Judged | None:
    """What this running job has come to by what it shows; None: it goes on. `curves`: those of the finished trials."""
    if job.judged or job.ended:
        return None
    look = Look(sweep, chain, job, seen, curves)
    verdicts = (rule.judge(look) for rules in (sweep.stop, sweep.prune.rules) for rule in rules)
    return next(filter(None, verdicts), None)


def looks(sweep: Sweep) -> bool:
    """True when running jobs have to be looked at for more than their status."""
    return any(rule.asks for rule in sweep.stop) or reads_log(sweep)


def reads_log(sweep: Sweep) -> bool:
    """True when every point counts, and not only the last ones that Describe may show."""
    return bool(sweep.prune.rules)
