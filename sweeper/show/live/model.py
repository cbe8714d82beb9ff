"""What the live table shows of a sweep, as plain values: no terminal, no clock, no file. Moments in UTC seconds.

Whoever follows a sweep tells it what happened and asks for the `Frame` of a moment: the runner as it happens, and a
command in another terminal from the journal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sweeper.core import events as ev
from sweeper.core.chain import Chain, Job
from sweeper.core.costs import Rate, cost
from sweeper.core.declared import added, find
from sweeper.core.events import PoolStatus, TrialStatus
from sweeper.core.measured import Part, counters
from sweeper.core.model import Objective, Sweep, Trial, Trials
from sweeper.core.remaining import Pace
from sweeper.core.repeats import Group
from sweeper.core.results import FIRST, LAST, METRIC, Row, row_of
from sweeper.core.rounds import best_job
from sweeper.show.best import group_value
from sweeper.show.live.sketch import Sketch

KEPT = 16
"""Values that are kept of the curve of a trial that has ended."""
RANKS = (ev.Outcome, ev.Intent, ev.Reopened, ev.Skipped, ev.Added, ev.Withdrawn)
"""The events after which another trial may be the best."""
BEGINNING = ("Submitting", "Starting", "Pending", "Downloading")
"""Phases in which a job prints nothing: once it does, it trains."""


@dataclass(frozen=True)
class Subject:
    """What a live table needs to know of a declaration."""

    name: str
    trials: Trials
    metrics: tuple[str, ...] = ()
    objective: Objective | None = None
    step: str = ""
    """The metric that counts steps, where the declaration says so."""
    keeps_pool: bool = False
    most_trials: int | None = None
    ends_early: bool = False
    """May a rule end it before every trial has run?"""
    rate: Rate | None = None
    simulated: bool = True
    only: str = ""
    """The one trial that is run again; empty: everything that is declared."""
    seed: str = ""
    """The parameter that counts the repeats; empty when nothing is repeated."""
    siblings: dict[str, tuple[str, ...]] = field(default_factory=dict, repr=False, compare=False)
    """What sweeper.core.rounds has found of trials that differ in their seed alone, by trial."""


def subject_of(sweep: Sweep) -> Subject:
    """What a live table needs to know of a sweep."""
    return Subject(
        sweep.name,
        sweep.trials,
        tuple(metric.name for metric in sweep.metrics),
        sweep.objective,
        str((sweep.composed.get("prune") or {}).get("step") or ""),
        sweep.backend.keeps_pool,
        sweep.most_trials,
        any(rule.asks for rule in sweep.stop),
        sweep.rate,
        not sweep.engine.on_aws,
        sweep.only,
        sweep.seed,
        sweep.siblings,
    )


@dataclass(frozen=True)
class Line:
    """A trial in the table."""

    row: Row
    """As results.csv has it; of a running job with the metrics that it has printed."""
    word: str
    """Its status, or what its job does."""
    seconds: float | None = None
    best: bool = False
    curve: Sequence[float] = ()


@dataclass(frozen=True)
class Running:
    """A job that has not ended."""

    label: str
    word: str
    seconds: float
    metrics: Sequence[tuple[str, float]] = ()
    """What it has printed last: what counts its steps first, then the objective."""
    curve: Sequence[float] = ()
    said: str = ""
    """The last line of its log."""


@dataclass(frozen=True)
class Frame:
    """The sweep at one moment."""

    name: str
    keys: tuple[str, ...]
    metrics: tuple[str, ...]
    lines: Sequence[Line]
    running: Sequence[Running]
    total: int
    done: int
    skipped: int
    in_flight: int
    left_s: float | None
    at_most: bool
    """Is `left_s` a bound, because a rule may end the sweep before?"""
    ending: bool
    elapsed_s: float | None
    usd: float | None
    simulated: bool
    pool: str
    pool_s: float | None
    best: tuple[str, str, str] | None
    """The objective, its best value so far in words, of a trial or of those that differ in their seed alone, and the
    best trial of them."""


@dataclass
class _Printed:
    """What a running job has printed."""

    metrics: dict[str, float] = field(default_factory=dict)
    sketch: Sketch = field(default_factory=Sketch)
    said: str = ""


class LiveModel:
    """Takes in what happens, and says how a sweep stands at a moment."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        named, goal = subject.metrics, subject.objective.metric if subject.objective else ""
        self._counters = counters(named, subject.step or None)
        self._metrics = (*(m for m in named if m == goal), *(m for m in named if m != goal))
        self._drawn = next((m for m in self._metrics if m not in self._counters), "")
        self._chain: Chain | None = None
        self._added: list[Trial] = []
        self._pace = Pace()
        self._phases: dict[str, tuple[str, float]] = {}
        self._printed: dict[str, _Printed] = {}
        self._curves: dict[str, Sequence[float]] = {}
        self._rows: dict[str, Row] = {}
        self._usd: dict[str, float | None] = {}
        self._done: set[str] = set()
        self._left_out: set[str] = set()
        self._best: tuple[Job, Group[Job]] | None = None
        self._ranked = False
        self._pool = ""
        self._pool_since: float | None = None

    # -- what happens -----------------------------------------------------------------------------------------

    def begin(self, chain: Chain, events: Iterable[tuple[float, ev.Event]] = ()) -> None:
        """How the sweep stands, and when what has happened so far (time, event) did; also of one known before."""
        self._chain, seen = chain, self._phases
        self._pace, self._phases = Pace(), {}
        for known in (self._rows, self._usd, self._done, self._left_out):
            known.clear()
        for at, event in events:
            self._take_time(event, at)
        for name, (word, at) in seen.items():
            if self._begins(name) and word not in BEGINNING:
                self._phases[name] = word, at
        for name in [name for name in self._printed if name not in chain.unfinished]:
            self._leave(name, chain)
        self._added = added(self.subject.trials, chain)
        self._ranked = False
        self._pool = self._pool_word(chain)
        for trial in chain.trials:
            self._count(trial, chain)

    def event(self, event: ev.Event, chain: Chain, at: float) -> None:
        """Something was journaled, and the chain has taken it in."""
        if self._chain is None:
            self.begin(chain)
        self._take_time(event, at)
        if isinstance(event, (ev.Added, ev.Withdrawn)):
            self._added = added(self.subject.trials, chain)
        elif isinstance(event, ev.Outcome):
            self._leave(event.name, chain)
        self._ranked = self._ranked and not isinstance(event, RANKS)
        trial = _trial_of(event, chain)
        if trial in chain.trials:
            self._count(trial, chain)
        pool = self._pool_word(chain)
        if pool != self._pool:
            self._pool, self._pool_since = pool, at

    def looked(self, name: str, word: str, at: float) -> None:
        """A job was seen in this phase."""
        if word and self._phases.get(name, ("",))[0] != word:
            self._phases[name] = word, at

    def printed(self, name: str, come: Part, at: float) -> None:
        """This has come of the log of a running job; its secrets are masked."""
        if self._chain is None or name not in self._chain.unfinished:
            return
        found = self._printed.setdefault(name, _Printed())
        for _, metric, value in come.points:
            found.metrics[metric] = value
            if metric == self._drawn:
                found.sketch.add(value)
        found.said = next((line.shown for line in reversed(come.lines) if line.text.strip()), found.said)
        if self._begins(name):
            self.looked(name, "Training", at)

    def _take_time(self, event: ev.Event, at: float) -> None:
        self._pace = self._pace.after(event, at)
        if isinstance(event, ev.Intent):
            self.looked(event.name, "Submitting", at)
        elif isinstance(event, ev.Created):
            self.looked(event.name, "Starting", at)
        elif isinstance(event, ev.Observed):
            self.looked(event.name, event.secondary, at)
        elif isinstance(event, (ev.Outcome, ev.PoolClosed)):
            self._phases.pop(event.name, None)

    def _begins(self, name: str) -> bool:
        """Is a job in a phase in which it prints nothing?"""
        return name in self._phases and self._phases[name][0] in BEGINNING

    def _leave(self, name: str, chain: Chain) -> None:
        """A job has ended: what it printed is in its result, but for its curve."""
        printed = self._printed.pop(name, None)
        if printed and name in chain.jobs:
            values = printed.sketch.values
            self._curves[chain.jobs[name].intent.trial] = values[:: max(1, -(-len(values) // KEPT))]

    def _count(self, trial: str, chain: Chain) -> None:
        """A trial may stand otherwise than before."""
        self._rows.pop(trial, None)
        history, subject = chain.trials[trial], self.subject
        self._usd[trial] = cost(history.jobs, subject.rate)
        index = history.jobs[0].intent.index if history.jobs else 0
        for known, belongs in ((self._done, not history.left_out), (self._left_out, history.left_out)):
            if history.finished and belongs and find(subject, chain, trial, index):
                known.add(trial)
            else:
                known.discard(trial)

    # -- how it stands ----------------------------------------------------------------------------------------

    @property
    def total(self) -> int:
        """How many trials there are, those that someone queued included."""
        return len(self.subject.trials) + len(self._added)

    def frame(self, at: float, most_lines: int) -> Frame | None:
        """The sweep at this moment with so many trials around those that run; None while nothing is known."""
        chain, subject = self._chain, self.subject
        if chain is None:
            return None
        if not self._ranked:  # for a person, not for each of thousands of events
            self._best, self._ranked = best_job(self.subject, chain), True
        done, left_out = len(self._done), len(self._left_out)
        most = self.total if subject.most_trials is None else min(self.total, subject.most_trials)
        ending = bool(chain.stopping or chain.decided)
        usd = [one for one in self._usd.values() if one is not None]
        opened_at = self._pace.opened_at
        return Frame(
            subject.name,
            tuple(dict.fromkeys((*subject.trials.keys, *(key for trial in self._added for key in trial.values)))),
            self._metrics,
            [self._line(trial, chain, at) for trial in self._window(chain, most_lines)],
            [self._running(job, at) for job in chain.unfinished.values()],
            self.total,
            done,
            left_out,
            chain.opened.in_flight if chain.opened else 1,
            None if ending else self._pace.left_s(most - done - left_out, at),
            subject.ends_early,
            ending,
            None if opened_at is None or chain.finished else at - opened_at,
            sum(usd) if usd else None,
            subject.simulated,
            self._pool,
            None if self._pool_since is None else at - self._pool_since,
            self._best_told(),
        )

    def _best_told(self) -> tuple[str, str, str] | None:
        if self._best is None or self.subject.objective is None:
            return None
        job, group = self._best
        return self.subject.objective.metric, group_value(group, self.subject.objective), job.intent.label

    def _window(self, chain: Chain, most: int) -> list[Trial]:
        """The trials around those that run, at most so many."""
        at = max((job.intent.index for job in (*chain.unfinished.values(), *chain.outcomes[-1:])), default=0)
        first = max(0, min(at - most * 2 // 3, self.total - most))
        return [self._trial(n) for n in range(first, min(first + most, self.total))]

    def _trial(self, index: int) -> Trial:
        declared = len(self.subject.trials)
        return self.subject.trials[index] if index < declared else self._added[index - declared]

    def _line(self, trial: Trial, chain: Chain, at: float) -> Line:
        history = chain.trials.get(trial.id)
        row = self._rows.get(trial.id)
        if row is None:
            columns = (*FIRST, *trial.values, *(METRIC + metric for metric in self._metrics), *LAST)
            row = row_of(trial, history, columns, self.subject.rate, {})
            if history:
                self._rows[trial.id] = row
        job = history.last if history and history.jobs else None
        if job is None or job.name not in chain.unfinished:
            left_out = history is not None and history.left_out and not history.jobs
            best = self._best is not None and self._best[0].intent.trial == trial.id
            word = "skipped" if left_out else str(row["status"])
            return Line(row, word, row["train_seconds"], best, self._curves.get(trial.id, ()))
        word, since = self._phases.get(job.name, (TrialStatus.RUNNING.value, at))
        printed = self._printed.get(job.name, _Printed())
        told = {METRIC + metric: printed.metrics.get(metric) for metric in self._metrics}
        return Line({**row, **told}, word, at - since, False, printed.sketch.values)

    def _running(self, job: Job, at: float) -> Running:
        word, since = self._phases.get(job.name, (TrialStatus.RUNNING.value, at))
        printed = self._printed.get(job.name, _Printed())
        order = (*self._counters, *(m for m in self._metrics if m not in self._counters))
        told = [(metric, printed.metrics[metric]) for metric in order if metric in printed.metrics]
        return Running(job.intent.label, word, at - since, told, printed.sketch.values, printed.said)

    def _pool_word(self, chain: Chain) -> str:
        if not self.subject.keeps_pool:
            return ""
        if chain.stopping and chain.debts:
            return "closing"
        if chain.unfinished:
            return "in use" if any(job.acknowledged for job in chain.unfinished.values()) else "starting"
        if any(job.pool is PoolStatus.AVAILABLE for job in chain.debts.values()):
            return "idle"
        return "settling" if chain.debts else "closed" if chain.jobs else ""


def _trial_of(event: ev.Event, chain: Chain) -> str:
    """The trial that an event is about; empty when it is about none."""
    if isinstance(event, (ev.Intent, ev.Skipped, ev.Reopened)):
        return event.trial
    name = getattr(event, "name", "")
    return chain.jobs[name].intent.trial if name in chain.jobs else ""
