"""How often to look and how long to wait: what the runner, the release and the watchdog have in common."""

from __future__ import annotations

from dataclasses import dataclass

from sweeper.core.options import option, redefined

USUAL_S = 10.0
"""Seconds between two looks where nobody has chosen."""


@dataclass(frozen=True)
class Waits:
    """How often to look and how long to wait, in seconds; as the real service needs it."""

    poll_s: float | None = option(
        "Seconds between two looks at a job. null: often when it is to be expected to end by how those before it did, "
        "rarely else, and no more often than every 10 s on average.",
        default=None,
        above=0,
    )
    settle_s: float = option("The longest wait for a pool to show its status after a job.", default=120.0, low=0)  # R4
    metrics_wait_s: float = option("How long a finished job's metrics may be late.", default=60.0, low=0)
    not_found_s: float = option("How long a created job may be unknown.", default=60.0, low=0)
    # AWS refuses signatures that are older
    request_life_s: float = option("How long a request that got no answer may still arrive.", default=300.0, low=0)

    @property
    def usual_s(self) -> float:
        """Seconds between two looks where nothing tells when the next one should be."""
        return USUAL_S if self.poll_s is None else self.poll_s


@dataclass(frozen=True)
class LocalWaits(Waits):
    """The same for an engine on this machine, which answers at once."""

    poll_s: float | None = redefined(Waits, "poll_s", 0.1)
    settle_s: float = redefined(Waits, "settle_s", 10.0)
    metrics_wait_s: float = redefined(Waits, "metrics_wait_s", 2.0)
    not_found_s: float = redefined(Waits, "not_found_s", 5.0)
    request_life_s: float = redefined(Waits, "request_life_s", 5.0)
