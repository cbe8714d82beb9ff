"""A frame as lines for a terminal of a given size: nothing is wider, and no word is broken. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sweeper.core.results import METRIC
from sweeper.core.text import harmless
from sweeper.core.words import span
from sweeper.show.cells import cells, cut, fitted
from sweeper.show.live.model import Frame, Line, Running
from sweeper.show.live.sketch import spark
from sweeper.show.plain import shown
from sweeper.show.table import short_names

MOST_METRICS = 3
MIN_NAME = 8
MIN_STATUS = len("Downloading")
BAR = (10, 40)
"""Cells of the progress bar."""
NARROW = 40
"""Cells under which there is no room for a bar."""
CURVE = 12
"""Cells of a curve in a row, and of that of a running trial at least."""
WHY = 20
"""Cells that a cause needs to say anything."""
BEST = "★"
BETWEEN = " · "

_STYLES = {
    "completed": "32",
    "failed": "31",
    "metric_missing": "31",
    "planned": "2",
    "skipped": "2",
    "interrupted": "33",
}
RUNS, BOLD, DIM, GOOD = "1;36", "1", "2", "32"
Part = tuple[str, str]
"""Text, and its style as the number of an escape sequence; empty for none."""


@dataclass(frozen=True)
class Room:
    """How the height of a terminal is shared out."""

    rows: int
    running: int
    foot: int


def room(rows: int, running: int, foot: int) -> Room:
    """Of so many rows: some stay for what happens above the table and for the cursor, the rest is shared."""
    left = max(2, rows - (4 if rows >= 20 else 2))
    foot = max(1, min(foot, left // 3))
    blocks = min(running, (left - foot - 1) // 6)
    return Room(max(1, left - foot - 2 * blocks - 1), blocks, foot)


def lines(of: Callable[[int], Frame | None], columns: int, rows: int, *, colour: bool) -> list[str]:
    """The lines of a frame, none wider than `columns` cells. `of` gives the frame with so many trials."""
    first = of(0)
    if first is None:
        return []
    foot = [*_foot(first, columns)]
    shared = room(rows, len(first.running), len(foot))
    frame = of(shared.rows)
    assert frame is not None
    told = [*_table(frame, columns), *_runs(frame.running, shared.running, columns), *foot[: shared.foot]]
    return [_painted(line, columns, colour=colour) for line in told]


def _painted(parts: Sequence[Part], columns: int, *, colour: bool) -> str:
    out, left = [], columns
    for text, style in parts:
        shown = text if cells(text) <= left else fitted(text, left) if left > 0 else ""
        left -= cells(shown)
        out.append(f"\x1b[{style}m{shown}\x1b[0m" if colour and style and shown.strip() else shown)
    line = "".join(out)
    return line.rstrip()


# -- the table ----------------------------------------------------------------------------------------------------


def _table(frame: Frame, columns: int) -> Iterator[list[Part]]:
    """The widest table that fits, header first."""
    layouts = [*_layouts(frame)]
    chosen = next((one for one in layouts if sum(_widths(one)) + 2 * (len(one) - 1) <= columns), layouts[-1])
    widths = _widths(chosen)
    over = sum(widths) + 2 * (len(widths) - 1) - columns
    if over > 0 and len(chosen) > 1:  # what the trials are called gives way
        widths[1] = max(min(MIN_NAME, widths[1]), widths[1] - over)
    rest = columns - sum(widths) - 2 * len(widths)
    why = [_why(line) for line in frame.lines] if rest >= WHY and len(chosen) > 4 else []
    yield [("  ".join(_placed(one.head, one, width) for one, width in zip(chosen, widths, strict=True)), BOLD)]
    for n, line in enumerate(frame.lines):
        yield [*_row(n, line, chosen, widths), *([(f"  {cut(why[n], rest)}", DIM)] if why and why[n] else [])]


@dataclass(frozen=True)
class _Column:
    head: str
    cells: Sequence[str]
    right: bool = False
    status: bool = False


def _row(n: int, line: Line, chosen: Sequence[_Column], widths: Sequence[int]) -> Iterator[Part]:
    for position, (column, width) in enumerate(zip(chosen, widths, strict=True)):
        style = _STYLES.get(line.word, RUNS) if column.status else BOLD if line.best else ""
        yield ("  " if position else "") + _placed(column.cells[n], column, width), style


def _placed(text: str, column: _Column, width: int) -> str:
    return " " * max(0, width - cells(text)) + text if column.right and cells(text) <= width else fitted(text, width)


def _widths(columns: Sequence[_Column]) -> list[int]:
    return [max(MIN_STATUS if one.status else 0, *map(cells, (one.head, *one.cells))) for one in columns]


def _layouts(frame: Frame) -> Iterator[list[_Column]]:
    """The columns to try, the widest first; the last is what is left where nothing fits."""
    names = short_names(frame.keys)
    rows = [line.row for line in frame.lines]
    number = _Column("#", [f"{BEST if line.best else ''}{line.row['index']}" for line in frame.lines], right=True)
    named = _Column("trial", [_text(row["name"]) for row in rows])
    keys = [_Column(names[key], [_text(row.get(key)) for row in rows]) for key in frame.keys]
    status = _Column("status", [line.word for line in frame.lines], status=True)
    seconds = _Column("s", ["" if line.seconds is None else f"{line.seconds:.0f}" for line in frame.lines], right=True)
    metrics = [_Column(m, [_text(row.get(METRIC + m)) for row in rows]) for m in frame.metrics[:MOST_METRICS]]
    pool = _Column("pool", [_pool(row) for row in rows])
    usd = _Column("usd", [_usd(row["cost_usd"]) for row in rows], right=True)
    curve = _Column("curve", [spark(line.curve, CURVE) for line in frame.lines])
    extra = [one for one in (usd, curve) if any(one.cells)]
    # The name of a point is not said by its values.
    begin = [number, *([named] if any("=" not in row["name"] for row in rows) else []), *keys]
    if keys:
        yield [*begin, status, seconds, *metrics, pool, *extra]
        yield [*begin, status, seconds, *metrics, pool, *extra[:1]]
        yield [*begin, status, seconds, *metrics, pool]
        yield [*begin, status, seconds, *metrics[:1], pool]
    for more in (extra, extra[:1], ()):
        yield [number, named, status, seconds, *metrics[:1], pool, *more]
    yield [number, named, status, seconds, *metrics[:1]]
    yield [number, named, status]


def _pool(row: Any) -> str:
    return str(row["pool"] or "") if row["pool"] != "none" else ""


def _usd(usd: float | None) -> str:
    return "" if usd is None else f"{usd:.4f}"


def _text(value: Any) -> str:
    return harmless(shown(value))


def _why(line: Line) -> str:
    """Why a trial came to nothing, in its row."""
    row = line.row
    return harmless(": ".join(part for part in (row["failure"], row["message"]) if part))


# -- what runs ----------------------------------------------------------------------------------------------------


def _runs(running: Sequence[Running], most: int, columns: int) -> Iterator[list[Part]]:
    """Two lines for each of the first trials that run: how far it is, and what its log says last."""
    for one in running[:most]:
        told = BETWEEN.join(f"{name} {shown(value)}" for name, value in one.metrics[:MOST_METRICS])
        width = max(CURVE, min(2 * CURVE, columns // 6))
        curve = spark(one.curve, width) if len(one.curve) > 1 else ""
        parts = [part for part in (f"{one.word} {one.seconds:.0f} s", curve, told) if part]
        rest = max(MIN_NAME, columns - sum(map(cells, parts)) - 2 * len(parts) - 2)
        label = cut(harmless(one.label), rest)
        yield [("▸ ", RUNS), (label, BOLD), *((f"  {part}", RUNS if part == curve else "") for part in parts)]
        more = len(running) - most
        also = f"  ({more} more run)" if more > 0 and one is running[most - 1] else ""
        yield [(f"  {cut(harmless(one.said).strip(), max(1, columns - 2 - cells(also)))}", DIM), (also, "")]


# -- the lines below ----------------------------------------------------------------------------------------------


def _foot(frame: Frame, columns: int) -> Iterator[list[Part]]:
    """How far it is, how long and how much; the parts that have no room in a line begin the next one."""
    for n, line in enumerate(_filled([*_counts(frame)], columns - _bar_width(columns) - 2, columns)):
        bar = [*_bar(frame, _bar_width(columns))] if not n else []
        yield [*bar, (line, "")]
    if frame.best:
        metric, value, label = frame.best
        told = f"best {metric}={value} "
        yield [(f"{BEST} ", GOOD), (told, BOLD), (cut(_text(label), max(1, columns - cells(told) - 2)), "")]


def _counts(frame: Frame) -> Iterator[str]:
    yield f"{frame.name}: {frame.done} of {frame.total} done"
    if frame.skipped:
        yield f"{frame.skipped} skipped"
    if frame.in_flight > 1 and frame.running:
        yield f"{len(frame.running)} running"
    if frame.ending:
        yield "ending"
    elif frame.left_s:
        yield f"{'at most' if frame.at_most else 'about'} {span(frame.left_s)} left"
    if frame.elapsed_s is not None:
        yield f"{span(frame.elapsed_s)} so far"
    if frame.usd is not None:
        yield f"{frame.usd:.4f} USD{' (simulated)' if frame.simulated else ''}"
    if frame.pool:
        yield f"pool {frame.pool}" + ("" if frame.pool_s is None else f" {frame.pool_s:.0f} s")


def _bar_width(columns: int) -> int:
    return 0 if columns < NARROW else max(BAR[0], min(BAR[1], columns // 6))


def _bar(frame: Frame, width: int) -> Iterator[Part]:
    """What has ended and what is left out, as a share of a line."""
    if width:
        full = width * (frame.done + frame.skipped) // max(1, frame.total)
        yield "━" * full, GOOD
        yield f"{'─' * (width - full)}  ", DIM


def _filled(parts: Iterable[str], first: int, columns: int) -> Iterator[str]:
    """The parts in as few lines as they need; the first line has less room than the others."""
    line, width = "", first
    for part in parts:
        longer = f"{line}{BETWEEN}{part}" if line else part
        if line and cells(longer) > width:
            yield line
            line, width = part, columns
        else:
            line = longer
    if line:
        yield line
