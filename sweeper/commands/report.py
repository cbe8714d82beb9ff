"""`sweeper report`: writes the result files of a sweep anew from its journal, and prints the table."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict

from sweeper.commands import sweeps
from sweeper.commands.output import tell_json
from sweeper.commands.parsing import Parser
from sweeper.commands.say import relative, tell, tell_words
from sweeper.commands.side_by_side import PAGE, show
from sweeper.commands.tell_trackers import tell_trackers
from sweeper.core.receipt import Bill, Receipt
from sweeper.core.results import best_of
from sweeper.core.scope import Scope
from sweeper.errors import UsageError
from sweeper.record.stored import StoredSweep
from sweeper.run.clock import SystemClock
from sweeper.show import files, receipt, report, table
from sweeper.show.best_file import Best, group_told
from sweeper.show.summary import OfRow


class _Grouped(TypedDict, total=False):
    best_group: dict[str, Any]
    """With `repeat`: what the best group comes to, and its trials."""


class Reported(_Grouped):
    """The files that were written, the best trial and the receipt."""

    sweep: str
    files: dict[str, str]
    """By name, where each is."""
    best: OfRow | None
    receipt: Bill


def main(arguments: Sequence[str]) -> int:
    """Write and print; returns the exit code."""
    parser = Parser(
        prog="sweeper report",
        description="Write report.html, results.csv, results.jsonl and best.yaml of a sweep from its journal, and "
        "print the table. Works while another process runs the sweep. With several sweeps, compare them instead: what "
        "their declarations differ in, the trials with the same free values, the best, seconds and dollars of each, in "
        "tables and on one page; nothing of the sweeps is written.",
    )
    parser.add_argument("name", nargs="+", help="a folder of runs/, or its beginning")
    parser.add_argument("--to", type=Path, metavar="FILE", help=f"of several: where the page goes; default: {PAGE}")
    parser.add_argument("--tell", action="store_true", help="also tell the sweep's trackers what they have missed")
    parser.add_argument(
        "--json", action="store_true", help="one JSON object on stdout: the files, the best trial and the receipt"
    )
    options = parser.parse_args(arguments)
    if len(options.name) > 1:
        if options.tell:
            raise UsageError("--tell tells the trackers of one sweep")
        return show(options.name, to=options.to, as_json=options.json)
    if options.to:
        raise UsageError("--to says where the page of several sweeps goes; that of one lies in its folder")
    sweep = sweeps.find(options.name[0])
    write(sweep)
    if options.tell:
        tell_trackers(sweep)
    bill = receipt.of_sweep(sweep.config, sweep.chain, sweep.rate, simulated=not sweep.on_aws)
    if options.json:
        tell_json(as_json(sweep, bill))
        return 0
    table.print_table(sys.stdout, sweep.table, sweep.declared.trials.keys, sweep.best, sweep.objective)
    tell_words(table.pool_line(sweep.chain, running=sweep.runner is not None))
    if time := table.time_line(sweep.chain):
        tell_words(time)
    for line in bill.lines:
        tell_words(line)
    if model := table.model_line(sweep.best, sweep.name):
        tell_words(model)
    tell(f"report: {relative(sweep.folder)}/report.html")
    return 0


def as_json(sweep: StoredSweep, bill: Receipt) -> Reported:
    """What `--json` prints: the files, the best trial, and with `repeat` the best group."""
    grouped = [files.GROUPED] if sweep.table.seed else []
    names = ("report.html", "results.csv", "results.jsonl", *grouped, "best.yaml")
    paths = {name: str(sweep.folder / name) for name in names}
    best = files.as_json(sweep.table, sweep.best) if sweep.best else None
    told: Reported = {"sweep": sweep.name, "files": paths, "best": best, "receipt": bill.row}
    group = best_of(sweep.table, sweep.objective) if grouped else None
    if group and sweep.objective:
        told["best_group"] = group_told(sweep.table, group, sweep.objective)
    return told


def write(sweep: StoredSweep) -> None:
    """Write the files. Raises OSError."""
    chosen = sweep.best
    name, _ = Scope.of(sweep.name)
    name = str(sweep.config.get("name") or name)
    best = Best(chosen, sweep.config_of(chosen["trial"]), sweep.config, sweep.table) if chosen else None
    files.write_all(sweep.folder, name, sweep.table, best, sweep.objective)
    report.write(sweep, sweep.table, chosen, SystemClock().now(), forest=True)
