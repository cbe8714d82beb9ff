"""`sweeper plan`: everything short of spending. No mutating call is made, and no engine is started."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import chain, islice
from pathlib import Path
from typing import Any

from sweeper import config
from sweeper.commands.say import complain, tell
from sweeper.core import events as ev
from sweeper.core import plan
from sweeper.core.asked import foreseen
from sweeper.core.chain import Chain, TrialHistory, apply, fold
from sweeper.core.declared import added, find, withdrawn
from sweeper.core.events import TrialStatus
from sweeper.core.keepalive import keep_alive_s
from sweeper.core.model import Sweep, Trial, Usage
from sweeper.core.request import FINGERPRINT, build, fingerprint, job_name
from sweeper.core.secrets import MASK
from sweeper.core.words import counted, span
from sweeper.errors import ApiError
from sweeper.record import script
from sweeper.run.connect import Connection, connect

MOST_TRIALS = 20
"""Trials that are listed before only their number is told; --all lists every one."""


def main(arguments: Sequence[str]) -> int:
    """Plan; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="sweeper plan",
        usage="sweeper plan +experiment=NAME [KEY=VALUE ...] [--requests] [--all] [--json]",
        description="Everything short of spending: the trials in their order, what is done already, duplicates, the "
        "requests, whether the script reads what is swept, the quotas, time and money, and the worst idle bill. "
        "Nothing is sent but questions.",
    )
    parser.add_argument("--requests", action="store_true", help="print every CreateTrainingJob request as JSON lines")
    parser.add_argument("--all", action="store_true", help=f"list every trial, not only the first {MOST_TRIALS}")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    options, overrides = parser.parse_known_args(arguments)
    return config.run(overrides, lambda sweep: _Plan(sweep).show(options))


class _Plan:
    """One sweep's plan."""

    def __init__(self, sweep: Sweep) -> None:
        self.sweep = sweep
        self.connection: Connection = connect(sweep, reading=True)
        folder = Path(sweep.project) / "runs" / self.connection.scope.folder(sweep.name)
        journal = folder / "journal.db"
        self.chain = _chain(journal, sweep) if journal.exists() else Chain()
        self.rate = sweep.rate
        self.given = plan.assumed(sweep, self.chain)
        # Those that have a history are few and known; walking a million trials for them would be slow.
        known = [t for t in self.chain.trials.values() if t.finished and self._declares(t)]
        self.skipped = sum(1 for history in known if not history.jobs)
        self.done = len(known) - self.skipped
        self.queued = added(sweep.trials, self.chain)
        self.left = len(sweep.trials) + len(self.queued) - len(known)
        self.jobs = plan.jobs_left(sweep, self.chain, self.left)
        self.arguments = script.verdict(sweep)

    def _declares(self, history: TrialHistory) -> bool:
        index = history.jobs[0].intent.index if history.jobs else 0
        return find(self.sweep, self.chain, history.id, index) is not None

    def show(self, options: argparse.Namespace) -> int:
        """Print it."""
        for warning in self.sweep.warnings:
            complain(f"warning: {warning}")
        if options.json:
            tell(json.dumps(self.told(requests=options.requests, every=options.all)))
        elif options.requests:
            for request in self.requests():
                tell(json.dumps(request))
        else:
            tell("\n".join(self.lines(every=options.all)))
        return 0

    # -- what there is to tell ---------------------------------------------------------------------------------

    def requests(self) -> Iterator[dict[str, Any]]:
        """The request of every trial that is left, its environment's values masked."""
        from sweeper.aws.staging import Located

        scope, owner, sweep = self.connection.scope, self.connection.owner, self.sweep
        locate = Located(self.connection.clients, scope, sweep.name, Path(sweep.project))
        backend = sweep.backend
        for trial in chain(sweep.trials, self.queued):
            if self.chain.is_finished(trial.id):
                continue
            resolved = sweep.resolve(trial)
            attempt = self.chain.next_attempt(trial.id)
            request = build(
                resolved,
                name=job_name(owner, scope, sweep.name, trial.id, attempt, queued=backend.through is not None),
                mark=fingerprint(owner, sweep.name, trial.id, attempt),
                sweep=sweep.name,
                max_runtime_s=int(resolved["job"]["max_runtime_s"]),
                staged=locate(resolved),
                region=scope.region,
            )
            shown = {k: v if k == FINGERPRINT else MASK for k, v in request.get("Environment", {}).items()}
            yield backend.shape({**request, "Environment": shown}, keep_alive_s(sweep, self.chain, last=False))

    def quota(self) -> str:
        """What the account may use of this instance type, in words."""
        if not self.sweep.engine.on_aws:
            return "not asked: the local engine's own quotas are settings"
        from sweeper.aws import quotas

        instance = str(self.sweep.locked["instance_type"])
        try:
            found = quotas.of(self.connection.clients(), instance)
        except ApiError as error:
            return f"unknown ({error.message})"
        backend = self.sweep.backend
        granted = found.granted(backend.usage)
        words = [f"{_number(granted)} {instance} for {backend.usage.value}"]
        if backend.usage is Usage.TRAINING:
            words.append(f"{_number(found.warm_pool)} for warm pools")
        if granted == 0:
            words.append("no job can start")
        elif found.warm_pool == 0 and backend.keeps_pool:
            words.append("no pool will be kept: every job starts cold")
        return ", ".join(words)

    def status(self, trial: Trial) -> str:
        """What the journal says of a trial."""
        history = self.chain.trials.get(trial.id)
        return (history.status if history else TrialStatus.PLANNED).value

    def listed(self, every: bool) -> Iterator[Trial]:
        """The trials to list."""
        trials = chain(self.sweep.trials, self.queued)
        return trials if every else islice(trials, MOST_TRIALS)

    def told(self, *, requests: bool, every: bool) -> dict[str, Any]:
        """The plan as one JSON object."""
        sweep, space = self.sweep, self.sweep.trials
        told: dict[str, Any] = {
            "trials": len(space),
            "declared": getattr(space, "declared", len(space)),
            "done": self.done,
            "skipped": self.skipped,
            "queued": len(self.queued),
            "left": self.left,
            "sweep": sweep.name,
            "engine": sweep.engine.value,
            "backend": sweep.backend.kind,
            "order": [
                {"trial": t.id, "index": t.number, "name": t.name, "status": self.status(t)} for t in self.listed(every)
            ],
            "duplicates": list(getattr(space, "duplicates", ())),
            "warnings": list(sweep.warnings),
            "terms": dict(plan.terms(sweep, self.chain, self.rate)),
            "excluded": [{"rule": rule.text, "trials": n} for rule, n in getattr(space, "excluded", ())],
            "arguments": self.arguments and asdict(self.arguments),
            "quota": self.quota(),
            "assumed": asdict(self.given),
            "price": None if self.rate is None else asdict(self.rate),
            "here": asdict(here) if (here := plan.here(sweep, self.jobs, self.given)) else None,
            "estimates": [asdict(found) for found in plan.estimates(sweep, self.jobs, self.given, self.rate)],
            "worst_idle": asdict(plan.worst_idle(sweep, self.rate)),
        }
        return {**told, "requests": list(self.requests())} if requests else told

    def lines(self, *, every: bool) -> Iterator[str]:
        """The plan for a person."""
        sweep, space = self.sweep, self.sweep.trials
        simulated = "" if sweep.engine.on_aws else " (nothing is billed)"
        yield f"{sweep.name} on engine {sweep.engine.value}{simulated}, backend {sweep.backend.kind}"
        also = f", {self.skipped} left out" if self.skipped else ""
        yield f"{counted(len(space) + len(self.queued), 'trial')}: {self.done} done{also}, {self.left} to run"
        for trial in self.listed(every):
            history = self.chain.trials.get(trial.id)
            again = ", to run again" if history and history.jobs and history.reopened else ""
            yield f"  {trial.number:>4}  {trial.name}  {self.status(trial)}{again}"
        more = len(space) + len(self.queued) - MOST_TRIALS
        if not every and more > 0:
            yield f"  ... and {more} more (--all lists them)"
        yield from (f"duplicate: {line}" for line in getattr(space, "duplicates", ()))
        yield from (f"excluded: {n} by {rule.text}" for rule, n in getattr(space, "excluded", ()))
        yield from (f"{heading}: {words}" for heading, words in plan.terms(sweep, self.chain, self.rate))
        if self.arguments:
            yield f"arguments: {script.told(self.arguments)}"
        yield f"quota: {self.quota()}"
        if self.jobs:
            yield from self._here()
            yield from self._money()

    def _here(self) -> Iterator[str]:
        """What is true of the local engine, beside what SageMaker would take."""
        given, many = self.given, counted(self.jobs, "job")
        if found := plan.here(self.sweep, self.jobs, given):
            each = f"{counted(given.measured, 'job')} of {span(given.train_s)} so far"
            yield f"here: {self._most}{span(found.seconds)} for {many} ({each}); nothing is billed"
        elif not self.sweep.engine.on_aws:
            yield f"here: {self._most}{many}; how long one takes is known when the first has run; nothing is billed"

    @property
    def _most(self) -> str:
        return "at most " if self.sweep.stop or self.sweep.prune else ""

    def _money(self) -> Iterator[str]:
        given = self.given
        source = (
            f"the mean of {counted(given.measured, 'finished job')}" if given.measured else "assume.train_s: a guess"
        )
        yield (
            f"{'estimate' if self.sweep.engine.on_aws else 'on SageMaker it would take'}, "
            f"assuming {given.cold_start_s:g} s for a cold start, {given.warm_start_s:g} s for a warm one "
            f"and {span(given.train_s)} of training a job ({source}):"
        )
        for found in plan.estimates(self.sweep, self.jobs, given, self.rate):
            yield f"  {found.way}: {self._most}{span(found.seconds)}, {_dollars(found.usd)}"
        instance = self.sweep.locked.get("instance_type")
        if self.rate is None:
            yield f"  the price of {instance} is unknown: set prices.usd_per_hour"
        else:
            when = self.rate.as_of or "an unknown date"
            yield f"  at {self.rate.usd_per_second * 3600:.3f} USD an hour (prices of {when})"
        idle = plan.worst_idle(self.sweep, self.rate)
        yield f"worst idle bill if this host dies: {idle.seconds:.0f} s of an idle pool, {_dollars(idle.usd)}"
        if idle.usd is not None and idle.usd > 5:
            complain("warning: pool.keep_alive_s is long for this price; an idle pool costs more than 5 USD")


def _chain(journal: Path, sweep: Sweep) -> Chain:
    """What has happened, and what was asked for since: the next run begins with it."""
    from sweeper.record.journal import pending, read

    asked = pending(journal)
    found = fold(event for _, event in read(journal))
    for queued in withdrawn(sweep, found):
        apply(found, ev.Withdrawn(queued.trial, queued.label))
    for event in foreseen(asked, sweep.make):
        apply(found, event)
    return found


def _number(value: float | None) -> str:
    return "an unknown number of" if value is None else f"{value:g}"


def _dollars(usd: float | None) -> str:
    return "cost unknown" if usd is None else f"{usd:.2f} USD"
