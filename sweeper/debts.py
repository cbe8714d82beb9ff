"""Debts: which sweeps of this user may still have an open pool, and closing them without their experiment file.

The registry holds one small JSON file per sweep folder: how its engine is reached and the newest hash of its journal.
It is written before the first job of a sweep can exist and removed when every pool was observed closed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sweeper.aws.clients import Clients, Endpoint, SageMakerApi
from sweeper.core import events as ev
from sweeper.core.chain import Chain, Job, apply, fold
from sweeper.core.model import EngineKind, EngineSettings
from sweeper.engine import launch
from sweeper.errors import JournalError, JournalWriteError
from sweeper.journal import Asked, SqliteJournal, hashes, read
from sweeper.locks import held
from sweeper.ports import Clock, TrainingApi
from sweeper.release import Releaser, Unreleased
from sweeper.tracking.files import write_atomically


def state_folder() -> Path:
    """Where sweeper keeps what belongs to the user and not to a project."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "sweeper"


@dataclass
class LocalEngine:
    """The clients of a local engine. Every call makes sure that it is this folder's engine that answers.

    That costs about a millisecond. An engine that was killed is started again, and another one that happens to
    listen where it was is never believed.
    """

    folder: Path
    options: Mapping[str, Any]
    _url: str = ""
    _made: Clients | None = None

    def __call__(self) -> Clients:
        """The clients of the engine that runs now. Raises EngineError when none can be started."""
        info = launch.ensure(self.folder, dict(self.options))
        if self._made is None or info.url != self._url:
            self._url, self._made = info.url, Clients(Endpoint.local(info.url, info.region))
        return self._made


@dataclass(frozen=True)
class Account:
    """How to reach the service that holds a sweep's pools; never a credential."""

    engine: str
    region: str
    profile: str | None = None
    engine_folder: str = ""
    engine_options: Mapping[str, Any] = field(default_factory=dict)

    def api(self) -> TrainingApi:
        """The service; the local engine is started when it is asked."""
        if self.engine == EngineKind.LOCAL.value:
            return SageMakerApi(LocalEngine(Path(self.engine_folder), self.engine_options))
        clients = Clients(Endpoint(region=self.region, profile=self.profile))
        return SageMakerApi(lambda: clients)

    @property
    def gone(self) -> bool:
        """True when the local engine's state was removed: with it every job and pool it had."""
        return self.engine == EngineKind.LOCAL.value and not Path(self.engine_folder).exists()


@dataclass(frozen=True)
class Debt:
    """A sweep that may have an open pool."""

    sweep: str
    folder: str
    account: Account
    settings: EngineSettings
    owner: str = ""
    head: str = ""
    open: bool = True

    @property
    def journal(self) -> Path:
        """The sweep's journal."""
        return Path(self.folder) / "journal.db"

    def chain(self) -> Chain:
        """What the journal says. Raises JournalError."""
        return fold(event for _, event in read(self.journal))

    def to_json(self) -> str:
        """The debt as JSON."""
        return json.dumps(self, default=vars, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Debt:
        """The debt of this JSON. Raises ValueError, KeyError or TypeError when it is none."""
        told = json.loads(text)
        return cls(**{**told, "account": Account(**told["account"]), "settings": EngineSettings(**told["settings"])})


class Registry:
    """The debts of one user, across projects."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "debts"

    def record(self, debt: Debt) -> None:
        """Remember it. Raises OSError."""
        write_atomically(self._path(debt.folder), debt.to_json())

    def settle(self, folder: str) -> None:
        """Nothing is owed any more; the newest hash of the journal is still remembered."""
        debt = self.find(folder)
        if debt and debt.open:
            self.record(replace(debt, open=False))

    def forget(self, folder: str) -> None:
        """The sweep's folder was removed: nothing is remembered of its journal."""
        self._path(folder).unlink(missing_ok=True)

    def begin_anew(self, folder: str) -> None:
        """The journal of this folder was removed on purpose: its newest hash is not asked for any more."""
        known = self.find(folder)
        if known and known.head:
            self.record(replace(known, head=""))

    def find(self, folder: str) -> Debt | None:
        """What is remembered of this sweep folder, None when nothing is."""
        return _load(self._path(folder))

    def __iter__(self) -> Iterator[Debt]:
        """Every open debt."""
        known = (_load(path) for path in sorted(self._folder.glob("*.json")))
        return (debt for debt in known if debt and debt.open)

    def _path(self, folder: str) -> Path:
        return self._folder / f"{hashlib.sha256(folder.encode()).hexdigest()[:16]}.json"


def _load(path: Path) -> Debt | None:
    try:
        return Debt.from_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError):
        return None  # a torn or foreign file tells of no debt that could be settled


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


def verify_head(debt: Debt | None, journal: Path) -> None:
    """Refuse a journal that has lost rows since the registry last heard of it. Raises JournalError."""
    if debt and debt.head and journal.exists() and debt.head not in hashes(journal):
        raise JournalError(
            f"{journal}: rows are missing at its end: an older copy was put back, or it was replaced. "
            "`sweeper pools release` closes the pools; then remove the sweep's folder to begin anew"
        )


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
