"""What the questions may cost: no job is sent whose worst case, with that of all others, is past the limit. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from sweeper.core.costs import LATE_S, OVERRUN_S

MOST_S = 8 * 3600.0
"""Seconds of one machine: at 0.115 USD an hour, an ml.m5.large in us-east-1, 0.92 USD."""
MOST_USD = 1.0


@dataclass
class Budget:
    """Seconds of a machine: those that jobs may still come to, and those of the jobs that are closed."""

    most_s: float = MOST_S
    spent_s: float = 0.0
    _open: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, usd_per_second: float | None) -> Budget:
        """The budget at this price; where it is unknown, the seconds alone are bounded."""
        return cls(min(MOST_S, MOST_USD / usd_per_second) if usd_per_second else MOST_S)

    def admits(self, max_runtime_s: float, keep_alive_s: float) -> bool:
        """May one more job be sent that runs for so long at most, and keeps its pool for so long?"""
        return self.spent_s + sum(self._open.values()) + worst_s(max_runtime_s, keep_alive_s) <= self.most_s

    def opened(self, name: str, max_runtime_s: float, keep_alive_s: float) -> None:
        """A job is sent, or its pool may live for longer."""
        self._open[name] = max(self._open.get(name, 0.0), worst_s(max_runtime_s, keep_alive_s))

    def closed(self, name: str, billed_s: float) -> None:
        """Nothing of it can bill any more, and this is what it came to."""
        if self._open.pop(name, None) is not None:
            self.spent_s += max(0.0, billed_s)


def worst_s(max_runtime_s: float, keep_alive_s: float) -> float:
    """The longest that a job and its pool may bill, in seconds, whatever becomes of us."""
    return max_runtime_s + OVERRUN_S + LATE_S + keep_alive_s
