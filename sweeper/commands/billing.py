"""What is or may be billing: pools as the services show them, and jobs that our records do not know closed."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import inf
from pathlib import Path

from sweeper.aws.clients import Endpoint
from sweeper.commands.say import complain
from sweeper.core.chain import Chain
from sweeper.core.machines import selected
from sweeper.core.outcome import fingerprint_of
from sweeper.core.ports import Clock, Description, TrainingApi
from sweeper.core.scope import EngineKind
from sweeper.core.words import utc
from sweeper.errors import SweeperError
from sweeper.run import finding
from sweeper.run.clock import SystemClock
from sweeper.run.connect import engine_folder
from sweeper.run.debts import on_record
from sweeper.run.registry import Account, Debt, Registry

LOOK_S = 5.0
"""Seconds for which an account's jobs are looked through for pools that are not ours; ours are known by their tag."""


@dataclass(frozen=True)
class Pool:
    """One pool that is or may be billing. `project`: the folder it was started from; None when nothing here tells."""

    job: str
    status: str
    instance_type: str | None
    since: str | None
    owner: str | None
    ours: bool
    engine: str
    sweep: str | None
    project: str | None

    @property
    def idle(self) -> bool:
        """True when no job runs on it."""
        return self.status == "Available"


@dataclass(frozen=True)
class Unasked:
    """A service that could not be asked, and the jobs that may bill there."""

    account: Account
    why: str
    jobs: tuple[str, ...]

    def __str__(self) -> str:
        known = f": {', '.join(self.jobs)} may have an open pool" if self.jobs else ""
        return f"{place(self.account)} could not be asked ({self.why}){known}"


def place(account: Account) -> str:
    """A service in words."""
    if not account.on_aws:
        return f"the local engine of {project_of(account)}"
    profile = f" with the profile {account.profile}" if account.profile else ""
    at = f" at {account.endpoint}" if account.endpoint else ""
    return f"AWS{' account ' * bool(account.number)}{account.number} in {account.region or 'no region'}{profile}{at}"


def project_of(account: Account) -> str | None:
    """The project whose local engine this is."""
    return str(Path(account.engine_folder).parents[1]) if account.engine_folder else None


Shown = tuple[Account, TrainingApi, Pool, Description]
"""A job as a service shows it, how that is reached, and what is known of its pool."""


def named(engine: str | None, region: str | None, profile: str | None) -> Iterator[Account]:
    """AWS, when it is named."""
    if (engine and EngineKind(engine).on_aws) or region or profile:
        where = Endpoint(region=region, profile=profile).known_region
        yield Account(EngineKind.AWS.value, where, profile)


@dataclass
class Books:
    """What this user's registry knows, and the project that asks. `everywhere`: of all projects, not this one alone."""

    registry: Registry
    project: Path
    everywhere: bool
    named: Sequence[Account] = ()
    """Services to ask whether we know of a debt there or not."""
    engine: str | None = None
    """Only services of this kind."""
    unasked: list[Unasked] = field(default_factory=list)
    """What could not be asked so far."""
    cut_off: list[tuple[Account, int]] = field(default_factory=list)
    """The accounts that had more jobs than there was time to look through, and how many were."""
    look_s: float = LOOK_S
    clock: Clock = field(default_factory=SystemClock)
    _ways: dict[tuple[str, ...], Account] = field(default_factory=dict)
    """The way to each service that has answered: the same account may be known by several profiles."""

    @cached_property
    def debts(self) -> list[Debt]:
        """Every open debt of the user whose service there still is."""
        return [debt for debt in self.registry if not debt.account.gone and self.engine in (None, debt.account.engine)]

    @cached_property
    def chains(self) -> dict[str, Chain]:
        """What is known of each debt's jobs, by its folder. A journal that cannot be read is told when in question."""
        asked = {debt.folder for debt in self.in_question}
        return {
            debt.folder: on_record(debt, complain) if debt.folder in asked else on_record(debt) for debt in self.debts
        }

    @cached_property
    def jobs(self) -> dict[str, Debt]:
        """Every job that a debt names, and its debt."""
        return {name: debt for debt in self.debts for name in self.chains[debt.folder].debts}

    def is_here(self, debt: Debt) -> bool:
        """Is this a sweep of the project that asks?"""
        return Path(debt.folder).parent == self.project / "runs"

    @property
    def in_question(self) -> list[Debt]:
        """The debts that are asked about."""
        return [debt for debt in self.debts if self.everywhere or self.is_here(debt)]

    @property
    def elsewhere(self) -> list[Debt]:
        """The debts that are not."""
        return [debt for debt in self.debts if not self.everywhere and not self.is_here(debt)]

    @cached_property
    def accounts(self) -> list[list[Account]]:
        """The services to ask, each once with the ways to it.

        They are this project's engine, the named ones, and those of the debts in question.
        """
        local = engine_folder(self.project)
        own = [Account(EngineKind.LOCAL.value, "us-east-1", engine_folder=str(local))] if local.exists() else []
        ways: dict[tuple[str, ...], dict[str | None, Account]] = {}
        for account in [*own, *map(_numbered, self.named), *(debt.account for debt in self.in_question)]:
            if self.engine in (None, account.engine):
                ways.setdefault(_service(account), {}).setdefault(account.profile, account)
        return [list(by_profile.values()) for by_profile in ways.values()]

    def silent(self, account: Account) -> bool:
        """Could it not be asked before?"""
        return any(_service(entry.account) == _service(account) for entry in self.unasked)

    def reach(self, account: Account) -> TrainingApi | None:
        """The service, the way it has answered before, if it has. As `Account.running_api`."""
        way = self._ways.get(_service(account), account)
        return replace(way, queue=account.queue).running_api()

    def live(self) -> Iterator[Shown]:
        """Every pool that a service shows: ours, and of the others as many as there is time for (see `cut_off`)."""
        for ways in self.accounts:
            yield from self._ask(ways, self._pools)

    def jobs_named(self, names: Collection[str]) -> Iterator[Shown]:
        """These jobs, as the services describe them: whatever else there is in an account is not looked through."""
        for ways in self.accounts:
            yield from self._ask(ways, lambda account, api: self._described(api, names))

    def _pools(self, account: Account, api: TrainingApi) -> list[Description]:
        most_s, pause_s = (self.look_s, finding.PAUSE_S) if account.on_aws else (inf, 0.0)
        newest = finding.Newest(api, self.clock, most_s, pause_s)
        found = list(finding.pools(newest, [f"{owner}/" for owner in sorted(self._owners(account))]))
        if newest.cut_off:
            self.cut_off.append((account, newest.seen))
        return found

    def _described(self, api: TrainingApi, names: Collection[str]) -> list[Description]:
        found = (finding.described(api, self.clock, name) for name in sorted(names))
        return [description for description in found if description]

    def _ask(
        self, ways: Sequence[Account], look: Callable[[Account, TrainingApi], list[Description]]
    ) -> Iterator[Shown]:
        """What one service shows, by the first way to it that answers.

        One that cannot be asked hides none of the others: it is in `unasked`.
        """
        failures = []
        for account in ways:
            try:
                api = account.running_api()
                shown = look(account, api) if api else []
            except Exception as error:  # noqa: BLE001 - a profile that is gone, no credentials, no network
                failures.append((account, str(error)))
                continue
            self._ways[_service(account)] = account
            for description in shown if api else ():
                assert api is not None
                yield account, api, self.pool(account, description), description
            return
        account, why = failures[0]
        owed = tuple(name for name, debt in self.jobs.items() if _service(debt.account) == _service(account))
        self.unasked.append(Unasked(account, why, owed))

    def pool(self, account: Account, description: Description) -> Pool:
        """What a job's description tells of its pool."""
        name, mark = str(description["TrainingJobName"]), fingerprint_of(description)
        parts = mark.rsplit("/", 3)
        owner, sweep = (parts[0], parts[1]) if len(parts) == 4 else (None, None)
        since = description.get("TrainingEndTime") or description.get("CreationTime")
        return Pool(
            job=name,
            status=str((description.get("WarmPoolStatus") or {}).get("Status", "")),
            instance_type=selected(description) or description.get("ResourceConfig", {}).get("InstanceType"),
            since=utc(since.timestamp()) if since else None,
            owner=owner,
            ours=owner in self._owners(account),
            engine=account.engine,
            sweep=sweep,
            project=project_of(account) or self._project(name, sweep),
        )

    def owed(self, debt: Debt, name: str) -> Pool:
        """What is known of a job whose pool was not seen closed, and that no service shows a pool of."""
        home = str(Path(debt.folder).parents[1])
        return Pool(name, "unknown", None, None, None, True, debt.account.engine, debt.sweep, home)

    def strange(self, pool: Pool) -> bool:
        """Is it of another project, or of one that nothing here tells?"""
        return not self.everywhere and pool.project != str(self.project)

    def _project(self, name: str, sweep: str | None) -> str | None:
        """The project of a job on AWS: that of the debt that names it, or this one when it has run such a sweep."""
        if debt := self.jobs.get(name):
            return str(Path(debt.folder).parents[1])
        ran_here = sweep and any((self.project / "runs").glob(f"{sweep}@*"))
        return str(self.project) if ran_here else None

    def _owners(self, account: Account) -> set[str]:
        """Who we are, in the words that our jobs' fingerprints use."""
        named = {debt.owner for debt in self.debts} | {os.environ.get("SWEEPER_OWNER", "")}
        if not account.on_aws:
            return (named | {getpass.getuser()}) - {""}
        with suppress(SweeperError):
            named.add(account.caller.person)
        return named - {""}


def _service(account: Account) -> tuple[str, ...]:
    """Which service answers for an account, whoever asks, and through whatever queue its jobs went."""
    asked = "" if account.number else account.profile or ""
    return account.engine, account.region, account.number, asked, account.engine_folder


def _numbered(account: Account) -> Account:
    """A service that was named, with the number of its account; as it is where nobody tells."""
    with suppress(SweeperError):
        return replace(account, number=account.caller.account)
    return account
