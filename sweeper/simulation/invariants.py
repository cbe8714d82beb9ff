"""The ten invariants, checked on what really happened: the service's own ledger against the journal."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sweeper.core import events as ev
from sweeper.core.chain import Chain, Job, fold
from sweeper.core.model import Sweep
from sweeper.core.request import FINGERPRINT, fingerprint
from sweeper.engine.training import job as service
from sweeper.engine.training.states import JobStatus as ServiceStatus
from sweeper.run.ending import Ending
from sweeper.simulation.queued import as_job, made_for
from sweeper.testing.twin import Call, Twin

MUTATIONS = {"CreateTrainingJob", "StopTrainingJob", "UpdateTrainingJob", "DeleteTrainingJob"}


@dataclass
class Ledger:
    """What the service knows of one sweep, by the fingerprint's beginning (owner/sweep/).

    Of one moment, when its jobs are asked for first: later another one knows more.
    With two runners alive under one name `made` are the jobs that this one created and `known` those that it knows of;
    else every job of the sweep is both.
    """

    twin: Twin
    prefix: str
    sent: Sequence[Call] | None = None
    """What this runner sent, when others sent something too."""
    made: Collection[str] | None = None
    known: Collection[str] | None = None
    problems: list[str] = field(default_factory=list)

    @cached_property
    def everyones(self) -> list[service.Job]:
        """The sweep's jobs, oldest first, whoever created them."""
        jobs = (job for job in self.everybodys if self.mark(job).startswith(self.prefix))
        return sorted(jobs, key=lambda job: job.created)

    @property
    def everybodys(self) -> Iterator[service.Job]:
        """Every job as who made it knows it; of one that went through a queue the service job."""
        queued = {name for job in self.twin.batch.jobs.values() for name in made_for(job)}
        yield from (job for job in self.twin.service.jobs.values() if job.name not in queued)
        yield from (as_job(self.twin, job) for job in self.twin.batch.jobs.values())

    @property
    def jobs(self) -> list[service.Job]:
        """Our jobs, oldest first."""
        return [job for job in self.everyones if self.made is None or job.name in self.made]

    @property
    def changes(self) -> list[Call]:
        """Every change that was sent."""
        return [call for call in (self.twin.calls if self.sent is None else self.sent) if call.operation in MUTATIONS]

    @staticmethod
    def mark(job: service.Job) -> str:
        """A job's fingerprint."""
        return str(job.request.get("Environment", {}).get(FINGERPRINT, ""))

    def open_pools(self) -> list[str]:
        """Holders of our pools that live."""
        ours = {job.name for job in self.everyones if self.known is None or job.name in self.known}
        return [pool.holder for pool in self.twin.service.pools.values() if pool.holder in ours]

    def compare_replay(self, live: Chain, replayed: Chain) -> None:
        """I7: what the journal tells is what the runner believed."""
        if live != replayed:
            self.problems.append("I7: the journal tells another story than the runner believed")

    def nothing_open(self) -> None:
        """I4: a runner that ends without naming a pool leaves none, and no job that waits or runs."""
        self.twin.advance(self.twin.clock.now())
        known = [job for job in self.everyones if self.known is None or job.name in self.known]
        if alive := [job.name for job in known if job.ended is None]:
            self.problems.append(f"I4: the runner ended and these jobs have not: {alive}")
        if alive := self.open_pools():
            self.problems.append(f"I4: the runner ended and these pools still bill: {alive}")
        coming = (r for r in self.twin.arriving() if r["Environment"].get(FINGERPRINT, "").startswith(self.prefix))
        there = {job.name for job in self.everyones}
        names = {str(request["TrainingJobName"]) for request in coming} - there
        if names := {name for name in names if self.known is None or name in self.known}:
            self.problems.append(f"I4: the runner ended and requests for these are still on their way: {sorted(names)}")


def check(
    ledger: Ledger,
    sweep: Sweep,
    journal: Sequence[ev.Event],
    ending: Ending | None,
    secret: str,
    said: Sequence[str],
    capacity: int = 1,
) -> list[str]:
    """Every broken invariant, in words; empty when all hold. `capacity`: the backend's."""
    chain = fold(journal)
    broken = list(ledger.problems)
    broken += one_job_an_attempt(ledger)
    broken += completed_once(ledger, reopened(journal))
    broken += _capacity(ledger, capacity)
    broken += _hands_off(ledger)
    broken += _commitment(ledger, journal)
    broken += _no_secret(ledger, journal, said, secret)
    broken += _cost(ledger, sweep)
    broken += _budget(ledger, sweep)
    if ending is not None:
        broken += _no_lost_result(ledger, chain)
    return broken


def mark_of(owner: str, sweep: str) -> str:
    """How the fingerprints of a sweep's jobs begin."""
    return fingerprint(owner, sweep, "", 0).removesuffix("/0")


def intended(journal: Sequence[ev.Event]) -> set[str]:
    """The jobs that a journal knows of."""
    return {event.name for event in journal if isinstance(event, ev.Intent)}


def reopened(journal: Sequence[ev.Event]) -> Counter[str]:
    """How often each trial was asked to be run again."""
    return Counter(event.trial for event in journal if isinstance(event, ev.Reopened))


def one_job_an_attempt(ledger: Ledger) -> list[str]:
    """I1, the first half."""
    marks = Counter(ledger.mark(job) for job in ledger.jobs)
    return [f"I1: {n} jobs for the attempt {mark}" for mark, n in marks.items() if n > 1]


def completed_once(ledger: Ledger, reopened: Mapping[str, int]) -> list[str]:
    """I1, the second half: a trial completes once, and once more for each time that someone asked for it."""
    done = Counter(ledger.mark(job).split("/")[-2] for job in ledger.jobs if job.status is ServiceStatus.COMPLETED)
    return [f"I1: {n} completed jobs for trial {trial}" for trial, n in done.items() if n > 1 + reopened.get(trial, 0)]


def _no_lost_result(ledger: Ledger, chain: Chain) -> list[str]:
    broken = []
    for job in ledger.everyones:
        known_job = chain.jobs.get(job.name)
        if ledger.made is not None and job.name not in ledger.made and not (known_job and known_job.acknowledged):
            continue  # the other runner's, and told by that one
        outcome = known_job.outcome if known_job else None
        if job.status is ServiceStatus.COMPLETED:
            values = {name: value for name, (value, _) in job.metrics.items()}
            if outcome is None or outcome.metrics != values:
                broken.append(f"I2: {job.name} completed with {values} and is told as {outcome}")
        elif outcome and outcome.trial_status == "completed":
            broken += _stopped_by_us(ledger, job, known_job)
    names = {job.name for job in ledger.everyones}
    completed = [name for name, job in chain.jobs.items() if job.outcome and job.outcome.trial_status == "completed"]
    return broken + [f"I2: {name} is told as completed and never was" for name in completed if name not in names]


def _stopped_by_us(ledger: Ledger, job: service.Job, known: Job | None) -> list[str]:
    """A stopped job counts as completed only when it had shown the metric that its stop is told with."""
    judged = known.judged if known else None
    if job.status is not ServiceStatus.STOPPED or judged is None or judged.verdict != "completed":
        return [f"I2: {job.name} is told as completed and is {job.status}"]
    shown = (*ledger.twin.printed(job), *((name, value) for name, (value, _) in job.metrics.items()))
    if (judged.metric, judged.value) not in shown:
        return [f"I2: {job.name} never showed {judged.metric} = {judged.value}"]
    return []


def _capacity(ledger: Ledger, capacity: int) -> list[str]:
    """I3: a job begins only when at most `capacity` - 1 of those before it have not ended."""
    broken, jobs = [], ledger.jobs
    for number, job in enumerate(jobs):
        alive = [before for before in jobs[:number] if before.ended is None or job.created < before.ended]
        if len(alive) >= capacity:
            broken.append(f"I3: {job.name} began before {alive[-1].name} ended")
    return broken


def _hands_off(ledger: Ledger) -> list[str]:
    ours = {job.name for job in ledger.everyones}
    theirs = {job.name for job in ledger.everybodys if job.name not in ours}
    # A Create of a name that is taken is refused and touches nothing: it is how we learn that it is taken.
    harmful = MUTATIONS - {"CreateTrainingJob"}
    touched = [call for call in ledger.changes if call.operation in harmful and call.name in theirs]
    return [f"I5: {call.operation} was sent to {call.name}, which is not ours" for call in touched]


def _commitment(ledger: Ledger, journal: Sequence[ev.Event]) -> list[str]:
    intended = {event.name for event in journal if isinstance(event, ev.Intent)}
    sent = {call.name for call in ledger.changes}
    return [f"I9: {name} was sent without an intent" for name in sorted(sent - intended) if name]


def _no_secret(ledger: Ledger, journal: Sequence[ev.Event], said: Sequence[str], secret: str) -> list[str]:
    texts = [repr(event) for event in journal]
    tags = [json.dumps(job.tags) + job.name for job in ledger.jobs]
    return ["I8: the planted secret was written"] if any(secret in text for text in (*texts, *tags, *said)) else []


def _cost(ledger: Ledger, sweep: Sweep) -> list[str]:
    """I10: no cold start while an own pool was about to show itself, and no idle second past the keep-alive."""
    broken = []
    settings = ledger.twin.service.settings
    ends: dict[str, list[service.Job]] = defaultdict(list)
    for job in ledger.jobs:
        if job.ended is not None and job.retention is not None:
            ends[job.pool_id or ""].append(job)
    for job in ledger.jobs:
        before = [j for pool in ends.values() for j in pool if j.ended is not None and j.ended <= job.created]
        last = max(before, key=lambda j: j.ended or 0.0, default=None)
        if last is None or job.warm or last.retention is None:
            continue
        waited = sweep.waits.settle_s
        hidden = job.created < last.retention.shown_from
        if hidden and last.keep_alive_s and settings.settle_gap_s < waited:
            broken.append(f"I10: {job.name} started cold inside the settle gap of {last.name}")
    return broken


def _budget(ledger: Ledger, sweep: Sweep) -> list[str]:
    """I10: what the service bills for a sweep's jobs and pools never comes to more than its budget."""
    most = sweep.most_usd
    if most is None or sweep.rate is None:
        return []
    now = ledger.twin.clock.now()
    seconds = 0.0
    for job in ledger.jobs:
        seconds += _ran(job, now)
        if job.retention is not None:
            seconds += job.retention.billable_s(now)
    usd = seconds * sweep.rate.usd_per_second
    return [f"I10: {usd:.4f} USD were billed, the budget is {most:g}"] if usd > most + 1e-6 else []


def _ran(job: service.Job, now: float) -> float:
    """Seconds of machines that are billed for a job; a spot job waits on none, and at a discount."""
    if job.spot:
        running = 0.0 if job.attempt_from is None else now - job.attempt_from
        return (job.trained_s + running) * (1 - job.discount)
    if job.training_from is None:
        return 0.0
    return (now if job.ended is None else job.ended) - job.training_from


def wire(calls: Sequence[Call]) -> dict[str, Any]:
    """How many calls of each kind were made."""
    return dict(Counter(call.operation for call in calls))
