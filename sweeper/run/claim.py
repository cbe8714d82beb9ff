"""Who may use the pool: a lock on this machine, a lease among machines, and no Create of another pool in between."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sweeper.aws import guard
from sweeper.core.model import Sweep
from sweeper.core.request import locked_key
from sweeper.record.locks import has_ended, this_process
from sweeper.run.clock import SystemClock
from sweeper.run.connect import Connection
from sweeper.run.registry import state_folder

if TYPE_CHECKING:
    from sweeper.aws.lease import Lease


@dataclass
class Claim:
    """One invocation's claim on the pool of its sweep."""

    sweep: Sweep
    connection: Connection
    clock: SystemClock
    _lease: Lease | None = field(default=None, init=False)

    @property
    def _pool(self) -> str:
        scope = self.connection.scope
        return f"{scope.account}.{scope.region}.{locked_key(self.sweep.locked).short}"

    @property
    def lock(self) -> Path:
        """One runner per (account, region, pool key)."""
        on_aws = self.connection.scope.engine.on_aws
        return (state_folder() if on_aws else Path(self.sweep.project) / ".sweeper") / "locks" / f"{self._pool}.lock"

    @property
    def line(self) -> Path:
        """The line of all sweeps of this account and region, or of this project's local engine."""
        scope = self.connection.scope
        return self.lock.with_name(f"{scope.account}.{scope.region}.line")

    def freeze(self, stack: ExitStack) -> None:
        """From here on no Create of another pool leaves this process."""
        stack.enter_context(guard.frozen(locked_key(self.sweep.locked, self.sweep.backend)))

    def take_lease(self, stack: ExitStack) -> None:
        """Take the lease that the experiment names, for as long as this invocation lasts. Raises LockHeldError."""
        if self.sweep.pool.lease:
            from sweeper.aws.lease import Lease

            holder = f"{self.connection.owner}, process {os.getpid()} on {socket.gethostname()}"
            self._lease = Lease(
                self.connection.clients,
                self.sweep.pool.lease,
                self._pool,
                holder,
                self.clock,
                this_process(),
                has_ended,
                self.sweep.pool.lease_owner or self.connection.scope.account,
            )
            self._lease.acquire()
            stack.callback(self._lease.release)

    def holds(self) -> bool:
        """Keep the lease alive; False once it is someone else's."""
        return self._lease.beat() if self._lease else True
