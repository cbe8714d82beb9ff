"""The AWS Batch queue that a sweep's jobs go through on the local engine."""

from __future__ import annotations

import os
from collections.abc import Callable

from sweeper.core.job import Locked
from sweeper.core.model import Sweep
from sweeper.core.options import from_section
from sweeper.core.queued import QueueOptions
from sweeper.run.connect import Connection


def make_queue(sweep: Sweep, connection: Connection, queue: QueueOptions, say: Callable[[str], None]) -> None:
    """Make it where it is missing. Raises UsageError where it would not take the jobs."""
    from sweeper.aws import queues
    from sweeper.aws.batch import calls

    call, locked = calls(connection.clients), from_section(Locked, sweep.locked)
    room = min(sweep.in_flight, os.cpu_count() or 1)  # more would only be in each other's way
    if queues.ensure(call, queue, room * (locked.instance_count or 1), locked.instance_type or ""):
        told = "one job" if room == 1 else f"{room} jobs"
        say(f"made the job queue {queue.queue} on the local engine, with room for {told}")
    for line in queues.check(call, queue, locked.instance_type or ""):
        say(line)
