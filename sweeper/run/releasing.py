"""Closing jobs and their pools as the runner of a chain does: it knows what its own requests may still come to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sweeper.core import events as ev
from sweeper.core.chain import Job
from sweeper.core.events import Closed
from sweeper.core.outcome import fingerprint_of
from sweeper.core.request import fingerprint
from sweeper.errors import ApiError, ForeignNameError
from sweeper.run.attention import Attention
from sweeper.run.harvesting import Harvesting
from sweeper.run.notes import Notes
from sweeper.run.release import Releaser, Unreleased


class Releasing:
    """Closes jobs; `unreleased` are those that could not be observed closed."""

    releaser: type[Releaser] = Releaser

    def __init__(self, notes: Notes, attention: Attention, harvesting: Harvesting) -> None:
        self.notes, self._attention, self._harvesting = notes, attention, harvesting
        self.unreleased: dict[str, Unreleased] = {}
        self.gave_up = False
        """A pool could not be closed: the invocation ends, and says so."""
        self.state = notes.world.place.state()
        """Which engine state this invocation works with."""
        self.outlived: set[str] = set()
        """Jobs that still answered when their engine's state had got another name: it may go on being removed."""
        self._begun = notes.world.clock.monotonic()
        self._sent: dict[str, float] = {}

    def release(self, names: tuple[str, ...]) -> None:
        """Close these jobs; those that cannot be observed closed are kept in `unreleased`."""
        notes, world = self.notes, self.notes.world
        closing, notes.closing = notes.closing, True
        for name in names:
            self.unreleased.pop(name, None)  # tried again: what was so before does not count
        releaser = self.releaser(
            api=world.api,
            clock=world.clock,
            settings=notes.settings,
            note=notes.note,
            say=notes.say,
            harvest=self._harvest,
            is_own=self.is_own,
            flags=notes.world.place.flags,
            impatient=self._attention.impatient,
            silent_since=lambda name: notes.since(name, "unseen"),
            arriving_s=self._arriving_s,
            gone=lambda: world.place.state() != self.state,
        )
        for failed in releaser.close_all([notes.chain.job(name) for name in names]):
            self.unreleased[failed.name] = failed
        notes.closing = closing

    def _harvest(self, job: Job, description: Mapping[str, Any], age_s: float) -> ev.Outcome | None:
        """A second signal does not wait for what the service has yet to compute."""
        return self._harvesting.harvest(job, description, patient=not self._attention.impatient(), age_s=age_s)

    def release_or_give_up(self, names: tuple[str, ...]) -> None:
        """Close these jobs; where one could not be closed, nothing more is begun."""
        self.release(names)
        self.gave_up = bool(self.unreleased)

    def engine_gone(self, job: Job) -> None:
        """It went with the local engine's state: no pool is left, and its trial runs again."""
        self.notes.say(f"{job.name} is gone with the local engine's state")
        self.notes.note(ev.PoolClosed(job.name, Closed.ENGINE_GONE.value))

    def give_up(self) -> str:
        """One pool could not be closed: the others are, and no job is left to run that nobody would look after."""
        rest = [job.name for job in self.notes.chain.debts_newest_first if job.name not in self.unreleased]
        self.release(tuple(rest))
        self.notes.flush()
        return "a pool may still bill"

    def close_after(self, error: BaseException) -> None:
        """An exception ends the chain: close every job first, whatever the journal says to it."""
        notes = self.notes
        notes.closing = True
        debts = notes.chain.debts_newest_first
        try:
            if isinstance(error, ForeignNameError):
                notes.say(f"{error}")
            notes.note(ev.Stopping(reason=f"{type(error).__name__}: {error}", now=True))
            self.release(tuple(job.name for job in debts))
        except Exception as second:  # noqa: BLE001 - a second trouble must not hide what may still bill
            why = f"{type(second).__name__}: {second}"
            for job in debts:
                if job.in_debt:
                    self.unreleased[job.name] = Unreleased(job.name, why, notes.world.place.flags, ended=job.ended)

    def intended(self, name: str) -> None:
        """This invocation intends the job: until it is sent, no Create of it can arrive."""
        self._sent[name] = float("-inf")

    def unanswered(self, name: str) -> None:
        """A Create was sent just now that got no answer. One that was intended before may arrive anyway."""
        if name in self._sent:
            self._sent[name] = self.notes.world.clock.monotonic()

    def may_have_sent(self, name: str) -> bool:
        """May this journal's own Create have made the job?"""
        return self._sent.get(name) != float("-inf")

    def _arriving_s(self, name: str) -> float:
        """For how many more seconds a Create may still arrive: one of an earlier invocation, or one unanswered."""
        sent = self._sent.get(name, self._begun)
        return max(0.0, sent + self.notes.settings.request_life_s - self.notes.world.clock.monotonic())

    def is_own(self, name: str) -> bool:
        """True for a job of this sweep, also one that an earlier journal knew and this one does not."""
        notes = self.notes
        if name in notes.chain.jobs:
            return True
        try:
            mark = fingerprint_of(notes.world.api.describe_training_job(name))
        except ApiError:
            return False
        heir = notes.chain.offered.mark if notes.chain.offered else ""
        own = fingerprint(notes.owner, notes.sweep.name, "", 0).removesuffix("/0")
        return mark.startswith(own) or (bool(heir) and mark.startswith(heir))
