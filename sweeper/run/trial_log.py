"""trials/ID/log.txt and metrics.csv: a job's log page by page, so that its length does not matter."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path

from sweeper.core.measured import LOG, POINTS, points
from sweeper.core.words import utc
from sweeper.driver.matches import Match, Metrics
from sweeper.record.atomic import replacing


def store(
    folder: Path,
    pages: Iterable[list[tuple[int, str]]],
    metrics: Metrics,
    redact: Callable[[str], str],
    doubt: Callable[[Match], None] = lambda match: None,
) -> Iterator[None]:
    """Write both files whole, a page of (milliseconds, line) at each step, or leave those that are there.

    A log that is not to be had any more does not take the place of what was stored of it. Raises OSError, ApiError.
    """
    coming = iter(pages)
    first = next(coming, [])
    if not first and (folder / LOG).exists():
        return
    with replacing(folder / LOG) as text, replacing(folder / POINTS) as table:
        table.write("time,metric,value\n")
        for page in chain([first], coming):
            text.write(redact("".join(f"{line}\n" for _, line in page)))
            for when, name, value in points(page, metrics, doubt):
                table.write(f"{utc(when / 1000)},{name},{value}\n")
            yield
