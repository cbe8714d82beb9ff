"""What comes from outside while a chain runs: signals, the requests of other commands, the loss of the lease."""

from __future__ import annotations

import signal as signals
from collections.abc import Mapping
from typing import Any

from sweeper.core import events as ev
from sweeper.core.asked import REOPENING, VALUES, Asked, reopening
from sweeper.core.declared import count, find
from sweeper.core.fate import IMPATIENT_S
from sweeper.errors import SweeperError
from sweeper.run.notes import Notes


class Attention:
    """Looks up from the work: each thing that has come is made an event."""

    def __init__(self, notes: Notes) -> None:
        self.notes = notes
        self._inbox = notes.world.inbox

    def look_up(self) -> None:
        """Take what has come."""
        self.take_signal()
        self.take_requests()
        self.keep_lease()

    def take_signal(self) -> None:
        """The first signal ends the chain."""
        caught, stopping = self._inbox.caught, self.notes.chain.stopping
        self.impatient()
        if caught and not (stopping and stopping.signal):
            name = signals.Signals(caught[0]).name
            self.notes.note(ev.Stopping(reason=f"stopped by {name}", now=True, signal=caught[0]))

    def take_requests(self) -> None:
        """What other commands left in the journal: each is made an event, then answered."""
        for asked in self._inbox.requests():
            if self._take(asked):
                self._inbox.answered(asked)

    def keep_lease(self) -> None:
        """Without the lease the running job is finished, and nothing new is created (row 22)."""
        if not self.notes.chain.stopping and not self.notes.world.guard.holds():
            self.notes.note(ev.Stopping(reason=ev.LEASE_LOST, now=False))

    def impatient(self) -> bool:
        """Has a person asked again to end?"""
        if len(self._inbox.caught) < 2:
            return False
        waited = f"what cannot be seen for {IMPATIENT_S:.0f} s is named instead of waited for"
        self.notes.say_once("", f"asked again to end: {waited}; the pool is released all the same")
        return True

    def _take(self, asked: Asked) -> bool:
        """Do what is asked; false for what is of another run."""
        only = self.notes.sweep.only
        if only and (asked.kind == "add" or VALUES in asked.data):
            return False  # of the next run: this one makes no trials
        if asked.kind == "stop":
            self._asked_to_stop(now=bool(asked.data.get("now")))
        elif asked.kind == "add":
            self._asked_to_add(asked.data["values"])
        elif asked.kind in REOPENING:
            for event in reopening(asked.kind, asked.data, self.notes.sweep.make):
                self.notes.note(event)
        else:
            return False
        return True

    def _asked_to_add(self, values: Mapping[str, Any]) -> None:
        """`sweeper add` queues another trial; one that is there already, or cannot be made, is told and left."""
        sweep, chain = self.notes.sweep, self.notes.chain
        try:
            trial = sweep.make(values, count(sweep.trials, chain))
            sweep.resolve(trial)
        except SweeperError as error:
            self.notes.say(f"the trial was not added: {error}")
            return
        if find(sweep, chain, trial.id, trial.index):
            self.notes.say(f"trial {trial.name} was not added: there is one with these values")
        else:
            self.notes.note(ev.Added(trial.id, trial.index, trial.name, dict(trial.values)))

    def _asked_to_stop(self, *, now: bool) -> None:
        """`sweeper stop` ends the chain after the running job, `sweeper stop --now` stops that job as well."""
        before = self.notes.chain.stopping
        if before is None or (now and not before.now):
            self.notes.note(ev.Stopping(reason=ev.ASKED_TO_STOP, now=now))
