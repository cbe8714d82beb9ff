"""How many machines of a sweep's type its account may use."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from sweeper.core.machines import choices
from sweeper.core.model import Sweep
from sweeper.errors import SweeperError
from sweeper.run.connect import Connection
from sweeper.run.registry import state_folder

if TYPE_CHECKING:
    from sweeper.aws.clients import Clients
    from sweeper.aws.quotas import Quotas


def limits_of(instance_type: str, clients: Clients) -> Quotas:
    """What the account says. Raises ApiError."""
    from sweeper.aws import quotas

    return quotas.of(clients, instance_type, state_folder() / "quota-codes.json")


def warm_pools(sweep: Sweep, connection: Connection) -> float | None:
    """How many of them may stay warm; None when nobody may be asked, or it is not told."""
    with suppress(SweeperError):
        return limits_of(choices(sweep.locked)[0].instance_type, connection.clients()).warm_pool
    return None
