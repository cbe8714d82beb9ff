"""What a sweep would take, estimated from stated assumptions: seconds, dollars, the worst idle bill. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sweeper.core.chain import Chain
from sweeper.core.costs import OVERRUN_S, Rate, keeps, spent
from sweeper.core.declared import finished
from sweeper.core.keepalive import AUTO, fitted
from sweeper.core.model import Sweep
from sweeper.core.paces import Assumed
from sweeper.core.space.declared import repeat_of
from sweeper.core.ways import MOST_MACHINES, Pace, Taken, Way, expected, taken


@dataclass(frozen=True)
class Estimate:
    """One way to run the jobs that are left: seconds on the wall and USD.

    None for seconds of jobs that would hardly ever end, and for dollars when the price is unknown.
    """

    way: str
    seconds: float | None
    usd: float | None


def jobs_left(sweep: Sweep, chain: Chain, left: int) -> int:
    """How many of the trials that are left will run at most: `stop.max_trials` may end the chain before."""
    most = sweep.most_trials
    return left if most is None else min(left, max(0, most - len(finished(sweep, chain))))


def here(sweep: Sweep, left: int, given: Assumed, room: int) -> Estimate | None:
    """On the local engine: jobs and starts of the time that was measured, else that it simulates; nothing is billed.

    `room`: how many jobs of the sweep run at once there.

    None on AWS, where every other estimate is meant, and while nothing is measured: a script takes what it takes.
    """
    if sweep.engine.on_aws or not given.measured or not left:
        return None
    cold, warm = (
        float(sweep.engine_options.get(key) or 0) if measured is None else measured
        for key, measured in (("cold_start_s", given.starts.cold_s), ("warm_start_s", given.starts.warm_s))
    )
    way = Way(sweep.backend.keeps_pool, room)
    return _estimate("here", taken(way, left, Pace(cold, warm, given.train_s)), Rate(0.0))


def terms(sweep: Sweep, chain: Chain, rate: Rate | None) -> Iterator[tuple[str, str]]:
    """What the sweep is after, what may end it or its jobs early, whose word counts: a heading, and words."""
    if sweep.given_by:
        yield "from elsewhere", ", ".join(f"{key} of {place}" for key, place in sweep.given_by.items())
    if sweep.objective:
        yield "objective", f"{sweep.objective.goal.value} {sweep.objective.metric}"
    if repeat := repeat_of(sweep.composed.get("sweep")):
        compared = f", compared by their {sweep.objective.over.value}" if sweep.objective else ""
        yield "repeat", f"every trial {repeat.times} times{compared}"
    if sweep.backend.keeps_pool and sweep.pool.keep_alive_s == AUTO:
        yield "keep-alive", f"auto: {fitted(chain)}"
    if sweep.backend.interrupts and not (sweep.composed.get("job") or {}).get("checkpoint_s3_uri"):
        yield "when interrupted", "a job begins anew: it has no checkpoints"
    if sweep.stop:
        yield "ends early when", "; or ".join(rule.meaning for rule in sweep.stop)
    for usd in (rule.most_usd for rule in sweep.stop):
        if usd is not None and rate is not None and sweep.max_runtime_s:
            worst = ((sweep.max_runtime_s + OVERRUN_S) * rate.runs + keeps(sweep)) * rate.usd_per_second
            used = spent(chain, rate)
            yield "budget", f"{used:.2f} of {usd:g} USD are spent at worst; a job may cost {worst:.2f} at worst"
    if sweep.prune.rules:
        yield "prunes by", sweep.prune.words
    if words := sweep.on_failure.words:
        yield "on failure", words


def estimates(sweep: Sweep, left: int, given: Assumed, rate: Rate | None) -> tuple[Estimate, ...]:
    """Every way that the sweep is ready for, for so many jobs."""
    if not left:
        return ()
    backend, found = sweep.backend, []
    at_once = sweep.in_flight
    if backend.keeps_pool:
        found.append(_estimate("on one warm pool", taken(Way(keeps_pool=True), left, given.pace()), rate))
    words = f"cold, {at_once} jobs at a time" if at_once > 1 else "cold, every job by itself"
    pace = given.pace(None if backend.interrupts else backend)
    found.append(_estimate(words, taken(Way(in_flight=at_once), left, pace), rate))
    job = sweep.composed.get("job") or {}
    if job.get("checkpoint_s3_uri") or backend.interrupts:
        way = Way(in_flight=at_once, interrupts=True, restarts=not job.get("checkpoint_s3_uri"))
        pace = given.spot_pace()
        words = f"on spot machines ({', '.join(spot_words(way, given, pace))})"
        found.append(_estimate(words, taken(way, left, pace), rate))
    return tuple(found)


def spot_words(way: Way, given: Assumed, pace: Pace) -> Iterator[str]:
    """What an estimate of spot machines counts, and what it leaves out since nobody knows it."""
    saved = given.savings_percent
    yield "savings unknown, so the price on demand" if saved is None else f"{saved:g} % saved"
    if given.spot_wait_s is None:
        yield "without waits"
    if given.spot_interruption_mean_s is None:
        yield "without interruptions"
    elif (of_one := expected(way, pace)) is None:
        yield f"each trial begun anew on more than {MOST_MACHINES:g} machines"
    else:
        yield f"{of_one.machines:.1f} machines a trial{', begun anew on each' if way.restarts else ''}"


def _estimate(way: str, all_jobs: Taken | None, rate: Rate | None) -> Estimate:
    return Estimate(way, all_jobs.wall_s, all_jobs.usd(rate)) if all_jobs else Estimate(way, None, None)


def worst_idle(sweep: Sweep, rate: Rate | None) -> Estimate:
    """What idles at most when this host dies for ever: one keep-alive; the running job ends by its own limit."""
    seconds = float(keeps(sweep))
    return Estimate(
        "idle pool if this host dies", seconds, None if rate is None else round(seconds * rate.usd_per_second, 4)
    )
