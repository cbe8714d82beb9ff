"""What is looked at before a run sends anything: the account, the queue, the engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sweeper.core.chain import Chain
from sweeper.core.model import Sweep
from sweeper.core.ports import Clock
from sweeper.core.queued import QueueOptions
from sweeper.core.request import job_name
from sweeper.core.resume import resume
from sweeper.errors import UsageError
from sweeper.run import quota
from sweeper.run.connect import Connection, engine_folder
from sweeper.run.job_queue import check_queue

Say = Callable[[str], None]


def check(
    sweep: Sweep, connection: Connection, chain: Chain, queue: QueueOptions | None, clock: Clock, say: Say
) -> None:
    """What a person should know before anything is sent. Raises UsageError for what must not be sent."""
    first = next(iter(sweep.trials), None)
    if first is None or (resume(sweep, chain).nothing_to_do and not sweep.only):
        return
    local = not connection.scope.engine.on_aws
    if local:
        _tell_start(sweep, say)
    if queue:
        check_queue(sweep, connection, queue, say)
    if local:
        return
    try:
        _check_account(sweep, connection, first.id, clock, say)
    except UsageError as error:
        if not chain.debts:
            raise
        # What an earlier run left open has to be closed: that is the runner's.
        say(f"warning: {error}")


def _check_account(sweep: Sweep, connection: Connection, first: str, clock: Clock, say: Say) -> None:
    from sweeper.aws.batch import training_api
    from sweeper.aws.permissions import Permissions
    from sweeper.run.preflight import Preflight

    clients, owner = connection.clients(), connection.owner
    job = job_name(owner, connection.scope, sweep.name, first, 1)
    checks = Preflight(
        sweep,
        owner,
        training_api(connection.clients),
        lambda: quota.granted(sweep, connection),
        Permissions(clients, job).may,
        job.removesuffix("01") + "00",
        clock,
    )
    for warning in checks.warnings():
        say(f"warning: {warning}")


def _tell_start(sweep: Sweep, say: Say) -> None:
    """The first job waits for the engine, which on a busy machine takes seconds that would look like a hang."""
    from sweeper.engine import launch

    if launch.find(engine_folder(Path(sweep.project))) is None:
        say("starting the local engine")
