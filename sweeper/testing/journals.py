"""A journal in memory that keeps the contract of the real one, and can be asked what was durable."""

from __future__ import annotations

from collections.abc import Sequence

from sweeper.core.events import Event


class MemoryJournal:
    """Implements the Journal port. What `append` returned from survives a simulated crash."""

    def __init__(self) -> None:
        self.durable: list[Event] = []

    def append(self, *events: Event) -> None:
        """Make these events durable."""
        self.durable.extend(events)

    def events(self) -> Sequence[Event]:
        """Every event."""
        return list(self.durable)
