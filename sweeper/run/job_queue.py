"""The AWS Batch queue that a sweep's jobs go through: made on the local engine, and what it has no room for."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from sweeper.core.job import Locked
from sweeper.core.model import Sweep
from sweeper.core.options import from_section
from sweeper.core.ports import Request
from sweeper.core.queued import QueueOptions
from sweeper.run.connect import Connection

if TYPE_CHECKING:
    from sweeper.aws.staging import Staging


def room_here(sweep: Sweep) -> int:
    """How many jobs of a sweep run at once on the local engine: a queue there has room for one a core.

    More would only be in each other's way.
    """
    return min(sweep.in_flight, os.cpu_count() or 1) if sweep.backend.through else sweep.in_flight


def make_queue(sweep: Sweep, connection: Connection, queue: QueueOptions, say: Callable[[str], None]) -> None:
    """Make it where it is missing. Raises UsageError where it would not take the jobs."""
    from sweeper.aws import queues
    from sweeper.aws.batch import calls

    call, locked = calls(connection.clients), from_section(Locked, sweep.locked)
    room = room_here(sweep)
    if queues.ensure(call, queue, room * (locked.instance_count or 1), locked.instance_type or ""):
        told = "one job" if room == 1 else f"{room} jobs"
        say(f"made the job queue {queue.queue} on the local engine, with room for {told}")
    for line in queues.check(call, queue, locked.instance_type or ""):
        say(line)


def carrying(sweep: Sweep, staging: Staging) -> Callable[[Mapping[str, Any], Request], Request]:
    """What makes of a resolved trial's request one that its way to SageMaker takes (World.carry)."""
    if sweep.backend.through is None:
        return lambda config, request: request
    from sweeper.aws.carrying import carry

    return lambda config, request: carry(staging, config["job"], request)
