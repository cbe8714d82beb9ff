"""The AWS Batch queue that a sweep's jobs go through, before a run sends anything."""

from __future__ import annotations

from collections.abc import Callable

from sweeper.core.job import Locked
from sweeper.core.model import Sweep
from sweeper.core.options import from_section
from sweeper.core.queued import QueueOptions
from sweeper.errors import ApiError, ApiErrorKind
from sweeper.run.connect import Connection


def check_queue(sweep: Sweep, connection: Connection, queue: QueueOptions, say: Callable[[str], None]) -> None:
    """Will the queue take the jobs? On the local engine it is made."""
    from sweeper.aws import queues
    from sweeper.aws.batch import calls

    call = calls(connection.clients)
    if not connection.scope.engine.on_aws:
        instances = from_section(Locked, sweep.locked).instance_count
        if queues.ensure(call, queue, instances):
            say(f"made the job queue {queue.queue} on the local engine, with room for one job")
    try:
        queues.check(call, queue)
    except ApiError as error:
        if error.kind is not ApiErrorKind.DENIED:
            raise
        say(f"warning: the job queue {queue.queue} could not be checked: {error.message}")
