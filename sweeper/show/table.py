"""The table at the end: what differs between the trials, what came of them, the best one and how the pool was used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import floor, log10
from typing import TYPE_CHECKING, Any, Literal, TextIO

from sweeper.core.chain import Chain
from sweeper.core.events import Closed, TrialStatus
from sweeper.core.grouped import COUNTS, FIRST, LAST, grouped_results
from sweeper.core.keepalive import idle_seconds
from sweeper.core.model import Objective
from sweeper.core.phases import Phase
from sweeper.core.results import MACHINE, METRIC, SAVINGS, Results, Row, reuse
from sweeper.core.scope import Scope
from sweeper.core.text import harmless
from sweeper.core.words import counted, span
from sweeper.show.best import best_line
from sweeper.show.cells import wrapped
from sweeper.show.plain import shown

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

MOST_ROWS = 200
MOST_TROUBLES = 20
MOST_COLDS = 3
WIDTH_WITHOUT_TERMINAL = 120
UNBOUNDED = 10_000
SHOWN_S = 0.5
"""Less of a phase is no second."""
WHOLE = ("index", "status", "pool", "train_seconds", "cost_usd", "failure")
"""Columns of words and numbers that are never broken over two lines."""
_DOING = {
    Phase.START: "to start",
    Phase.DOWNLOAD: "to download",
    Phase.TRAIN: "to train",
    Phase.UPLOAD: "to upload",
    Phase.INTERRUPTED: "to get back interrupted machines",
    Phase.STOP: "to stop",
    Phase.OTHER: "for other things",
}
_TO_RUN = {status.value for status in TrialStatus if not status.finished}


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """The shortest tail of each dotted key that no other key shares."""
    names = {}
    for key in keys:
        parts = key.split(".")
        tails = (".".join(parts[-n:]) for n in range(1, len(parts) + 1))
        names[key] = next((t for t in tails if sum(k == t or k.endswith(f".{t}") for k in keys) == 1), key)
    return names


def print_table(
    stream: TextIO,
    table: Results,
    keys: Sequence[str],
    chosen: Row | None,
    objective: Objective | None,
    width: int = WIDTH_WITHOUT_TERMINAL,
) -> None:
    """Print the declared trials (the first 200), why some failed, and the best. `width`: cells without a terminal."""
    from rich.console import Console
    from rich.text import Text

    console = Console(file=stream, highlight=False, soft_wrap=False)
    if not console.is_terminal:
        console = Console(file=stream, highlight=False, width=width)

    def whole(line: str) -> str:
        return wrapped(harmless(line), console.width) if console.is_terminal else harmless(line)

    with console.capture() as captured:  # rich ends the process when nobody reads what it writes itself
        console.print(_fitting(console, table, [*_ways(table, keys)], chosen))
        if table.seed:
            means = _counted(grouped_results(table, objective))
            best = next((row for row in means.rows if row["best"]), None)
            console.print(_fitting(console, means, [*_group_ways(means, objective)], best))
        if len(table.declared) > MOST_ROWS:
            console.print(f"... and {len(table.declared) - MOST_ROWS} more rows in results.csv")
        for line in (*_troubles(table), *_colds(table)):
            console.print(Text(whole(line)), soft_wrap=True)
        if gone := len(table.rows) - len(table.declared):
            console.print(f"{counted(gone, 'more row')} in results.csv: no longer declared, their results are kept")
        if chosen is not None and objective is not None:
            console.print(Text(whole(f"best: {best_line(table, chosen, objective)}")), soft_wrap=True)
    text = captured.get()
    stream.write(text if console.is_terminal else _plain(text))


def _fitting(console: Console, table: Results, ways: Sequence[Mapping[str, str]], chosen: Row | None) -> Table:
    """The widest way of it that fits; the narrowest one where none does."""
    wide = console.options.update(max_width=UNBOUNDED)
    grids = (_grid(table, headings, chosen) for headings in ways)
    fits = (grid for grid in grids if console.measure(grid, options=wide).maximum <= console.width)
    return next(fits, None) or _grid(table, ways[-1], chosen)


def _plain(told: str) -> str:
    """What a pipe gets: no blanks at the ends of lines, and no empty line before the table."""
    return "\n".join(line.rstrip() for line in told.splitlines()).strip("\n") + "\n"


def _grid(table: Results, headed: Mapping[str, str], chosen: Row | None) -> Table:
    """The first rows under these headings. Only what tells the trials apart may be folded; words stay whole."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    rows = table.declared[:MOST_ROWS]
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column, heading in headed.items():
        justify: Literal["left", "right"] = "right" if is_numeric(rows, column) else "left"
        grid.add_column(Text(harmless(heading)), overflow="fold", no_wrap=column in WHOLE, justify=justify)
    for row, cells in zip(rows, texts(rows, headed), strict=True):
        style = "bold" if chosen is not None and row is chosen else ""
        grid.add_row(*(Text(cell, style=style) for cell in cells))
    return grid


def texts(rows: Sequence[Row], columns: Iterable[str]) -> list[list[str]]:
    """The rows as a person reads them, in these columns."""
    digits, wanted = _money_digits(rows), [*columns]
    return [[_cell(row.get(column), column, digits) for column in wanted] for row in rows]


def _cell(value: Any, column: str, money_digits: int) -> str:
    return f"{value:.{money_digits}f}" if column == "cost_usd" and value is not None else harmless(shown(value))


def _money_digits(rows: Sequence[Row]) -> int:
    """Decimals that show two digits of the smallest sum, from 2 to 6: money lines up by its point."""
    smallest = min((row["cost_usd"] for row in rows if row.get("cost_usd")), default=1.0)
    return max(2, min(6, 1 - floor(log10(smallest))))


def is_numeric(rows: Iterable[Row], column: str) -> bool:
    """True for a column whose values are all numbers: they line up by their digits."""
    values = [row[column] for row in rows if row.get(column) is not None]
    return bool(values) and all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)


def _troubles(table: Results) -> Iterator[str]:
    """Why trials failed, one line each."""
    told = [row for row in table.declared if row.get("message")]
    for row in told[:MOST_TROUBLES]:
        cause = ": ".join(part for part in (row.get("failure"), row["message"]) if part)
        yield f"{row['name']}: {row['status']}: {cause}"
    if len(told) > MOST_TROUBLES:
        yield f"... and {len(told) - MOST_TROUBLES} more in results.csv"


def _colds(table: Results) -> Iterator[str]:
    """Why jobs started cold, a line each: most often it is the same for all of them."""
    told = [row for row in table.declared if row.get("cold_because")]
    for row in told[:MOST_COLDS]:
        yield f"{row['name']}: cold: {row['cold_because']}"
    if len(told) > MOST_COLDS:
        yield f"... and {counted(len(told) - MOST_COLDS, 'more cold start')} in results.csv"


def _ways(table: Results, keys: Sequence[str]) -> Iterator[Mapping[str, str]]:
    """The headings to try, the widest first; the last is what is left where nothing fits."""
    yield headings(table, keys)
    named = headings(table, ())
    yield named
    # The kind of a failure is told again below the table, with its cause; then goes what a narrow screen can miss.
    for left_out in (("failure",), ("failure", SAVINGS, "cost_usd"), ("failure", SAVINGS, "cost_usd", "train_seconds")):
        yield {column: heading for column, heading in named.items() if column not in left_out}


def _group_ways(table: Results, objective: Objective | None) -> Iterator[Mapping[str, str]]:
    """The headings of the groups to try: all metrics, then the objective alone, then without the parameters."""
    metrics = [column.removesuffix(".n") for column in table.columns if column.endswith(".n")]
    first = [METRIC + objective.metric] if objective else metrics[:1]
    parameters = short_names(
        [c for c in table.parameters if c not in (*FIRST, *COUNTS, *LAST) and not c.startswith(METRIC)]
    )
    for keys, told in ((parameters, metrics), (parameters, first), ({"name": "trials"}, first)):
        of = {}
        for metric in told:
            name = metric.removeprefix(METRIC)
            of.update({f"{metric}.n": f"n {name}", f"{metric}.mean": f"mean {name}", f"{metric}.deviation": "±"})
        named = {} if keys else {"name": "trials"}
        yield {**named, **keys, **of}


def _counted(groups: Results) -> Results:
    """How many of its trials have a value of a metric, in words where some have none."""
    counts = [column for column in groups.columns if column.endswith(".n")]
    rows = [{**r, **{c: f"{r[c]} of {r['trials']}" for c in counts if r[c] < r["trials"]}} for r in groups.rows]
    return Results(groups.columns, tuple(rows))


def headings(table: Results, keys: Sequence[str]) -> Mapping[str, str]:
    """Column -> heading, in order; columns that are empty everywhere are left out. Without keys, the trials' names."""
    metrics = [column for column in table.columns if column.startswith("metric.")]
    # A point has a name of its own, which its values do not say.
    named = {} if all("=" in row["name"] for row in table.declared) else {"name": "trial"}
    wanted = {
        "index": "#",
        **({**named, **short_names(keys)} if keys else {"name": "trial"}),
        "status": "status",
        **{column: column.removeprefix("metric.") for column in metrics},
        "pool": "pool",
        "train_seconds": "seconds",
        "cost_usd": "usd",
        SAVINGS: "saved %",
        MACHINE: "machine",
        "failure": "failure",
    }
    always = {*keys, "name", "status"}
    return {c: h for c, h in wanted.items() if c in always or any(row.get(c) is not None for row in table.declared)}


def ending_lines(table: Results, chain: Chain, *, simulated: bool) -> Iterator[str]:
    """Which rule ended the chain; and of what was saved on the local engine, that it is simulated."""
    if chain.decided:
        yield f"ended by {chain.decided.rule}: {chain.decided.why}"
    if simulated and any(row.get(SAVINGS) is not None for row in table.rows):
        yield "saved % is simulated: it is what engine.spot_discount makes of these seconds"


def model_line(chosen: Row | None, sweep: str) -> str:
    """Where the model of the best trial is, and how to get it; empty when there is none."""
    if chosen is None or not chosen.get("model"):
        return ""
    return f"model of {chosen['name']}: sweeper pull {sweep} best ({chosen['model']})"


def idle_line(table: Results, chain: Chain) -> str:
    """That a rule ended this invocation before it had trained anything; empty when it was not so."""
    left = sum(row["status"] in _TO_RUN for row in table.declared)
    if not chain.decided or not left or len(chain.outcomes) > chain.outcomes_before:
        return ""
    return f"NOTHING WAS TRAINED: {chain.decided.rule} had ended the sweep before; {counted(left, 'trial')} left to run"


def time_line(chain: Chain) -> str:
    """What the jobs that have ended spent their time on, in one line; empty when the service has not said."""
    spent = [job.phases for job in chain.outcomes]
    sums = {phase: sum(getattr(phases, phase.value) or 0 for phases in spent) for phase in _DOING}
    known = [f"{span(seconds)} {_DOING[phase]}" for phase, seconds in sums.items() if seconds >= SHOWN_S]
    idle = sum(idle_seconds(chain).values())
    where = "time" if _on_aws(chain) else "time on the local engine, its simulated starts included"
    return f"{where}: {', '.join(known)}" + (f"; the pool idled for {span(idle)}" if idle else "") if known else ""


def _on_aws(chain: Chain) -> bool:
    return chain.opened is not None and Scope.of(chain.opened.scope)[1].engine.on_aws


def _let_go(chain: Chain) -> str:
    last = next(reversed(chain.jobs.values()), None)
    handed = last is not None and last.closed is Closed.HANDED_OVER
    return f"its pool is handed to {last.closed_by}" if last and handed else "every pool is closed"


def pool_line(chain: Chain, *, running: bool = False) -> str:
    """How the machines were used, in one line. `running`: a runner is at work and will close what is open."""
    cold, reused = reuse(chain.jobs)
    debts = len(chain.debts)
    kept = any(job.keep_alive_s for job in chain.debts.values())
    at_work = "the pool is in use" if kept else f"{debts} in flight"
    owed = at_work if running else f"{counted(debts, 'pool' if kept else 'job')} may still bill"
    state = owed if debts else _let_go(chain)
    return f"{counted(cold + reused, 'job')}: {cold} cold, {reused} reused; {state}"
