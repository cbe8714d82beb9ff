"""What the jobs of the questions share, taken from an experiment: role, image, network, where they write; the price."""

from __future__ import annotations

from pathlib import Path

from sweeper.core.costs import rate
from sweeper.core.model import Launch, Sweep
from sweeper.core.smoke.jobs import INSTANCE_TYPE, Bed
from sweeper.run.connect import Connection


def bed(sweep: Sweep, connection: Connection) -> Bed:
    """By this experiment. Its bucket is made where it is the default one and not there. Raises ApiError, UsageError."""
    from sweeper.aws.staging import Staging

    job = sweep.composed["job"]
    staging = Staging(connection.clients, connection.scope, sweep.name, Path(sweep.project))
    output = staging({"job": {**job, "launch": Launch.IMAGE.value, "inputs": {}, "checkpoint_s3_uri": None}}).output
    key = job.get("output_kms_key_id")
    return Bed(sweep.locked, str(job["image_uri"]), output, connection.scope.region, key)


def usd_per_second(sweep: Sweep, connection: Connection) -> float | None:
    """What their machine costs; None where the price is unknown, and on this machine, which costs nothing."""
    scope = connection.scope
    if not scope.engine.on_aws:
        return None
    found = rate(sweep.composed.get("prices"), {"instance_type": INSTANCE_TYPE}, scope.region)
    return found.usd_per_second if found else None
