"""What a sweep would take, estimated from stated assumptions: seconds, dollars, the worst idle bill. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import median

from sweeper.core.chain import Chain
from sweeper.core.costs import OVERRUN_S, Rate, keeps, savings_percent, spent
from sweeper.core.declared import finished
from sweeper.core.events import TrialStatus
from sweeper.core.keepalive import AUTO, fitted
from sweeper.core.model import Sweep
from sweeper.core.options import from_section, option

_TO_THE_END = (TrialStatus.COMPLETED.value, TrialStatus.METRIC_MISSING.value)


@dataclass(frozen=True)
class Assume:
    """What a plan assumes where nothing was measured yet."""

    cold_start_s: float = option(
        "Seconds from Create until new machines are there; those of jobs on AWS are used instead when there are some.",
        default=300.0,
        low=0,
    )
    warm_start_s: float = option(
        "Seconds from Create until a warm pool is there; those of jobs on AWS are used instead when there are some.",
        default=20.0,
        low=0,
    )
    train_s: float = option(
        "Seconds that a job trains; those of finished jobs are used instead when there are some.",
        default=600.0,
        low=0,
    )
    spot_savings_percent: float | None = option(
        "What spot machines save; that of finished jobs is used instead when it is known.",
        default=None,
        low=0,
        high=100,
    )


@dataclass(frozen=True)
class Starts:
    """The median seconds from Create to the machine, of so many jobs; None where there were none."""

    cold_s: float | None = None
    cold_jobs: int = 0
    warm_s: float | None = None
    warm_jobs: int = 0


@dataclass(frozen=True)
class Assumed:
    """Seconds that an estimate stands on. `measured`: how many finished jobs the training time comes from.

    `savings_percent`: what spot machines save, None while nobody knows. `starts`: as they were on this engine.
    """

    cold_start_s: float
    warm_start_s: float
    train_s: float
    measured: int = 0
    savings_percent: float | None = None
    starts: Starts = Starts()


@dataclass(frozen=True)
class Estimate:
    """One way to run the jobs that are left: seconds on the wall and USD; None when the price is unknown."""

    way: str
    seconds: float
    usd: float | None


def assumed(sweep: Sweep, chain: Chain) -> Assumed:
    """The assumptions of a sweep: its finished jobs' mean training time, else what its configuration says.

    A job that failed or was stopped says little about how long one trains, but it got its machine as any other. How
    long that takes at SageMaker the local engine does not know.
    """
    told = from_section(Assume, sweep.composed.get("assume") or {})
    ends = [job.outcome for job in chain.outcomes if job.outcome and job.outcome.trial_status in _TO_THE_END]
    measured = [end.train_seconds for end in ends if end.train_seconds is not None]
    train_s = sum(measured) / len(measured) if measured else told.train_s
    starts = started(chain)
    there = starts if sweep.engine.on_aws else Starts()
    return Assumed(
        told.cold_start_s if there.cold_s is None else there.cold_s,
        told.warm_start_s if there.warm_s is None else there.warm_s,
        train_s,
        measured=len(measured),
        savings_percent=_saved(chain) or told.spot_savings_percent,
        starts=starts,
    )


def started(chain: Chain) -> Starts:
    """What the starts of these jobs have taken. The median: one that waited hours for capacity is no example."""
    cold, warm = (
        [s for job in chain.outcomes if job.reused_pool is reused and (s := job.phases.first_start) is not None]
        for reused in (False, True)
    )
    return Starts(median(cold) if cold else None, len(cold), median(warm) if warm else None, len(warm))


def jobs_left(sweep: Sweep, chain: Chain, left: int) -> int:
    """How many of the trials that are left will run at most: `stop.max_trials` may end the chain before."""
    most = sweep.most_trials
    return left if most is None else min(left, max(0, most - len(finished(sweep, chain))))


def here(sweep: Sweep, left: int, given: Assumed) -> Estimate | None:
    """On the local engine: jobs and starts of the time that was measured, else that it simulates; nothing is billed.

    None on AWS, where every other estimate is meant, and while nothing is measured: a script takes what it takes.
    """
    if sweep.engine.on_aws or not given.measured or not left:
        return None
    cold, warm = (
        float(sweep.engine_options.get(key) or 0) if measured is None else measured
        for key, measured in (("cold_start_s", given.starts.cold_s), ("warm_start_s", given.starts.warm_s))
    )
    later = warm if sweep.backend.keeps_pool else cold
    return Estimate("here", cold + later * (left - 1) + given.train_s * left, 0.0)


def terms(sweep: Sweep, chain: Chain, rate: Rate | None) -> Iterator[tuple[str, str]]:
    """What the sweep is after, what may end it or its jobs early, whose word counts: a heading, and words."""
    if sweep.given_by:
        yield "defaults", ", ".join(f"{key} of {place}" for key, place in sweep.given_by.items())
    if sweep.objective:
        yield "objective", f"{sweep.objective.goal.value} {sweep.objective.metric}"
    if repeat := (sweep.composed.get("sweep") or {}).get("repeat"):
        times = repeat["times"] if isinstance(repeat, Mapping) else repeat
        yield "repeat", f"every trial {times} times"
    if sweep.backend.keeps_pool and sweep.pool.keep_alive_s == AUTO:
        yield "keep-alive", f"auto: {fitted(chain)}"
    if sweep.stop:
        yield "ends early when", "; or ".join(rule.meaning for rule in sweep.stop)
    for usd in (rule.most_usd for rule in sweep.stop):
        if usd is not None and rate is not None and sweep.max_runtime_s:
            worst = (sweep.max_runtime_s + OVERRUN_S + keeps(sweep)) * rate.usd_per_second
            used = spent(chain, rate)
            yield "budget", f"{used:.2f} of {usd:g} USD are spent at worst; a job may cost {worst:.2f} at worst"
    if sweep.prune.rules:
        yield "prunes by", sweep.prune.words
    if words := sweep.on_failure.words:
        yield "on failure", words


def _saved(chain: Chain) -> float | None:
    """What spot machines have saved so far; None when no job was billed for less than it trained."""
    ended = [job.outcome for job in chain.outcomes if job.outcome and job.outcome.billable_seconds is not None]
    saving = [o for o in ended if o.train_seconds and o.billable_seconds and o.billable_seconds < o.train_seconds]
    billed, trained = sum(o.billable_seconds or 0 for o in saving), sum(o.train_seconds or 0 for o in saving)
    return savings_percent(billed, trained)


def estimates(sweep: Sweep, left: int, given: Assumed, rate: Rate | None) -> tuple[Estimate, ...]:
    """Every way that the sweep is ready for, for so many jobs.

    The start of a machine is counted as billed: the upper end of the truth. Waits for spot machines are not known.
    """
    if not left:
        return ()
    warm = given.cold_start_s + given.train_s + (left - 1) * (given.warm_start_s + given.train_s)
    cold = left * (given.cold_start_s + given.train_s)
    found = [Estimate("cold, every job by itself", cold, _usd(cold, rate))]
    if sweep.backend.keeps_pool:
        found.insert(0, Estimate("on one warm pool", warm, _usd(warm, rate)))
    if (sweep.composed.get("job") or {}).get("checkpoint_s3_uri"):
        saved = given.savings_percent
        words = "savings unknown, so the price on demand" if saved is None else f"{saved:g} % saved"
        billed = cold * (1 - (saved or 0) / 100)
        found.append(Estimate(f"on spot machines, without waits and repeats ({words})", cold, _usd(billed, rate)))
    return tuple(found)


def worst_idle(sweep: Sweep, rate: Rate | None) -> Estimate:
    """What idles at most when this host dies for ever: one keep-alive; the running job ends by its own limit."""
    seconds = float(keeps(sweep))
    return Estimate("idle pool if this host dies", seconds, _usd(seconds, rate))


def _usd(seconds: float, rate: Rate | None) -> float | None:
    return None if rate is None else round(seconds * rate.usd_per_second, 4)
