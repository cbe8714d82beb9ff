"""report.html: a sweep on one page that needs nothing but itself. Read (`subject`), told (`data`), drawn (`page`)."""

from __future__ import annotations

import hashlib
from pathlib import Path

from sweeper.core.results import Results, Row
from sweeper.record.atomic import write_atomically
from sweeper.record.stored import StoredSweep
from sweeper.show.report.data import data
from sweeper.show.report.page import to_html
from sweeper.show.report.subject import read

NAME = "report.html"
HEAD = 1000
"""Characters of the page in which it says which rows it tells of."""


def write(sweep: StoredSweep, table: Results, best: Row | None, now: float, *, forest: bool = False) -> None:
    """Write the page of a sweep whose rows these are; `now` in UTC seconds since the epoch. Raises OSError.

    `forest`: with importance by fANOVA where Optuna is installed, which takes seconds to import.
    """
    told = data(read(sweep, table, best, now), forest=forest)
    write_atomically(sweep.folder / NAME, to_html({**told, "of": _rows(sweep.folder)}))


def keep_current(folder: Path, table: Results, best: Row | None, now: float) -> None:
    """Write the page of the sweep in this folder, unless the one there tells of these rows. Raises OSError."""
    if not _is_current(folder):
        write(StoredSweep(folder), table, best, now)


def _is_current(folder: Path) -> bool:
    """Does the page that lies there tell of the rows of results.csv as they are? Then a run need not make it anew."""
    try:
        with (folder / NAME).open(encoding="utf-8") as file:
            return f'content="{_rows(folder)}"' in file.read(HEAD)
    except (OSError, ValueError):
        return False


def _rows(folder: Path) -> str:
    """Which rows results.csv has, as a digest."""
    return hashlib.sha256((folder / "results.csv").read_bytes()).hexdigest()
