"""From a sweep's engine to something that answers: the scope, the owner and clients that are made when first used."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweeper.aws.clients import Clients, Endpoint
from sweeper.core.job import OWNER, OWNER_SAYS
from sweeper.core.model import Sweep
from sweeper.core.options import declared, from_section
from sweeper.core.scope import EngineKind, Scope
from sweeper.core.waits import Waits
from sweeper.errors import UsageError
from sweeper.record.atomic import write_atomically
from sweeper.run.registry import Account, Debt, LocalEngine, Registry, state_folder, state_of

if TYPE_CHECKING:
    from collections.abc import Mapping

LOCAL_ACCOUNT, LOCAL_REGION = "123456789012", "us-east-1"


def engine_folder(project: Path) -> Path:
    """Where the local engine of a project keeps its state."""
    return project / ".sweeper" / "engine"


@dataclass
class Connection:
    """One engine. Nothing is started or asked before something needs it."""

    scope: Scope
    owner: str
    clients: Callable[[], Clients]
    """The clients; the local engine is started by the first call, and again when it was killed."""
    service: Callable[[], str] = lambda: ""
    """Which state of the local engine answers now: another one when its folder was removed. Empty for AWS."""
    endpoint: str = ""
    """The URL that answers, where it is not AWS's own; empty for the local engine too."""
    profile: str | None = None
    """The AWS profile whose credentials these are; None for those that come from elsewhere."""


def connect(sweep: Sweep, *, reading: bool = False) -> Connection:
    """The connection that a sweep's `engine` asks for. Raises UsageError without credentials or a region.

    `reading`: nothing is written, not even the name of a local engine's state.
    """
    if not sweep.engine.on_aws:
        return local(Path(sweep.project), sweep.engine_options, sweep.owner, reading=reading)
    return aws(sweep.engine_options, sweep.owner)


def reconnect(folder: Path, config: Mapping[str, Any]) -> Connection:
    """The connection of a sweep that has run, by its folder and its stored configuration. Raises UsageError.

    The local engine is started when it is asked; an account must be the one that the folder is named after.
    """
    options, owner = dict(config.get("engine") or {}), _text(config.get("owner"))
    _, scope = Scope.of(folder.name)
    if not scope.engine.on_aws:
        return local(folder.parent.parent, options, owner, reading=True)
    connection = aws({**options, "region": scope.region}, owner)
    if connection.scope.account != scope.account:
        raise UsageError(
            f"{folder.name}: these credentials are of account {connection.scope.account}; take those of {scope.account}"
        )
    return connection


def account_of(folder: Path, options: Mapping[str, Any], queue: str = "") -> Account:
    """How to reach the service of a sweep that has run. Nobody is asked.

    The way by which it was reached, where this user's registry knows of it, else by its folder and stored `engine`.
    """
    _, scope = Scope.of(folder.name)
    if not scope.engine.on_aws:
        engine = engine_folder(folder.absolute().parent.parent)
        return Account(scope.engine.value, LOCAL_REGION, engine_folder=str(engine), queue=queue)
    if debt := Registry(state_folder()).find(str(folder.absolute())):
        return replace(debt.account, queue=queue)
    profile = from_section(Endpoint, options).profile
    return Account(scope.engine.value, scope.region, profile, number=scope.account, queue=queue)


def debt_of(connection: Connection, sweep: Sweep, folder: Path) -> Debt:
    """What closes a sweep's pools without its experiment file."""
    scope, through = connection.scope, sweep.backend.through
    on_aws = scope.engine.on_aws
    account = Account(
        engine=scope.engine.value,
        region=scope.region,
        profile=connection.profile,
        number=scope.account if on_aws else "",
        engine_folder="" if on_aws else str(engine_folder(Path(sweep.project).absolute())),
        queue=through.queue if through else "",
        endpoint=connection.endpoint,
    )
    return Debt(sweep.name, str(folder), account, sweep.waits, connection.owner)


def local(project: Path, options: Mapping[str, object], owner: str | None, *, reading: bool = False) -> Connection:
    """The embedded engine of this project."""
    from sweeper.engine.settings import placed  # who asks an account needs none of it

    # What is ours to know (how often to look, how long to wait) is not the engine's.
    ours = {"kind", *declared(Waits)}
    theirs = placed({key: value for key, value in options.items() if key not in ours}, project)

    named = _owner(owner) or _user()
    scope = Scope(EngineKind.LOCAL, LOCAL_ACCOUNT, LOCAL_REGION)
    engine = LocalEngine(engine_folder(project), theirs)
    if reading:
        return Connection(scope, named, engine)
    folder = engine_folder(project)
    for made in (folder.parent, folder):
        with suppress(OSError):
            made.chmod(0o700)  # an earlier version has made them for everybody
    return Connection(scope, named, engine, State(folder, _identity(folder)))


def _owner(said: str | None) -> str | None:
    """Who somebody said it is. Raises UsageError for what no tag takes."""
    named = said or os.environ.get("SWEEPER_OWNER") or None
    if named and not re.match(OWNER, named):
        raise UsageError(f"owner, or the variable SWEEPER_OWNER: {named!r} {OWNER_SAYS}")
    return named


def _user() -> str:
    import getpass

    return re.sub(r"[^\w .:/=+@-]", "-", getpass.getuser())


@dataclass
class State:
    """The name of the state that a local engine's folder has now; the last known one while that cannot be said."""

    folder: Path
    known: str

    def __call__(self) -> str:
        """Look, and give a folder that was removed another name."""
        with suppress(OSError):
            self.known = _identity(self.folder)
        return self.known


def _identity(folder: Path) -> str:
    """The name of an engine folder's state, given to it once."""
    if named := state_of(folder):
        return named
    write_atomically(folder / "identity", uuid.uuid4().hex)
    with suppress(OSError):
        folder.chmod(0o700)  # an engine may have been there first
    return state_of(folder)


def aws(options: Mapping[str, object], owner: str | None) -> Connection:
    """A real account (or whatever AWS_ENDPOINT_URL points at), by boto3's own configuration."""
    asked = from_section(Endpoint, options)
    region = asked.known_region
    if not region:
        raise UsageError("engine=aws: no region; set AWS_REGION, a profile's region or engine.region")
    clients = Clients(replace(asked, region=region))
    caller = clients.caller
    named = _owner(owner) or caller.person
    scope = Scope(EngineKind.AWS, caller.account, region)
    return Connection(scope, named, lambda: clients, endpoint=clients.own_endpoint, profile=clients.profile)


def _text(value: object) -> str | None:
    return None if value is None else str(value)
