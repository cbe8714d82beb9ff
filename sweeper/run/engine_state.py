"""The local engine's state: somebody may remove it under a running sweep, and the chain goes on with another one."""

from __future__ import annotations

from dataclasses import replace

from sweeper.core.chain import Job
from sweeper.core.outcome import fingerprint_of
from sweeper.errors import ApiError
from sweeper.run.notes import Notes
from sweeper.run.releasing import Releasing


class EngineState:
    """Notices that another state answers."""

    def __init__(self, notes: Notes, releasing: Releasing) -> None:
        self._notes, self._releasing = notes, releasing

    def look(self) -> None:
        """When another state answers than before: its jobs are gone, and what jobs need is put there again."""
        notes, chain, place = self._notes, self._notes.chain, self._notes.world.place
        if (state := place.state()) == self._releasing.state:
            return
        self._releasing.state = state
        self.gone()
        assert chain.opened is not None
        if not chain.stopping:  # which another beginning would forget
            notes.note(replace(chain.opened, service=state))
            place.renew()

    def gone(self) -> None:
        """The local engine's state was removed, and with it every job and pool it had."""
        for job in self._notes.chain.debts_newest_first:
            if self._is_there(job):
                self._releasing.outlived.add(job.name)
            else:
                self._releasing.engine_gone(job)

    def _is_there(self, job: Job) -> bool:
        """Whether the new state has it: it may have been created there before the old one was missed."""
        try:
            return fingerprint_of(self._notes.world.api.describe_training_job(job.name)) == job.intent.fingerprint
        except ApiError:
            return False
