"""What is looked at before a run sends anything: the account, the queue, the engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sweeper.core.chain import Chain
from sweeper.core.model import Sweep
from sweeper.core.ports import Clock
from sweeper.core.queued import QueueOptions
from sweeper.core.resume import resume
from sweeper.core.verdict import failed
from sweeper.errors import UsageError
from sweeper.run.connect import Connection, engine_folder
from sweeper.run.job_queue import make_queue

Say = Callable[[str], None]


def check(
    sweep: Sweep, connection: Connection, chain: Chain, queue: QueueOptions | None, clock: Clock, say: Say
) -> None:
    """What a person should know before anything is sent. Raises UsageError for what must not be sent."""
    if not len(sweep.trials) or (resume(sweep, chain).nothing_to_do and not sweep.only):
        return
    if not connection.scope.engine.on_aws:
        _tell_start(sweep, say)
        if queue:
            make_queue(sweep, connection, queue, say)
        return
    try:
        _check_account(sweep, connection, clock, say)
    except UsageError as error:
        if not chain.debts:
            raise
        # What an earlier run left open has to be closed: that is the runner's.
        for line in str(error).splitlines():
            say(f"warning: {line}")


def _check_account(sweep: Sweep, connection: Connection, clock: Clock, say: Say) -> None:
    """Tells what a person should know. Raises UsageError with all that must not be sent, a line each."""
    from sweeper.run.checks.asked import subject_of
    from sweeper.run.checks.every import checked

    checks = [check for check in checked(subject_of(connection, clock, sweep)) if check.concerns]
    wrong = failed(checks)
    for check in checks:
        if check not in wrong:
            say(f"warning: {check.line}")
    if wrong:
        raise UsageError("\n".join(check.line for check in wrong))


def _tell_start(sweep: Sweep, say: Say) -> None:
    """The first job waits for the engine, which on a busy machine takes seconds that would look like a hang."""
    from sweeper.engine import launch

    if launch.find(engine_folder(Path(sweep.project))) is None:
        say("starting the local engine")
