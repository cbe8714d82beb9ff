"""What a sweep would take, estimated from stated assumptions: seconds, dollars, the worst idle bill. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from sweeper.core.chain import Chain
from sweeper.core.costs import Rate, keeps
from sweeper.core.model import BackendKind, Sweep


@dataclass(frozen=True)
class Assumed:
    """Seconds that an estimate stands on. `measured`: how many finished jobs the training time comes from."""

    cold_start_s: float
    warm_start_s: float
    train_s: float
    measured: int = 0


@dataclass(frozen=True)
class Estimate:
    """One way to run the jobs that are left: seconds on the wall and USD; None when the price is unknown."""

    way: str
    seconds: float
    usd: float | None


def assumed(sweep: Sweep, chain: Chain) -> Assumed:
    """The assumptions of a sweep: its finished jobs' mean training time, else what its configuration says."""
    told = dict(sweep.composed.get("assume") or {})
    measured = [j.outcome.train_seconds for j in chain.outcomes if j.outcome and j.outcome.train_seconds is not None]
    train_s = sum(measured) / len(measured) if measured else float(told.get("train_s") or 0)
    return Assumed(
        float(told.get("cold_start_s") or 0), float(told.get("warm_start_s") or 0), train_s, measured=len(measured)
    )


def estimates(sweep: Sweep, left: int, given: Assumed, rate: Rate | None) -> tuple[Estimate, ...]:
    """Warm and cold, for so many jobs. The start of a machine is counted as billed: the upper end of the truth."""
    if not left:
        return ()
    warm = given.cold_start_s + given.train_s + (left - 1) * (given.warm_start_s + given.train_s)
    cold = left * (given.cold_start_s + given.train_s)
    ways = {"on one warm pool": warm, "cold, every job by itself": cold}
    if sweep.backend is not BackendKind.WARM_POOL:
        ways.pop("on one warm pool")
    return tuple(Estimate(way, seconds, _usd(seconds, rate)) for way, seconds in ways.items())


def worst_idle(sweep: Sweep, rate: Rate | None) -> Estimate:
    """What idles at most when this host dies for ever: one keep-alive; the running job ends by its own limit."""
    seconds = float(keeps(sweep))
    return Estimate("idle pool if this host dies", seconds, _usd(seconds, rate))


def _usd(seconds: float, rate: Rate | None) -> float | None:
    return None if rate is None else round(seconds * rate.usd_per_second, 4)
