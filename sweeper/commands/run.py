"""`sweeper +experiment=NAME`: run a sweep or continue it, then report."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from sweeper.commands.owed import abandoned, settle, settle_others
from sweeper.commands.say import (
    READER_GONE,
    complain,
    forget_stdout,
    hide,
    package_version,
    relative,
    tell,
    warn_unreleased,
)
from sweeper.config.project import packaged_conf
from sweeper.core import results as tables
from sweeper.core.chain import Chain, fold
from sweeper.core.events import TrialStatus
from sweeper.core.model import EngineKind, Sweep
from sweeper.core.ports import Progress, TrainingApi
from sweeper.core.queued import QueueOptions
from sweeper.core.request import is_queued_name, job_name, locked_key
from sweeper.core.resume import resume
from sweeper.core.secrets import Redactor, masked
from sweeper.engine.credentials import kept
from sweeper.errors import ApiError, ApiErrorKind, LockHeldError, SweeperError, UsageError
from sweeper.record.atomic import unversioned, write_atomically
from sweeper.record.journal import SqliteJournal
from sweeper.record.locks import has_ended, held, this_process
from sweeper.run.clock import SystemClock
from sweeper.run.connect import Connection, connect, engine_folder
from sweeper.run.debts import Closer, RegisteredJournal
from sweeper.run.job_logs import JobLogs
from sweeper.run.registry import Account, Debt, Owed, Registry, state_folder, verify_head
from sweeper.run.release import Running, Unreleased
from sweeper.run.runner import Ending, Runner
from sweeper.run.watchdog import Watchdog
from sweeper.run.world import Archive, Guard, Inbox, Logs, Place, World
from sweeper.show import files, table
from sweeper.show.follow import LogFollower
from sweeper.show.live import LiveTable, Terminal
from sweeper.show.progress import PlainProgress, Several
from sweeper.show.refresh import ResultFiles
from sweeper.tracking import optuna_journal

if TYPE_CHECKING:
    from sweeper.aws.lease import Lease
    from sweeper.aws.staging import Staging

SCHEMA = "experiment.json"
"""What checks and completes experiments in an editor; in a project it lies in `.sweeper/`."""
OVER_BUDGET = 5
FAILING_RULES = frozenset({"max_failures", "same_error_limit"})


def run(sweep: Sweep, session: type[Session] | None = None) -> int:
    """Run a sweep, or continue it; returns the exit code. `session`: another outside than the real one, for tests."""
    for warning in sweep.warnings:
        complain(f"warning: {warning}")
    try:
        with ExitStack() as stack:
            ending, outside = _drive(sweep, stack, session or Session)
    except LockHeldError:
        raise  # who holds it looks after its pools
    except BaseException as error:
        if not hasattr(error, "unreleased"):  # the runner did not come to close anything
            error.unreleased = left_open(sweep)  # type: ignore[attr-defined]
        raise
    # The pool came first, the report comes second.
    try:
        report(sweep, ending.chain, outside.folder, outside.redact)
    except OSError as error:
        # A full disk: the journal knows everything, and `sweeper report` writes the files again.
        complain(f"the results could not be written: {error}")
        return warn_unreleased(ending.unreleased) or UsageError.exit_code
    except BaseException as error:
        error.unreleased = ending.unreleased  # type: ignore[attr-defined]
        raise
    return exit_code(sweep, ending)


def left_open(sweep: Sweep) -> list[Unreleased]:
    """What earlier runs of a sweep that cannot run now left open: what idles is closed, the rest is named.

    The journal may be refused, the folder read-only, the account unreachable: the registry knows of the debt.
    """
    runs, clock = Path(sweep.project).absolute() / "runs", SystemClock()
    found: list[Unreleased] = []
    with clock.listening():
        for debt in abandoned():
            if (debt.sweep, Path(debt.folder).parent, debt.account.engine) != (sweep.name, runs, sweep.engine.value):
                continue
            try:
                poolless = {job.name for job in debt.owed or () if not job.keep_alive_s}
                found += [pool for pool in settle(debt, clock, complain) if pool.name not in poolless]
            except LockHeldError:
                continue
            except Exception as error:  # noqa: BLE001 - whatever keeps it from being asked, it may be open
                region = debt.account.region if sweep.engine is EngineKind.AWS else ""
                names = [job.name for job in debt.owed or ()] or [f"the sweep {debt.sweep}"]
                found += [Unreleased(name, f"it could not be asked: {error}", region) for name in names]
    return found


def _drive(sweep: Sweep, stack: ExitStack, made: type[Session]) -> tuple[Ending, Session]:
    clock = SystemClock()
    stack.enter_context(clock.listening())
    session = made(sweep, connect(sweep), clock, begun=clock.now())
    with suppress(OSError):  # they are a convenience: what has to be written says so itself
        own_folders(Path(sweep.project))
    hide(session.redact)
    stack.callback(session.close_display)
    runs = f"the sweep {sweep.name} in {session.folder}"
    lock = session.folder / ".lock"
    stack.enter_context(held(lock, f"the sweep {sweep.name}", clock.now(), runs=runs, wait=clock.sleep))
    if sweep.backend.finds_pool:
        stack.enter_context(held(session.pool_lock, "the pool that this sweep uses", clock.now(), runs=runs))
    session.open(stack)
    session.take_lease(stack)
    session.preflight()
    if sweep.pool.settle_debts:
        settle_others(clock, session.display.say, but=str(session.folder))
    ending = Runner(sweep, session.connection.scope, session.connection.owner, session.world()).run()
    ending.unreleased += session.close_forgotten(ending.chain)
    if not ending.chain.debts and not ending.unreleased:
        session.settle()
    return ending, session


def own_folders(project: Path) -> None:
    """The folders that runs write, which git leaves alone, and the schema where an editor finds it. Raises OSError."""
    unversioned(project / "runs")
    schema = (packaged_conf() / "schema" / SCHEMA).read_text(encoding="utf-8")
    copy = unversioned(project / ".sweeper") / SCHEMA
    if not copy.exists() or copy.read_text(encoding="utf-8") != schema:
        write_atomically(copy, schema)


@dataclass
class Session:
    """The outside of one invocation: its files, its journal, its watchdog."""

    sweep: Sweep
    connection: Connection
    clock: SystemClock
    begun: float
    """When this invocation began: UTC seconds since the epoch."""

    @cached_property
    def folder(self) -> Path:
        """Where this sweep keeps its files."""
        return Path(self.sweep.project).absolute() / "runs" / self.connection.scope.folder(self.sweep.name)

    @cached_property
    def redact(self) -> Redactor:
        """Masks the jobs' environment and the caller's credentials in everything that is told."""
        redact = Redactor(self.sweep.composed.get("environment"))
        redact.learn_credentials(os.environ.get(name) for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"))
        redact.learn_texts(self.sweep.secrets)
        if self.connection.scope.engine is EngineKind.AWS:
            self._learn_credentials(redact)
        else:
            with suppress(OSError):  # its folder cannot be written: then no engine and no job will have them
                redact.learn_credentials([kept(engine_folder(Path(self.sweep.project))).secret_key])
        return redact

    def _learn_credentials(self, redact: Redactor) -> None:
        """Those that are in use now: a profile's are renewed, and the local engine may have been given others."""
        with suppress(SweeperError):  # without credentials there is nothing to hide
            redact.learn_credentials(self.connection.clients().secrets())

    @cached_property
    def display(self) -> PlainProgress | LiveTable:
        """Tells a person what happens, on stderr: a table on a terminal, else lines."""
        if sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb":
            with suppress(OSError):
                live = LiveTable(
                    Terminal(sys.stderr.fileno()),
                    self.sweep,
                    self.clock.now,
                    self.clock.monotonic,
                    self.redact,
                    colour=not os.environ.get("NO_COLOR"),
                )
                self.clock.tick = live.tick
                return live
        return PlainProgress(sys.stderr, self.clock.now, self.sweep.trials, self.redact)

    def close_display(self) -> None:
        """From here on there is only the report, which shows the same table."""
        self.clock.tick = None
        if isinstance(self.display, LiveTable):
            self.display.close(keep=not sys.stdout.isatty())

    @cached_property
    def progress(self) -> Progress:
        """The display, and what else follows the chain: the result files, the running job's log."""

        def write(chain: Chain) -> None:
            files.write_results(self.sweep, chain, self.folder, self.redact)

        follower = LogFollower(
            self.logs.hurried,
            self.folder,
            self.logs.matches,
            self.redact.log,
            self.clock.monotonic,
            max(1.0, self.sweep.engine_settings.poll_s),
            self.display.metric if isinstance(self.display, LiveTable) else lambda job, name, value: None,
            self.logs.cut_numbers,
        )
        return Several(self.display, ResultFiles(write, self.clock.monotonic), follower)

    @cached_property
    def registry(self) -> Registry:
        """The user's debts."""
        return Registry(state_folder())

    @property
    def pool_lock(self) -> Path:
        """One runner per (account, region, pool key)."""
        scope = self.connection.scope
        name = f"{scope.account}.{scope.region}.{locked_key(self.sweep.locked).short}.lock"
        local = scope.engine is EngineKind.LOCAL
        return (Path(self.sweep.project) / ".sweeper" if local else state_folder()) / "locks" / name

    @cached_property
    def debt(self) -> Debt:
        """What the registry and the watchdog must know to close this sweep's pools without its experiment file."""
        scope, options = self.connection.scope, self.sweep.engine_options
        local = scope.engine is EngineKind.LOCAL
        account = Account(
            engine=scope.engine.value,
            region=scope.region,
            profile=options.get("profile"),
            engine_folder=str(engine_folder(Path(self.sweep.project).absolute())) if local else "",
            queue=self.queue.queue if self.queue else "",
        )
        return Debt(self.sweep.name, str(self.folder), account, self.sweep.engine_settings, self.connection.owner)

    def open(self, stack: ExitStack) -> None:
        """Open the journal under the lock, proved against what the registry remembers of it."""
        path = self.folder / "journal.db"
        self._forgotten: Sequence[Owed] = ()
        if not path.exists():
            known = self.registry.find(str(self.folder))
            self._forgotten = known.owed or () if known and known.open else ()
            self.registry.begin_anew(str(self.folder))
        verify_head(self.registry.find(str(self.folder)), path)
        write_atomically(self.folder / "config.yaml", files.as_yaml(masked(self.sweep.composed, self.redact)))
        journal = SqliteJournal(path, self.clock.now)
        self._journal = RegisteredJournal(journal, self.registry, self.debt, self._forgotten)
        stack.callback(self._journal.close)
        self._same_queue()
        for asked in self._journal.requests():
            if asked.kind == "stop" and asked.time < self.begun:
                self._journal.answered(asked)  # meant for a chain that has ended meanwhile
        self._watchdog: Watchdog | None = None
        self._lease: Lease | None = None

    def take_lease(self, stack: ExitStack) -> None:
        """Take the lease that the experiment names, for as long as this invocation lasts. Raises LockHeldError."""
        if self.sweep.pool.lease:
            from sweeper.aws.lease import Lease

            scope = self.connection.scope
            key = f"{scope.account}.{scope.region}.{locked_key(self.sweep.locked).short}"
            holder = f"{self.connection.owner}, process {os.getpid()} on {socket.gethostname()}"
            self._lease = Lease(
                self.connection.clients, self.sweep.pool.lease, key, holder, self.clock, this_process(), has_ended
            )
            self._lease.acquire()
            stack.callback(self._lease.release)

    def preflight(self) -> None:
        """What a person should know before anything is sent. Raises UsageError for what must not be sent."""
        chain, first = fold(self._journal.events()), next(iter(self.sweep.trials), None)
        local = self.connection.scope.engine is EngineKind.LOCAL
        if first is None or (resume(self.sweep, chain).nothing_to_do and not self.sweep.only):
            return
        if local:
            self._tell_start()
        if self.queue:
            self._check_queue(self.queue)
        if local:
            return
        from sweeper.aws import quotas
        from sweeper.aws.batch import training_api
        from sweeper.aws.permissions import Permissions
        from sweeper.run.preflight import Preflight

        clients, owner = self.connection.clients(), self.connection.owner
        job = job_name(owner, self.connection.scope, self.sweep.name, first.id, 1)
        checks = Preflight(
            self.sweep,
            owner,
            training_api(self.connection.clients),
            lambda: quotas.of(clients, str(self.sweep.locked["instance_type"])),
            Permissions(clients, job).may,
            job.removesuffix("01") + "00",
        )
        try:
            for warning in checks.warnings():
                self.display.say(f"warning: {warning}")
        except UsageError as error:
            if not chain.debts:
                raise
            # What an earlier run left open has to be closed: that is the runner's.
            self.display.say(f"warning: {error}")

    def _tell_start(self) -> None:
        """The first job waits for the engine, which on a busy machine takes seconds that would look like a hang."""
        from sweeper.engine import launch

        if launch.find(engine_folder(Path(self.sweep.project))) is None:
            self.display.say("starting the local engine")

    @property
    def queue(self) -> QueueOptions | None:
        """The AWS Batch queue that the jobs go through."""
        return self.sweep.backend.through

    def _check_queue(self, queue: QueueOptions) -> None:
        """Will the queue take the jobs? On the local engine it is made."""
        from sweeper.aws import queues
        from sweeper.aws.batch import calls

        call = calls(self.connection.clients)
        if self.connection.scope.engine is EngineKind.LOCAL:
            instances = int(self.sweep.locked.get("instance_count") or 1)
            if queues.ensure(call, queue, instances):
                self.display.say(f"made the job queue {queue.queue} on the local engine, with room for one job")
        try:
            queues.check(call, queue)
        except ApiError as error:
            if error.kind is not ApiErrorKind.DENIED:
                raise
            self.display.say(f"warning: the job queue {queue.queue} could not be checked: {error.message}")

    def _same_queue(self) -> None:
        """Jobs that are still in one queue are not to be looked for in another. Raises UsageError."""
        before = self.registry.find(str(self.folder))
        owed = [job.name for job in fold(self._journal.events()).debts.values() if is_queued_name(job.name)]
        if before and owed and before.account.queue != self.debt.account.queue:
            raise UsageError(
                f"{owed[0]} is in the job queue {before.account.queue}: run the sweep with backend=batch "
                f"backend.queue={before.account.queue} until it has ended, or end it: "
                f"sweeper pools release {owed[0]}"
            )

    def arm(self) -> None:
        """Start the watchdog, once, before the first job can exist."""
        if self._watchdog is None:
            log = self.folder / "watchdog.log"
            self._watchdog = Watchdog(
                self.debt.to_json(), self.sweep.pool.watchdog_grace_s, str(log), str(state_folder())
            )

    def close_forgotten(self, chain: Chain) -> list[Unreleased]:
        """What a journal that was removed had left open and this sweep does not declare any more: closed, or named."""
        jobs = [owed.intent for owed in self._forgotten if owed.name not in chain.jobs]
        scope = self.connection.scope
        region = scope.region if scope.engine is EngineKind.AWS else ""
        closer = Closer(self._api, self.sweep.engine_settings, self.clock, self.display.say, region=region)
        return closer.close_all(fold(jobs), running=Running.LEAVE) if jobs else []

    def settle(self) -> None:
        """Every pool was observed closed: nothing is owed any more."""
        try:
            self._journal.settle()
        except OSError as error:  # whoever looks at the debt next finds everything closed
            self.display.say(f"warning: cannot write the registry of open pools: {error}")
        if self._watchdog:
            self._watchdog.stand_down()

    def world(self) -> World:
        """What the runner touches."""
        connection, logs, reader = self.connection, self.logs, self.logs.reader
        return World(
            api=self._api,
            journal=self._journal,
            clock=self.clock,
            progress=self.progress,
            stage=self._staging,
            logs=Logs(logs.metrics, reader.news, reader.tail, reader.curve),
            archive=Archive(logs.keep, logs.kept),
            inbox=Inbox(self.clock.caught, self._journal.requests, self._journal.answered),
            guard=Guard(self.arm, self._lease.beat if self._lease else lambda: True),
            place=Place(connection.service, self.renew),
            redact=self.redact,
            versions={name: package_version(name) for name in ("sweeper", "boto3", "hydra-core")},
        )

    def renew(self) -> None:
        """The local engine has another state: the source, the data and the queue are made again."""
        self.display.say("the local engine's state was removed: the sweep goes on with a new one")
        self._staging.forget()
        if self.queue:
            self._check_queue(self.queue)

    @cached_property
    def _api(self) -> TrainingApi:
        from sweeper.aws.batch import training_api

        return training_api(self.connection.clients, self.queue)

    @cached_property
    def _staging(self) -> Staging:
        from sweeper.aws.staging import Staging

        connection = self.connection
        return Staging(connection.clients, connection.scope, self.sweep.name, Path(self.sweep.project))

    @cached_property
    def logs(self) -> JobLogs:
        """What the jobs print."""
        return JobLogs(
            sweep=self.sweep,
            folder=self.folder,
            connection=self.connection,
            api=self._api,
            redact=self.redact,
            learn_credentials=lambda: self._learn_credentials(self.redact),
            as_yaml=files.as_yaml,
            say=lambda line: self.progress.say(line),
        )


def report(sweep: Sweep, chain: Chain, folder: Path, redact: Redactor) -> None:
    """Write the result files and print the table. Raises OSError when the files cannot be written."""
    found, chosen = files.write_results(sweep, chain, folder, redact)
    optuna_journal.write(folder, sweep, chain)
    try:
        table.print_table(sys.stdout, found, sweep.trials.keys, chosen, sweep.objective)
        tell(table.pool_line(chain))
        for line in table.ending_lines(found, chain, simulated=sweep.engine is EngineKind.LOCAL):
            tell(line)
        if model := table.model_line(chosen, folder.name):
            tell(model)
        tell(f"results: {relative(folder)}/results.csv")
        if idle := table.idle_line(found, chain):
            tell(idle)
        sys.stdout.flush()
    except OSError as error:
        forget_stdout()
        if error.errno not in READER_GONE:
            raise


def exit_code(sweep: Sweep, ending: Ending) -> int:
    """The exit code of an ending, by the precedence of the contract."""
    if ending.unreleased:
        return warn_unreleased(ending.unreleased)
    if ending.signal:
        return 128 + ending.signal
    decided = ending.chain.decided.rule.split("+") if ending.chain.decided else []
    if "budget_usd" in decided:
        return OVER_BUDGET
    bad = {TrialStatus.FAILED.value, TrialStatus.METRIC_MISSING.value}
    rows = tables.results(sweep, ending.chain).rows
    meant = [row for row in rows if (row["trial"] == sweep.only if sweep.only else row["declared"])]
    failed = any(row["status"] in bad for row in meant)
    return 1 if failed or FAILING_RULES.intersection(decided) else 0
