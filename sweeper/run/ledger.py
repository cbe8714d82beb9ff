"""What one invocation owes, on disk: its journal under the registry's eyes, and the watchdog that closes it for us."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from sweeper.core import events as ev
from sweeper.core.chain import Chain, fold
from sweeper.core.ports import Clock, TrainingApi
from sweeper.core.queued import short_name
from sweeper.core.request import is_queued_name
from sweeper.errors import UsageError
from sweeper.record.journal import SqliteJournal
from sweeper.run.debts import Closer, RegisteredJournal
from sweeper.run.registry import Debt, Owed, Registry, state_folder, verify_head
from sweeper.run.release import Running, Unreleased
from sweeper.run.watchdog import Watchdog


@dataclass
class Ledger:
    """The journal and the debt of one invocation. `begun`: when that began, in UTC seconds since the epoch."""

    debt: Debt
    clock: Clock
    begun: float
    grace_s: float
    """Seconds that the watchdog waits for a restart."""
    say: Callable[[str], None]
    registry: Registry = field(default_factory=lambda: Registry(state_folder()))
    _forgotten: Sequence[Owed] = field(default=(), init=False)
    _watchdog: Watchdog | None = field(default=None, init=False)

    def prove(self) -> None:
        """Compare the journal, if there is one, with what the registry remembers of it. Raises JournalError."""
        if not self.debt.journal.exists():
            before = self.registry.find(self.debt.folder)
            self._forgotten = before.owed or () if before and before.open else ()
            self.registry.begin_anew(self.debt.folder)
        verify_head(self.registry.find(self.debt.folder), self.debt.journal)

    def open(self, stack: ExitStack) -> None:
        """Open the journal. Raises JournalError, and UsageError when its jobs are in another queue."""
        journal = SqliteJournal(self.debt.journal, self.clock.now)
        self.journal = RegisteredJournal(journal, self.registry, self.debt, self._forgotten)
        stack.callback(self.journal.close)
        if self.chain().debts:
            self.arm()  # whoever watched over these may have given way to us
        self._same_queue()
        for asked in self.journal.requests():
            if asked.kind == "stop" and asked.time < self.begun:
                self.journal.answered(asked)  # meant for a chain that has ended meanwhile

    def chain(self) -> Chain:
        """What the journal tells."""
        return fold(self.journal.events())

    def _same_queue(self) -> None:
        """Jobs that are still in one queue are not to be looked for in another. Raises UsageError."""
        before = self.registry.find(self.debt.folder)
        owed = [job.name for job in self.chain().debts.values() if is_queued_name(job.name)]
        if before and owed and short_name(before.account.queue) != short_name(self.debt.account.queue):
            raise UsageError(
                f"{owed[0]} is in the job queue {before.account.queue}: run the sweep with backend=batch "
                f"backend.queue={before.account.queue} until it has ended, or end it: "
                f"sweeper pools release {owed[0]}"
            )

    def arm(self) -> None:
        """Start the watchdog, once, before the first job can exist."""
        if self._watchdog is None:
            log = self.debt.journal.with_name("watchdog.log")
            self._watchdog = Watchdog(self.debt.to_json(), self.grace_s, str(log), str(state_folder()))

    def inherit(self, pool: ev.Inherited) -> None:
        """Another sweep's pool is ours to close: from before it is, somebody does so if we die. Raises JournalError."""
        if pool.name not in self.chain().inherited:
            self.arm()
            self.journal.append(pool)

    @property
    def inherited_from(self) -> set[str]:
        """The folders of the sweeps whose pools are ours to close now."""
        events, owed = self.journal.events(), self.chain().debts
        return {event.folder for event in events if isinstance(event, ev.Inherited) and event.name in owed}

    def close_inherited(self, api: TrainingApi) -> list[Unreleased]:
        """What was taken over and cannot be used: closed; returns what could not be."""
        chain = self.chain()
        closer = Closer(api, self.debt.settings, self.clock, self.say, flags=self.debt.account.flags)
        unreleased = closer.close_all(chain, running=Running.LEAVE, only=chain.inherited)
        if not unreleased:
            self.broken_off(chain)
        return unreleased

    def close_forgotten(self, chain: Chain, api: TrainingApi) -> list[Unreleased]:
        """What a journal that was removed had left open and this sweep does not declare any more: closed, or named."""
        jobs = [owed.intent for owed in self._forgotten if owed.name not in chain.jobs]
        closer = Closer(api, self.debt.settings, self.clock, self.say, flags=self.debt.account.flags)
        return closer.close_all(fold(jobs), running=Running.LEAVE) if jobs else []

    def broken_off(self, chain: Chain) -> None:
        """A run ended by an error: nothing is owed any more where all its pools, and those forgotten, are closed."""
        if not chain.debts and all(owed.name in chain.jobs for owed in self._forgotten):
            self.settle()

    def leave_warm(self, chain: Chain) -> float:
        """The pool that is left open is the watchdog's from here on, which closes it when its keep-alive has passed.

        Returns when that is, in UTC seconds since the epoch; sooner where it cannot be written down.
        """
        ended = ((job, job.outcome.ended_at if job.outcome else None) for job in chain.debts.values())
        until = max((self.clock.now() if at is None else at) + job.keep_alive_s for job, at in ended)
        self.arm()
        try:
            self.journal.leave(until)
        except OSError as error:
            self.say(f"warning: cannot write the registry of open pools: {error}; the watchdog closes the pool soon")
            return self.clock.now() + self.grace_s
        return until

    def settle(self) -> None:
        """Every pool was observed closed: nothing is owed any more."""
        try:
            self.journal.settle()
        except OSError as error:  # whoever looks at the debt next finds everything closed
            self.say(f"warning: cannot write the registry of open pools: {error}")
        if self._watchdog:
            self._watchdog.stand_down()
