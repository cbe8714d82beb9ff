"""`sweeper pools`: every pool that is or may be billing, and closing those that are ours (R16)."""

from __future__ import annotations

import argparse
import getpass
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sweeper.aws.batch import training_api
from sweeper.aws.clients import Clients, Endpoint
from sweeper.clock import SystemClock
from sweeper.commands.say import complain, tell, warn_unreleased
from sweeper.config import project
from sweeper.connect import engine_folder
from sweeper.core import events as ev
from sweeper.core.chain import Job
from sweeper.core.model import EngineKind, EngineSettings
from sweeper.core.outcome import fingerprint_of
from sweeper.core.results import utc
from sweeper.engine import launch
from sweeper.errors import ApiError, ApiErrorKind, LockHeldError, UsageError
from sweeper.locks import held
from sweeper.ports import Description, TrainingApi
from sweeper.registry import Account, Debt, Registry, state_folder
from sweeper.release import Releaser, Unreleased

LIVE = ("InUse", "Available")
RUNNING = ("InProgress", "Stopping")
ONE_REQUEST_S = 1.0
"""ListTrainingJobs has a fixed quota of about two requests a second for the whole account."""


@dataclass(frozen=True)
class Pool:
    """One pool that is or may be billing."""

    job: str
    status: str
    instance_type: str
    since: str | None
    owner: str
    ours: bool
    engine: str

    @property
    def idle(self) -> bool:
        """True when no job runs on it."""
        return self.status == "Available"


def main(arguments: Sequence[str]) -> int:
    """List or release; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="sweeper pools",
        description="Every warm pool that is or may be billing: those of the services asked and those of our journals.",
    )
    parser.add_argument("action", nargs="?", choices=["list", "release"], default="list")
    parser.add_argument("job", nargs="*", help="release only the pools of these jobs, stopping those that still train")
    parser.add_argument("--all-mine", action="store_true", help="also stop your jobs that still train on a pool")
    parser.add_argument("--engine", choices=["local", "aws"], help="where to look (default: where there are debts)")
    parser.add_argument("--region", help="the AWS region")
    parser.add_argument("--profile", help="the AWS profile")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    options = parser.parse_args(arguments)
    accounts = list(_accounts(options))
    if options.action == "list":
        return _list(accounts, as_json=options.json)
    if options.job and options.all_mine:
        raise UsageError("pools release: name the jobs or say --all-mine, not both")
    return _release(accounts, set(options.job), everything=options.all_mine, as_json=options.json)


def _accounts(options: argparse.Namespace) -> Iterator[Account]:
    """The services that may hold a pool of ours: this project's engine, every debt's, and AWS when it is named."""
    seen = set()
    local = engine_folder(project.find(os.environ, Path.cwd()))
    named = [Account(EngineKind.LOCAL.value, "us-east-1", engine_folder=str(local))] if local.exists() else []
    if options.engine == EngineKind.AWS.value or options.region or options.profile:
        region = options.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or ""
        named.append(Account(EngineKind.AWS.value, region, options.profile))
    for account in [*named, *(debt.account for debt in Registry(state_folder()))]:
        key = (account.engine, account.region, account.profile, account.engine_folder)
        wanted = options.engine in (None, account.engine)
        if key not in seen and wanted and not account.gone:
            seen.add(key)
            yield account


def _api(account: Account) -> TrainingApi | None:
    """The service; None when it is a local engine that does not run and so holds no pool that costs anything."""
    if account.engine == EngineKind.LOCAL.value:
        running = launch.find(Path(account.engine_folder))
        if running is None:
            return None
        clients = Clients(Endpoint.local(running))
        return training_api(lambda: clients, account.queue)
    return account.api()


def _found(account: Account, api: TrainingApi) -> Iterator[tuple[Pool, Description]]:
    clock = SystemClock()
    for status in LIVE:
        for summary in api.list_training_jobs(WarmPoolStatusEquals=status, MaxResults=100):
            description = _described(api, str(summary["TrainingJobName"]), clock)
            if description:
                yield _pool(account, description), description


def _described(api: TrainingApi, name: str, clock: SystemClock) -> Description | None:
    while True:
        try:
            return api.describe_training_job(name)
        except ApiError as error:
            if error.kind is ApiErrorKind.NOT_FOUND:
                return None
            if error.kind is not ApiErrorKind.THROTTLED:
                raise
            clock.sleep(ONE_REQUEST_S)


def _owners(account: Account) -> set[str]:
    """Who we are, in the words that our jobs' fingerprints use."""
    named = {debt.owner for debt in Registry(state_folder())} | {os.environ.get("SWEEPER_OWNER", "")}
    local = {getpass.getuser()} if account.engine == EngineKind.LOCAL.value else set()
    return (named | local) - {""}


def _pool(account: Account, description: Mapping[str, Any]) -> Pool:
    mark = fingerprint_of(description)
    owner = mark.rsplit("/", 3)[0] if mark.count("/") >= 3 else ""
    since = description.get("TrainingEndTime") or description.get("CreationTime")
    return Pool(
        job=str(description["TrainingJobName"]),
        status=str((description.get("WarmPoolStatus") or {}).get("Status", "")),
        instance_type=str(description.get("ResourceConfig", {}).get("InstanceType", "")),
        since=utc(since.timestamp()) if since else None,
        owner=owner,
        ours=owner in _owners(account),
        engine=account.engine,
    )


def _list(accounts: Iterable[Account], *, as_json: bool) -> int:
    pools: list[Pool] = []
    for account in accounts:
        api = _api(account)
        pools += [pool for pool, _ in _found(account, api)] if api else []
    known = {pool.job for pool in pools}
    unseen = [(debt, name) for debt in Registry(state_folder()) for name in _owed(debt) if name not in known]
    if as_json:
        told = [asdict(pool) for pool in pools]
        told += [
            {"job": name, "status": "unknown", "instance_type": None, "since": None, "owner": None, "ours": True,
             "engine": debt.account.engine}
            for debt, name in unseen
        ]  # fmt: skip
        tell(json.dumps({"pools": told}))
        return 0
    for pool in pools:
        whose = f"owner {pool.owner or 'unknown'}" + ("" if pool.ours else ", not yours")
        tell(f"{pool.job}  {pool.status}  {pool.instance_type}  since {pool.since}  {whose}  ({pool.engine})")
    for debt, name in unseen:
        tell(f"{name}  not observed closed yet  sweep {debt.sweep} in {debt.folder}")
    if not pools and not unseen:
        tell("no pool is open")
    return 0


def _owed(debt: Debt) -> list[str]:
    try:
        return [] if debt.account.gone else [job.name for job in debt.chain().debts_newest_first]
    except Exception as error:  # noqa: BLE001 - a damaged journal must not hide the other pools
        complain(f"warning: {error}")
        return []


def _release(accounts: Iterable[Account], names: set[str], *, everything: bool, as_json: bool) -> int:
    """Close every idle pool of ours, or the named ones, or also those still in use, and verify it."""
    failed: list[Unreleased] = []
    released: list[str] = []
    clock = SystemClock()
    with clock.listening():
        for account in accounts:
            api = _api(account)
            if api is None:
                continue
            for pool, description in list(_found(account, api)):
                if names and pool.job not in names:
                    continue
                if not pool.ours:
                    complain(f"{pool.job} is not yours ({pool.owner or 'no fingerprint'}); nothing of it was touched")
                    continue
                if not (pool.idle or everything or names):
                    complain(f"{pool.job} still trains; name it, or say --all-mine, to stop it")
                    continue
                problem = _close(account, api, description, clock)
                failed += [problem] if problem else []
                released += [] if problem else [pool.job]
        if names or everything:
            done = {*released, *(pool.name for pool in failed)}
            for account, api, description in _without_pool(clock):
                name = str(description["TrainingJobName"])
                if name in done or (names and name not in names):
                    continue
                problem = _close(account, api, description, clock)
                failed += [problem] if problem else []
                released += [] if problem else [name]
    for debt in Registry(state_folder()):
        if debt.account.gone or not _open_jobs(debt):
            Registry(state_folder()).settle(debt)
    if as_json:
        tell(json.dumps({"released": released, "failed": [asdict(pool) for pool in failed]}))
    else:
        tell("\n".join(f"{name}: closed" for name in released) or "nothing to release")
    return warn_unreleased(failed)


def _without_pool(clock: SystemClock) -> Iterator[tuple[Account, TrainingApi, Description]]:
    """Our jobs that run, or wait in a queue, whether they hold a pool or not."""
    for debt in Registry(state_folder()):
        api = None if debt.account.gone else _api(debt.account)
        if api is None:
            continue
        for name in _owed(debt):
            description = _described(api, name, clock)
            if description and description["TrainingJobStatus"] in RUNNING and _pool(debt.account, description).ours:
                yield debt.account, api, description


def _open_jobs(debt: Debt) -> bool:
    """True while the service still shows a pool of this sweep, or cannot be asked."""
    api = _api(debt.account)
    for name in _owed(debt) if api else ():
        assert api is not None
        try:
            status = api.describe_training_job(name)
        except ApiError as error:
            if error.kind is not ApiErrorKind.NOT_FOUND:
                return True
            continue
        if status["TrainingJobStatus"] in RUNNING:
            return True
        if (status.get("WarmPoolStatus") or {}).get("Status") in LIVE:
            return True
    return False


def _close(account: Account, api: TrainingApi, description: Mapping[str, Any], clock: SystemClock) -> Unreleased | None:
    """Close one job's pool, whatever its journal says; a live runner's is left to it."""
    name = str(description["TrainingJobName"])
    mark = fingerprint_of(description)
    keep_alive = int(description.get("ResourceConfig", {}).get("KeepAlivePeriodInSeconds") or 0)
    most = int(description.get("StoppingCondition", {}).get("MaxRuntimeInSeconds") or 0)
    job = Job(ev.Intent(name, "", 0, name, {}, 1, mark, keep_alive, most, ""), acknowledged=True)

    def note(event: ev.Event) -> None:
        if isinstance(event, ev.PoolClosed):
            job.closed = ev.Closed(event.how)

    releaser = Releaser(
        api=api,
        clock=clock,
        settings=EngineSettings(poll_s=0.1 if account.engine == EngineKind.LOCAL.value else 2.0),
        note=note,
        say=complain,
        harvest=lambda job, description: ev.Outcome(job.name, "", ev.TrialStatus.INTERRUPTED.value),
        is_own=lambda other: True,
        region=account.region if account.engine == EngineKind.AWS.value else "",
        impatient=lambda: len(clock.caught) > 1,
    )
    debt = next((d for d in Registry(state_folder()) if name in _owed(d)), None)
    if debt is None:
        return _first(releaser.close_all([job]))
    try:
        with held(Path(debt.folder) / ".lock", f"the sweep {debt.sweep}", clock.now()):
            return _first(releaser.close_all([job]))
    except LockHeldError as error:
        return Unreleased(name, f"its sweep is running; stop that instead ({error})")


def _first(failed: Sequence[Unreleased]) -> Unreleased | None:
    return failed[0] if failed else None
