"""The outside of one asking: its lock, its journal and its watchdog, as a run has them, and its answers in a file."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from sweeper.core.costs import rate
from sweeper.core.model import Launch, Sweep
from sweeper.core.ports import TrainingApi
from sweeper.core.request import digest
from sweeper.core.smoke import questions
from sweeper.core.smoke.budget import Budget
from sweeper.core.smoke.jobs import INSTANCE_TYPE, QUICK, SWEEP, Bed, Pace
from sweeper.record.atomic import write_atomically
from sweeper.record.locks import held
from sweeper.run.clock import SystemClock
from sweeper.run.connect import Connection, debt_of
from sweeper.run.debts import close_debt
from sweeper.run.ledger import Ledger
from sweeper.run.registry import Debt, Registry, state_folder
from sweeper.run.release import Running, Unreleased
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

    @cached_property
    def usd_per_second(self) -> float | None:
        """What its machine costs; None where the price is unknown, and on this machine."""
        scope = self.connection.scope
        if not scope.engine.on_aws:
            return None
        found = rate(self.sweep.composed.get("prices"), {"instance_type": INSTANCE_TYPE}, scope.region)
        return found.usd_per_second if found else None

    @cached_property
    def budget(self) -> Budget:
        """What all jobs together may come to at most."""
        return Budget.of(self.usd_per_second)

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
            bed=self._bed(),
            owner=self.connection.owner,
            stamp=digest([self.connection.owner, clock.now()])[:8],
            note=ledger.journal.append,
            say=self.say,
            budget=self.budget,
            interrupted=lambda: bool(clock.caught),
            impatient=lambda: len(clock.caught) > 1,
            flags=self._debt.account.flags,
        )

    def _bed(self) -> Bed:
        from sweeper.aws.staging import Staging

        scope, job = self.connection.scope, self.sweep.composed["job"]
        staging = Staging(self.connection.clients, scope, SWEEP, Path(self.sweep.project))
        config = {**job, "launch": Launch.IMAGE.value, "inputs": {}, "checkpoint_s3_uri": None}
        output = staging({"job": config}).output
        key = job.get("output_kms_key_id")
        return Bed(self.sweep.locked, str(job["image_uri"]), output, scope.region, key)


def write(path: Path, asked: Questioning, session: SmokeSession, version: str) -> Mapping[str, Any]:
    """Write the recording; returns it. Raises OSError."""
    scope = session.connection.scope
    account = questions.Account(scope.account, scope.region, INSTANCE_TYPE)
    told = questions.recording(asked.asking.answers, account, version, session.clock.now())
    write_atomically(path, json.dumps(told, indent=2) + "\n")
    return told
