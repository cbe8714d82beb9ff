"""Searches propose the next trial. A grid walks the declared trials in order and passes over the finished ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sweeper.core.chain import Chain
from sweeper.core.declared import added, find
from sweeper.core.model import Trial, Trials

if TYPE_CHECKING:
    from sweeper.core.model import Sweep
    from sweeper.core.ports import Search


@dataclass(frozen=True)
class Proposal:
    """The next trial; `last` when nothing can follow it unless it has to be run again."""

    trial: Trial
    last: bool


class InOrder:
    """Every declared trial, in declaration order."""

    def __init__(self, trials: Trials) -> None:
        self._trials = trials
        # Every trial before this index is finished, unless one was reopened: a shortcut, never a decision.
        self._passed, self._reopenings = 0, 0

    def propose(self, chain: Chain) -> Proposal | None:
        """The first trial that is neither finished nor running; None when there is none."""
        if chain.reopenings != self._reopenings:
            self._passed, self._reopenings = 0, chain.reopenings
        pending = {job.intent.trial for job in chain.unfinished.values()}
        first = self._next(chain, pending, self._passed, move=True)
        if first is None:
            return None
        return Proposal(self._trials[first], last=self._next(chain, pending, first + 1, move=False) is None)

    def _next(self, chain: Chain, pending: set[str], start: int, *, move: bool) -> int | None:
        for index in range(start, len(self._trials)):
            trial = self._trials[index].id
            if chain.is_finished(trial):
                if move and index == self._passed:
                    self._passed += 1
            elif trial not in pending:
                return index
        return None


class WithAdded:
    """A search, and after it the trials that someone queued."""

    def __init__(self, search: Search, trials: Trials) -> None:
        self._search, self._trials = search, trials

    def propose(self, chain: Chain) -> Proposal | None:
        """The search's own proposal; without one the first queued trial that has not run."""
        found = self._search.propose(chain)
        if not chain.added:
            return found
        pending = {job.intent.trial for job in chain.unfinished.values()}
        known = added(self._trials, chain)
        queued = [trial for trial in known if not chain.is_finished(trial.id) and trial.id not in pending]
        if found:
            return Proposal(found.trial, last=found.last and not queued)
        if not queued:
            return None
        return Proposal(queued[0], last=len(queued) == 1)


class Only:
    """One trial, until it has finished."""

    def __init__(self, sweep: Sweep) -> None:
        self._sweep = sweep

    def propose(self, chain: Chain) -> Proposal | None:
        """The trial, unless it is done or at work."""
        pending = {job.intent.trial for job in chain.unfinished.values()}
        trial = find(self._sweep, chain, self._sweep.only, 0)
        if trial is None or trial.id in pending or chain.is_finished(trial.id):
            return None
        return Proposal(trial, last=True)


def search_for(sweep: Sweep, chain: Chain | None = None) -> Search:
    """The search that a sweep declares; `chain` is what has happened before."""
    if sweep.only:
        return Only(sweep)
    return WithAdded(sweep.search(chain or Chain()) if sweep.search else InOrder(sweep.trials), sweep.trials)
