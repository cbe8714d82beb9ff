"""`sweeper plan`: everything short of spending. No mutating call is made, and no engine is started."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from typing import Any, TypedDict

from sweeper import config
from sweeper.commands import foreseen
from sweeper.commands.output import tell_json
from sweeper.commands.parsing import Parser
from sweeper.commands.planned import MOST_TRIALS, Planned
from sweeper.commands.say import complain, tell
from sweeper.core import argcheck, paces, plan
from sweeper.core.as_json import strict
from sweeper.core.costs import Rate
from sweeper.core.machines import types
from sweeper.core.model import Sweep
from sweeper.core.ports import Request
from sweeper.core.words import counted, span
from sweeper.record import script
from sweeper.run.job_queue import room_here


class PlannedTrial(TypedDict):
    """A trial in its place."""

    trial: str
    index: int
    """Its number, from 1."""
    name: str
    status: str
    """As in results.csv."""


class Excluded(TypedDict):
    """How many trials a rule of `exclude` leaves out."""

    rule: str
    trials: int


class _Requests(TypedDict, total=False):
    requests: list[Request]
    """With --requests: every CreateTrainingJob request, in SageMaker's own words."""


class Plan(_Requests):
    """What a run would do. Nothing has been sent."""

    trials: int
    """How many are declared, those that rules leave out not counted."""
    declared: int
    done: int
    skipped: int
    queued: int
    left: int
    sweep: str
    """The name that the experiment gives it."""
    engine: str
    backend: str
    order: list[PlannedTrial]
    """The first of them, in their order; --all: every one."""
    duplicates: list[str]
    warnings: list[str]
    terms: dict[str, str]
    """Stop rules, pruning, budget and the like in words."""
    excluded: list[Excluded]
    arguments: argcheck.Verdict | None
    """Whether the script reads what is swept; null: nothing is given to a script alone."""
    quota: str
    assumed: paces.Assumed
    price: Rate | None
    here: plan.Estimate | None
    """On this machine, once jobs were measured here."""
    estimates: list[plan.Estimate]
    """On SageMaker, each way."""
    worst_idle: plan.Estimate


def main(arguments: Sequence[str]) -> int:
    """Plan; returns the exit code."""
    parser = Parser(
        prog="sweeper plan",
        usage="sweeper plan +experiment=NAME [KEY=VALUE ...] [--requests] [--all] [--json]\n"
        "       sweeper plan +experiment=NAME [KEY=VALUE ...] --compare [--on TYPE[=SECONDS],...] [--json]",
        description="Everything short of spending: the trials in their order, what is done already, duplicates, the "
        "requests, whether the script reads what is swept, the quotas, time and money, and the worst idle bill. "
        "Nothing is sent but questions. With --compare: what is left of the experiment on every backend, from what "
        "past sweeps of the project have measured and from stated assumptions, and where another one gets better.",
    )
    parser.add_argument("--requests", action="store_true", help="print every CreateTrainingJob request as JSON lines")
    parser.add_argument("--all", action="store_true", help=f"list every trial, not only the first {MOST_TRIALS}")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--compare", action="store_true", help="compare the backends: seconds, dollars, break-even")
    parser.add_argument(
        "--on",
        action="append",
        default=[],
        metavar="TYPE[=SECONDS]",
        help="--compare: on these instance types too, and how long a trial trains there; default: as long",
    )
    options, overrides = parser.parse_known_args(arguments)
    if options.compare or options.on:
        from sweeper.commands import comparing  # who only plans need not wait for it

        types = comparing.types_of(options.on)
        return config.run(overrides, lambda sweep: comparing.show(sweep, types, as_json=options.json))
    return config.run(overrides, lambda sweep: _Plan(sweep).show(options))


def told_of(sweep: Sweep, *, requests: bool, every: bool) -> tuple[dict[str, Any], str]:
    """The plan of a sweep as `--json` prints it, and as a person reads it."""
    plan = _Plan(sweep)
    told: dict[str, Any] = strict(plan.told(requests=requests, every=every))
    return told, "\n".join(plan.lines(every=every))


class _Plan:
    """One sweep's plan, told."""

    def __init__(self, sweep: Sweep) -> None:
        self.sweep, self.planned = sweep, Planned(sweep)
        self.arguments = script.verdict(sweep)

    def show(self, options: argparse.Namespace) -> int:
        """Print it."""
        for warning in self.sweep.warnings:
            complain(f"warning: {warning}")
        if options.json:
            tell_json(self.told(requests=options.requests, every=options.all))
        elif options.requests:
            for request in foreseen.requests(self.planned):
                tell(json.dumps(request))
        else:
            tell("\n".join(self.lines(every=options.all)))
        return 0

    # -- what there is to tell ---------------------------------------------------------------------------------

    def told(self, *, requests: bool, every: bool) -> Plan:
        """The plan as one JSON object."""
        sweep, space, planned = self.sweep, self.sweep.trials, self.planned
        answer: Plan = {
            "trials": len(space),
            "declared": getattr(space, "declared", len(space)),
            "done": planned.done,
            "skipped": planned.skipped,
            "queued": len(planned.queued),
            "left": planned.left,
            "sweep": sweep.name,
            "engine": sweep.engine.value,
            "backend": sweep.backend.kind,
            "order": [
                {"trial": t.id, "index": t.number, "name": t.name, "status": planned.status(t)}
                for t in planned.listed(every)
            ],
            "duplicates": list(getattr(space, "duplicates", ())),
            "warnings": list(sweep.warnings),
            "terms": dict(planned.terms),
            "excluded": [{"rule": rule.text, "trials": n} for rule, n in getattr(space, "excluded", ())],
            "arguments": self.arguments,
            "quota": foreseen.quota(planned),
            "assumed": planned.given,
            "price": planned.rate,
            "here": self._time_here,
            "estimates": [*plan.estimates(sweep, planned.jobs, planned.given, planned.rate)],
            "worst_idle": plan.worst_idle(sweep, planned.rate),
        }
        if requests:
            answer["requests"] = [*foreseen.requests(planned)]
        return answer

    def lines(self, *, every: bool) -> Iterator[str]:
        """The plan for a person."""
        sweep, space, planned = self.sweep, self.sweep.trials, self.planned
        simulated = "" if sweep.engine.on_aws else " (nothing is billed)"
        yield f"{sweep.name} on engine {sweep.engine.value}{simulated}, backend {sweep.backend.kind}"
        also = f", {planned.skipped} left out" if planned.skipped else ""
        trials = len(space) + len(planned.queued)
        yield f"{counted(trials, 'trial')}: {planned.done} done{also}, {planned.left} to run"
        for trial in planned.listed(every):
            history = planned.chain.trials.get(trial.id)
            again = ", to run again" if history and history.jobs and history.reopened else ""
            yield f"  {trial.number:>4}  {trial.name}  {planned.status(trial)}{again}"
        more = trials - MOST_TRIALS
        if not every and more > 0:
            yield f"  ... and {more} more (--all lists them)"
        yield from (f"duplicate: {line}" for line in getattr(space, "duplicates", ()))
        yield from (f"excluded: {n} by {rule.text}" for rule, n in getattr(space, "excluded", ()))
        yield from (f"{heading}: {words}" for heading, words in planned.terms)
        if self.arguments:
            yield f"arguments: {script.told(self.arguments)}"
        yield f"quota: {foreseen.quota(planned)}"
        if planned.jobs:
            yield from self._here()
            yield from self._money()

    @property
    def _time_here(self) -> plan.Estimate | None:
        return plan.here(self.sweep, self.planned.jobs, self.planned.given, room_here(self.sweep))

    def _here(self) -> Iterator[str]:
        """What is true of the local engine, beside what SageMaker would take."""
        given, many = self.planned.given, counted(self.planned.jobs, "job")
        estimate = self._time_here
        if estimate and estimate.seconds is not None:
            each = f"{counted(given.measured, 'job')} of {span(given.train_s)} so far"
            yield f"here: {self._most}{span(estimate.seconds)} for {many} ({each}); nothing is billed"
        elif not self.sweep.engine.on_aws:
            yield f"here: {self._most}{many}; how long one takes is known when the first has run; nothing is billed"

    @property
    def _most(self) -> str:
        return "at most " if self.sweep.stop or self.sweep.prune else ""

    def _money(self) -> Iterator[str]:
        given, backend = self.planned.given, self.sweep.backend
        where = "estimate" if self.sweep.engine.on_aws else "on SageMaker it would take"
        yield f"{where}, assuming {paces.words(given, [backend])}:"
        for way in plan.estimates(self.sweep, self.planned.jobs, given, self.planned.rate):
            if way.seconds is None:
                yield f"  {way.way}: would hardly ever end"
            else:
                yield f"  {way.way}: {self._most}{span(way.seconds)}, {dollars(way.usd)}"
        if self.planned.rate is None:
            yield f"  the price of {types(self.sweep.locked)} is unknown: set prices.usd_per_hour"
        else:
            when = self.planned.rate.as_of or "an unknown date"
            dearest = " at most, on the dearest of its types" if self.planned.rate.by_type else ""
            yield f"  at {self.planned.rate.usd_per_second * 3600:.3f} USD an hour{dearest} (prices of {when})"
        idle = plan.worst_idle(self.sweep, self.planned.rate)
        yield f"worst idle bill if this host dies: {idle.seconds:.0f} s of an idle pool, {dollars(idle.usd)}"
        if idle.usd is not None and idle.usd > 5:
            complain("warning: pool.keep_alive_s is long for this price; an idle pool costs more than 5 USD")


def dollars(usd: float | None) -> str:
    """Money as a person reads it."""
    return "cost unknown" if usd is None else f"{usd:.2f} USD"
