"""What a simulated run reads and tells: its log, its source and its display, none of which fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sweeper.core import events as ev
from sweeper.core.chain import Chain, Job
from sweeper.core.channels import channels
from sweeper.core.request import Staged
from sweeper.core.watch import News
from sweeper.testing.twin import Twin

SOURCE, OUTPUT = "s3://simulated/source", "s3://simulated/output"


def staged(config: Mapping[str, Any]) -> Staged:
    """Where a simulated job reads and writes: a fixed place to which nothing was ever uploaded."""
    inputs = {name: f"{SOURCE}/{name}" for name, channel in channels(config["job"]).items() if channel.in_s3}
    return Staged(SOURCE, inputs, OUTPUT)


class Listener:
    """The Progress port: keeps what was said, and when."""

    def __init__(self, now: Callable[[], float] = lambda: 0.0) -> None:
        self._now = now
        self.told: list[tuple[float, str]] = []

    @property
    def lines(self) -> list[str]:
        """What was said, in order."""
        return [line for _, line in self.told]

    def event(self, event: ev.Event, chain: Chain) -> None:
        """An event, as text."""
        self.say(repr(event))

    def watching(self, name: str, description: Mapping[str, Any]) -> None:
        """Nothing."""

    def say(self, line: str) -> None:
        """A line."""
        self.told.append((self._now(), line))


class LogPosition:
    """The log of a simulated job, read on from where it was left by this invocation."""

    def __init__(self, twin: Twin) -> None:
        self._twin = twin
        self._read: dict[str, int] = {}

    def news(self, job: Job) -> News:
        """The points that were printed since the last look."""
        points = self._twin.printed(job)[self._read.get(job.name, 0) :]
        self._read[job.name] = self._read.get(job.name, 0) + len(points)
        return News(len(points), points)
