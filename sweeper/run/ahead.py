"""What the next trial reads is put into S3 while the one before it runs: then no pool waits for it. Decides nothing."""

from __future__ import annotations

from contextlib import suppress

from sweeper.core.declared import finished, pending
from sweeper.core.events import HAS_MACHINE
from sweeper.core.remedies import config_of
from sweeper.core.search import search_for
from sweeper.errors import SweeperError
from sweeper.run.notes import Notes


class Ahead:
    """Stages for the trial that is to follow, where that is known before the running one has ended.

    Nothing of it is durable but what lies in S3 by its content. What cannot be staged now is tried again, and told,
    when the trial is sent.
    """

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        known = notes.sweep.search is None and not notes.sweep.prev
        self._search = search_for(notes.sweep) if known else None
        self._staged = ""

    def stage(self) -> None:
        """Once for each trial, while a job has its machine and the chain is not about to end."""
        notes = self._notes
        sweep, chain, world = notes.sweep, notes.chain, notes.world
        if self._search is None or chain.stopping or chain.decided:
            return
        if not any(job.secondary in HAS_MACHINE for job in chain.unfinished.values()):
            return
        most = sweep.most_trials
        if most is not None and len(finished(sweep, chain)) + len(pending(sweep, chain)) >= most:
            return
        proposal = self._search.propose(chain)
        if proposal is None or proposal.trial.id == self._staged:
            return
        self._staged = proposal.trial.id
        with suppress(SweeperError):
            config = config_of(sweep, proposal.trial, {}, {})
            world.redact.learn(config["environment"])
            world.stage(config)
