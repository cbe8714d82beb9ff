"""What a notebook shows."""

from __future__ import annotations

import re
from html import unescape

from hypothesis import given
from hypothesis import strategies as st

from sweeper.show import notebook
from sweeper.show.cells import cells
from sweeper.show.notebook import Cell

FORGED = "<script>alert(1)</script>&amp;\x1b[31mred\x1b[0m"
STYLES = st.sampled_from(["", "\x1b[31m", "\x1b[1;36m", "\x1b[0m", "\x1b[99m"])


@given(
    st.lists(st.tuples(STYLES, st.text(st.characters(exclude_characters="\x1b\n\r", exclude_categories=["Cs", "Cc"]))))
)
def test_a_frame_is_shown_with_its_words_and_nothing_that_a_page_obeys(parts: list[tuple[str, str]]) -> None:
    """Whatever a log holds: without its marks a page of lines is those lines without their colours."""
    page = notebook.page_of(["".join(style + text for style, text in parts)])
    inner = re.fullmatch(r"<pre [^<>]*>(.*)</pre>", page, re.DOTALL)
    assert inner
    assert unescape(re.sub(r'<span style="[\w:#;.-]*">|</span>', "", inner[1])) == "".join(text for _, text in parts)


def test_a_cell_is_updated_when_something_has_changed() -> None:
    """One place that is written again: the newest lines stay above the newest frame."""
    shown: list[str] = []
    cell = Cell(shown.append)
    cell.draw(["first"], ["a frame"], cells)
    cell.draw([], ["a frame"], cells)
    cell.draw([FORGED], ["another"], cells)
    cell.draw([str(n) for n in range(100)], ["the last"], cells)
    assert len(shown) == 3
    assert re.sub("<.*?>", "", shown[1]).splitlines() == [
        "first",
        "&lt;script&gt;alert(1)&lt;/script&gt;&amp;amp;red",
        "another",
    ]
    assert re.sub("<.*?>", "", shown[2]).splitlines() == [*map(str, range(88, 100)), "the last"]


def test_a_table_is_text_alone() -> None:
    """Names and messages are others' words."""
    page = notebook.table(["<b>"], [[FORGED], ["best"]], bold=1)
    assert "<script" not in page and "<b>" not in page
    assert page.count("font-weight:bold") == 1
