"""When a running job is hopeless: compared with the finished trials at equal step, or by itself. Pure.

A pruned trial is not failed: its last metrics are kept. A job that writes nothing any more is: it hangs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sweeper.core.events import FINISH, Judged, TrialStatus
from sweeper.core.model import Goal
from sweeper.core.stop import Until

if TYPE_CHECKING:
    from sweeper.core.chain import Chain, Job
    from sweeper.core.model import Sweep

Curve = Sequence[tuple[float, float]]
"""(step, value) of a metric, in the order in which they came."""
Points = Sequence[tuple[str, float]]
"""(metric, value) in the order in which they stand in a log."""

COMPARING = ("median", "percentile", "patience", "halving")
"""The rules that look at the objective."""
STARTUP = 4
"""How many finished trials a comparison needs when the experiment does not say."""


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


def judge(sweep: Sweep, chain: Chain, job: Job, seen: Seen, curves: Callable[[], Sequence[Curve]]) -> Judged | None:
    """What this running job has come to by what it shows; None: it goes on. `curves`: those of the finished trials."""
    if job.judged or job.ended:
        return None
    return _until(sweep, chain, job, seen) or _hopeless(sweep, job, seen, curves) or _silent(sweep, job, seen)


def _until(sweep: Sweep, chain: Chain, job: Job, seen: Seen) -> Judged | None:
    for rule in sweep.stop:
        if not isinstance(rule, Until) or not rule.one_short(sweep, chain):
            continue
        values = (v for name, v in (*seen.points, *seen.shown.items()) if name == rule.metric)
        value = next((v for v in values if rule.holds(v)), None)
        if value is not None:
            verdict = FINISH if sweep.on_until == FINISH else TrialStatus.COMPLETED.value
            why = f"{rule.words(value)} while it trained"
            return Judged(job.name, rule.name, verdict, why, rule.metric, value, seen.last)
    return None


def _hopeless(sweep: Sweep, job: Job, seen: Seen, curves: Callable[[], Sequence[Curve]]) -> Judged | None:
    settings, objective = sweep.prune, sweep.objective
    metric = settings.get("metric") or (objective.metric if objective else None)
    if not metric or not seen.points:
        return None

    def pruned(rule: str, why: str, value: float) -> Judged:
        return Judged(job.name, f"prune.{rule}", TrialStatus.PRUNED.value, why, metric, value, seen.last)

    bad = next((value for name, value in seen.points if name == metric and math.isnan(value)), None)
    if settings.get("nan") and bad is not None:
        return pruned("nan", f"{metric} is nan", bad)
    sign = objective.goal.sign if objective else 1.0
    own = [(step, sign * value) for step, value in curve(seen.points, metric, settings.get("step"))]
    own = [(step, value) for step, value in own if not math.isnan(value)]
    if not own or not any(settings.get(rule) for rule in COMPARING):
        return None
    others: list[Curve] = []
    if any(settings.get(rule) for rule in COMPARING if rule != "patience"):
        others = [[(step, sign * value) for step, value in points] for points in curves()]
    for rule, why in _comparing(settings, own, others):
        if why:
            return pruned(rule, f"{metric} {why}", sign * own[-1][1])
    return None


def _comparing(settings: Mapping[str, Any], own: Curve, others: Sequence[Curve]) -> list[tuple[str, str]]:
    found = []
    if rule := settings.get("median"):
        found.append(("median", below(own, others, 50.0, rule)))
    if rule := settings.get("percentile"):
        found.append(("percentile", below(own, others, float(rule["keep"]), rule)))
    if rule := settings.get("patience"):
        found.append(("patience", patience(own, int(rule["steps"]), float(rule.get("min_delta") or 0.0))))
    if rule := settings.get("halving"):
        found.append(("halving", halving(own, others, rule)))
    return found


def below(own: Curve, others: Sequence[Curve], keep: float, settings: Mapping[str, Any]) -> str:
    """Its best so far is not among the best `keep` per cent of what the finished trials had come to by this step."""
    step = own[-1][0]
    if step < float(settings.get("after_steps") or 1):
        return ""
    rivals = at_step(others, step)
    if len(rivals) < int(settings.get("min_trials") or STARTUP):
        return ""
    bar = percentile(rivals, 100.0 - keep)
    best = max(value for _, value in own)
    return f"is worse at step {step:g} than that of the best {keep:g} % of {len(rivals)} trials" if best < bar else ""


def patience(own: Curve, steps: int, min_delta: float) -> str:
    """Its best is so many points old."""
    since = Goal.MAXIMIZE.since_best((value for _, value in own), min_delta)
    return f"has not improved for {since} steps" if since >= steps else ""


def halving(own: Curve, others: Sequence[Curve], settings: Mapping[str, Any]) -> str:
    """At each rung that it has reached it must be among the best 1/factor of those that reached it too."""
    factor = float(settings.get("factor") or 3)
    reached = own[-1][0]
    rung = float(settings.get("first") or 1)
    while rung <= reached:
        rivals = at_step(others, rung)
        mine = max(value for step, value in own if step <= rung) if own[0][0] <= rung else -math.inf
        stays = max(1, math.floor((len(rivals) + 1) / factor))
        better = sum(1 for value in rivals if value > mine)
        if len(rivals) + 1 >= factor and better >= stays:
            return f"is number {better + 1} of {len(rivals) + 1} at rung {rung:g}, {stays} go on"
        rung *= factor
    return ""


def at_step(curves: Sequence[Curve], step: float) -> list[float]:
    """The best value of each curve up to this step, of those that came so far."""
    found = []
    for points in curves:
        until = [value for at, value in points if at <= step and not math.isnan(value)]
        if until and points[-1][0] >= step:
            found.append(max(until))
    return found


def percentile(values: Sequence[float], at: float) -> float:
    """Linear between the nearest two."""
    ordered = sorted(values)
    place = (len(ordered) - 1) * at / 100.0
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def _silent(sweep: Sweep, job: Job, seen: Seen) -> Judged | None:
    if job.secondary != "Training":
        return None
    most = sweep.prune.get("no_metric_s")
    if most and seen.blind_s >= most:
        why = f"no metric for {seen.blind_s:.0f} s"
        return Judged(job.name, "prune.no_metric_s", TrialStatus.PRUNED.value, why, metrics=seen.last)
    most = sweep.prune.get("stalled_log_s")
    if most and seen.quiet_s >= most:
        why = f"nothing in its log for {seen.quiet_s:.0f} s"
        return Judged(job.name, "prune.stalled_log_s", TrialStatus.FAILED.value, why, metrics=seen.last)
    return None


def looks(sweep: Sweep) -> bool:
    """True when running jobs have to be looked at for more than their status."""
    return any(isinstance(rule, Until) for rule in sweep.stop) or reads_log(sweep)


def reads_log(sweep: Sweep) -> bool:
    """True when every point counts, and not only the last ones that Describe may show."""
    return any(value for key, value in sweep.prune.items() if key not in ("metric", "step"))
