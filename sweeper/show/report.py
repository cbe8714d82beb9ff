"""report.html: the sweep on one page that needs nothing but itself: how it went, the best trial, a chart, every row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from html import escape
from math import isfinite
from typing import Any

from sweeper.core.chain import Chain
from sweeper.core.model import Objective
from sweeper.core.results import PHASES, SPOT, Results, Row, equals
from sweeper.core.words import counted
from sweeper.show.files import cell
from sweeper.show.table import is_numeric, pool_line, short_names, shown, time_line

MOST_ROWS = 2000
REST = (
    "train_seconds",
    "billable_seconds",
    "retained_seconds",
    "cost_usd",
    *SPOT,
    *PHASES,
    "pool",
    "attempts",
)
WIDTH, HEIGHT, MARGIN = 720, 240, 40

_STYLE = """\
:root { color-scheme: light dark }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .25rem .75rem; text-align: left; border-bottom: 1px solid #8884; vertical-align: top }
td.number, th.number { text-align: right } td.number { white-space: nowrap }
td { max-width: 24rem; overflow-wrap: break-word }
tr.best { font-weight: 600 }
.failed, .metric_missing { color: light-dark(#b3261e, #ff8a80) } .planned { color: light-dark(#666, #aaa) }
.why { max-height: 12rem; overflow: auto; white-space: pre-wrap; overflow-wrap: anywhere; margin: 0 0 .75rem }
dt { font-weight: 600 }
.wide { overflow-x: auto } svg { max-width: 100%; height: auto }
circle { fill: light-dark(#27c, #7ab6ff) } circle.best { fill: light-dark(#d60, #ffb066) }
"""


def to_html(
    sweep: str, table: Results, keys: Sequence[str], chain: Chain, chosen: Row | None, objective: Objective | None
) -> str:
    """The page of what is declared. `chosen` is the best row."""
    gone, ties = len(table.rows) - len(table.declared), equals(table, chosen, objective)
    table = replace(table, rows=tuple(table.declared))
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(sweep)}</title><style>{_STYLE}</style>",
        f"<h1>{escape(sweep)}</h1><p>{escape(_summary(table))}. {escape(pool_line(chain))}.</p>",
    ]
    if told := time_line(chain):
        parts.append(f"<p>{escape(told[0].upper() + told[1:])}.</p>")
    if chain.decided:
        parts.append(f"<p>Ended by <b>{escape(chain.decided.rule)}</b>: {escape(chain.decided.why)}.</p>")
    if chosen and objective:
        value = shown(chosen[f"metric.{objective.metric}"])
        headline = f"<b>{escape(str(chosen['name']))}</b> with {escape(objective.metric)} = {escape(value)}"
        also = f", as good as {counted(ties, 'other')}" if ties else ""
        parts.append(f"<p>Best: {headline} ({objective.goal.value}{also}).</p>")
        parts.append(_chart(table, f"metric.{objective.metric}", chosen))
    parts += [*_table(table, keys, chosen), *_causes(table), *_colds(table)]
    if gone:
        parts.append(f"<p>{counted(gone, 'more row')} in results.csv: no longer declared, their results are kept.</p>")
    return "\n".join(parts) + "\n"


def _table(table: Results, keys: Sequence[str], chosen: Row | None) -> Iterator[str]:
    columns = _columns(table, keys)
    numeric = {column for column in columns if is_numeric(table.rows, column)}
    yield "<div class=wide><table><thead><tr>"
    yield from (_cell("th", heading, column in numeric) for column, heading in columns.items())
    yield "</tr></thead><tbody>"
    for row in table.rows[:MOST_ROWS]:
        cells = "".join(_cell("td", _shown(row.get(column)), column in numeric) for column in columns)
        yield f'<tr class="{escape(str(row["status"]))}{" best" if row is chosen else ""}">{cells}</tr>'
    yield "</tbody></table></div>"
    yield from _more(len(table.rows) - MOST_ROWS, "rows")


def _causes(table: Results) -> Iterator[str]:
    """Why trials ended as they did, below the table: a cause is too long for a column of it."""
    told = [row for row in table.rows if row.get("message")]
    if not told:
        return
    yield "<h2>Failures and early ends</h2><dl>"
    for row in told[:MOST_ROWS]:
        heading = ", ".join(str(part) for part in (row["status"], row.get("failure")) if part)
        yield f"<dt>{escape(str(row['name']))}: {escape(heading)}</dt><dd class=why>{escape(row['message'])}</dd>"
    yield "</dl>"
    yield from _more(len(told) - MOST_ROWS, "causes")


def _colds(table: Results) -> Iterator[str]:
    """Why jobs started cold that should have found a warm pool."""
    told = [row for row in table.rows if row.get("cold_because")]
    if told:
        yield "<h2>Cold starts</h2><dl>"
        for row in told[:MOST_ROWS]:
            yield f"<dt>{escape(str(row['name']))}</dt><dd class=why>{escape(row['cold_because'])}</dd>"
        yield "</dl>"
        yield from _more(len(told) - MOST_ROWS, "cold starts")


def _more(left_out: int, what: str) -> Iterator[str]:
    if left_out > 0:
        yield f"<p>... and {left_out} more {what} in results.csv.</p>"


def _cell(tag: str, text: str, number: bool) -> str:
    return f"<{tag}{' class=number' if number else ''}>{escape(text)}</{tag}>"


def _summary(table: Results) -> str:
    counts: dict[str, int] = {}
    for row in table.rows:
        counts[row["status"]] = counts.get(row["status"], 0) + 1
    return f"{counted(len(table.rows), 'trial')}: " + ", ".join(f"{n} {status}" for status, n in counts.items())


def _columns(table: Results, keys: Sequence[str]) -> Mapping[str, str]:
    """Column -> heading; those that are empty everywhere are left out."""
    metrics = {column: column.removeprefix("metric.") for column in table.columns if column.startswith("metric.")}
    wanted = {
        "name": "trial",
        **short_names(keys),
        "status": "status",
        "failure": "failure",
        **metrics,
        **{name: name.replace("_", " ") for name in REST},
    }
    return {c: h for c, h in wanted.items() if any(row.get(c) is not None for row in table.rows)}


def _shown(value: Any) -> str:
    return shown(value) if isinstance(value, float) else cell(value)


def _chart(table: Results, column: str, chosen: Row) -> str:
    """The objective by trial, as a picture; nothing for fewer than two values."""
    points = [(row, float(row[column])) for row in table.rows if row.get(column) is not None and isfinite(row[column])]
    if len(points) < 2:
        return ""
    low, high = min(value for _, value in points), max(value for _, value in points)
    across, up = (WIDTH - 2 * MARGIN) / max(1, len(points) - 1), (HEIGHT - 2 * MARGIN) / ((high - low) or 1.0)

    def circles() -> Iterator[str]:
        for position, (row, value) in enumerate(points):
            x, y = MARGIN + position * across, HEIGHT - MARGIN - (value - low) * up
            best = ' class="best"' if row is chosen else ""
            title = f"<title>{escape(str(row['name']))}: {escape(shown(value))}</title>"
            yield f'<circle{best} cx="{x:.1f}" cy="{y:.1f}" r="4">{title}</circle>'

    axis = f'<path d="M{MARGIN} {HEIGHT - MARGIN}H{WIDTH - MARGIN}M{MARGIN} {HEIGHT - MARGIN}V{MARGIN}" stroke="#888"/>'
    texts = (
        f'<text x="{MARGIN}" y="{MARGIN - 8}" fill="currentColor">{escape(shown(high))}</text>'
        f'<text x="{MARGIN}" y="{HEIGHT - MARGIN + 20}" fill="currentColor">{escape(shown(low))}</text>'
    )
    head = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" role="img" aria-label="{escape(column)} by trial">'
    return f"{head}{axis}{texts}{''.join(circles())}</svg>"
