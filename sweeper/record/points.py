"""Every value of a trial's metrics, as trials/ID/metrics.csv keeps those of the last job whose log is stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from sweeper.core.measured import POINTS
from sweeper.core.tracked import Point


def read(path: Path) -> Iterator[tuple[str, str, float]]:
    """(time, metric, value) of each line, in their order, one line in memory; it ends where that is no such file."""
    try:
        with path.open(encoding="utf-8") as file:
            next(file, None)
            for line in file:
                when, rest = line.split(",", 1)
                metric, _, value = rest.rpartition(",")
                yield when, metric, float(value)
    except (OSError, ValueError):
        return


def are_stored(folder: Path, trial: str) -> bool:
    """Is the log of this trial's last job stored whole, with what stands in it of its metrics?"""
    return (folder / "trials" / trial / POINTS).exists()


def points(folder: Path, trial: str) -> Iterator[Point]:
    """What is stored of a trial in the folder of its sweep; nothing where nothing is."""
    steps: Counter[str] = Counter()
    for when, metric, value in read(folder / "trials" / trial / POINTS):
        steps[metric] += 1
        yield Point(metric, steps[metric], value, when)
