"""The outside of one asking: its lock, its journal and its watchdog, as a run has them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from sweeper.core.model import Sweep
from sweeper.core.ports import TrainingApi
from sweeper.core.request import digest
from sweeper.core.smoke.budget import Budget
from sweeper.core.smoke.jobs import QUICK, SWEEP, Pace
from sweeper.record.locks import held
from sweeper.run.clock import SystemClock
from sweeper.run.connect import Connection, debt_of
from sweeper.run.debts import close_debt
from sweeper.run.ledger import Ledger
from sweeper.run.registry import Debt, Registry, state_folder
from sweeper.run.release import Running, Unreleased
from sweeper.run.smoke.bed import bed, usd_per_second
from sweeper.run.smoke.bench import Bench
from sweeper.run.smoke.questioning import Questioning

JOURNAL = ("journal.db", "journal.db-wal", "journal.db-shm", "watchdog.log")
ENDED_BY = "sweeper doctor --smoke"


@dataclass
class SmokeSession:
    """Asks by the role, the image and the network of an experiment. `say` tells a person how it goes on."""

    sweep: Sweep
    connection: Connection
    clock: SystemClock
    say: Callable[[str], None]

    @cached_property
    def folder(self) -> Path:
        """Where the journal is while there are jobs."""
        return Path(self.sweep.project).absolute() / "runs" / self.connection.scope.folder(SWEEP)

    def ask(self) -> Questioning:
        """Ask all questions; every job is closed when it returns, or stands in `unreleased`.

        Raises LockHeldError, JournalError and UsageError. What is raised later has `unreleased` as well.
        """
        with ExitStack() as stack:
            wait = self.clock.sleep
            lock, what = self.folder / ".lock", "the questions of `sweeper doctor --smoke`"
            stack.enter_context(held(lock, what, self.clock.now(), runs=what, wait=wait))
            ledger = self._ledger()
            ledger.prove()
            ledger.open(stack)
            asked = Questioning(self._bench(ledger))
            ledger.arm()
            try:
                asked.ask()
            except BaseException as error:
                error.unreleased = list(asked.unreleased)  # type: ignore[attr-defined]
                raise
            finally:
                if not asked.bench.chain.debts and not asked.unreleased:
                    ledger.settle()
                    stack.callback(self._forget)
        return asked

    def close_earlier(self) -> Sequence[Unreleased]:
        """Close what an earlier asking has left open; returns what could not be. Raises LockHeldError, ApiError."""
        registry = Registry(state_folder())
        debt = registry.find(str(self.folder))
        unreleased: Sequence[Unreleased] = ()
        if debt and debt.open:
            self.say("closing what an earlier asking has left open")
            unreleased = close_debt(debt, registry, self.clock, self.say, closes=ENDED_BY, running=Running.STOP)
        if not unreleased:
            self._forget()
        return unreleased

    def _forget(self) -> None:
        """Everything is closed: the journal has told all that it had to."""
        with suppress(OSError):
            for name in JOURNAL:
                (self.folder / name).unlink(missing_ok=True)
            Registry(state_folder()).forget(str(self.folder))

    @cached_property
    def _debt(self) -> Debt:
        debt = debt_of(self.connection, self.sweep, self.folder)
        return replace(debt, sweep=SWEEP, account=replace(debt.account, queue=""))

    def _ledger(self) -> Ledger:
        return Ledger(self._debt, self.clock, self.clock.now(), self.sweep.pool.watchdog_grace_s, self.say)

    @cached_property
    def _api(self) -> TrainingApi:
        return self._debt.account.through(self.connection.clients, None)

    def _bench(self, ledger: Ledger) -> Bench:
        scope, clock = self.connection.scope, self.clock
        return Bench(
            api=self._api,
            clock=clock,
            waits=self.sweep.waits,
            pace=Pace() if scope.engine.on_aws else QUICK,
            bed=bed(self.sweep, self.connection),
            owner=self.connection.owner,
            stamp=digest([self.connection.owner, clock.now()])[:8],
            note=ledger.journal.append,
            say=self.say,
            budget=Budget.of(usd_per_second(self.sweep, self.connection)),
            interrupted=lambda: bool(clock.caught),
            impatient=lambda: len(clock.caught) > 1,
            flags=self._debt.account.flags,
        )
