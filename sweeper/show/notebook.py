"""What a notebook shows: the live table in its cell's output, and results as tables. IPython is found, never needed."""

from __future__ import annotations

import html
import re
import sys
from collections.abc import Callable, Iterable, Sequence

COLUMNS, ROWS = 110, 40
"""How large a frame is that a cell shows; what is wider scrolls."""
MOST_ABOVE = 12
"""Lines above the table that stay; a terminal has room for all of them, and scrolls."""
_ESCAPE = re.compile(r"\x1b\[([\d;]*)m")
_STYLES = {
    "1": "font-weight:bold",
    "2": "opacity:.6",
    "31": "color:#c0392b",
    "32": "color:#1e8449",
    "33": "color:#b9770e",
    "36": "color:#117a8b",
}
"""What the live table paints with, as a page says it; readable on light and on dark."""
_PRE = "margin:0;padding:4px 0;background:transparent;color:inherit;line-height:1.25;overflow-x:auto"

Update = Callable[[str], None]
"""Puts HTML in the place of what was shown before."""


def in_notebook() -> bool:
    """Is this the kernel of a notebook? IPython in a terminal is none. Nothing is imported for it."""
    interactive = getattr(sys.modules.get("IPython"), "get_ipython", None)
    shell = interactive() if callable(interactive) else None
    return getattr(shell, "kernel", None) is not None


def cell_output() -> Update:
    """A place in the output of the cell that runs, which can be written again and again."""
    from IPython.display import HTML, display

    handle = display(HTML(""), display_id=True)
    return lambda text: handle.update(HTML(text))


class Cell:
    """Where a live table is drawn in place of a terminal: the output of a cell."""

    def __init__(self, update: Update) -> None:
        self._update = update
        self._above: list[str] = []
        self._shown = ""

    @property
    def size(self) -> tuple[int, int]:
        """(columns, rows)."""
        return COLUMNS, ROWS

    @property
    def busy(self) -> bool:
        """Never: what a front end has not shown yet waits there."""
        return False

    def draw(self, above: Sequence[str], lines: Sequence[str], width_of: Callable[[str], int]) -> None:
        """Replace the last frame; `above` stays over it, the newest of it."""
        self._above = [*self._above, *above][-MOST_ABOVE:]
        text = page_of([*self._above, *lines])
        if text != self._shown:
            self._shown = text
            self._update(text)

    def close(self) -> None:
        """Nothing: what is shown stays."""


def page_of(lines: Iterable[str]) -> str:
    """Lines of a terminal, their colours too, as HTML."""
    return f'<pre style="{_PRE}">' + "\n".join(map(_painted, lines)) + "</pre>"


def _painted(line: str) -> str:
    parts, out = _ESCAPE.split(line), []
    out.append(html.escape(parts[0]))
    for style, text in zip(parts[1::2], parts[2::2], strict=True):
        css = ";".join(_STYLES[number] for number in style.split(";") if number in _STYLES)
        out.append(f'<span style="{css}">{html.escape(text)}</span>' if css and text else html.escape(text))
    return "".join(out)


def table(heads: Iterable[str], rows: Sequence[Sequence[str]], bold: int | None = None) -> str:
    """Texts as an HTML table; the row of this number, from 0, is bold."""
    head = "".join(f"<th>{html.escape(one)}</th>" for one in heads)
    body = "".join(_row(row, bold=number == bold) for number, row in enumerate(rows))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _row(row: Iterable[str], *, bold: bool) -> str:
    style = ' style="font-weight:bold"' if bold else ""
    return f"<tr{style}>" + "".join(f"<td>{html.escape(text)}</td>" for text in row) + "</tr>"


def text(told: str) -> str:
    """Lines as they are; long ones are broken."""
    return f'<pre style="white-space:pre-wrap">{html.escape(told)}</pre>'
