"""What a sweep would take, estimated from stated assumptions: seconds, dollars, the worst idle bill. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from sweeper.core.chain import Chain
from sweeper.core.costs import Rate, keeps, savings_percent
from sweeper.core.model import BackendKind, Sweep


@dataclass(frozen=True)
class Assumed:
    """Seconds that an estimate stands on. `measured`: how many finished jobs the training time comes from.

    `savings_percent`: what spot machines save, None while nobody knows.
    """

    cold_start_s: float
    warm_start_s: float
    train_s: float
    measured: int = 0
    savings_percent: float | None = None


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
        float(told.get("cold_start_s") or 0),
        float(told.get("warm_start_s") or 0),
        train_s,
        measured=len(measured),
        savings_percent=_saved(chain) or told.get("spot_savings_percent"),
    )


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
    if sweep.backend is BackendKind.WARM_POOL:
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
