"""`sweeper status`: the chain now, from the journal alone; works while another process runs it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from sweeper.commands import note, sweeps
from sweeper.commands.output import tell_json
from sweeper.commands.parsing import Parser
from sweeper.commands.say import tell, tell_words
from sweeper.commands.watching import watch
from sweeper.core import measured
from sweeper.core.chain import Job
from sweeper.core.events import JobStatus
from sweeper.core.words import span
from sweeper.errors import UsageError
from sweeper.record.stored import StoredSweep
from sweeper.run.clock import SystemClock
from sweeper.show import files, table
from sweeper.show.plain import shown


def main(arguments: Sequence[str]) -> int:
    """Print the rows of results.csv as they are now; returns the exit code."""
    parser = Parser(
        prog="sweeper status",
        description="The chain now, from its journal. Changes nothing, and works while another process runs the sweep.",
    )
    parser.add_argument("name", nargs="?", help="a folder of runs/, or its beginning (default: the newest sweep)")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout: the rows of results.csv")
    parser.add_argument(
        "--watch",
        action="store_true",
        help="go on until nobody runs the sweep any more: its live table, or a line for each event without a terminal",
    )
    options = parser.parse_args(arguments)
    if options.watch and options.json:
        raise UsageError("status: --json is one object; it cannot be watched")
    sweep = sweeps.find(options.name) if options.name else sweeps.newest()
    if options.watch and sweep.runner:
        if not sys.stdout.isatty():
            tell(line(sweep, SystemClock().now()), flush=True)
        tell_words(line(watch(sweep), SystemClock().now()))
        return 0
    if options.json:
        tell_json(as_json(sweep))
        return 0
    table.print_table(sys.stdout, sweep.table, sweep.declared.trials.keys, sweep.best, sweep.objective)
    tell_words(table.pool_line(sweep.chain, running=sweep.runner is not None))
    tell_words(line(sweep, SystemClock().now()))
    for written in note.lines(sweep):
        tell_words(written)
    return 0


NAMED = 4
"""Running trials that are told of in the one line; of more only how many there are."""


def as_json(sweep: StoredSweep) -> dict[str, Any]:
    """What `--json` prints."""
    rows = [files.as_json(sweep.table, row) for row in sweep.table.rows]
    open_pools = [job.name for job in sweep.chain.debts_newest_first]
    running = [_running(sweep, job) for job in sweep.chain.unfinished.values()]
    left, usd = sweeps.left_s(sweep, SystemClock().now()), sweep.cost_usd
    totals = {"running": running, "left_seconds": left, "cost_usd": usd, "cost_simulated": not sweep.on_aws}
    stands = {"sweep": sweep.name, "state": sweep.state, "open_pools": open_pools, **totals}
    return {**stands, **note.told(sweep), "rows": rows}


def _shown_by(sweep: StoredSweep, job: Job) -> dict[str, float]:
    """The last value of each metric that a running job has printed, as far as its runner has read its log."""
    return measured.last_values(sweep.tail(job).new().points)


def _running(sweep: StoredSweep, job: Job) -> dict[str, Any]:
    metrics = _shown_by(sweep, job)
    return {"trial": job.intent.trial, "job_name": job.name, "phase": doing(job), "metrics": metrics}


def line(sweep: StoredSweep, now: float) -> str:
    """How the sweep stands, in one line."""
    done, total = sweeps.progress_of(sweep)
    also = f", {left_out} skipped" if (left_out := sweeps.skipped(sweep)) else ""
    ago = f"last event {now - sweep.changed_at:.0f} s ago" if sweep.changed_at else "no event yet"
    text = f"{sweep.name}: {sweep.state}, {done} of {total} trials done{also}, {ago}"
    running = list(sweep.chain.unfinished.values())
    for job in running[:NAMED]:
        values = ", ".join(f"{name}={shown(value)}" for name, value in _shown_by(sweep, job).items())
        text += f"; {job.intent.label}: {doing(job)}" + (f" ({values})" if values else "")
    if len(running) > NAMED:
        text += f"; {len(running) - NAMED} more run"
    return f"{text}{_rest(sweep, now)}" + (f" ({sweep.runner})" if sweep.runner else "")


def _rest(sweep: StoredSweep, now: float) -> str:
    """How long it takes still and what has ended has cost, as far as that is known."""
    left, usd = sweeps.left_s(sweep, now), sweep.cost_usd
    text = "" if left is None else f"; about {span(left)} left"
    if usd is None:
        return text
    return f"{text}; {usd:.4f} USD so far" + ("" if sweep.on_aws else " (simulated)")


def doing(job: Job) -> str:
    """What is known of an unfinished job; its phase is journaled with the next event that matters."""
    if not job.acknowledged:
        return "being submitted"
    return job.phase or ("running" if job.status is JobStatus.UNKNOWN else job.status.value)
