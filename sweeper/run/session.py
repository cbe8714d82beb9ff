"""The outside of one invocation, put together: its files, its journal, its watchdog, its lease."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sweeper.core.model import Sweep
from sweeper.core.ports import Progress, TrainingApi
from sweeper.core.secrets import Redactor, masked
from sweeper.record.atomic import write_atomically
from sweeper.record.snapshots import Snapshots
from sweeper.run import readiness
from sweeper.run.claim import Claim
from sweeper.run.clock import SystemClock
from sweeper.run.connect import Connection, debt_of
from sweeper.run.job_logs import JobLogs
from sweeper.run.job_queue import carrying, make_queue
from sweeper.run.ledger import Ledger
from sweeper.run.masking import learn_credentials, redactor
from sweeper.run.quota import warm_pools
from sweeper.run.world import Archive, Guard, Inbox, Logs, Place, Succession, World

if TYPE_CHECKING:
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
    succession: Succession = field(default_factory=Succession)
    """Who takes the pool over when this sweep has ended."""

    @cached_property
    def folder(self) -> Path:
        """Where this sweep keeps its files."""
        return Path(self.sweep.project).absolute() / "runs" / self.connection.scope.folder(self.sweep.name)

    @cached_property
    def redact(self) -> Redactor:
        """Masks the jobs' environment and the caller's credentials in everything that is told."""
        return redactor(self.sweep, self.connection)

    @cached_property
    def shown(self) -> Shown:
        """What a person sees."""
        return self.show(self)

    @cached_property
    def claim(self) -> Claim:
        """What keeps others off the pool."""
        return Claim(self.sweep, self.connection, self.clock)

    @cached_property
    def ledger(self) -> Ledger:
        """The journal, and what closes this sweep's pools without its experiment file."""
        debt = debt_of(self.connection, self.sweep, self.folder)
        grace_s = self.sweep.pool.watchdog_grace_s
        return Ledger(debt, self.clock, self.begun, grace_s, lambda line: self.shown.say(line))

    def open(self, stack: ExitStack) -> None:
        """Open the journal under the lock, proved against what the registry remembers of it."""
        self.ledger.prove()
        write_atomically(self.folder / "config.yaml", self.as_yaml(masked(self.sweep.composed, self.redact)))
        self.ledger.open(stack)

    def preflight(self) -> None:
        """What a person should know before anything is sent. Raises UsageError for what must not be sent."""
        chain, queue = self.ledger.chain(), self.sweep.backend.through
        readiness.check(self.sweep, self.connection, chain, queue, self.clock, self.shown.say)

    def world(self) -> World:
        """What the runner touches."""
        connection, logs, following = self.connection, self.logs, self.logs.following
        journal = self.ledger.journal
        return World(
            api=self.api,
            journal=journal,
            clock=self.clock,
            progress=self.shown.progress,
            stage=self._staging,
            carry=carrying(self.sweep, self._staging),
            logs=Logs(following.follow, logs.metrics, following.news, logs.tail, logs.curve),
            archive=Archive(logs.keep, logs.kept),
            inbox=Inbox(self.clock.caught, journal.requests, journal.answered),
            guard=Guard(self.ledger.arm, self.claim.holds),
            place=Place(connection.service, self.ledger.debt.account.flags, str(self.folder), self.renew),
            succession=self.succession,
            redact=self.redact,
            versions=self.versions,
            warm_pool_quota=lambda: warm_pools(self.sweep, connection),
        )

    def renew(self) -> None:
        """The local engine has another state: the source, the data and the queue are made again."""
        self.shown.say("the local engine's state was removed: the sweep goes on with a new one")
        self._staging.forget()
        if queue := self.sweep.backend.through:
            make_queue(self.sweep, self.connection, queue, self.shown.say)

    @cached_property
    def api(self) -> TrainingApi:
        """What answers for the jobs."""
        return self.ledger.debt.account.through(self.connection.clients, self.sweep.backend.through)

    @cached_property
    def _staging(self) -> Staging:
        from sweeper.aws.staging import Staging

        connection = self.connection
        kept = Snapshots(self.folder, self.redact, lambda line: self.shown.say(line))
        return Staging(connection.clients, connection.scope, self.sweep.name, Path(self.sweep.project), kept.keep)

    @cached_property
    def logs(self) -> JobLogs:
        """What the jobs print."""
        return JobLogs(
            sweep=self.sweep,
            folder=self.folder,
            connection=self.connection,
            api=self.api,
            redact=self.redact,
            learn_credentials=lambda: learn_credentials(self.connection, self.redact),
            as_yaml=self.as_yaml,
            say=lambda line: self.shown.progress.say(line),
            monotonic=self.clock.monotonic,
        )
