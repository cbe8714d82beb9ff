"""How many machines of a sweep's type its account may use."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from sweeper.core.model import Sweep
from sweeper.errors import SweeperError
from sweeper.run.connect import Connection

if TYPE_CHECKING:
    from sweeper.aws.quotas import Quotas


def granted(sweep: Sweep, connection: Connection) -> Quotas:
    """What the account says. Raises ApiError."""
    from sweeper.aws import quotas

    return quotas.of(connection.clients(), str(sweep.locked["instance_type"]))


def warm_pools(sweep: Sweep, connection: Connection) -> float | None:
    """How many of them may stay warm; None when nobody may be asked, or it is not told."""
    with suppress(SweeperError):
        return granted(sweep, connection).warm_pool
    return None
