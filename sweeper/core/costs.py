"""What a sweep costs: seconds times a price. Pure; an unknown price is unknown, never zero.

The service bills wall-clock seconds of a job and of the pool it leaves, times the number of machines.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sweeper.core.events import Closed
from sweeper.core.identity import flatten
from sweeper.core.machines import choices
from sweeper.core.model import MOST_KEEP_ALIVE_S
from sweeper.core.options import from_section, option

if TYPE_CHECKING:
    from sweeper.core.chain import Chain, Job
    from sweeper.core.model import Sweep

OVERRUN_S = 300.0
"""Seconds past its longest run for which a job may bill: 120 s to stop, and its upload."""
LATE_S = 300.0
"""Seconds past MaxRuntimeInSeconds after which the real service begins to stop a job: up to 290 were seen."""
SHORTEST_S = 60.0
"""A job that may only run for less is not worth its start."""


@dataclass(frozen=True)
class Prices:
    """What machines cost: for budgets, and shown where money is told."""

    as_of: str | None = option("When these prices were looked up.", default=None)
    region: str | None = option(
        "The AWS region whose prices these are: in another one they are unknown. null: they hold in any.", default=None
    )
    usd_per_hour: Mapping[str, Any] = option("Instance types and USD an hour.", default={})  # its dots may nest


@dataclass(frozen=True)
class Rate:
    """What all machines of a job cost in USD a second, since when that is known, and for how long they may bill.

    Where the service chooses among types it is that of the dearest.
    """

    usd_per_second: float
    as_of: str = ""
    overrun_s: float = OVERRUN_S
    """Seconds past its longest run."""
    runs: int = 1
    """How often a job may run: AWS Batch tries it again, or starts it anew after a preemption."""
    by_type: Mapping[str, float] = field(default_factory=dict)
    """USD a second of each type that the service chooses among."""

    def of(self, job: Job) -> float:
        """What the machines of this job cost in USD a second; of the dearest while it is not known which it got."""
        chosen = job.outcome.instance_type if job.outcome else ""
        return self.by_type.get(chosen, self.usd_per_second)


def rate(
    prices: Mapping[str, Any] | None, locked: Mapping[str, Any], region: str | None = None, runs: int = 1
) -> Rate | None:
    """The rate of a locked section by a `prices` section; None when the price is unknown.

    `region`: that of the account where the jobs run, empty while it is not known; None on the local engine, where
    any price will do. `runs`: how often each job may run.
    """
    declared = from_section(Prices, prices or {})
    if region and declared.region and region != declared.region:
        return None
    if unpriced(prices, locked):
        return None
    known, asked = _by_type(declared), choices(locked)
    usd = {one.instance_type: float(known[one.instance_type]) / 3600 * one.count for one in asked}
    overrun_s = OVERRUN_S + (LATE_S if region is not None else 0.0)
    return Rate(max(usd.values()), declared.as_of or "", overrun_s, runs, usd if len(asked) > 1 else {})


def unpriced(prices: Mapping[str, Any] | None, locked: Mapping[str, Any]) -> str:
    """The first type of a locked section whose price a `prices` section does not have; empty when it has all."""
    known = _by_type(from_section(Prices, prices or {}))
    return next((one.instance_type for one in choices(locked) if known.get(one.instance_type) is None), "")


def _by_type(prices: Prices) -> Mapping[str, Any]:
    return {".".join(path): value for path, value in flatten(prices.usd_per_hour or {})}


def savings_percent(billable_s: float | None, train_s: float | None) -> float | None:
    """What spot machines saved, by SageMaker's formula; None while it does not tell the seconds."""
    return None if billable_s is None or not train_s else round((1 - billable_s / train_s) * 100, 2)


def cost(jobs: Iterable[Job], per: Rate | None) -> float | None:
    """USD of these jobs as far as the service has told seconds; None when it told none, or the price is unknown."""
    if per is None:
        return None
    known = [
        (seconds, per.of(job))
        for job in jobs
        for seconds in (job.outcome.billable_seconds if job.outcome else None, job.retained_s)
        if seconds is not None
    ]
    return round(sum(seconds * usd for seconds, usd in known), 6) if known else None


def spent(chain: Chain, per: Rate) -> float:
    """USD that the jobs so far may have cost or may still cost at most: what is not known counts at its worst."""
    taken_over = sum(_worst_idle(job) * per.usd_per_second for job in chain.inherited.values())
    return sum(worst_seconds(job, per) * per.of(job) for job in chain.jobs.values()) + taken_over


def worst_seconds(job: Job, per: Rate) -> float:
    """Seconds that a job and its pool may bill at most, as far as they are not known."""
    if job.closed is Closed.NEVER_HAD_POOL and not job.acknowledged:
        return 0.0
    return _worst_run(job, per) + _worst_idle(job)


def _worst_run(job: Job, per: Rate) -> float:
    outcome, most = job.outcome, (job.intent.max_runtime_s + per.overrun_s) * per.runs
    if outcome is None:
        return most
    if outcome.billable_seconds is not None:
        return outcome.billable_seconds
    if outcome.started_at is None or outcome.ended_at is None:
        return most
    return min(most, max(0.0, outcome.ended_at - outcome.started_at))


def _worst_idle(job: Job) -> float:
    if job.retained_s is not None:
        return job.retained_s
    return 0.0 if job.closed is Closed.NEVER_HAD_POOL else float(job.keep_alive_s)


def affordable(per: Rate, usd: float, chain: Chain, keep_alive_s: float) -> float:
    """Seconds that one more job may run so that it, its overrun and its pool fit into what is left of `usd`."""
    left = (usd - spent(chain, per)) / per.usd_per_second
    return (left - keep_alive_s) / per.runs - per.overrun_s


def allowed_s(sweep: Sweep, chain: Chain, usd: float, keep_alive_s: float) -> float:
    """Seconds that one more job with this keep-alive may run by a budget; its price is known.

    None after a job of this invocation that ran out of what was left: the next one would too.
    """
    assert sweep.rate is not None
    if any(job.cut_short for job in chain.outcomes[chain.outcomes_before :]):
        return 0.0
    return affordable(sweep.rate, usd, chain, keep_alive_s)


def shortest(sweep: Sweep) -> float:
    """The shortest run that is worth sending, in seconds."""
    return min(SHORTEST_S, float(sweep.max_runtime_s or SHORTEST_S))


def least_seconds(per: Rate, max_runtime_s: float, keep_alive_s: int | str) -> float:
    """The worst case of the shortest job that is worth sending, its pool included."""
    keeps_s = MOST_KEEP_ALIVE_S if keep_alive_s == "auto" else int(keep_alive_s)
    return (min(SHORTEST_S, max_runtime_s) + per.overrun_s) * per.runs + keeps_s


def keeps(sweep: Sweep) -> int:
    """The longest keep-alive that a job of this sweep may be sent with, in seconds."""
    if not sweep.backend.keeps_pool:
        return 0
    return MOST_KEEP_ALIVE_S if sweep.pool.keep_alive_s == "auto" else int(sweep.pool.keep_alive_s)
