"""One experiment on several backends and machines: what each takes and costs, and from where on another is better.

Pure; the arithmetic of one way is that of sweeper.core.ways.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol, TypedDict

from sweeper.core.costs import Rate
from sweeper.core.machines import choices, of_one_type
from sweeper.core.paces import Assumed
from sweeper.core.ports import Backend
from sweeper.core.ways import MOST_MACHINES, Pace, Taken, Way, expected, rounds, taken, way_of
from sweeper.core.words import counted, span


class Declared(Protocol):
    """What a comparison needs to know of an experiment: a Sweep, or what its folder remembers of it."""

    @property
    def composed(self) -> Mapping[str, Any]:
        """Its configuration, by section."""

    @property
    def locked(self) -> Mapping[str, Any]:
        """What its jobs have in common."""

    @property
    def prev(self) -> tuple[str, ...]:
        """What a trial takes from the one before it: they run one after another then."""

    @property
    def max_runtime_s(self) -> float | None:
        """The longest that a job may run, in seconds."""


@dataclass(frozen=True)
class Candidate:
    """A backend on an instance type, as an experiment would use it.

    `needs`: what has to be said before it can be. `machines`: for how many its queue has room; None: that is not known.
    `region`: where the jobs run, as far as that matters to the price.
    """

    backend: Backend
    instance_type: str
    given: Assumed
    rate: Rate | None
    needs: tuple[str, ...] = ()
    machines: int | None = None
    region: str = ""

    @property
    def waits_unknown(self) -> bool:
        """Does nobody know for how long its jobs wait? Then it counts as nothing."""
        queued = self.backend.through is not None and self.given.queue_wait_s is None
        return queued or (self.backend.interrupts and self.given.spot_wait_s is None)


class OfWay(TypedDict):
    """The jobs of a sweep on a backend and a type of machine. Null is not known."""

    backend: str
    instance_type: str
    at_once: int
    """How many jobs run at once."""
    start_s: float | None
    """Seconds of all jobs together."""
    run_s: float | None
    idle_s: float | None
    wait_s: float | None
    wall_s: float | None
    """Seconds on the wall."""
    usd: float | None
    reasons: list[str]
    """What keeps it from being known, or used."""


@dataclass(frozen=True)
class Compared:
    """What so many jobs take on a candidate; `all_jobs` is None where they cannot run, or would hardly ever end."""

    candidate: Candidate
    jobs: int
    way: Way
    pace: Pace
    all_jobs: Taken | None
    reasons: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """The backend's name."""
        return self.candidate.backend.kind

    @property
    def at_once(self) -> int:
        """How many of its jobs run at a time."""
        return min(self.way.in_flight, self.jobs)

    @property
    def usd(self) -> float | None:
        """What it costs; None while that is unknown."""
        return self.all_jobs.usd(self.candidate.rate) if self.all_jobs else None

    def after(self, train_s: float) -> float:
        """Billed seconds if a job trained so long, of a way whose jobs begin nothing anew."""
        of_those = taken(self.way, self.jobs, replace(self.pace, train_s=train_s))
        assert of_those is not None
        return of_those.billed_s

    @property
    def row(self) -> OfWay:
        """All of it by name."""
        took = self.all_jobs
        return {
            "backend": self.kind,
            "instance_type": self.candidate.instance_type,
            "at_once": self.at_once,
            "start_s": took.start_s if took else None,
            "run_s": took.run_s if took else None,
            "idle_s": took.idle_s if took else None,
            "wait_s": took.wait_s if took and not self.candidate.waits_unknown else None,
            "wall_s": took.wall_s if took else None,
            "usd": self.usd,
            "reasons": list(self.reasons),
        }


def compared(sweep: Declared, jobs: int, candidate: Candidate) -> Compared:
    """So many jobs of a sweep, one at least, on a candidate."""
    job = sweep.composed.get("job") or {}
    way, pace = way_of(candidate.backend, job), candidate.given.pace(candidate.backend)
    (each,) = (one.count for one in choices(of_one_type(sweep.locked, candidate.instance_type)))
    room = way.in_flight if candidate.machines is None else min(way.in_flight, candidate.machines // each)
    if not room:
        why = f"its queue has room for {counted(candidate.machines or 0, 'machine')}, and a job needs {each}"
        return Compared(candidate, jobs, way, pace, None, (*candidate.needs, why))
    way = replace(way, in_flight=1 if sweep.prev or way.keeps_pool else room)
    if why := _never_ends(sweep, way, pace):
        return Compared(candidate, jobs, way, pace, None, (*candidate.needs, why))
    reasons = (*candidate.needs, *_unpriced(candidate, way, pace))
    return Compared(candidate, jobs, way, pace, taken(way, jobs, pace), reasons)


def _never_ends(sweep: Declared, way: Way, pace: Pace) -> str:
    """Why a trial that is begun anew at each interruption could not be expected to end; empty: it may."""
    if not way.restarts:
        return ""
    if (of_one := expected(way, pace)) is None:
        return f"begun anew at each interruption, a trial would need more than {MOST_MACHINES:g} machines to end"
    if sweep.max_runtime_s and of_one.train_s > sweep.max_runtime_s:
        long = f"a trial is expected to train for {span(of_one.train_s)}"
        return f"begun anew at each interruption, {long}; job.max_runtime_s is {span(sweep.max_runtime_s)}"
    return ""


def _unpriced(candidate: Candidate, way: Way, pace: Pace) -> Iterator[str]:
    """What keeps this from being a price."""
    if candidate.rate is None:
        kind, region = candidate.instance_type, candidate.region
        where, also = (f" in {region}", f"prices.region={region} and ") if region else ("", "")
        yield f"the price of {kind}{where} is unknown: set {also}prices.usd_per_hour.{kind}"
    elif way.interrupts and pace.savings_percent is None:
        yield "savings unknown, so the price on demand: set assume.spot_savings_percent"


@dataclass(frozen=True)
class Earlier:
    """What more jobs at a time bring against a pool; the dollars are more, or less below 0.

    `most_wait_s`: for how long each job may wait for its machine until that is lost; None: the wait is in it already.
    """

    backend: str
    at_once: int
    seconds: float
    usd: float | None
    most_wait_s: float | None = None


@dataclass(frozen=True)
class BreakEven:
    """Where one way gets better than another; None where there is nothing to say.

    `pool_saves_percent`: against as many cold machines. `spot_from_percent`: from so much saved on spot machines are
    cheaper than the pool, as long as nobody knows what they save; once that is known `spot_from_s` and `spot_until_s`
    bound the training time of a trial for which they are, if there is one (`spot_never`). `types`: the training time up
    to which a pool of that type is cheaper.
    """

    train_s: float
    pool_saves_percent: float | None = None
    spot_from_percent: float | None = None
    spot_from_s: float | None = None
    spot_until_s: float | None = None
    spot_never: bool = False
    earlier: Earlier | None = None
    types: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Comparison:
    """Every candidate, the experiment's own first."""

    every: Sequence[Compared]

    @property
    def jobs(self) -> int:
        """How many jobs are compared."""
        return self.every[0].jobs

    @cached_property
    def _own(self) -> Sequence[Compared]:
        """Those on the experiment's own machines that can run."""
        own_type = self.every[0].candidate.instance_type
        return [one for one in self.every if one.candidate.instance_type == own_type and one.all_jobs]

    @cached_property
    def pool(self) -> Compared | None:
        """The pool on the experiment's own machines."""
        return next((one for one in self._own if one.way.keeps_pool), None)

    @cached_property
    def cold(self) -> Compared | None:
        """A machine of their own for each job, of the same type, that nobody takes away."""
        return next((one for one in self._own if not (one.way.keeps_pool or one.way.interrupts)), None)

    @cached_property
    def break_even(self) -> BreakEven:
        """Against the pool, on the experiment's own machines; of other machines their pool against this one."""
        train_s = self.every[0].pace.train_s
        pool, cold = self.pool, self.cold
        if pool is None:
            return BreakEven(train_s)
        saves = _saved(pool, cold) if cold and self.jobs > 1 else None
        spot = next((one for one in self._own if one.way.interrupts), None)
        return BreakEven(
            train_s,
            saves,
            **(_against_spot(pool, spot) if spot else {}),
            earlier=self._earlier(pool),
            types=self._types,
        )

    def _earlier(self, pool: Compared) -> Earlier | None:
        """The way with several jobs at a time that ends first."""
        several = [one for one in self._own if one.at_once > 1]
        if not several:
            return None
        first = min(several, key=_wall)
        sooner = _wall(pool) - _wall(first)
        usd = None if first.usd is None or pool.usd is None else round(first.usd - pool.usd, 4)
        wait = sooner / rounds(self.jobs, first.at_once) if first.candidate.waits_unknown and sooner > 0 else None
        return Earlier(first.kind, first.at_once, sooner, usd, wait)

    @property
    def _types(self) -> dict[str, float]:
        """Training seconds up to which the pool of each other type costs less than that of the own one."""
        own = self.pool
        own_type = self.every[0].candidate.instance_type
        others = [one for one in self.every if one.way.keeps_pool and one.candidate.instance_type != own_type]
        found = {}
        for one in others:
            if own and one.candidate.rate and own.candidate.rate and own.all_jobs:
                ratio = own.candidate.rate.usd_per_second / one.candidate.rate.usd_per_second
                found[one.candidate.instance_type] = (own.all_jobs.billed_s * ratio - one.after(0)) / self.jobs
        return found

    @property
    def sentence(self) -> str:
        """The break-even in one sentence."""
        told = self.break_even
        return "; ".join([*_of_pool(told, self.jobs), *_of_spot(told), *_of_many(told, self.jobs), *_of_types(told)])


def _wall(one: Compared) -> float:
    return one.all_jobs.wall_s if one.all_jobs else math.inf


def _saved(pool: Compared, cold: Compared) -> float | None:
    """What a pool saves of the seconds that as many cold machines bill, in per cent; below 0 it costs more."""
    if not (pool.all_jobs and cold.all_jobs and cold.all_jobs.billed_s):
        return None
    return round((1 - pool.all_jobs.billed_s / cold.all_jobs.billed_s) * 100, 2)


def _against_spot(pool: Compared, spot: Compared) -> dict[str, Any]:
    """Where spot machines of the same type cost less than the pool: both bill straight lines over the training time."""
    assert pool.all_jobs is not None
    assert spot.all_jobs is not None
    if spot.pace.savings_percent is None:
        percent = (1 - pool.all_jobs.billed_s / spot.all_jobs.billed_s) * 100 if spot.all_jobs.billed_s else None
        return {"spot_from_percent": None if percent is None else round(max(0.0, percent), 2)}
    if spot.way.restarts and spot.pace.interrupted_every_s:
        cheaper = spot.all_jobs.billed_s < pool.all_jobs.billed_s  # no line: what is lost grows without bound
        return {"spot_from_s": 0.0} if cheaper else {"spot_never": True}
    at_none = pool.after(0) - spot.after(0)
    slope = pool.after(1) - spot.after(1) - at_none
    if slope > 0:
        return {"spot_from_s": max(0.0, -at_none / slope)}
    if at_none <= 0:
        return {"spot_never": True}
    return {"spot_from_s": 0.0, "spot_until_s": -at_none / slope if slope else None}


def _of_pool(told: BreakEven, jobs: int) -> Iterator[str]:
    saves = told.pool_saves_percent
    if jobs == 1:
        yield "one trial starts cold on every backend: there is nothing to keep a pool for"
    elif saves is not None and saves >= 0:
        yield f"trials up to {span(told.train_s)}: the pool saves at least {math.floor(saves)} %"
    elif saves is not None:
        yield f"the pool costs {math.ceil(-saves)} % more: between two jobs it takes longer than a new machine"


def _of_spot(told: BreakEven) -> Iterator[str]:
    if told.spot_from_percent is not None:
        yield f"spot is cheaper from {math.ceil(told.spot_from_percent)} % saved on"
    elif told.spot_never:
        yield "spot is never cheaper"
    elif told.spot_until_s is not None:
        yield f"spot is cheaper for trials under {span(told.spot_until_s)}"
    elif told.spot_from_s is not None:
        yield f"spot is cheaper{f' for trials over {span(told.spot_from_s)}' if told.spot_from_s else ''}"


def _of_many(told: BreakEven, jobs: int) -> Iterator[str]:
    if (one := told.earlier) is None:
        return
    when = f"{span(abs(one.seconds))} {'earlier' if one.seconds >= 0 else 'later'}"
    money = "" if one.usd is None else f" for {abs(one.usd):.2f} USD {'more' if one.usd >= 0 else 'less'}"
    unless = f", while a job waits for less than {span(one.most_wait_s)} for its machine" if one.most_wait_s else ""
    yield f"with {counted(jobs, 'trial')} and {one.at_once} at a time, {one.backend} ends {when}{money}{unless}"


def _of_types(told: BreakEven) -> Iterator[str]:
    for kind, most_s in told.types.items():
        until = f"is cheaper while a trial takes under {span(most_s)} there" if most_s > 0 else "is never cheaper"
        yield f"a pool of {kind} {until}"
