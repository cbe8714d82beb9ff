"""Plain tables: one line a row, aligned, with a header; made to be read and to be cut by other programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence


def columns(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The header and the rows, each column as wide as its widest word; one that is empty throughout is left out."""
    table = [tuple(row) for row in rows]
    kept = [at for at in range(len(header)) if any(row[at] for row in table)]
    lines = [tuple(header[at] for at in kept), *(tuple(row[at] for at in kept) for row in table)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(kept))]
    for line in lines:
        yield "  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip()
