"""The receipt of a sweep: what it was billed, what its pools saved, what the same jobs had cost elsewhere. Pure.

What was billed is what the service has told. The comparison is the arithmetic of `plan --compare` (sweeper.core.ways)
over the seconds that these jobs took: starts of machines count as billed, and it is said what is saved if not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple, TypedDict

from sweeper.core import paces
from sweeper.core.chain import Chain, Job
from sweeper.core.comparison import Candidate, Compared, Comparison, OfWay, compared
from sweeper.core.costs import Rate, cost
from sweeper.core.events import Closed
from sweeper.core.keepalive import gaps, idle_seconds
from sweeper.core.machines import types
from sweeper.core.paces import Assumed, Seen
from sweeper.core.ports import Backend
from sweeper.core.results import reuse
from sweeper.core.ways import Taken
from sweeper.core.words import counted, span

SIMULATES_STARTS = ("cold_start_s", "pending_s", "recorded")
"""Settings of the local engine without which its machines start at once: that says nothing of what a pool saves."""
_SMALL_USD = 0.1


@dataclass(frozen=True)
class AsComposed:
    """What a comparison needs of an experiment that is known by its configuration alone."""

    composed: Mapping[str, Any]
    prev: tuple[str, ...] = ()

    @property
    def locked(self) -> Mapping[str, Any]:
        """What its jobs have in common."""
        return self.composed.get("locked") or {}

    @property
    def max_runtime_s(self) -> float | None:
        """The longest that a job may run, in seconds."""
        return (self.composed.get("job") or {}).get("max_runtime_s")


class AgainstRow(TypedDict):
    """Dollars of a pool, and of as many cold machines; null where the price is unknown."""

    pool_usd: float | None
    cold_usd: float | None
    percent: float | None
    saved_usd: float | None


class SavedRow(TypedDict):
    """What a pool spared of as many cold starts."""

    seconds: float
    """Below 0 it took longer."""
    starts_billed: AgainstRow
    """Where the start of a machine is billed as its use is."""
    starts_unbilled: AgainstRow


class Bill(TypedDict):
    """Seconds and dollars of a sweep; null where nobody has told."""

    cold: int
    reused: int
    billable_s: float | None
    idle_s: float | None
    usd: float | None
    idle_usd: float | None
    simulated: bool
    provisional: list[str]
    """What may still change them."""
    saved: SavedRow | None
    ways: list[OfWay]
    """As it ran, then every other backend."""
    nothing_because: str
    assuming: str


class Against(NamedTuple):
    """Dollars of a pool, and of as many cold machines; None where the price is unknown. `percent`: what it saves."""

    pool_usd: float | None
    cold_usd: float | None
    percent: float | None

    @property
    def saved_usd(self) -> float | None:
        """What the pool cost less; below 0 it cost more."""
        return None if self.pool_usd is None or self.cold_usd is None else round(self.cold_usd - self.pool_usd, 4)

    @property
    def row(self) -> AgainstRow:
        """All of it by name."""
        return {
            "pool_usd": self.pool_usd,
            "cold_usd": self.cold_usd,
            "percent": self.percent,
            "saved_usd": self.saved_usd,
        }

    @classmethod
    def of(cls, found: Comparison) -> Against:
        """By a comparison that has both."""
        assert found.pool is not None
        assert found.cold is not None
        return cls(found.pool.usd, found.cold.usd, found.break_even.pool_saves_percent)


class Saved(NamedTuple):
    """What a pool spared of as many cold starts: seconds (below 0 it took longer), and dollars.

    `billed`: where the start of a machine is billed as its use is; `unbilled`: where no start is.
    """

    seconds: float
    billed: Against
    unbilled: Against

    @property
    def row(self) -> SavedRow:
        """All of it by name."""
        return {"seconds": self.seconds, "starts_billed": self.billed.row, "starts_unbilled": self.unbilled.row}


@dataclass(frozen=True)
class Receipt:
    """Seconds and dollars of a sweep; None where nobody has told. `provisional`: what may still change them, in words.

    `comparison`: as it ran, then every other backend; `unbilled`: the same where the start of no machine is billed.
    Both are None where nothing was measured that says something of other machines (`nothing_because`).
    """

    cold: int
    reused: int
    billable_s: float | None
    idle_s: float | None
    usd: float | None
    idle_usd: float | None
    simulated: bool
    provisional: tuple[str, ...] = ()
    comparison: Comparison | None = None
    unbilled: Comparison | None = None
    nothing_because: str = ""
    assuming: str = ""

    @cached_property
    def saved(self) -> Saved | None:
        """What the pool saved against as many cold starts; None where there was none, or only one job."""
        if self.comparison is None or self.unbilled is None:
            return None
        pool, cold = self.comparison.pool, self.comparison.cold
        if pool is None or cold is None or pool is not self.comparison.every[0] or self.comparison.jobs < 2:
            return None
        assert pool.all_jobs is not None
        assert cold.all_jobs is not None
        seconds = round(cold.all_jobs.wall_s - pool.all_jobs.wall_s, 3)
        return Saved(seconds, Against.of(self.comparison), Against.of(self.unbilled))

    @property
    def lines(self) -> Iterator[str]:
        """The receipt for a person: what it cost, what the pool saved, what other ways had cost."""
        yield f"receipt{' (simulated: nobody is billed)' if self.simulated else ''}: {self._bill}"
        if self.saved:
            yield f"against cold starts the pool {_of_saved(self.saved)}"
        if self.comparison and (others := [*map(_of_other, self.comparison.every[1:])]):
            yield f"as many jobs at this pace: {'; '.join(others)}"

    @property
    def _bill(self) -> str:
        known = "of unknown price" if self.usd is None else _usd(self.usd)
        idle = "" if self.idle_usd is None else f" ({_usd(self.idle_usd)})"
        seconds = [f"{span(self.billable_s)} of jobs"] if self.billable_s is not None else []
        seconds += [f"{span(self.idle_s)} of idle pools{idle}"] if self.idle_s else []
        told = f"{known} for {' and '.join(seconds)}" if seconds else "the service has told no seconds yet"
        return f"{told}; provisional: {', '.join(self.provisional)}" if self.provisional else told

    @property
    def row(self) -> Bill:
        """All of it by name, as JSON can hold it."""
        saved = self.saved
        return {
            "cold": self.cold,
            "reused": self.reused,
            "billable_s": self.billable_s,
            "idle_s": self.idle_s,
            "usd": self.usd,
            "idle_usd": self.idle_usd,
            "simulated": self.simulated,
            "provisional": list(self.provisional),
            "saved": saved and saved.row,
            "ways": [one.row for one in self.comparison.every] if self.comparison else [],
            "nothing_because": self.nothing_because,
            "assuming": self.assuming,
        }


def receipt(
    composed: Mapping[str, Any], chain: Chain, rate: Rate | None, backends: Sequence[Backend], *, simulated: bool
) -> Receipt:
    """The receipt of these jobs. `backends`: that of the sweep, then those that it is compared with; may be none."""
    jobs = list(chain.jobs.values())
    left = [*jobs, *chain.inherited.values()]  # a pool that was taken over bills its last holder from its job's end on
    cold, reused = reuse(chain.jobs)
    bill = Receipt(
        cold,
        reused,
        _sum(job.outcome.billable_seconds for job in jobs if job.outcome),
        _sum(job.retained_s for job in left),
        cost(left, rate),
        None if rate is None else _sum(s * rate.of(job) for job in left if (s := job.retained_s) is not None),
        simulated,
        tuple(_provisional(jobs)),
    )
    ran = [job for job in chain.outcomes if job.outcome and job.outcome.train_seconds is not None]
    if why := _nothing_because(composed, ran, backends, simulated=simulated):
        return replace(bill, nothing_because=why)
    own, declared = backends[0], AsComposed(composed)
    given = _pace(composed, chain, ran, own)
    each = [Candidate(one, types(declared.locked), given, rate) for one in backends]
    unstarted = replace(given, cold_start_s=0.0, warm_start_s=0.0)
    return replace(
        bill,
        comparison=_compared(declared, len(ran), each, _took(chain, ran)),
        unbilled=_compared(
            declared,
            len(ran),
            [replace(one, given=unstarted) for one in each],
            _took(chain, ran, starts=False),
        ),
        assuming=paces.words(given, backends),
    )


def _compared(declared: AsComposed, jobs: int, each: Sequence[Candidate], took: Taken) -> Comparison:
    """The first as it was, the others as they would be."""
    first, *others = (compared(declared, jobs, one) for one in each)
    return Comparison([replace(first, all_jobs=took, reasons=()), *others])


def _nothing_because(
    composed: Mapping[str, Any], ran: Sequence[Job], backends: Sequence[Backend], *, simulated: bool
) -> str:
    """Why these jobs say nothing of what others had cost; empty: they do."""
    if not backends:
        return "its backend is not known here"
    if all(job.phases.first_start is None for job in ran):
        return "the service has told of no start of a machine"
    engine = composed.get("engine") or {}
    if simulated and not any(engine.get(name) for name in SIMULATES_STARTS):
        return "the local engine starts machines at once unless engine.cold_start_s says otherwise"
    return ""


def _pace(composed: Mapping[str, Any], chain: Chain, ran: Sequence[Job], own: Backend) -> Assumed:
    """What a job took, whatever became of it: those that failed had machines too."""
    seen = Seen(chain, types(composed.get("locked") or {}), own.interrupts)
    given, between = paces.shown(composed.get("assume") or {}, seen), gaps(chain)
    trained = sum(job.outcome.train_seconds or 0.0 for job in ran if job.outcome)
    of = f"the mean of {counted(len(ran), 'job')}"
    gap = f"the mean of {counted(len(between), 'gap')}"
    return replace(
        given,
        train_s=trained / len(ran),
        idle_s=round(sum(between) / len(between), 1) if between else given.idle_s,
        sources={**given.sources, "train_s": of, **({"idle_s": gap} if between else {})},
    )


def _took(chain: Chain, ran: Sequence[Job], *, starts: bool = True) -> Taken:
    """What the jobs and their pools took together, billed for what the service has told.

    `starts`: those of machines are billed too, at the rate of their use.
    """
    idle_of = idle_seconds(chain)
    start = sum(job.phases.start or 0.0 for job in ran) if starts else 0.0
    run = sum(job.outcome.train_seconds or 0.0 for job in ran if job.outcome)
    billed = sum(_billed_run(job) for job in ran)
    idle = sum(idle_of.get(job.name, 0.0) for job in ran)
    kept = sum(idle_of.get(job.name, 0.0) if job.retained_s is None else job.retained_s for job in ran)
    wait = sum(job.phases.interrupted or 0.0 for job in ran)
    billed_start = start * billed / run if run else start  # spot machines are billed for a part of it
    seconds = (start, run, idle, wait, _on_the_wall(ran, idle_of), billed_start + billed + kept)
    return Taken(*(round(each, 3) for each in seconds))


def _billed_run(job: Job) -> float:
    assert job.outcome is not None
    told = job.outcome.billable_seconds
    return (job.outcome.train_seconds or 0.0) if told is None else told


def _on_the_wall(ran: Sequence[Job], idle_of: Mapping[str, float]) -> float:
    """Seconds in which a job was there or its pool idled; what lies between two invocations is none of them."""
    spans = [
        (job.begun_at, job.outcome.ended_at + idle_of.get(job.name, 0.0))
        for job in ran
        if job.outcome and job.begun_at is not None and job.outcome.ended_at is not None
    ]
    busy, until = 0.0, float("-inf")
    for begun, ended in sorted(spans):
        busy += max(0.0, ended - max(begun, until))
        until = max(until, ended)
    return busy


def _provisional(jobs: Sequence[Job]) -> Iterator[str]:
    """What has not been told of these jobs yet: each of it may make them dearer."""
    untold = [job for job in jobs if job.acknowledged and (not job.outcome or job.outcome.billable_seconds is None)]
    if untold:
        yield f"the seconds of {counted(len(untold), 'job')} are not told"
    kept = (job for job in jobs if job.keep_alive_s and job.acknowledged and job.closed is not Closed.NEVER_HAD_POOL)
    if open_ := sum(job.retained_s is None for job in kept):
        yield f"how long {counted(open_, 'pool')} idled is not told"


def _of_saved(saved: Saved) -> str:
    long = span(abs(saved.seconds))
    time = f"saved {long}" if saved.seconds >= 0 else f"took {long} more"
    billed, unbilled = _of_money(saved.billed), _of_money(saved.unbilled)
    return f"{time}: for {billed} if the start of a machine is billed, {unbilled} if not" if billed else time


def _of_money(found: Against) -> str:
    if found.pool_usd is None or found.cold_usd is None:
        return ""
    share = "" if found.percent is None else f" ({abs(found.percent):.0f} % {'less' if found.percent >= 0 else 'more'})"
    return f"{_usd(found.pool_usd)} instead of {_usd(found.cold_usd)}{share}"


def _of_other(one: Compared) -> str:
    if one.all_jobs is None:
        return f"{one.kind}: {one.reasons[-1]}"
    unknown = ["savings unknown"] if one.way.interrupts and one.pace.savings_percent is None else []
    unknown += ["waits unknown"] if one.candidate.waits_unknown else []
    price = "unknown price" if one.usd is None else _usd(one.usd)
    often = f", {one.at_once} at a time" if one.at_once > 1 else ""
    return f"{one.kind} {price} in {span(one.all_jobs.wall_s)}{often}" + (f" ({', '.join(unknown)})" if unknown else "")


def _usd(usd: float) -> str:
    return f"{usd:.2f} USD" if usd >= _SMALL_USD or not usd else f"{usd:.4f} USD"


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known), 6) if known else None
