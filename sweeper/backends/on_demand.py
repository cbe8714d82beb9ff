"""On demand: every job starts cold and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from sweeper.core.model import MOST_IN_FLIGHT, Usage
from sweeper.core.options import option
from sweeper.core.ports import Finding, Request, Sections


@dataclass(frozen=True)
class OnDemand:
    """Sends jobs without a keep-alive, whatever was asked for."""

    kind: ClassVar[str] = "on_demand"
    keeps_pool: ClassVar[bool] = False
    finds_pool: ClassVar[bool] = True
    interrupts: ClassVar[bool] = False
    usage: ClassVar[Usage] = Usage.TRAINING
    through: ClassVar[None] = None

    max_in_flight: int = option(
        "how many jobs may run at once. Each counts against the account's quota.",
        default=1,
        low=1,
        high=MOST_IN_FLIGHT,
    )

    @property
    def capacity(self) -> int:
        """As many as are declared."""
        return self.max_in_flight

    def shape(self, request: Request, keep_alive_s: int) -> Request:
        """The request as it is."""
        return request

    def refused(self, values: Sections) -> Iterable[Finding]:
        """Nothing."""
        return ()
