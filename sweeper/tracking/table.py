"""The table at the end: what differs between the trials, what came of them, the best one and how the pool was used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from sweeper.core.chain import Chain
from sweeper.core.model import Objective
from sweeper.core.results import SAVINGS, Results, Row, reuse
from sweeper.tracking.files import cell

if TYPE_CHECKING:
    from rich.table import Table

MOST_ROWS = 200
MOST_TROUBLES = 20
WIDTH_WITHOUT_TERMINAL = 120


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """The shortest tail of each dotted key that no other key shares."""
    names = {}
    for key in keys:
        parts = key.split(".")
        tails = (".".join(parts[-n:]) for n in range(1, len(parts) + 1))
        names[key] = next((t for t in tails if sum(k == t or k.endswith(f".{t}") for k in keys) == 1), key)
    return names


def shown(value: Any) -> str:
    """A value as the table shows it: six significant digits are enough for a person."""
    return f"{value:.6g}" if isinstance(value, float) else cell(value)


def print_table(
    stream: TextIO, table: Results, keys: Sequence[str], chosen: Row | None, objective: Objective | None
) -> None:
    """Print the rows (the first 200), why trials failed, and the best one."""
    from rich.console import Console
    from rich.text import Text

    console = Console(file=stream, highlight=False, soft_wrap=False)
    if not console.is_terminal:
        console = Console(file=stream, highlight=False, width=WIDTH_WITHOUT_TERMINAL)
    grid = _grid(table, _headings(table, keys), chosen)
    if console.measure(grid).maximum > console.width:
        grid = _grid(table, _headings(table, ()), chosen)
    with console.capture() as captured:  # rich ends the process when nobody reads what it writes itself
        console.print(grid)
        if len(table.rows) > MOST_ROWS:
            console.print(f"... and {len(table.rows) - MOST_ROWS} more rows in results.csv")
        for line in _troubles(table):
            console.print(Text(line), soft_wrap=True)
        if chosen is not None and objective is not None:
            value = shown(chosen[f"metric.{objective.metric}"])
            console.print(Text(f"best: {chosen['name']}  {objective.metric} = {value} ({objective.goal.value})"))
    stream.write(captured.get())


def _grid(table: Results, headings: Mapping[str, str], chosen: Row | None) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings.values():
        grid.add_column(heading, overflow="fold")
    for row in table.rows[:MOST_ROWS]:
        style = "bold" if chosen is not None and row is chosen else ""
        grid.add_row(*(Text(shown(row.get(column)), style=style) for column in headings))
    return grid


def _troubles(table: Results) -> Iterator[str]:
    """Why trials failed, one line each."""
    told = [row for row in table.rows if row.get("message")]
    for row in told[:MOST_TROUBLES]:
        cause = ": ".join(part for part in (row.get("failure"), row["message"]) if part)
        yield f"{row['name']}: {row['status']}: {cause}"
    if len(told) > MOST_TROUBLES:
        yield f"... and {len(told) - MOST_TROUBLES} more in results.csv"


def _headings(table: Results, keys: Sequence[str]) -> Mapping[str, str]:
    """Column -> heading, in order; columns that are empty everywhere are left out. Without keys, the trials' names."""
    metrics = [column for column in table.columns if column.startswith("metric.")]
    wanted = {
        **(short_names(keys) if keys else {"name": "trial"}),
        "status": "status",
        **{column: column.removeprefix("metric.") for column in metrics},
        "pool": "pool",
        "train_seconds": "seconds",
        "cost_usd": "usd",
        SAVINGS: "saved %",
        "failure": "failure",
    }
    always = {*keys, "name", "status"}
    return {c: h for c, h in wanted.items() if c in always or any(row.get(c) is not None for row in table.rows)}


def ending_lines(table: Results, chain: Chain, *, simulated: bool) -> Iterator[str]:
    """Which rule ended the chain; and of money on the local engine, that nobody is billed."""
    if chain.decided:
        yield f"ended by {chain.decided.rule}: {chain.decided.why}"
    if simulated and any(row.get(SAVINGS) is not None for row in table.rows):
        yield "saved % is simulated: it is what engine.spot_discount makes of these seconds"
    costs = [row["cost_usd"] for row in table.rows if row.get("cost_usd") is not None]
    if costs and simulated:
        yield f"usd is simulated: {sum(costs):.4f} for these seconds on SageMaker at the prices of `prices`"


def pool_line(chain: Chain, *, running: bool = False) -> str:
    """How the machines were used, in one line. `running`: a runner is at work and will close what is open."""
    cold, reused = reuse(chain.jobs)
    debts = len(chain.debts)
    owed = "the pool is in use" if running else f"{debts} pools may still bill"
    state = owed if debts else "every pool is closed"
    return f"{cold + reused} jobs: {cold} cold, {reused} reused; {state}"
