"""The newest data of a sweep's page, made anew by one thread as its files change, while anybody asks for them.

Making them takes a thirtieth of the time at most, however large the sweep is.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweeper.errors import SweeperError
from sweeper.record.changes import Marks, marks
from sweeper.record.stored import StoredSweep
from sweeper.show.report.data import data
from sweeper.show.report.page import to_json
from sweeper.show.report.subject import read

COST = 30
"""The data are made again only after so many times what making them took."""
LOOK_S = 0.5
"""Seconds between two looks at the files."""
ASKED_S = 15.0
"""So long after somebody has asked for them the data are kept up to date."""


@dataclass(frozen=True)
class Told:
    """What the page shows, at one moment."""

    tag: str
    """Another one for every version."""
    data: Mapping[str, Any]
    json: bytes
    trials: frozenset[str]
    """The trials whose files may be asked for."""


class Feed:
    """Follows the files of a sweep from `start` to `stop`. Raises JournalError when it cannot be read at first."""

    def __init__(self, folder: Path, now: Callable[[], float]) -> None:
        self.folder, self._now = folder, now
        self._seen: Marks = ()
        self._running: tuple[str, ...] = ()
        self._not_before, self._asked_at = 0.0, time.monotonic()
        self._versions = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="feed", daemon=True)
        self.failed: BaseException | None = None
        """Why nothing is followed any more: a bug."""
        self._told = self._made(marks(folder))

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for what is being made."""
        self._stopped.set()
        self._thread.join()

    def newest(self) -> Told:
        """What is known now; whoever asks is told of what comes."""
        self._asked_at = time.monotonic()
        return self._told

    def _follow(self) -> None:
        try:
            while not self._stopped.wait(LOOK_S):
                now = time.monotonic()
                if now - self._asked_at <= ASKED_S and now >= self._not_before:
                    self._look()
        except Exception as error:  # noqa: BLE001 - told by the thread that serves
            self.failed = error

    def _look(self) -> None:
        found = marks(self.folder, self._running)
        if found == self._seen:
            return
        begun = time.monotonic()
        with suppress(SweeperError, OSError):  # a file is being replaced, or damaged: the next look tries again
            self._told = self._made(found)
        ended = time.monotonic()
        self._not_before = ended + COST * (ended - begun)

    def _made(self, found: Marks) -> Told:
        sweep = StoredSweep(self.folder)
        subject = read(sweep, sweep.table, sweep.best, self._now())
        self._seen, self._running = found, tuple(job.intent.trial for job in sweep.chain.unfinished.values())
        self._versions += 1
        page = data(subject)
        return Told(f'"{self._versions}"', page, to_json(page).encode(), subject.stored)
