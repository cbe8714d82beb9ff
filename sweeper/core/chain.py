"""The Chain: what has happened in a sweep, as a pure fold over its events (`apply`, `fold`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from sweeper.core import events as ev
from sweeper.core.events import Closed, Event, JobStatus, PoolStatus, TrialStatus
from sweeper.core.phases import Phases, Span, begun_at, phases, spans
from sweeper.errors import assert_never

Turns = ev.Opened | ev.Intent | ev.Outcome | ev.Skipped | ev.Reopened | ev.Added | ev.Withdrawn
"""The events that change which trials there are, and what has come of them."""
Learnt = ev.Intent | ev.Outcome | ev.Skipped | ev.Reopened | ev.Taught
"""The events by which a search knows what was proposed, what came of it, and what nobody wants."""
OfJob = (
    ev.Created | ev.Adopted | ev.Observed | ev.Settled | ev.Outcome | ev.StopSent | ev.Cold | ev.Judged | ev.Extended
)
"""The events that tell of a job whose intent there is."""


@dataclass
class Job:
    """One attempt at a trial, as far as the journal knows it."""

    intent: ev.Intent
    acknowledged: bool = False
    status: JobStatus = JobStatus.UNKNOWN
    secondary: str = ""
    message: str = ""
    """What the service says of it while it has no machine."""
    pool: PoolStatus = PoolStatus.ABSENT
    stop_reason: str = ""
    judged: ev.Judged | None = None
    extended_s: int = 0
    settled: bool = False
    outcome: ev.Outcome | None = None
    closed: Closed | None = None
    closed_by: str = ""
    """Which job took its pool, or which sweep it was handed to."""
    retained_s: float | None = None
    reused_pool: bool = False
    cold: ev.Cold | None = None
    """Why it started cold, where a warm pool was to be expected."""

    @property
    def name(self) -> str:
        """The training job's name."""
        return self.intent.name

    @property
    def ended(self) -> bool:
        """True once its outcome is durable: it will never run again."""
        return self.outcome is not None

    @property
    def completed(self) -> bool:
        """True once it has ended with a result that counts."""
        return self.outcome is not None and self.outcome.trial_status == TrialStatus.COMPLETED.value

    @property
    def in_debt(self) -> bool:
        """True while the job may run or hold a pool that nobody has seen closed."""
        return self.closed is None

    @property
    def keep_alive_s(self) -> int:
        """The longest that its pool is kept after it ends, in seconds."""
        return max(self.intent.keep_alive_s, self.extended_s)

    @property
    def phase(self) -> str:
        """Where it is, in the service's words; empty when that was never seen."""
        return " - ".join(part for part in (self.secondary, self.message) if part)

    @property
    def phases(self) -> Phases:
        """Its seconds by phase, once it has ended."""
        return phases(self.outcome.transitions, self.outcome.ended_at) if self.outcome else Phases()

    @property
    def spans(self) -> list[Span]:
        """Its phases one after another, once it has ended."""
        return spans(self.outcome.transitions, self.outcome.ended_at) if self.outcome else []

    @property
    def begun_at(self) -> float | None:
        """When it came to be at the service, once it has ended: UTC seconds since the epoch."""
        return begun_at(self.outcome.transitions) if self.outcome else None

    @property
    def cut_short(self) -> bool:
        """True when it ended because a rule had shortened the time it may run."""
        outcome = self.outcome
        interrupted = outcome is not None and outcome.trial_status == TrialStatus.INTERRUPTED.value
        return bool(self.intent.clamped) and interrupted and self.status is JobStatus.STOPPED and not self.stop_reason

    @property
    def never_was(self) -> bool:
        """True when it was proved never to have come to be: its name is free, and nobody has learnt anything by it."""
        refused = self.outcome is None or (
            self.outcome.trial_status == TrialStatus.INTERRUPTED.value and self.outcome.status == JobStatus.FAILED.value
        )
        unseen = not self.acknowledged and not self.stop_reason  # one that we asked to stop had been seen
        return refused and unseen and self.closed is Closed.NEVER_HAD_POOL

    @property
    def pool_word(self) -> Literal["cold", "reused", "none"]:
        """The `pool` column of results.csv: cold, reused or none."""
        if self.reused_pool:
            return "reused"
        return "none" if not self.acknowledged else "cold"


@dataclass
class TrialHistory:
    """Every attempt at one trial, oldest first."""

    id: str
    jobs: list[Job] = field(default_factory=list)
    reopened: bool = False
    skipped: bool = False
    label: str = ""
    """What people call it; empty when nobody has said so far."""

    @property
    def last(self) -> Job:
        """The latest attempt."""
        return self.jobs[-1]

    @property
    def last_failed(self) -> bool:
        """True when the latest attempt ended in a failure."""
        outcome = self.last.outcome
        return outcome is not None and outcome.trial_status == TrialStatus.FAILED.value

    @property
    def status(self) -> TrialStatus:
        """What the trial has come to: the latest attempt decides."""
        if not self.jobs:
            return TrialStatus.STOPPED if self.skipped else TrialStatus.PLANNED
        if self.last.outcome:
            found = TrialStatus(self.last.outcome.trial_status)
            return TrialStatus.STOPPED if self.skipped and not found.finished else found
        # Closed without an outcome: it never came to be, or nobody wanted its result any more.
        return TrialStatus.RUNNING if self.last.in_debt else TrialStatus.INTERRUPTED

    @property
    def left_out(self) -> bool:
        """True when it is finished because someone skipped it, and for no other reason."""
        return self.skipped and self.finished and self.status is TrialStatus.STOPPED

    @property
    def result(self) -> Job:
        """The attempt that its result is of: the last one, or the last completed one where that came to nothing."""
        if self.status in (TrialStatus.INTERRUPTED, TrialStatus.STOPPED, TrialStatus.RUNNING):
            done = (job for job in reversed(self.jobs) if job.completed)
            return next(done, self.last)
        return self.last

    @property
    def finished(self) -> bool:
        """True when the search must not propose it again."""
        return self.status.finished and not self.reopened


@dataclass
class Chain:
    """The order of jobs and what has happened in it. Ask it questions; only `apply` changes it."""

    jobs: dict[str, Job] = field(default_factory=dict)
    trials: dict[str, TrialHistory] = field(default_factory=dict)
    debts: dict[str, Job] = field(default_factory=dict)
    unfinished: dict[str, Job] = field(default_factory=dict)
    outcomes: list[Job] = field(default_factory=list)
    failed: dict[str, Job] = field(default_factory=dict)
    """By trial the jobs that it failed with in this invocation, or last of all before it, and that none has followed.

    A trial of an invocation with several jobs in flight may have failed while its next attempt had to wait.
    """
    outcomes_before: int = 0
    """How many of the outcomes belong to earlier invocations; one that was killed goes on with the next."""
    begun_at: float | None = None
    """When this invocation began, or the killed one that it goes on with: UTC seconds since the epoch."""
    added: dict[str, ev.Added] = field(default_factory=dict)
    """The trials that someone queued into the chain, by identity."""
    taught: dict[str, ev.Taught] = field(default_factory=dict)
    """What its search was given of other sweeps, by their names."""
    opened: ev.Opened | None = None
    stopping: ev.Stopping | None = None
    decided: ev.Decided | None = None
    finished: ev.Finished | None = None
    pool_never_retained: bool = False
    reopenings: int = 0
    """How often a finished trial was asked to be run again."""
    reusers: set[str] = field(default_factory=set)
    """Names of the jobs that took over a pool of ours."""
    turn: int = 0
    """How many events it has taken in that may change what rules make of it."""
    unruled: tuple[int, object] = field(default=(0, None), repr=False, compare=False)
    """The turn in which sweeper.core.decide has found no rule that ends it, and of which sweep."""
    course: list[Learnt] = field(default_factory=list, repr=False, compare=False)
    """What a search learns from, in the order in which it happened."""
    counted: tuple[object, Sequence[Job]] = field(default=(None, ()), repr=False, compare=False)
    """What sweeper.core.declared has worked out last, and for what."""
    given_up: set[str] = field(default_factory=set, repr=False, compare=False)
    """Names of the failed jobs for which sweeper.core.remedies has found nothing."""

    awaited: ev.Awaited | None = None
    """Who takes the pool over when this invocation ends; None: nobody waits."""
    offered: ev.Offered | None = None
    """What was offered last, and to whom."""
    unclaimed: set[str] = field(default_factory=set)
    """Folders of the sweeps that did not take in time what they were offered."""
    inherited: dict[str, Job] = field(default_factory=dict)
    """Jobs of other sweeps whose pools were taken over: debts of ours, and no trials."""

    def __str__(self) -> str:
        done = sum(1 for t in self.trials.values() if t.finished and not t.left_out)
        return f"{done} finished, {len(self.unfinished)} running, {len(self.debts)} open pools"

    def is_finished(self, trial: str) -> bool:
        """True when the trial with this id is not to be proposed again."""
        history = self.trials.get(trial)
        return history is not None and history.finished

    def next_attempt(self, trial: str) -> int:
        """The number of the attempt after the last one (from 1); one that never was is the same attempt still.

        So whoever runs the sweep without this journal meets every job of it in the order of the attempts' names.
        """
        history = self.trials.get(trial)
        if not history or not history.jobs:
            return 1
        return history.last.intent.attempt + (not history.last.never_was)

    def job(self, name: str) -> Job:
        """The job of this name, one of ours or one whose pool was taken over. Raises KeyError."""
        return self.jobs[name] if name in self.jobs else self.inherited[name]

    @property
    def debts_newest_first(self) -> list[Job]:
        """Jobs whose pool has not been observed closed, in the order they must be closed (R7)."""
        return list(reversed(self.debts.values()))

    @property
    def last_ended(self) -> Job | None:
        """The job whose outcome came last."""
        return self.outcomes[-1] if self.outcomes else None


def fold(events: Iterable[Event]) -> Chain:
    """The chain that these events tell of, from the beginning."""
    chain = Chain()
    for event in events:
        apply(chain, event)
    return chain


def apply(chain: Chain, event: Event) -> Chain:
    """Take one event into the chain (changed in place and returned); an event of an unknown job raises KeyError."""
    chain.turn += isinstance(event, Turns)
    if isinstance(event, Learnt):
        chain.course.append(event)
    match event:
        case ev.Opened():
            _open(chain, event)
        case ev.Intent():
            _intend(chain, event)
        case ev.PoolClosed():
            _close(chain, event)
        case ev.Decided():
            chain.decided = event
        case ev.Stopping():
            chain.stopping = event
        case ev.Finished():
            chain.finished = event
        case ev.Added():
            chain.added[event.trial] = event
        case ev.Withdrawn():
            chain.added.pop(event.trial, None)
        case ev.Taught():
            chain.taught[event.sweep] = event
        case ev.Skipped() | ev.Reopened():
            _wish(chain, event)
        case ev.Awaited() | ev.Offered() | ev.Unclaimed() | ev.Inherited():
            _succeed(chain, event)
        case _:
            _tell(chain, chain.job(event.name), event)
    return chain


def _succeed(chain: Chain, event: ev.Awaited | ev.Offered | ev.Unclaimed | ev.Inherited) -> None:
    """A pool goes from one sweep to another."""
    match event:
        case ev.Awaited():
            chain.awaited = event if event.by else None
        case ev.Offered():
            chain.offered = event
        case ev.Unclaimed():
            chain.unclaimed.add(event.to)
            chain.awaited = None
        case ev.Inherited():
            chain.inherited[event.name] = chain.debts[event.name] = _heirloom(event)
        case _:
            assert_never(event)


def _heirloom(event: ev.Inherited) -> Job:
    """Another sweep's job: it has ended, and all that is left of it is its pool."""
    name, kept_s = event.name, event.keep_alive_s
    intent = ev.Intent(name, "", 0, name, {}, 1, event.fingerprint, kept_s, event.max_runtime_s, "")
    outcome = ev.Outcome(name, event.status, TrialStatus.INTERRUPTED.value, ended_at=event.ended_at)
    status = JobStatus.of(event.status)
    return Job(intent, True, status, pool=PoolStatus.AVAILABLE, settled=True, outcome=outcome)


def _wish(chain: Chain, event: ev.Skipped | ev.Reopened) -> None:
    """A person does not want this trial any more, or wants it once more."""
    history = chain.trials.setdefault(event.trial, TrialHistory(event.trial))
    chain.failed.pop(event.trial, None)
    history.skipped = isinstance(event, ev.Skipped)
    history.reopened = not history.skipped
    if isinstance(event, ev.Skipped):
        history.label = event.label or history.label
    else:
        chain.reopenings += 1


def _tell(chain: Chain, job: Job, event: OfJob) -> None:
    """What happened to a job that there is."""
    match event:
        case ev.Created():
            job.acknowledged = True
        case ev.Adopted():
            _adopt(job, event)
        case ev.Observed():
            _observe(job, event)
            chain.pool_never_retained &= not PoolStatus.of(event.pool).settled  # it does show, if late
        case ev.Settled():
            job.settled = True
            # Only a completed job proves it: one that was stopped before its launch never had a pool.
            absent = PoolStatus.of(event.pool) is PoolStatus.ABSENT
            chain.pool_never_retained |= absent and job.status is JobStatus.COMPLETED
        case ev.Outcome():
            _end(chain, job, event)
        case ev.StopSent():
            job.stop_reason = event.reason
        case ev.Cold():
            job.cold = event
        case ev.Judged():
            job.judged = event
        case ev.Extended():
            job.extended_s = event.keep_alive_s
        case _:
            assert_never(event)


def _end(chain: Chain, job: Job, event: ev.Outcome) -> None:
    job.outcome, job.status = event, JobStatus.of(event.status)
    chain.unfinished.pop(event.name, None)
    chain.outcomes.append(job)
    if event.trial_status == TrialStatus.FAILED.value:
        chain.failed[job.intent.trial] = job


def _open(chain: Chain, event: ev.Opened) -> None:
    # An invocation that was killed goes on: what it had run and when it began still count for its rules.
    if chain.opened is None or chain.finished or chain.stopping:
        chain.outcomes_before, chain.begun_at = len(chain.outcomes), event.at
        one_by_one = chain.opened is None or chain.opened.in_flight == 1
        chain.failed = {trial: job for trial, job in chain.failed.items() if not one_by_one or job is chain.last_ended}
    chain.opened, chain.stopping, chain.decided, chain.finished = event, None, None, None
    chain.awaited = None
    chain.unclaimed.clear()


def _intend(chain: Chain, event: ev.Intent) -> None:
    job = Job(event, reused_pool=event.name in chain.reusers)
    never_was = chain.jobs.pop(event.name, None)
    chain.failed.pop(event.trial, None)
    chain.jobs[event.name] = chain.debts[event.name] = chain.unfinished[event.name] = job
    history = chain.trials.setdefault(event.trial, TrialHistory(event.trial))
    history.jobs = [*(before for before in history.jobs if before is not never_was), job]
    history.reopened, history.label = False, event.label


def _adopt(job: Job, event: ev.Adopted) -> None:
    """What it was created with counts, not what we meant to create it with."""
    job.acknowledged = True
    keep_alive_s, most_s = event.keep_alive_s, event.max_runtime_s
    job.intent = replace(
        job.intent,
        keep_alive_s=job.intent.keep_alive_s if keep_alive_s is None else keep_alive_s,
        max_runtime_s=job.intent.max_runtime_s if most_s is None else most_s,
    )


def _observe(job: Job, event: ev.Observed) -> None:
    # Describe may lag behind: a job that was seen ended never runs again (a monotone merge).
    status = JobStatus.of(event.status)
    if not job.status.terminal or status.terminal:
        job.status, job.secondary, job.message = status, event.secondary, event.message
    job.pool = PoolStatus.of(event.pool)
    job.settled |= job.status.terminal and job.pool.settled


def _close(chain: Chain, event: ev.PoolClosed) -> None:
    job = chain.job(event.name)
    job.closed, job.retained_s, job.settled = Closed(event.how), event.retained_s, True
    job.closed_by = event.by
    if _by_heir(chain, event):
        job.closed, job.retained_s = Closed.HANDED_OVER, 0.0
    chain.debts.pop(event.name, None)
    chain.unfinished.pop(event.name, None)
    if job.closed is Closed.REUSED_BY_OWN:
        chain.reusers.add(event.by)
        if event.by in chain.jobs:
            chain.jobs[event.by].reused_pool = True


def _by_heir(chain: Chain, event: ev.PoolClosed) -> bool:
    """Did the sweep that was offered the pool use it before it was seen to have taken it? It is billed there."""
    offered = chain.offered is not None and chain.offered.name == event.name
    return offered and event.how == Closed.REUSED_BY_OWN.value and event.by not in chain.jobs


def metric_of(job: Job, name: str) -> float | None:
    """The last value of a metric of an ended job; None when there is none."""
    values: Mapping[str, Any] = job.outcome.metrics if job.outcome else {}
    return values.get(name)
