"""Debts: the journal that the registry knows of, and closing what a sweep owes without its experiment file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sweeper.core import events as ev
from sweeper.core.chain import Chain, Job, apply, fold
from sweeper.core.model import EngineKind, EngineSettings
from sweeper.errors import JournalWriteError
from sweeper.journal import Asked, SqliteJournal
from sweeper.locks import held
from sweeper.ports import Clock, TrainingApi
from sweeper.registry import Debt, Registry
from sweeper.release import Releaser, Unreleased


class RegisteredJournal:
    """A journal whose newest hash also stands in the registry, from before the first job can exist."""

    def __init__(self, journal: SqliteJournal, registry: Registry, debt: Debt) -> None:
        self._journal, self._registry, self._debt = journal, registry, debt
        self._owes = fold(journal.events()).debts != {}

    def append(self, *events: ev.Event) -> None:
        """Make these events durable. Raises JournalError."""
        if not self._owes and any(isinstance(event, ev.Intent) for event in events):
            self._owes = True
            self._remember()
        self._journal.append(*events)
        if self._owes:
            self._remember()

    def events(self) -> Sequence[ev.Event]:
        """Every event."""
        return self._journal.events()

    def requests(self) -> Sequence[Asked]:
        """What other commands have asked for."""
        return self._journal.requests()

    def answered(self, asked: Asked) -> None:
        """This request was taken."""
        self._journal.answered(asked)

    def settle(self) -> None:
        """Every pool was observed closed."""
        self._owes = False
        self._registry.record(replace(self._debt, head=self._journal.head, open=False))

    def close(self) -> None:
        """Close the file."""
        self._journal.close()

    def _remember(self) -> None:
        try:
            self._registry.record(replace(self._debt, head=self._journal.head))
        except OSError as error:
            raise JournalWriteError(f"cannot write the registry of open pools: {error}") from error


def close_debts(
    debt: Debt,
    clock: Clock,
    say: Callable[[str], None],
    *,
    stop_running: bool,
    impatient: Callable[[], bool] = lambda: False,
) -> list[Unreleased]:
    """Close every open pool of a sweep under its lock, and return those that could not be. Writes no events.

    The next run of the sweep reads from the service what became of the jobs. Raises LockHeldError when a runner is
    alive, JournalError when the journal cannot be read.
    """
    with held(Path(debt.folder) / ".lock", f"the sweep {debt.sweep}", clock.now()):
        chain = debt.chain()
        if debt.account.gone:
            return []
        region = debt.account.region if debt.account.engine == EngineKind.AWS.value else ""
        closer = Closer(debt.account.api(), debt.settings, clock, say, impatient, region)
        return closer.close_all(chain, stop_running=stop_running)


@dataclass(frozen=True)
class Closer:
    """Closes what a chain owes without being its runner: the watchdog, and a later command."""

    api: TrainingApi
    settings: EngineSettings
    clock: Clock
    say: Callable[[str], None]
    impatient: Callable[[], bool] = lambda: False
    region: str = ""

    def close_all(self, chain: Chain, *, stop_running: bool) -> list[Unreleased]:
        """Close every job that may hold a pool, newest first; returns those that could not be closed."""

        def note(event: ev.Event) -> None:
            apply(chain, event)
            if isinstance(event, ev.PoolClosed):
                self.say(f"pool of {event.name}: {event.how}")

        releaser = Releaser(
            api=self.api,
            clock=self.clock,
            settings=self.settings,
            note=note,
            say=self.say,
            harvest=_not_ours_to_judge,
            is_own=chain.jobs.__contains__,
            impatient=self.impatient,
            region=self.region,
            stop_running=stop_running,
        )
        return releaser.close_all(chain.debts_newest_first)


def _not_ours_to_judge(job: Job, description: Mapping[str, Any]) -> ev.Outcome:
    return ev.Outcome(job.name, str(description.get("TrainingJobStatus")), ev.TrialStatus.INTERRUPTED.value)
