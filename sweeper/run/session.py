"""The outside of one invocation, put together: its files, its journal, its watchdog, its lease."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sweeper.aws import guard
from sweeper.core.chain import Chain, fold
from sweeper.core.model import Sweep
from sweeper.core.ports import Progress, TrainingApi
from sweeper.core.queued import QueueOptions
from sweeper.core.request import is_queued_name, locked_key
from sweeper.core.secrets import Redactor, masked
from sweeper.engine.credentials import kept
from sweeper.errors import SweeperError, UsageError
from sweeper.record.atomic import write_atomically
from sweeper.record.journal import SqliteJournal
from sweeper.record.locks import has_ended, this_process
from sweeper.run import readiness
from sweeper.run.clock import SystemClock
from sweeper.run.connect import Connection, engine_folder
from sweeper.run.debts import Closer, RegisteredJournal
from sweeper.run.job_logs import JobLogs
from sweeper.run.registry import Account, Debt, Owed, Registry, state_folder, verify_head
from sweeper.run.release import Running, Unreleased
from sweeper.run.watchdog import Watchdog
from sweeper.run.world import Archive, Guard, Inbox, Logs, Place, World

if TYPE_CHECKING:
    from sweeper.aws.lease import Lease
    from sweeper.aws.staging import Staging


class Shown(Protocol):
    """What a person sees of a run."""

    @property
    def progress(self) -> Progress:
        """What follows the chain."""

    def say(self, line: str) -> None:
        """A line for a person."""

    def close(self) -> None:
        """Nothing more is shown."""


@dataclass
class Session:
    """The outside of one invocation: its files, its journal, its watchdog."""

    sweep: Sweep
    connection: Connection
    clock: SystemClock
    begun: float
    """When this invocation began: UTC seconds since the epoch."""
    show: Callable[[Session], Shown]
    as_yaml: Callable[[Mapping[str, Any]], str]
    versions: Mapping[str, str]

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
        if self.connection.scope.engine.on_aws:
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
    def shown(self) -> Shown:
        """What a person sees."""
        return self.show(self)

    @cached_property
    def registry(self) -> Registry:
        """The user's debts."""
        return Registry(state_folder())

    @property
    def pool_lock(self) -> Path:
        """One runner per (account, region, pool key)."""
        scope = self.connection.scope
        name = f"{scope.account}.{scope.region}.{locked_key(self.sweep.locked).short}.lock"
        return (state_folder() if scope.engine.on_aws else Path(self.sweep.project) / ".sweeper") / "locks" / name

    @cached_property
    def debt(self) -> Debt:
        """What the registry and the watchdog must know to close this sweep's pools without its experiment file."""
        scope = self.connection.scope
        local = not scope.engine.on_aws
        account = Account(
            engine=scope.engine.value,
            region=scope.region,
            profile=self.connection.profile,
            number="" if local else scope.account,
            engine_folder=str(engine_folder(Path(self.sweep.project).absolute())) if local else "",
            queue=self.queue.queue if self.queue else "",
        )
        return Debt(self.sweep.name, str(self.folder), account, self.sweep.waits, self.connection.owner)

    def open(self, stack: ExitStack) -> None:
        """Open the journal under the lock, proved against what the registry remembers of it."""
        stack.enter_context(guard.frozen(locked_key(self.sweep.locked, self.sweep.backend)))
        path = self.folder / "journal.db"
        self._forgotten: Sequence[Owed] = ()
        if not path.exists():
            known = self.registry.find(str(self.folder))
            self._forgotten = known.owed or () if known and known.open else ()
            self.registry.begin_anew(str(self.folder))
        verify_head(self.registry.find(str(self.folder)), path)
        write_atomically(self.folder / "config.yaml", self.as_yaml(masked(self.sweep.composed, self.redact)))
        journal = SqliteJournal(path, self.clock.now)
        self.journal = RegisteredJournal(journal, self.registry, self.debt, self._forgotten)
        stack.callback(self.journal.close)
        self._same_queue()
        for asked in self.journal.requests():
            if asked.kind == "stop" and asked.time < self.begun:
                self.journal.answered(asked)  # meant for a chain that has ended meanwhile
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
        chain = fold(self.journal.events())
        readiness.check(self.sweep, self.connection, chain, self.queue, self.shown.say)

    @property
    def queue(self) -> QueueOptions | None:
        """The AWS Batch queue that the jobs go through."""
        return self.sweep.backend.through

    def _same_queue(self) -> None:
        """Jobs that are still in one queue are not to be looked for in another. Raises UsageError."""
        before = self.registry.find(str(self.folder))
        owed = [job.name for job in fold(self.journal.events()).debts.values() if is_queued_name(job.name)]
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
        flags = self.debt.account.flags
        closer = Closer(self._api, self.sweep.waits, self.clock, self.shown.say, flags=flags)
        return closer.close_all(fold(jobs), running=Running.LEAVE) if jobs else []

    def settle(self) -> None:
        """Every pool was observed closed: nothing is owed any more."""
        try:
            self.journal.settle()
        except OSError as error:  # whoever looks at the debt next finds everything closed
            self.shown.say(f"warning: cannot write the registry of open pools: {error}")
        if self._watchdog:
            self._watchdog.stand_down()

    def world(self) -> World:
        """What the runner touches."""
        connection, logs, following = self.connection, self.logs, self.logs.following
        return World(
            api=self._api,
            journal=self.journal,
            clock=self.clock,
            progress=self.shown.progress,
            stage=self._staging,
            logs=Logs(following.follow, logs.metrics, following.news, logs.tail, logs.curve),
            archive=Archive(logs.keep, logs.kept),
            inbox=Inbox(self.clock.caught, self.journal.requests, self.journal.answered),
            guard=Guard(self.arm, self._lease.beat if self._lease else lambda: True),
            place=Place(connection.service, self.debt.account.flags, self.renew),
            redact=self.redact,
            versions=self.versions,
        )

    def renew(self) -> None:
        """The local engine has another state: the source, the data and the queue are made again."""
        self.shown.say("the local engine's state was removed: the sweep goes on with a new one")
        self._staging.forget()
        if self.queue:
            readiness.check_queue(self.sweep, self.connection, self.queue, self.shown.say)

    @cached_property
    def _api(self) -> TrainingApi:
        from sweeper.aws.account import OfAccount
        from sweeper.aws.batch import training_api

        clients, scope = self.connection.clients, self.connection.scope
        service = training_api(clients, self.queue)
        return OfAccount(service, clients, scope.account) if scope.engine.on_aws else service

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
            as_yaml=self.as_yaml,
            say=lambda line: self.shown.progress.say(line),
            monotonic=self.clock.monotonic,
        )
