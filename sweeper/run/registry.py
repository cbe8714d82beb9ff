"""The registry of debts: which sweeps of this user may still have an open pool. Cheap to import and to ask.

It holds one small JSON file per sweep folder: how its engine is reached and the newest hash of its journal.
It is written before the first job of a sweep can exist and removed when every pool was observed closed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweeper.core.scope import EngineKind
from sweeper.core.waits import Waits
from sweeper.core.words import aws_flags
from sweeper.errors import EngineError, JournalError, SweeperError
from sweeper.record.atomic import write_atomically

if TYPE_CHECKING:
    from sweeper.aws.clients import Caller, Clients
    from sweeper.core.chain import Chain
    from sweeper.core.events import Intent
    from sweeper.core.ports import TrainingApi
    from sweeper.core.queued import QueueOptions
    from sweeper.engine.launch import EngineInfo
    from sweeper.run.pace import Pace


def state_folder() -> Path:
    """Where sweeper keeps what belongs to the user and not to a project."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "sweeper"


def state_of(engine_folder: Path) -> str:
    """The name of a local engine's state; empty when there is none, or it has none yet.

    Raises OSError when it cannot be read: that says nothing of whether it is there.
    """
    with suppress(FileNotFoundError):
        return (engine_folder / "identity").read_text(encoding="ascii")
    return ""


@dataclass
class LocalEngine:
    """The clients of a local engine. Every call makes sure that it is this folder's engine that answers.

    That costs little: its lock and its name are looked at. An engine that was killed is started again, and another
    one that happens to listen where it was is never believed.
    """

    folder: Path
    options: Mapping[str, Any]
    _info: EngineInfo | None = None
    _made: Clients | None = None

    def __call__(self) -> Clients:
        """The clients of the engine that runs now. Raises EngineError when none can be started."""
        from sweeper.engine import launch

        before = self._info
        lives = before is not None and launch.still_runs(self.folder, before)
        info = before if before and lives else launch.ensure(self.folder, dict(self.options))
        if self._made is None or info != before:
            from sweeper.aws.clients import Clients, Endpoint

            self._made = Clients(Endpoint.local(info))
        self._info = info
        return self._made


@cache
def _clients(region: str, profile: str | None) -> Clients:
    """The clients of AWS by this profile, one set for this process: they know who signs."""
    from sweeper.aws.clients import Clients, Endpoint

    return Clients(Endpoint(region=region or None, profile=profile))


@dataclass(frozen=True)
class Account:
    """How to reach the service that holds a sweep's pools; never a credential."""

    engine: str
    region: str
    profile: str | None = None
    """The profile whose credentials were used; None for those that come from elsewhere."""
    number: str = ""
    """The account's number, of 12 digits; empty where nobody has asked yet, and for the local engine."""
    engine_folder: str = ""
    engine_options: Mapping[str, Any] = field(default_factory=dict)
    queue: str = ""  # of AWS Batch, through which the jobs went
    endpoint: str = ""
    """The URL that answered, where it was not AWS's own: a served engine, for example."""

    @property
    def on_aws(self) -> bool:
        """Do its jobs run in an account, where they are paid for?"""
        return self.engine != EngineKind.LOCAL.value

    @property
    def flags(self) -> str:
        """How the AWS CLI is told of it: region and profile; empty for the local engine."""
        return aws_flags(self.region, self.profile) if self.on_aws else ""

    @property
    def caller(self) -> Caller:
        """Who asks AWS for it. Raises ApiError."""
        return _clients(self.region, self.profile).caller

    @property
    def strange_caller(self) -> str:
        """Why nothing can be asked with these credentials, in words; empty where they are of the account, or silent."""
        with suppress(SweeperError):
            if self.on_aws and self.number and (why := self.caller.not_of(self.number)):
                return f"{why} at {self.endpoint}" if self.endpoint else why
        return ""

    def clients(self) -> Callable[[], Clients]:
        """The service; a local engine is started when it is asked."""
        if not self.on_aws:
            return LocalEngine(Path(self.engine_folder), self.engine_options)
        return lambda: _clients(self.region, self.profile)

    def running(self) -> Callable[[], Clients] | None:
        """The service; None when it is a local engine that does not run and so holds no pool that costs anything.

        Raises EngineError for one that lives and does not answer: nobody knows what it holds.
        """
        if self.on_aws:
            return self.clients()
        from sweeper.aws.clients import Clients, Endpoint
        from sweeper.engine import launch

        folder = Path(self.engine_folder)
        engine = launch.find(folder)
        if engine is None and launch.lives(folder):
            raise EngineError(f"the local engine lives and does not answer (see {folder / 'engine.log'})")
        made = Clients(Endpoint.local(engine)) if engine else None
        return (lambda: made) if made else None

    def api(self) -> TrainingApi:
        """What answers for its jobs; a local engine is started when it is asked."""
        return self.through(self.clients(), self.queue)

    def running_api(self) -> TrainingApi | None:
        """What answers for its jobs now, as `running`."""
        clients = self.running()
        return self.through(clients, self.queue) if clients else None

    def through(self, clients: Callable[[], Clients], queue: QueueOptions | str | None) -> TrainingApi:
        """What answers for its jobs by these clients, and for no other account's."""
        from sweeper.aws.account import OfAccount
        from sweeper.aws.batch import training_api

        service = training_api(clients, queue, self._pace.turn) if self.on_aws else training_api(clients, queue)
        return OfAccount(service, clients, self.number) if self.number else service

    @property
    def _pace(self) -> Pace:
        """What keeps this user's submissions to the account's queues to what Batch takes."""
        from sweeper.run.pace import Pace

        return Pace(state_folder() / "submissions" / f"{self.number or 'account'}.{self.region}.json")

    @property
    def stopped(self) -> bool:
        """True when it is a local engine that does not run: nothing bills there."""
        from sweeper.engine import launch

        return not self.on_aws and not launch.lives(Path(self.engine_folder))

    @property
    def gone(self) -> bool:
        """True when the local engine's state was removed: with it every job and pool it had."""
        return not self.on_aws and not Path(self.engine_folder).exists()

    def lost(self, state: str) -> bool:
        """True when this state of the local engine was removed; what answers there now is another one."""
        with suppress(OSError):
            return not self.on_aws and bool(state) and state_of(Path(self.engine_folder)) != state
        return False


@dataclass(frozen=True)
class Owed:
    """A job whose pool was not seen closed: what closes it when its journal cannot be read."""

    name: str
    fingerprint: str
    keep_alive_s: int
    max_runtime_s: int

    @property
    def intent(self) -> Intent:
        """The job as a journal would have it."""
        from sweeper.core.events import Intent

        return Intent(self.name, "", 0, self.name, {}, 1, self.fingerprint, self.keep_alive_s, self.max_runtime_s, "")


@dataclass(frozen=True)
class Debt:
    """A sweep that may have an open pool. `owed`: its jobs; None where an older version did not write them down."""

    sweep: str
    folder: str
    account: Account
    settings: Waits
    owner: str = ""
    head: str = ""
    open: bool = True
    owed: tuple[Owed, ...] | None = None
    kept_until: float = 0.0
    """Until when its pool is left idle on purpose, under the eyes of a watchdog: UTC seconds since the epoch."""

    @property
    def lock(self) -> Path:
        """The lock of whoever runs the sweep."""
        return Path(self.folder) / ".lock"

    @property
    def journal(self) -> Path:
        """The sweep's journal."""
        return Path(self.folder) / "journal.db"

    def chain(self) -> Chain:
        """What the journal says. Raises JournalError."""
        from sweeper.core.chain import fold
        from sweeper.record.journal import read

        return fold(event for _, event in read(self.journal))

    def to_json(self) -> str:
        """The debt as JSON."""
        return json.dumps(self, default=vars, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Debt:
        """The debt of this JSON. Raises ValueError, KeyError or TypeError when it is none."""
        written = json.loads(text)
        owed = written.get("owed")
        parts = {
            "account": _account(written["account"], Path(written["folder"]).name),
            "settings": Waits(**written["settings"]),
            "owed": None if owed is None else tuple(Owed(**job) for job in owed),
        }
        return cls(**{**written, **parts})


class Registry:
    """The debts of one user, across projects."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "debts"

    def record(self, debt: Debt) -> None:
        """Remember it. Raises OSError."""
        write_atomically(self._path(debt.folder), debt.to_json())

    def settle(self, debt: Debt) -> None:
        """Nothing of this debt is owed any more, unless a runner has added to it; the newest hash is still remembered.

        What cannot be written stays a debt: whoever looks at it next finds it closed.
        """
        newest = self.find(debt.folder)
        if newest and newest.open and newest.head == debt.head:
            with suppress(OSError):
                self.record(replace(newest, open=False, owed=(), kept_until=0.0))

    def forget(self, folder: str) -> None:
        """The sweep's folder was removed: nothing is remembered of its journal."""
        self._path(folder).unlink(missing_ok=True)

    def begin_anew(self, folder: str) -> None:
        """The journal of this folder was removed on purpose: its newest hash is not asked for any more."""
        before = self.find(folder)
        if before and before.head:
            self.record(replace(before, head=""))

    def find(self, folder: str) -> Debt | None:
        """What is remembered of this sweep folder, None when nothing is."""
        return _load(self._path(folder))

    def kept_until(self, folder: str) -> float:
        """Until when the pool of the sweep in this folder is left idle on purpose; 0 when it is not."""
        known = self.find(folder)
        return known.kept_until if known and known.open else 0.0

    def __iter__(self) -> Iterator[Debt]:
        """Every open debt."""
        debts = (_load(path) for path in self._files())
        return (debt for debt in debts if debt and debt.open)

    def unreadable(self) -> list[Path]:
        """The files that tell of no debt any more: one may be open, and nobody knows of which sweep."""
        return [path for path in self._files() if _load(path) is None]

    def _files(self) -> list[Path]:
        try:
            return sorted(self._folder.glob("*.json"))
        except OSError:
            return []

    def _path(self, folder: str) -> Path:
        return self._folder / f"{hashlib.sha256(folder.encode()).hexdigest()[:16]}.json"


def _load(path: Path) -> Debt | None:
    try:
        return Debt.from_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError):
        return None  # a torn or foreign file tells of no debt that could be settled


def _account(told: Mapping[str, Any], folder: str) -> Account:
    """An account as it was written down. Earlier versions left its number to the name of the sweep's folder."""
    known = Account(**told)
    if known.number or known.engine == EngineKind.LOCAL.value:
        return known
    return replace(known, number=folder.rpartition("@")[2].partition(".")[0] if "@" in folder else "")


def verify_head(debt: Debt | None, journal: Path) -> None:
    """Refuse a journal that has lost rows since the registry last heard of it. Raises JournalError."""
    from sweeper.record.journal import hashes

    if debt and debt.head and journal.exists() and debt.head not in hashes(journal):
        raise JournalError(
            f"{journal}: rows are missing at its end: an older copy was put back, or it was replaced. "
            "`sweeper pools release` closes the pools; then remove the sweep's folder to begin anew"
        )
