"""`sweeper report A B ...`: several sweeps beside each other, in a table and on one page. Reads them, changes none."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from sweeper.commands import sweeps
from sweeper.commands.columns import columns
from sweeper.commands.output import tell_json
from sweeper.commands.say import relative, tell, tell_words
from sweeper.config import project
from sweeper.core.words import counted
from sweeper.errors import UsageError
from sweeper.record.atomic import write_atomically
from sweeper.show import compared, report
from sweeper.show.compared import Compared
from sweeper.show.report.page import COMPARED, to_html

PAGE = Path("runs", "compared.html")
"""Where the page lies in a project, until the next comparison."""


class Page(compared.ComparedSweeps):
    """Sweeps beside each other, and the page that shows them."""

    file: str


def show(names: Sequence[str], *, to: Path | None = None, as_json: bool = False) -> int:
    """Write the page and print the tables; returns the exit code. Raises UsageError, OSError."""
    found = [sweeps.find(name) for name in names]
    if len({sweep.name for sweep in found}) < len(found):
        raise UsageError(f"{', '.join(sweep.name for sweep in found)}: compare different sweeps")
    sides = Compared([compared.side_of(sweep) for sweep in found])
    page = (to or project.here() / PAGE).absolute()
    pages = [sweep.folder / report.NAME for sweep in found]
    links = [Path(os.path.relpath(one, page.parent)).as_posix() if one.exists() else "" for one in pages]
    write_atomically(page, to_html(compared.page_data(sides, links), scripts=COMPARED))
    if as_json:
        told: Page = {**compared.as_json(sides), "file": str(page)}
        tell_json(told)
        return 0
    for head, rows in compared.tables(sides):
        for line in columns(head, rows) if rows else ():
            tell(line)
        tell()
    if more := len(sides.matches) - compared.MOST_MATCHES:
        tell(*[f"... and {counted(more, 'more matched trial')} on the page\n"] if more > 0 else [], end="")
    for line in compared.verdicts(sides):
        tell_words(line)
    tell(f"page: {relative(page)}")
    return 0
