"""The tables that other programs read."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from sweeper.core.results import FIRST, LAST, MACHINE, SPOT
from sweeper.show.exported import FORMATS, POINT_COLUMNS, SWEEP

PAGE = Path(__file__).parents[2] / "docs/export.md"


def test_the_page_tells_every_column_and_no_other() -> None:
    """Each column of either table has its line there, with its unit where it is a number, in the order of the table."""
    points, trials = PAGE.read_text(encoding="utf-8").split("## points")[1].split("## trials")
    told = [re.findall(r"^\| `([\w.]+)` \|", text, re.MULTILINE) for text in (points, trials)]
    assert told == [[*POINT_COLUMNS], [SWEEP, *FIRST, "metric.NAME", *LAST, *SPOT, MACHINE]]
    assert all(unit.strip() for unit in re.findall(r"^\| `.*?` \| number \|(.*?)\|", points + trials, re.MULTILINE))


@pytest.mark.parametrize("form", FORMATS)
def test_a_row_is_written_before_the_next_is_asked_for(form: str) -> None:
    """However many there are, one is in memory; what is no number is what a reader of that format takes for none."""
    file, seen = io.StringIO(), list[int]()

    def rows() -> Iterator[list[object]]:
        for value in (1.0, float("nan"), None):
            seen.append(file.tell())
            yield ["a", value]

    assert FORMATS[form](file, ("name", "value"), rows()) == 3
    assert seen == sorted({*seen})
    none = {"csv": ["a,NaN", "a,"], "jsonl": ['{"name": "a", "value": null}'] * 2}[form]
    assert file.getvalue().splitlines()[-2:] == none
