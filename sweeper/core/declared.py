"""What of the past belongs to the declaration as it is now. Only that decides anything: money apart, which is spent.

A trial's identity holds its values, the rest of the configuration and the source. So what ran with another script or
another base value is not declared any more, and says nothing about the trials that are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from sweeper.core import events as ev
from sweeper.core.chain import Chain, Job, TrialHistory
from sweeper.core.events import TrialStatus
from sweeper.core.model import Trial, Trials
from sweeper.errors import UsageError

if TYPE_CHECKING:
    from sweeper.core.model import Sweep


class Declaration(Protocol):
    """What is declared: a Sweep, or a tracker's view of one."""

    @property
    def trials(self) -> Trials:
        """The declared trials."""

    @property
    def only(self) -> str:
        """The one trial that is run again; empty: everything that is declared."""


def find(sweep: Declaration, chain: Chain, id: str, index: int) -> Trial | None:  # noqa: A002 - the protocol's word
    """The trial with this identity, declared or added."""
    found = sweep.trials.find(id, index)
    if not found and id in chain.added:
        return next((trial for trial in added(sweep.trials, chain) if trial.id == id), None)
    if not found and id and id == sweep.only:  # it is run again as it was, declared or not
        intent = chain.trials[id].last.intent
        return Trial(intent.index, id, intent.label, intent.values)
    return found


def added(trials: Trials, chain: Chain) -> list[Trial]:
    """The trials that someone queued and that are not declared; their numbers go on after the declared ones."""
    found = (a for a in chain.added.values() if trials.find(a.trial, a.index) is None)
    return [Trial(len(trials) + n, a.trial, a.label, a.values) for n, a in enumerate(found)]


def undeclared(trials: Trials, chain: Chain) -> list[TrialHistory]:
    """What has run and is not declared any more, nor queued, oldest first."""

    def declares(history: TrialHistory) -> bool:
        return history.id in chain.added or trials.find(history.id, history.last.intent.index) is not None

    return [history for history in chain.trials.values() if history.jobs and not declares(history)]


def count(trials: Trials, chain: Chain) -> int:
    """How many trials there are, those that someone queued included."""
    return len(trials) + (len(added(trials, chain)) if chain.added else 0)


def withdrawn(sweep: Sweep, chain: Chain) -> list[ev.Added]:
    """The queued trials that today's script and base values would make another trial of."""
    return [a for a in chain.added.values() if not _same(sweep, a)]


def _same(sweep: Sweep, queued: ev.Added) -> bool:
    try:
        return sweep.make(queued.values, queued.index).id == queued.trial
    except UsageError:
        return False


def ended(sweep: Declaration, chain: Chain) -> Sequence[Job]:
    """The jobs that the declared trials have ended with, in the order in which they ended.

    Not the attempts that another one followed, and none of a trial that was opened again.
    """
    asked = (chain.turn, sweep.trials, sweep.only)
    if chain.counted[0] != asked:  # every rule asks at every decision, and nothing has happened between them
        chain.counted = (asked, [job for job in chain.outcomes if _counts(sweep, chain, job)])
    return chain.counted[1]


def says_something(job: Job) -> bool:
    """A job that says something about its trial: a failure or an interruption does not."""
    return job.outcome is not None and job.outcome.trial_status in (
        TrialStatus.COMPLETED.value,
        TrialStatus.PRUNED.value,
        TrialStatus.METRIC_MISSING.value,
    )


def finished(sweep: Sweep, chain: Chain) -> list[TrialHistory]:
    """The declared trials that have run and are not to be run again."""
    return [chain.trials[job.intent.trial] for job in ended(sweep, chain) if chain.is_finished(job.intent.trial)]


def pending(sweep: Sweep, chain: Chain) -> list[Job]:
    """The jobs of declared trials that have not ended."""
    jobs = chain.unfinished.values()
    return [job for job in jobs if find(sweep, chain, job.intent.trial, job.intent.index) is not None]


def _counts(sweep: Declaration, chain: Chain, job: Job) -> bool:
    history = chain.trials[job.intent.trial]
    last = history.last is job and not history.reopened
    return last and find(sweep, chain, job.intent.trial, job.intent.index) is not None
