"""The beginning of an invocation: what an earlier one left is learnt, told and taken over."""

from __future__ import annotations

from contextlib import suppress

from sweeper.core import events as ev
from sweeper.core.chain import Job
from sweeper.core.declared import find, withdrawn
from sweeper.core.identity import canonical
from sweeper.core.remedies import config_of
from sweeper.core.resume import resume
from sweeper.core.secrets import MASK
from sweeper.errors import SweeperError
from sweeper.run.attention import Attention
from sweeper.run.keeping import Keeping
from sweeper.run.notes import Notes


class Beginning:
    """Opens the chain for one invocation."""

    def __init__(self, notes: Notes, attention: Attention, keeping: Keeping) -> None:
        self._notes, self._attention, self._keeping = notes, attention, keeping

    def begin(self, opened: ev.Opened) -> None:
        """Note that the chain is open, and what follows from how it was left."""
        notes, chain, sweep = self._notes, self._notes.chain, self._notes.sweep
        for job in chain.debts.values():
            self._learn_secrets(job)
        unread = {} if sweep.only else {name: read for name, read in sweep.teachers.items() if name not in chain.taught}
        lessons = [read() for read in unread.values()]
        notes.note(opened)
        for taught in lessons:
            notes.note(taught)
        self._pass_over_masked()
        for queued in () if sweep.only else withdrawn(sweep, chain):
            notes.note(ev.Withdrawn(queued.trial, queued.label))
        self._attention.take_requests()
        if sweep.only and chain.is_finished(sweep.only):
            notes.note(ev.Reopened(sweep.only))
        self._keeping.find_unkept()
        self._tell_resume()
        if not len(sweep.trials):
            notes.say("nothing to do: every trial is excluded")

    def _learn_secrets(self, job: Job) -> None:
        """An earlier invocation sent it; what it and the service say of it is told by this one."""
        trial = find(self._notes.sweep, self._notes.chain, job.intent.trial, job.intent.index)
        with suppress(SweeperError):  # a trial that cannot be made any more has nothing to hide
            if trial:
                config = config_of(self._notes.sweep, trial, job.intent.patches, job.intent.taken)
                self._notes.world.redact.learn(config["environment"])

    def _pass_over_masked(self) -> None:
        """Journals of earlier versions hold values of added trials that were masked: nobody knows them any more."""
        for added in [a for a in self._notes.chain.added.values() if not self._notes.chain.is_finished(a.trial)]:
            if MASK in canonical(added.values):
                self._notes.say(f"trial {added.label}: a value was masked by an earlier version; add it again")
                self._notes.note(ev.Skipped(added.trial))

    def _tell_resume(self) -> None:
        if self._notes.sweep.only:  # nothing becomes of the others
            return
        found = resume(self._notes.sweep, self._notes.chain)
        if self._notes.chain.jobs and not found.nothing_to_do:
            self._notes.say(f"continuing {self._notes.sweep.name}:")
            for line in found.lines():
                self._notes.say(line)
