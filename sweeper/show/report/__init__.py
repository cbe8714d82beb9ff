"""report.html: a sweep on one page that needs nothing but itself. Read (`subject`), told (`data`), drawn (`page`)."""

from __future__ import annotations

from pathlib import Path

from sweeper.core.chain import Chain
from sweeper.core.model import Sweep
from sweeper.core.results import Results, Row
from sweeper.core.secrets import Redactor
from sweeper.record.atomic import write_atomically
from sweeper.record.stored import StoredSweep
from sweeper.show.files import write_results
from sweeper.show.report.data import data
from sweeper.show.report.page import to_html
from sweeper.show.report.subject import read

NAME = "report.html"


def write(sweep: StoredSweep, table: Results, best: Row | None, now: float, *, forest: bool = False) -> None:
    """Write the page of a sweep whose rows these are; `now` in UTC seconds since the epoch. Raises OSError.

    `forest`: with importance by fANOVA where Optuna is installed, which takes seconds to import.
    """
    write_atomically(sweep.folder / NAME, to_html(data(read(sweep, table, best, now), forest=forest)))


def write_with_results(
    sweep: Sweep, chain: Chain, folder: Path, redact: Redactor, now: float
) -> tuple[Results, Row | None]:
    """Write the result files of a sweep that has ended, then its page; returns the table and its best row.

    Raises OSError.
    """
    table, best = write_results(sweep, chain, folder, redact)
    write(StoredSweep(folder), table, best, now)
    return table, best
