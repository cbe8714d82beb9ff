"""How long the rest of a sweep takes, if it goes on as it has: the one estimate that every command tells. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sweeper.core import events as ev


@dataclass(frozen=True)
class Pace:
    """How fast trials have ended in this invocation. Moments in UTC seconds since the epoch."""

    opened_at: float | None = None
    ended: int = 0
    last_at: float = 0.0

    def after(self, event: ev.Event, at: float) -> Pace:
        """The pace once this has happened."""
        if isinstance(event, ev.Opened):
            return Pace(opened_at=at)
        return replace(self, ended=self.ended + 1, last_at=at) if isinstance(event, ev.Outcome) else self

    def left_s(self, trials: int, now: float) -> float | None:
        """Seconds that so many more trials take, the running ones included; None while nothing is known."""
        if self.opened_at is None or not self.ended:
            return None
        each = max(0.0, self.last_at - self.opened_at) / self.ended
        return max(0.0, each * trials - min(now - self.last_at, each))  # what the running one has used is not to come
