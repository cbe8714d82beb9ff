"""`sweeper pools`: every pool that is or may be billing, and closing those that are ours (R16)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from typing import TypedDict

from sweeper.commands.billing import LOOK_S, Books, Pool, Unasked, named, place
from sweeper.commands.columns import columns
from sweeper.commands.output import tell_json
from sweeper.commands.parsing import Parser
from sweeper.commands.say import BILLING, complain, tell, warn_unreleased
from sweeper.config import project
from sweeper.core.chain import Job, apply
from sweeper.core.fate import Pool as Shows
from sweeper.core.fate import look
from sweeper.core.ports import Description, TrainingApi
from sweeper.core.waits import Waits
from sweeper.errors import LockHeldError, SweeperError, UsageError
from sweeper.record.locks import holder
from sweeper.run import finding
from sweeper.run.clock import SystemClock
from sweeper.run.debts import Closer, alone, closer_of, what_is_owed
from sweeper.run.registry import Account, Debt, Registry, state_folder
from sweeper.run.release import Running, Unreleased

HEADER = ("job", "status", "instance type", "since", "sweep", "project", "owner")


class NotAsked(TypedDict):
    """A service that could not be asked."""

    service: str
    why: str
    jobs: list[str]
    """Those that may bill there."""


class OpenPools(TypedDict):
    """Every pool that is or may be billing."""

    pools: list[Pool]
    unasked: list[NotAsked]
    """Exit code 3 then: what is there is not known."""


class PoolsReleased(TypedDict):
    """What became of the pools."""

    released: list[str]
    """The jobs whose pool was seen closed."""
    failed: list[Unreleased]
    """Those that may still bill."""


def main(arguments: Sequence[str]) -> int:
    """List or release; returns the exit code."""
    parser = Parser(
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
    parser.add_argument(
        "--all", action="store_true", help="list: look through every job of an account, however long that takes"
    )
    parser.add_argument("--engine", choices=["local", "aws"], help="where to look (default: where there are debts)")
    parser.add_argument("--region", help="the AWS region")
    parser.add_argument("--profile", help="the AWS profile")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    options = parser.parse_intermixed_args(arguments)
    if options.job and options.all_mine:
        raise UsageError("pools release: name the jobs or say --all-mine, not both")
    here = project.here().absolute()
    everywhere = options.everywhere or bool(options.job)
    books = Books(
        Registry(state_folder()),
        here,
        everywhere,
        list(named(options.engine, options.region, options.profile)),
        options.engine,
    )
    books.look_s = inf if options.all else LOOK_S
    if options.action == "list":
        return _list(books, as_json=options.json)
    return _release(books, set(options.job), everything=options.all_mine, as_json=options.json)


# -- list ---------------------------------------------------------------------------------------------------------


def _list(books: Books, *, as_json: bool) -> int:
    pools = [pool for _, _, pool, _ in books.live()]
    known = {pool.job for pool in pools}
    pools += [books.owed(debt, name) for name, debt in _unseen(books, known)]
    shown = [pool for pool in pools if not books.strange(pool) or pool.project is None]
    if as_json:
        unasked: list[NotAsked] = [
            {"service": place(entry.account), "why": entry.why, "jobs": [*entry.jobs]} for entry in books.unasked
        ]
        told: OpenPools = {"pools": shown, "unasked": unasked}
        tell_json(told)
    elif shown:
        tell("\n".join(columns(HEADER, map(_row, shown))))
    elif not books.unasked:
        tell("no pool is open")
    if len(pools) > len(shown) or books.elsewhere:
        complain("pools of other projects of yours may be open too: `sweeper pools --everywhere` shows them")
    for account, seen in books.cut_off:
        complain(
            f"{place(account)} has more jobs than there was time for: besides yours, only the pools of its newest "
            f"{seen} are shown; --all looks through all of them"
        )
    return _tell_unasked(books)


def _unseen(books: Books, known: set[str]) -> list[tuple[str, Debt]]:
    """The jobs in question that no service shows a pool of."""
    asked = {id(debt) for debt in books.in_question}
    return [(name, debt) for name, debt in books.jobs.items() if name not in known and id(debt) in asked]


def _row(pool: Pool) -> tuple[str, ...]:
    status = "not observed closed yet" if pool.status == "unknown" else pool.status
    owner = (pool.owner or "") + ("" if pool.ours else " (not yours)")
    cells = (pool.job, status, pool.instance_type, pool.since, pool.sweep, pool.project, owner.strip())
    return tuple(word or "" for word in cells)


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
        shown = list(books.jobs_named(names) if names else books.live())
        for account, api, pool, description in shown:
            if why_not := _why_left(books, pool, forced=everything or bool(names), named=bool(names)):
                complain(why_not)
            else:
                done.add(pool.job, _close(books, account, api, description, clock))
        for debt, api, job, running in list(_not_shown(books, done, stopping=everything or bool(names))):
            if not names or job.name in names:
                done.add(job.name, _close_owed(books, debt, api, job.name, clock, running))
    _settle(books)
    for entry in books.unasked:
        done.failed += _unreachable(books, entry, names)
    unknown = sorted(name for name in names - {pool.job for _, _, pool, _ in shown} if name not in done)
    if as_json:
        released: PoolsReleased = {"released": done.closed, "failed": done.failed}
        tell_json(released)
    else:
        nothing = "" if books.unasked else "nothing to release"
        if told := "\n".join(f"{name}: closed" for name in done.closed) or nothing:
            tell(told)
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


def _not_shown(books: Books, done: Released, *, stopping: bool) -> Iterator[tuple[Debt, TrainingApi, Job, Running]]:
    """Our jobs that no service shows a pool of, and what becomes of one that trains.

    One that has just ended will show it; one that runs or queues is among them when asked to; one that is not there
    may still arrive, or was deleted while its pool idled.
    """
    for debt, api in _answering(books):
        if holder(debt.lock) and not stopping:
            continue  # its runner closes it
        for job in [job for job in books.chains[debt.folder].debts_newest_first if job.name not in done]:
            try:
                description = finding.described(api, books.clock, job.name)
            except SweeperError:
                continue  # it has answered before: what it owes stays a debt
            shown = look(job, description) if description else None
            if shown is None:
                yield debt, api, job, Running.STOP if stopping else Running.LEAVE
            elif shown.ours and (shown.pool is Shows.NOT_SHOWN if shown.status.terminal else stopping):
                yield debt, api, job, Running.STOP


def _answering(books: Books) -> Iterator[tuple[Debt, TrainingApi]]:
    """The debts in question whose service answers."""
    for debt in books.in_question:
        if not books.silent(debt.account):
            with suppress(SweeperError):
                if api := books.reach(debt.account):
                    yield debt, api


def _unreachable(books: Books, entry: Unasked, names: set[str]) -> Iterator[Unreleased]:
    """The jobs of a service that could not be asked."""
    for name in entry.jobs:
        if not names or name in names:
            ended = books.chains[books.jobs[name].folder].job(name).ended
            why = f"its account could not be asked: {entry.why}"
            yield Unreleased(name, why, entry.account.flags, ended=ended)


def _settle(books: Books) -> None:
    """Strike off the debts of which every job was seen closed."""
    for debt in books.registry:
        if debt.account.gone:
            books.registry.settle(debt)
    for debt in books.in_question:
        if not (holder(debt.lock) or books.silent(debt.account)) and not _is_open(books, debt):
            books.registry.settle(debt)


def _is_open(books: Books, debt: Debt) -> bool:
    """Look once at each job that is not closed yet: True while one may bill, or the service cannot be asked."""
    try:
        api = books.reach(debt.account)
        if api is None:
            return False
        chain = books.chains[debt.folder]
        if not chain.jobs:
            chain = what_is_owed(debt, api, books.clock, lambda line: None)
        for job in chain.debts_newest_first:
            description = finding.described(api, books.clock, job.name)
            if description and (closed := look(job, description).closed(lambda other: True)):
                apply(chain, closed)
    except Exception:  # noqa: BLE001 - an account that cannot be asked
        return True
    return bool(chain.debts)


def _close(
    books: Books, account: Account, api: TrainingApi, description: Description, clock: SystemClock
) -> Unreleased | None:
    """Close the pool of a job as the service shows it, whether a debt tells of it or not."""
    name = str(description["TrainingJobName"])
    if debt := books.jobs.get(name):
        return _close_owed(books, debt, api, name, clock)
    closer = Closer(
        api,
        Waits(poll_s=2.0 if account.on_aws else 0.1),
        clock,
        complain,
        impatient=lambda: len(clock.caught) > 1,
        flags=account.flags,
        is_own=lambda other: True,
    )
    return next(iter(closer.close_all(alone(description), running=Running.STOP)), None)


def _close_owed(
    books: Books, debt: Debt, api: TrainingApi, name: str, clock: SystemClock, running: Running = Running.STOP
) -> Unreleased | None:
    """Close one job of a debt as its runner would, whatever its journal says; a live runner's is left to it."""
    chain = books.chains[debt.folder]
    closes = "`sweeper pools release`"
    closer = closer_of(debt, chain, api, clock, complain, closes=closes, impatient=lambda: len(clock.caught) > 1)
    try:
        return next(iter(closer.close_all(chain, running=running, only={name})), None)
    except LockHeldError as error:
        return Unreleased(name, f"its sweep is running; stop that instead ({error})")
