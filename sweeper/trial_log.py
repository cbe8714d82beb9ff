"""trials/ID/log.txt and metrics.csv: a job's log as it comes, line by line, so that its length does not matter."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

from sweeper.aws.logs import points
from sweeper.core.model import MetricDefinition
from sweeper.core.results import utc
from sweeper.whole import replacing


def store(
    folder: Path, log: Iterator[tuple[int, str]], metrics: Sequence[MetricDefinition], redact: Callable[[str], str]
) -> None:
    """Write both files whole, or leave those that are there. `log`: (milliseconds, line). Raises OSError, ApiError."""
    with replacing(folder / "log.txt") as text, replacing(folder / "metrics.csv") as table:
        table.write("time,metric,value\n")
        for when, name, value in points(_copied(log, text, redact), metrics):
            table.write(f"{utc(when / 1000)},{name},{value}\n")


def _copied(log: Iterator[tuple[int, str]], to: TextIO, redact: Callable[[str], str]) -> Iterator[tuple[int, str]]:
    for when, line in log:
        to.write(redact(line) + "\n")
        yield when, line
