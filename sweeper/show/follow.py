"""Reads the running job's log while it trains: kept below trials/ID, and its metrics shown as they come.

A log that cannot be had is looked for more and more rarely, and never in the way of the chain.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sweeper.aws import logs
from sweeper.core import events as ev
from sweeper.core import measured
from sweeper.core.chain import Chain
from sweeper.core.measured import LOG, POINTS
from sweeper.driver.matches import Match, Metrics
from sweeper.errors import SweeperError
from sweeper.record.atomic import private_folder

RAREST_S = 300.0
AT_WORK = ("Training", "Uploading", "Stopping")
"""The phases in which a job writes its log."""


class LogFollower:
    """A Progress that tells metrics: `metric(job, name, value)` for each that a new line holds."""

    def __init__(
        self,
        client: Callable[[], Any],
        folder: Path,
        metrics: Metrics,
        redact: Callable[[str], str],
        monotonic: Callable[[], float],
        every_s: float,
        metric: Callable[[str, str, float], None],
        doubt: Callable[[Match], None] = lambda match: None,
    ) -> None:
        self._client, self._folder, self._metrics, self._redact = client, folder, metrics, redact
        self._monotonic, self._every_s, self._metric, self._doubt = monotonic, every_s, metric, doubt
        self._pause_s = every_s
        self._next = 0.0
        self._name = ""
        self._tail: logs.Tail | None = None
        self._trials: dict[str, str] = {}

    def event(self, event: ev.Event, chain: Chain) -> None:
        """Learn which trial a job belongs to."""
        if isinstance(event, (ev.Opened, ev.Intent)):
            self._trials = {job.name: job.intent.trial for job in chain.unfinished.values()}

    def watching(self, name: str, description: Mapping[str, Any]) -> None:
        """Read what is new, when it is time to."""
        now = self._monotonic()
        if now < self._next or name not in self._trials or description.get("SecondaryStatus") not in AT_WORK:
            return
        try:
            self._read(name)
            self._pause_s = self._every_s
        except (SweeperError, OSError):
            self._pause_s = min(2 * self._pause_s, RAREST_S)
        self._next = self._monotonic() + self._pause_s

    def say(self, line: str) -> None:
        """Nothing."""

    def _read(self, name: str) -> None:
        folder = self._folder / "trials" / self._trials[name]
        if name != self._name or self._tail is None:
            self._name, self._tail = name, logs.Tail(self._client(), name)
            private_folder(folder)
            for earlier in (LOG, POINTS):
                (folder / earlier).unlink(missing_ok=True)  # of another attempt
        found = list(self._tail.new(1))
        if not found:
            return
        path = folder / LOG
        path.touch(mode=0o600)
        with path.open("a", encoding="utf-8") as file:
            file.write(self._redact("".join(f"{line}\n" for _, line in found)))
        for metric, value in measured.last_values(measured.points(found, self._metrics, self._doubt)).items():
            self._metric(name, metric, value)
