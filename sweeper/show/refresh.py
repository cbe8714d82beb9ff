"""Keeps the result files up to date while a sweep runs, at a twentieth of its time at most."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from sweeper.core import events as ev
from sweeper.core.chain import Chain

COST = 20
"""The files are written again only after so many times what writing them took: a grid of thousands is not slowed."""
WORTH = (ev.Opened, ev.Intent, ev.Outcome, ev.Skipped, ev.Added, ev.Reopened, ev.Withdrawn)
"""The events after which the rows are others."""


class ResultFiles:
    """A Progress that tells nothing: `write(chain)` after every event that changes a row."""

    def __init__(self, write: Callable[[Chain], None], monotonic: Callable[[], float]) -> None:
        self._write, self._monotonic = write, monotonic
        self._not_before = 0.0
        self._changed: Chain | None = None

    def event(self, event: ev.Event, chain: Chain) -> None:
        """Write the files when a row is another, or remember that they are to be written."""
        if isinstance(event, WORTH):
            self._changed = chain
            self._when_due()

    def watching(self, name: str, description: Mapping[str, Any]) -> None:
        """Write what was put off."""
        self._when_due()

    def _when_due(self) -> None:
        begun = self._monotonic()
        if self._changed is None or begun < self._not_before:
            return
        with suppress(OSError):  # a full disk is told by the journal, and by the report at the end
            self._write(self._changed)
        self._changed = None
        ended = self._monotonic()
        self._not_before = ended + COST * (ended - begun)

    def say(self, line: str) -> None:
        """Nothing."""
