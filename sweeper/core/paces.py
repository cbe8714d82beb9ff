"""How long a job takes and what disturbs it: measured where jobs in an account have shown it, else assumed. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any, NamedTuple

from sweeper.core.chain import Chain, Job
from sweeper.core.costs import savings_percent
from sweeper.core.events import TrialStatus
from sweeper.core.keepalive import gaps
from sweeper.core.machines import types
from sweeper.core.model import Sweep
from sweeper.core.options import from_section, option
from sweeper.core.phases import interruptions
from sweeper.core.ports import Backend
from sweeper.core.ways import Pace
from sweeper.core.words import counted, span

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
    idle_s: float = option(
        "Seconds that a pool idles between two jobs; those of jobs on AWS are used instead when there are some.",
        default=5.0,
        low=0,
    )
    queue_wait_s: float | None = option(
        "Seconds that a job waits in an AWS Batch queue for others; measured as the starts are. null: nobody knows.",
        default=None,
        low=0,
    )
    queue_machines: int | None = option(
        "For how many machines the queue has room; on AWS a queue that is named is asked. null: for all in flight.",
        default=None,
        low=1,
    )
    spot_wait_s: float | None = option(
        "Seconds that a job waits for each spot machine; measured as the starts are. null: nobody knows.",
        default=None,
        low=0,
    )
    spot_interruption_mean_s: float | None = option(
        "Seconds of training after which a spot machine is taken, on average; measured as the starts are.",
        default=None,
        above=0,
    )
    spot_savings_percent: float | None = option(
        "What spot machines save; that of finished jobs on AWS is used instead when it is known.",
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
    """What an estimate stands on, in seconds; None where nobody knows. `sources`: where each number comes from.

    `measured`: how many finished jobs the training time comes from. `starts`: as they were on this engine.
    """

    cold_start_s: float
    warm_start_s: float
    train_s: float
    measured: int = 0
    savings_percent: float | None = None
    starts: Starts = Starts()
    idle_s: float = 0.0
    queue_wait_s: float | None = None
    spot_wait_s: float | None = None
    spot_interruption_mean_s: float | None = None
    sources: Mapping[str, str] = field(default_factory=dict)

    def pace(self, backend: Backend | None = None) -> Pace:
        """A job's, on this backend; without one as if nothing waited or were taken away."""
        if backend is not None and backend.interrupts:
            return self.spot_pace()
        wait_s = self.queue_wait_s if backend is not None and backend.through else None
        return Pace(self.cold_start_s, self.warm_start_s, self.train_s, self.idle_s, wait_s or 0.0)

    def spot_pace(self) -> Pace:
        """A job's on spot machines."""
        return replace(
            self.pace(),
            wait_s=self.spot_wait_s or 0.0,
            interrupted_every_s=self.spot_interruption_mean_s,
            savings_percent=self.savings_percent,
        )


@dataclass(frozen=True)
class Seen:
    """The jobs of one sweep in an account. `sent_at`: when those that went through a queue were submitted, by name.

    `own`: they are of the sweep that is planned.
    """

    chain: Chain
    instance_type: str
    interrupts: bool = False
    sent_at: Mapping[str, float] = field(default_factory=dict)
    own: bool = False


class _Figure(NamedTuple):
    """A number, and where it comes from."""

    value: float | None
    source: str


_Values = Callable[[Seen], Iterable[float]]


def assumed(sweep: Sweep, chain: Chain, past: Sequence[Seen] = (), instance_type: str = "") -> Assumed:
    """What an estimate of this sweep stands on, on its own machines or on those of another type.

    What its own jobs have shown goes before what those of other sweeps have (`past`), that before what is assumed. How
    long it takes at SageMaker the local engine does not know; but how long a script trains is told by it too.
    """
    told = from_section(Assume, sweep.composed.get("assume") or {})
    own_type = types(sweep.locked)
    kind = instance_type or own_type
    there = [seen for seen in past if seen.instance_type == kind]
    own = [seen for seen in there if seen.own]
    if sweep.engine.on_aws and kind == own_type and not own:
        own = [Seen(chain, own_type, sweep.backend.interrupts)]
    return _assumed(told, chain, _Look(own, [seen for seen in there if not seen.own]))


def shown(section: Mapping[str, Any], seen: Seen) -> Assumed:
    """What these jobs have shown, wherever they ran; what they have not is taken from an `assume` section."""
    return _assumed(from_section(Assume, section), seen.chain, _Look([seen], []))


def _assumed(told: Assume, chain: Chain, look: _Look) -> Assumed:
    train_s, measured = _trained(chain, told)
    cold = look.middle("cold_start_s", told.cold_start_s, _cold, _any_start)
    found = {
        "cold_start_s": cold,
        "warm_start_s": look.middle("warm_start_s", told.warm_start_s, _warm),
        "train_s": _Figure(train_s, f"the mean of {counted(measured, 'job')}" if measured else _guess("train_s")),
        "idle_s": look.middle("idle_s", told.idle_s, lambda seen: gaps(seen.chain)),
        "queue_wait_s": look.middle("queue_wait_s", told.queue_wait_s, _queued),
        "spot_wait_s": look.middle("spot_wait_s", told.spot_wait_s, lambda seen: _waited(seen, cold.value or 0)),
        "spot_interruption_mean_s": look.interrupted(told.spot_interruption_mean_s),
        "savings_percent": look.saved(told.spot_savings_percent),
    }
    values: dict[str, float | None] = {name: figure.value for name, figure in found.items()}
    sources = {name: figure.source for name, figure in found.items()}
    return Assumed(**values, measured=measured, starts=started(chain), sources=sources)  # type: ignore[arg-type]


def words(given: Assumed, backends: Sequence[Backend]) -> str:
    """What an estimate of these backends assumes, and where that comes from."""
    sources = given.sources

    def said(name: str, value: str, what: str) -> str:
        return f"{value} {what} ({sources.get(name, 'unknown')})"

    told = [said("cold_start_s", f"{given.cold_start_s:g} s", "for a cold start")]
    if any(backend.keeps_pool for backend in backends):
        told.append(said("warm_start_s", f"{given.warm_start_s:g} s", "for a warm one"))
        told.append(said("idle_s", f"{given.idle_s:g} s", "between two jobs"))
    told.append(said("train_s", span(given.train_s), "of training a job"))
    if any(backend.through for backend in backends):
        told.append(said("queue_wait_s", _seconds(given.queue_wait_s), "in a queue"))
    if any(backend.interrupts for backend in backends):
        saved = "unknown" if given.savings_percent is None else f"{given.savings_percent:g} %"
        told.append(said("spot_wait_s", _seconds(given.spot_wait_s), "for a spot machine"))
        mean = _seconds(given.spot_interruption_mean_s)
        told.append(said("spot_interruption_mean_s", mean, "until it is taken"))
        told.append(said("savings_percent", saved, "saved on it"))
    return ", ".join(told)


def _seconds(value: float | None) -> str:
    return "an unknown time" if value is None else f"{value:g} s"


class _Look:
    """Looks for a number among a sweep's own jobs first, then among those of others."""

    def __init__(self, own: Sequence[Seen], others: Sequence[Seen]) -> None:
        self._places = ((own, ""), (others, " of other sweeps"))

    def middle(self, name: str, told: float | None, *ways: _Values) -> _Figure:
        """The median of the first values that there are."""
        for values_of in ways:
            for seen, whose in self._places:
                if values := [value for one in seen for value in values_of(one)]:
                    return _Figure(median(values), f"the median of {counted(len(values), 'job')}{whose}")
        return _Figure(told, _guess(name, told))

    def interrupted(self, told: float | None) -> _Figure:
        """Seconds of training after which a machine is taken, on average."""
        for seen, whose in self._places:
            jobs = _spot(seen)
            trained = sum(job.outcome.train_seconds or 0 for job in jobs if job.outcome)
            if trained and (times := sum(map(_times, jobs))):
                return _Figure(trained / times, f"the mean of {counted(times, 'interruption')}{whose}")
            if trained:
                return _Figure(None, f"none in {span(trained)} of spot jobs{whose}")
        return _Figure(told, _guess("spot_interruption_mean_s", told))

    def saved(self, told: float | None) -> _Figure:
        """What spot machines have saved, by those jobs that were billed for less than they trained."""
        for seen, whose in self._places:
            jobs = _spot(seen)
            if (percent := _saved(jobs)) is not None:
                return _Figure(percent, f"the mean of {counted(len(jobs), 'job')}{whose}")
        return _Figure(told, _guess("spot_savings_percent", told))


def _guess(name: str, value: float | None = 0.0) -> str:
    return f"assume.{name}: a guess" if value is not None else f"set assume.{name}"


def _trained(chain: Chain, told: Assume) -> tuple[float, int]:
    """The mean training time, and of how many jobs: one that failed or was stopped says little of the others."""
    ends = [job.outcome for job in chain.outcomes if job.outcome and job.outcome.trial_status in _TO_THE_END]
    measured = [end.train_seconds for end in ends if end.train_seconds is not None]
    return (sum(measured) / len(measured) if measured else told.train_s), len(measured)


def started(chain: Chain) -> Starts:
    """What the starts of these jobs have taken. The median: one that waited hours for capacity is no example."""
    cold, warm = (_starts(chain, reused=reused) for reused in (False, True))
    return Starts(median(cold) if cold else None, len(cold), median(warm) if warm else None, len(warm))


def _starts(chain: Chain, *, reused: bool) -> list[float]:
    """A job that failed or was stopped got its machine as any other."""
    return [s for job in chain.outcomes if job.reused_pool is reused and (s := job.phases.first_start) is not None]


def _cold(seen: Seen) -> list[float]:
    """Of machines that need not be waited for as spot machines may."""
    return [] if seen.interrupts else _starts(seen.chain, reused=False)


def _any_start(seen: Seen) -> list[float]:
    return _starts(seen.chain, reused=False)


def _warm(seen: Seen) -> list[float]:
    return _starts(seen.chain, reused=True)


def _queued(seen: Seen) -> list[float]:
    """From the submission until Batch made the training job."""
    begun = [(job.begun_at, seen.sent_at.get(job.name)) for job in seen.chain.outcomes]
    return [max(0.0, made - sent) for made, sent in begun if made is not None and sent is not None]


def _waited(seen: Seen, cold_s: float) -> list[float]:
    """For each spot machine: what its start took beyond that of one that is there, and each wait for another."""
    if not seen.interrupts:
        return []
    first = [max(0.0, start - cold_s) for start in _starts(seen.chain, reused=False)]
    again = [(job.phases.interrupted, _times(job)) for job in seen.chain.outcomes]
    return [*first, *(seconds / times for seconds, times in again if seconds is not None and times)]


def _spot(seen: Iterable[Seen]) -> list[Job]:
    return [job for one in seen if one.interrupts for job in one.chain.outcomes]


def _times(job: Job) -> int:
    return interruptions(job.outcome.transitions) if job.outcome else 0


def _saved(jobs: Iterable[Job]) -> float | None:
    ended = [job.outcome for job in jobs if job.outcome and job.outcome.billable_seconds is not None]
    saving = [o for o in ended if o.train_seconds and o.billable_seconds and o.billable_seconds < o.train_seconds]
    billed, trained = sum(o.billable_seconds or 0 for o in saving), sum(o.train_seconds or 0 for o in saving)
    return savings_percent(billed, trained)
