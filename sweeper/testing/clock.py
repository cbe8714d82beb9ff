"""Virtual time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class VirtualClock:
    """Time that passes only when somebody sleeps."""

    time: float = 1_700_000_000.0

    def now(self) -> float:
        """Seconds since the epoch."""
        return self.time

    def monotonic(self) -> float:
        """The same: virtual time never jumps."""
        return self.time

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.time += max(0.0, seconds)
