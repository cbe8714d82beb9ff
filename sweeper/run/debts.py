"""Debts: the journal that the registry knows of, and closing what a sweep owes without its experiment file.

Closing needs no file of ours. Where the journal cannot be read the registry names the jobs, and where that does not the
service is asked; what cannot be locked, read or written is said and passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

from sweeper.core import events as ev
from sweeper.core.asked import Asked
from sweeper.core.chain import Chain, Job, apply, fold
from sweeper.core.outcome import created_with, fingerprint_of
from sweeper.core.ports import Clock, Description, TrainingApi
from sweeper.core.request import fingerprint
from sweeper.core.waits import Waits
from sweeper.errors import JournalError, JournalWriteError
from sweeper.record.journal import SqliteJournal
from sweeper.record.locks import held_to_close
from sweeper.run import finding
from sweeper.run.registry import Debt, Owed, Registry
from sweeper.run.release import Releaser, Running, Unreleased


class RegisteredJournal:
    """A journal whose newest hash and open jobs also stand in the registry, from before the first job can exist."""

    def __init__(self, journal: SqliteJournal, registry: Registry, debt: Debt, also: Sequence[Owed] = ()) -> None:
        """`also`: what the registry knows of, and a new journal does not."""
        self._journal, self._registry, self._debt = journal, registry, debt
        debts = fold(journal.events()).debts
        self._owed = {owed.name: owed for owed in also}
        self._owed |= {job.name: _owed(job.intent, job.keep_alive_s) for job in debts.values()}
        self._owes = bool(self._owed)

    def append(self, *events: ev.Event) -> None:
        """Make these events durable. Raises JournalError."""
        if not self._owes and any(isinstance(event, (ev.Intent, ev.Inherited)) for event in events):
            self._owes = True
            self._remember()
        self._journal.append(*events)
        for event in events:
            self._count(event)
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
        """Every pool was observed closed. Raises OSError when that cannot be written down."""
        self._owes = False
        self._registry.record(replace(self._debt, head=self._journal.head, open=False, owed=()))

    def leave(self, until: float) -> None:
        """What is owed is left open on purpose until then, in UTC seconds. Raises OSError when that is not written."""
        self._registry.record(
            replace(self._debt, head=self._journal.head, owed=tuple(self._owed.values()), kept_until=until)
        )

    def close(self) -> None:
        """Close the file."""
        self._journal.close()

    def _count(self, event: ev.Event) -> None:
        match event:
            case ev.Intent():
                self._owed[event.name] = _owed(event, event.keep_alive_s)
            case ev.Inherited():
                self._owed[event.name] = Owed(event.name, event.fingerprint, event.keep_alive_s, event.max_runtime_s)
            case ev.Adopted() | ev.Extended() if event.name in self._owed:
                owed = self._owed[event.name]
                self._owed[event.name] = replace(owed, keep_alive_s=max(owed.keep_alive_s, event.keep_alive_s or 0))
            case ev.PoolClosed():
                self._owed.pop(event.name, None)
            case _:
                pass

    def _remember(self) -> None:
        try:
            self._registry.record(replace(self._debt, head=self._journal.head, owed=tuple(self._owed.values())))
        except OSError as error:
            raise JournalWriteError(f"cannot write the registry of open pools: {error}") from error


def _owed(intent: ev.Intent, keep_alive_s: int) -> Owed:
    return Owed(intent.name, intent.fingerprint, keep_alive_s, intent.max_runtime_s)


def close_debt(
    debt: Debt,
    registry: Registry,
    clock: Clock,
    say: Callable[[str], None],
    *,
    closes: str,
    running: Running,
    impatient: Callable[[], bool] = lambda: False,
) -> list[Unreleased]:
    """Close every open pool of a sweep, and return those that could not be. Writes no events, settles the debt.

    The next run of the sweep reads from the service what became of the jobs. Each round holds the sweep's lock for
    itself. `closes` says who this is. Raises LockHeldError when a runner is alive, ApiError when nothing names the
    jobs and the service cannot be asked.
    """

    def turn() -> AbstractContextManager[None]:
        return turn_at(debt, clock, closes)

    with turn():
        if newest := registry.find(debt.folder):  # what it has come to since whoever acts was started
            debt = replace(debt, head=newest.head, owed=newest.owed)
        api = None if debt.account.gone else debt.account.api()
        chain = what_is_owed(debt, api, clock, say) if api else Chain()
    if api is not None:
        closer = closer_of(debt, chain, api, clock, say, closes=closes, impatient=impatient)
        if unreleased := closer.close_all(chain, running=running):
            return unreleased
    with turn():
        registry.settle(debt)
    return []


def turn_at(debt: Debt, clock: Clock, closes: str) -> AbstractContextManager[None]:
    """The sweep's lock for one round. Raises LockHeldError."""
    return held_to_close(debt.lock, f"the sweep {debt.sweep}", clock.now(), closes)


def closer_of(
    debt: Debt,
    chain: Chain,
    api: TrainingApi,
    clock: Clock,
    say: Callable[[str], None],
    *,
    closes: str,
    impatient: Callable[[], bool] = lambda: False,
) -> Closer:
    """What closes the jobs of this debt, of which `chain` tells. `closes` says who this is."""
    state = chain.opened.service if chain.opened else ""
    return Closer(
        api,
        debt.settings,
        clock,
        say,
        impatient,
        flags=debt.account.flags,
        turn=lambda: turn_at(debt, clock, closes),
        gone=lambda: debt.account.lost(state),
    )


def what_is_owed(debt: Debt, api: TrainingApi, clock: Clock, say: Callable[[str], None]) -> Chain:
    """The jobs that may hold a pool: by the journal, by the registry, and where neither names them by the service.

    Raises ApiError when the service has to be asked and does not answer.
    """
    unread: list[str] = []
    chain = on_record(debt, unread.append)
    for line in unread:
        say(line)
    if unread and debt.owed is None:
        for owed in _at_the_service(debt, api, clock):
            apply(chain, owed.intent)
    return chain


def on_record(debt: Debt, say: Callable[[str], None] = lambda line: None) -> Chain:
    """What journal and registry know of a sweep's jobs. A journal that cannot be read is told, and nothing else."""
    try:
        chain = debt.chain()
    except (JournalError, KeyError) as error:
        say(f"warning: {error}")
        chain = Chain()
    for owed in debt.owed or ():
        if owed.name not in chain.jobs:  # an older copy of the journal, or none
            apply(chain, owed.intent)
    return chain


def _at_the_service(debt: Debt, api: TrainingApi, clock: Clock) -> Iterator[Owed]:
    """The jobs that carry this sweep's mark and run or hold a pool."""
    mark = fingerprint(debt.owner, debt.sweep, "", 0).removesuffix("/0")
    found = [*finding.tagged(api, mark, clock.now() - finding.OLDEST_S)]
    found += finding.Newest(api, clock, pause_s=finding.PAUSE_S if debt.account.on_aws else 0.0)
    for name in sorted({str(job["TrainingJobName"]) for job in found if finding.may_hold_pool(job)}):
        description = finding.described(api, clock, name)
        if description and fingerprint_of(description).startswith(mark):
            yield _described(description)


def _described(description: Description) -> Owed:
    keep_alive_s, most_s = created_with(description)
    return Owed(str(description["TrainingJobName"]), fingerprint_of(description), keep_alive_s or 0, most_s or 0)


def alone(description: Description) -> Chain:
    """A chain of one job, of which only the service tells."""
    owed = _described(description)
    return fold([owed.intent, ev.Created(owed.name, str(description.get("TrainingJobArn", "")))])


@dataclass(frozen=True)
class Closer:
    """Closes what a chain owes without being its runner: the watchdog, and a later command."""

    api: TrainingApi
    settings: Waits
    clock: Clock
    say: Callable[[str], None]
    impatient: Callable[[], bool] = lambda: False
    flags: str = ""
    """How the AWS CLI is told where it is."""
    turn: Callable[[], AbstractContextManager[None]] = nullcontext
    """What each round happens under."""
    gone: Callable[[], bool] = lambda: False
    is_own: Callable[[str], bool] | None = None
    """Knows the sweep's other jobs; None: those of the chain."""

    def close_all(self, chain: Chain, *, running: Running, only: Collection[str] | None = None) -> list[Unreleased]:
        """Close every job that may hold a pool, or `only` these, newest first; returns those that could not be."""

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
            is_own=self.is_own or chain.jobs.__contains__,
            impatient=self.impatient,
            flags=self.flags,
            running=running,
            turn=self.turn,
            gone=self.gone,
        )
        return releaser.close_all([job for job in chain.debts_newest_first if only is None or job.name in only])


def _not_ours_to_judge(job: Job, description: Mapping[str, Any], _age_s: float) -> ev.Outcome:
    return ev.Outcome(job.name, str(description.get("TrainingJobStatus")), ev.TrialStatus.INTERRUPTED.value)
