"""A sweep as tables that other programs read in one line: a row per trial, and a row per value of a metric."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from math import isfinite, isnan
from pathlib import Path
from typing import Any, TextIO

from sweeper.core.words import cell
from sweeper.record.atomic import replacing
from sweeper.record.points import points
from sweeper.record.stored import StoredSweep

SWEEP = "sweep"
"""The first column of both tables: those of several sweeps may be put one below the other."""
TRIALS, POINTS = "trials", "points"
"""The tables, as their files are called."""


@dataclass(frozen=True)
class PointRow:
    """A row of the table of points."""

    sweep: str
    trial: str
    index: int | None
    name: str
    job_name: str
    attempt: int
    metric: str
    step: int
    time: str
    value: float


POINT_COLUMNS = tuple(field.name for field in fields(PointRow))
Rows = Iterable[Sequence[Any]]


def as_csv(file: TextIO, columns: Sequence[str], rows: Rows) -> int:
    """Write a table as CSV, a row at a time; returns how many there were. Unknown is empty, NaN is NaN."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    return sum(1 for row in rows if writer.writerow([_cell(value) for value in row]))


def _cell(value: Any) -> str:
    """As results.csv has it, but for NaN: as `nan` the whole column would be text to polars."""
    return "NaN" if isinstance(value, float) and isnan(value) else cell(value)


def as_jsonl(file: TextIO, columns: Sequence[str], rows: Rows) -> int:
    """Write it as a JSON object a line, in the same way; NaN and the infinities are null, for columns of numbers."""
    return sum(
        1
        for row in rows
        if file.write(
            json.dumps(dict(zip(columns, map(_finite, row), strict=True)), ensure_ascii=False) + "\n",
        )
    )


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not isfinite(value) else value


FORMATS: Mapping[str, Callable[[TextIO, Sequence[str], Rows], int]] = {"csv": as_csv, "jsonl": as_jsonl}


def write(sweep: StoredSweep, folder: Path, form: str) -> dict[Path, int]:
    """Write both tables into a folder; returns their files, with how many rows each has. Raises OSError."""
    table = sweep.table
    trials = ([sweep.name, *(row.get(column) for column in table.columns)] for row in table.rows)
    made = {TRIALS: ((SWEEP, *table.columns), trials), POINTS: (POINT_COLUMNS, map(astuple, point_rows(sweep)))}
    written = {}
    for name, (columns, rows) in made.items():
        path = folder / f"{name}.{form}"
        with replacing(path) as file:
            written[path] = FORMATS[form](file, columns, rows)
    return written


def point_rows(sweep: StoredSweep) -> Iterator[PointRow]:
    """The values of every trial of the first table, in its order; a trial's in the order in which they came."""
    newest = {job.intent.trial: job for job in sweep.chain.outcomes}
    for row in sweep.table.rows:
        if job := newest.get(row["trial"]):
            shared = (sweep.name, row["trial"], row["index"], row["name"], job.name, job.intent.attempt)
            yield from (PointRow(*shared, p.metric, p.step, p.at, p.value) for p in points(sweep.folder, row["trial"]))
