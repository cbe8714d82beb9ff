"""report.html: a sweep on one page that needs nothing but itself. Read (`subject`), told (`data`), drawn (`page`)."""

from __future__ import annotations

from sweeper.core.results import Results, Row
from sweeper.record.atomic import write_atomically
from sweeper.record.stored import StoredSweep
from sweeper.show.report.data import data
from sweeper.show.report.page import to_html
from sweeper.show.report.subject import read

NAME = "report.html"


def write(sweep: StoredSweep, table: Results, best: Row | None, now: float, *, forest: bool = False) -> None:
    """Write the page of a sweep whose rows these are; `now` in UTC seconds since the epoch. Raises OSError.

    `forest`: with importance by fANOVA where Optuna is installed, which takes seconds to import.
    """
    write_atomically(sweep.folder / NAME, to_html(data(read(sweep, table, best, now), forest=forest)))
