"""What a plan knows: the sweep, what has become of it so far, and what is left."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

from sweeper.core import events as ev
from sweeper.core import paces, plan
from sweeper.core.asked import foreseen
from sweeper.core.chain import Chain, TrialHistory, apply, fold
from sweeper.core.declared import added, find, withdrawn
from sweeper.core.events import TrialStatus
from sweeper.core.model import Sweep, Trial
from sweeper.run.connect import Connection, connect

MOST_TRIALS = 20
"""Trials that are listed before only their number is told; --all lists every one."""


class Planned:
    """One sweep, as the next run would find it."""

    def __init__(self, sweep: Sweep) -> None:
        self.sweep = sweep
        self.connection: Connection = connect(sweep, reading=True)
        folder = Path(sweep.project) / "runs" / self.connection.scope.folder(sweep.name)
        journal = folder / "journal.db"
        self.chain = _chain(journal, sweep) if journal.exists() else Chain()
        self.rate = sweep.rate
        self.given = paces.assumed(sweep, self.chain)
        # Those that have a history are few and known; walking a million trials for them would be slow.
        finished = [t for t in self.chain.trials.values() if t.finished and self._declares(t)]
        self.skipped = sum(1 for history in finished if not history.jobs)
        self.done = len(finished) - self.skipped
        self.queued = added(sweep.trials, self.chain)
        self.left = len(sweep.trials) + len(self.queued) - len(finished)
        self.jobs = plan.jobs_left(sweep, self.chain, self.left)

    def _declares(self, history: TrialHistory) -> bool:
        index = history.jobs[0].intent.index if history.jobs else 0
        return find(self.sweep, self.chain, history.id, index) is not None

    @property
    def terms(self) -> Iterator[tuple[str, str]]:
        """What the sweep is after, what may end it, what it knows of others. Raises UsageError, JournalError."""
        yield from plan.terms(self.sweep, self.chain, self.rate)
        taught = [self.chain.taught.get(name) or read() for name, read in self.sweep.teachers.items()]
        if taught:
            yield "warm start", "; ".join(one.words for one in taught)

    def status(self, trial: Trial) -> str:
        """What the journal says of a trial."""
        history = self.chain.trials.get(trial.id)
        return (history.status if history else TrialStatus.PLANNED).value

    @property
    def unfinished(self) -> Iterator[Trial]:
        """Every trial that is left."""
        return (trial for trial in chain(self.sweep.trials, self.queued) if not self.chain.is_finished(trial.id))

    def listed(self, every: bool) -> Iterator[Trial]:
        """The trials to list."""
        trials = chain(self.sweep.trials, self.queued)
        return trials if every else islice(trials, MOST_TRIALS)


def _chain(journal: Path, sweep: Sweep) -> Chain:
    """What has happened, and what was asked for since: the next run begins with it."""
    from sweeper.record.journal import pending, read

    asked = pending(journal)
    so_far = fold(event for _, event in read(journal))
    for queued in withdrawn(sweep, so_far):
        apply(so_far, ev.Withdrawn(queued.trial, queued.label))
    for event in foreseen(asked, sweep.make):
        apply(so_far, event)
    return so_far
