"""`sweeper pools`: every pool that is or may be billing, and closing those that are ours (R16)."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sweeper.commands.billing import LIVE, Books, Pool, Unasked, described, place, reach
from sweeper.commands.columns import columns
from sweeper.commands.say import BILLING, complain, tell, warn_unreleased
from sweeper.config import project
from sweeper.core import events as ev
from sweeper.core.chain import Job
from sweeper.core.model import EngineKind, EngineSettings
from sweeper.core.outcome import created_with, fingerprint_of
from sweeper.core.ports import Description, TrainingApi
from sweeper.errors import ApiError, ApiErrorKind, LockHeldError, SweeperError, UsageError
from sweeper.record.locks import held_to_close, holder
from sweeper.run.clock import SystemClock
from sweeper.run.registry import Account, Debt, Registry, state_folder
from sweeper.run.release import Releaser, Unreleased

RUNNING = ("InProgress", "Stopping")
HEADER = ("job", "status", "instance type", "since", "sweep", "project", "owner")


def main(arguments: Sequence[str]) -> int:
    """List or release; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="sweeper pools",
        description="Every warm pool of this project that is or may be billing: those of the services asked and those "
        "of our journals.",
        epilog="Exit codes: 3 when a pool could not be seen to close, or a service could not be asked; 2 when nobody "
        "knows a named job; else 0.",
    )
    parser.add_argument("action", nargs="?", choices=["list", "release"], default="list")
    parser.add_argument("job", nargs="*", help="release only the pools of these jobs, stopping those that still train")
    parser.add_argument("--all-mine", action="store_true", help="also stop your jobs that still train on a pool")
    parser.add_argument("--everywhere", action="store_true", help="of all your projects, not of this one alone")
    parser.add_argument("--engine", choices=["local", "aws"], help="where to look (default: where there are debts)")
    parser.add_argument("--region", help="the AWS region")
    parser.add_argument("--profile", help="the AWS profile")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    options = parser.parse_args(arguments)
    if options.job and options.all_mine:
        raise UsageError("pools release: name the jobs or say --all-mine, not both")
    here = project.find(os.environ, Path.cwd()).absolute()
    everywhere = options.everywhere or bool(options.job)
    books = Books(Registry(state_folder()), here, everywhere, list(_named(options)), options.engine)
    if options.action == "list":
        return _list(books, as_json=options.json)
    return _release(books, set(options.job), everything=options.all_mine, as_json=options.json)


def _named(options: argparse.Namespace) -> Iterator[Account]:
    """AWS, when it is named."""
    if options.engine == EngineKind.AWS.value or options.region or options.profile:
        region = options.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or ""
        yield Account(EngineKind.AWS.value, region, options.profile)


# -- list ---------------------------------------------------------------------------------------------------------


def _list(books: Books, *, as_json: bool) -> int:
    found = [pool for _, _, pool, _ in books.live()]
    known = {pool.job for pool in found}
    found += [books.owed(debt, name) for name, debt in _unseen(books, known)]
    shown = [pool for pool in found if not books.strange(pool) or pool.project is None]
    if as_json:
        unasked = [{"service": place(entry.account), "why": entry.why, "jobs": entry.jobs} for entry in books.unasked]
        tell(json.dumps({"pools": [asdict(pool) for pool in shown], "unasked": unasked}))
    elif shown:
        tell("\n".join(columns(HEADER, map(_row, shown))))
    elif not books.unasked:
        tell("no pool is open")
    if len(found) > len(shown) or books.elsewhere:
        complain("pools of other projects of yours may be open too: `sweeper pools --everywhere` shows them")
    return _tell_unasked(books)


def _unseen(books: Books, known: set[str]) -> list[tuple[str, Debt]]:
    """The jobs in question that no service shows a pool of."""
    asked = {id(debt) for debt in books.in_question}
    return [(name, debt) for name, debt in books.jobs.items() if name not in known and id(debt) in asked]


def _row(pool: Pool) -> tuple[str, ...]:
    status = "not observed closed yet" if pool.status == "unknown" else pool.status
    owner = (pool.owner or "") + ("" if pool.ours else " (not yours)")
    told = (pool.job, status, pool.instance_type, pool.since, pool.sweep, pool.project, owner.strip())
    return tuple(word or "" for word in told)


def _tell_unasked(books: Books) -> int:
    """Name what could not be asked or read; returns 3 when there was something."""
    unreadable = books.registry.unreadable()
    for entry in books.unasked:
        complain(str(entry))
    for path in unreadable:
        complain(f"{path} cannot be read; it may have told of an open pool. Remove it when there is none")
    return BILLING if books.unasked or unreadable else 0


# -- release ------------------------------------------------------------------------------------------------------


@dataclass
class Released:
    """What became of the pools so far."""

    closed: list[str] = field(default_factory=list)
    failed: list[Unreleased] = field(default_factory=list)

    def add(self, name: str, problem: Unreleased | None) -> None:
        """One more."""
        if problem:
            self.failed.append(problem)
        else:
            self.closed.append(name)

    def __contains__(self, name: str) -> bool:
        return name in self.closed or any(pool.name == name for pool in self.failed)


def _release(books: Books, names: set[str], *, everything: bool, as_json: bool) -> int:
    """Close every idle pool of ours here, or the named ones, or also those still in use, and verify it."""
    done, clock = Released(), SystemClock()
    with clock.listening():
        for account, api, pool, description in list(books.live()):
            if names and pool.job not in names:
                continue
            if why_not := _why_left(books, pool, forced=everything or bool(names), named=bool(names)):
                complain(why_not)
            else:
                done.add(pool.job, _close(books, account, api, description, clock))
        for debt, api, description in _without_pool(books, done, stopping=everything or bool(names)):
            name = str(description["TrainingJobName"])
            if not names or name in names:
                done.add(name, _close(books, debt.account, api, description, clock))
        unknown = _named_alone(books, names, done, clock)
    _settle(books)
    for entry in books.unasked:
        done.failed += _unreachable(entry, names)
    if as_json:
        tell(json.dumps({"released": done.closed, "failed": [asdict(pool) for pool in done.failed]}))
    else:
        tell("\n".join(f"{name}: closed" for name in done.closed) or "nothing to release")
    for name in unknown:
        complain(f"pools release: no service that was asked knows a training job {name}; see `sweeper pools`")
    code = UsageError.exit_code if unknown else 0
    return max(code, _tell_unasked(books), warn_unreleased(done.failed))


def _why_left(books: Books, pool: Pool, *, forced: bool, named: bool) -> str:
    """Why a pool is not closed, in words; empty when it is to be."""
    if not pool.ours:
        return f"{pool.job} is not yours ({pool.owner or 'no fingerprint'}); nothing of it was touched"
    if books.strange(pool) and not named:
        whose = f"of the project {pool.project}" if pool.project else "of a project that is not known here"
        return f"{pool.job} is {whose}; name it, or say --everywhere, to close it"
    if not (pool.idle or forced):
        return f"{pool.job} still trains; name it, or say --all-mine, to stop it"
    return ""


def _without_pool(books: Books, done: Released, *, stopping: bool) -> Iterator[tuple[Debt, TrainingApi, Description]]:
    """Our jobs that no service shows a pool of: one that has just ended will; one that runs or queues when asked to."""
    for debt in books.in_question:
        if books.silent(debt.account) or (holder(debt.lock) and not stopping):
            continue  # nobody can say, or its runner closes it
        try:
            api = reach(debt.account)
            for name in [name for name, owing in books.jobs.items() if owing is debt and name not in done]:
                description = described(api, name) if api else None
                if api is None or description is None or not books.pool(debt.account, description).ours:
                    continue
                running = description["TrainingJobStatus"] in RUNNING
                if stopping if running else not description.get("WarmPoolStatus"):
                    yield debt, api, description
        except SweeperError:
            continue  # it has answered before: what it owes stays a debt


def _named_alone(books: Books, names: set[str], done: Released, clock: SystemClock) -> list[str]:
    """Close the named jobs that neither a pool nor a debt has told of: each service is asked for them by name.

    Returns those that none knows: what nobody has seen is not said to be closed.
    """
    unknown = []
    for name in sorted(name for name in names if name not in done and name not in books.jobs):
        found = [(account, api, told) for account, api in books.services() if (told := described(api, name))]
        for account, api, told in found:
            if why_not := _why_left(books, books.pool(account, told), forced=True, named=True):
                complain(why_not)
            else:
                done.add(name, _close(books, account, api, told, clock))
        if not found:
            unknown.append(name)
    return unknown


def _unreachable(entry: Unasked, names: set[str]) -> list[Unreleased]:
    """The jobs of a service that could not be asked."""
    region = entry.account.region if entry.account.engine == EngineKind.AWS.value else ""
    asked = [name for name in entry.jobs if not names or name in names]
    return [Unreleased(name, f"its account could not be asked: {entry.why}", region) for name in asked]


def _settle(books: Books) -> None:
    """Strike off the debts of which the service shows nothing open any more."""
    for debt in books.registry:
        if debt.account.gone or not _is_open(books, debt):
            books.registry.settle(debt)


def _is_open(books: Books, debt: Debt) -> bool:
    """True while its service shows a pool or cannot be asked; also where it is not in question, or its runner lives."""
    if (not books.everywhere and not books.is_here(debt)) or holder(debt.lock) or books.silent(debt.account):
        return True
    try:
        api = reach(debt.account)
        return api is not None and any(_is_live(api, name) for name in _names(books, debt))
    except Exception:  # noqa: BLE001 - an account that cannot be asked
        return True


def _names(books: Books, debt: Debt) -> list[str]:
    return [name for name, owing in books.jobs.items() if owing.folder == debt.folder]


def _is_live(api: TrainingApi, name: str) -> bool:
    try:
        shown = api.describe_training_job(name)
    except ApiError as error:
        return error.kind is not ApiErrorKind.NOT_FOUND
    return shown["TrainingJobStatus"] in RUNNING or (shown.get("WarmPoolStatus") or {}).get("Status") in LIVE


def _close(
    books: Books, account: Account, api: TrainingApi, description: Mapping[str, Any], clock: SystemClock
) -> Unreleased | None:
    """Close one job's pool, whatever its journal says; a live runner's is left to it."""
    name, mark = str(description["TrainingJobName"]), fingerprint_of(description)
    keep_alive_s, most_s = created_with(description)
    intent = ev.Intent(name, "", 0, name, {}, 1, mark, keep_alive_s or 0, most_s or 0, "")
    job, debt = Job(intent, acknowledged=True), books.jobs.get(name)

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
    if debt:
        lock, what = debt.lock, f"the sweep {debt.sweep}"
        releaser.turn = lambda: held_to_close(lock, what, clock.now(), "`sweeper pools release`")
    try:
        return next(iter(releaser.close_all([job])), None)
    except LockHeldError as error:
        return Unreleased(name, f"its sweep is running; stop that instead ({error})")
