"""`sweeper status`: the chain now, from the journal alone; works while another process runs it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Literal, TypedDict

from sweeper.commands import note, sweeps
from sweeper.commands.exit_code import stored_exit_code
from sweeper.commands.output import tell_json
from sweeper.commands.parsing import Parser
from sweeper.commands.say import tell, tell_words
from sweeper.commands.watching import watch
from sweeper.core import measured
from sweeper.core.as_json import Number, number
from sweeper.core.chain import Job
from sweeper.core.events import JobStatus
from sweeper.core.words import span, utc
from sweeper.errors import UsageError
from sweeper.record.stored import StoredSweep
from sweeper.run.clock import SystemClock
from sweeper.show import files, table
from sweeper.show.plain import shown
from sweeper.show.summary import Rows, Runner, Standing, runner_of, stored_standing


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
    if not sweep.runner and (idle := table.idle_line(sweep.table, sweep.chain)):
        tell_words(idle)
    return 0


NAMED = 4
"""Running trials that are told of in the one line; of more only how many there are."""


class RunningTrial(TypedDict):
    """A trial whose job has not ended."""

    trial: str
    job_name: str
    phase: str
    """Where it is, in SageMaker's words."""
    metrics: dict[str, Number]
    """The last value of each that it has printed."""


class Status(Standing):
    """A sweep as it stands now."""

    sweep: str
    """The folder's name."""
    folder: str
    state: Literal["running", "finished", "open", "interrupted"]
    """`open`: a pool was not seen closed, and nobody runs it."""
    exit_code: int | None
    """Of the newest run; null while it runs."""
    runner: Runner | None
    changed_at: str | None
    """When the newest event happened; null where nothing has."""
    open_pools: list[str]
    running: list[RunningTrial]
    left_seconds: float | None
    """How long the rest takes, as it goes; null where that is not known."""
    cost_usd: float | None
    cost_simulated: bool
    tags: list[str]
    notes: list[note.Note]
    rows: Rows


def as_json(sweep: StoredSweep) -> Status:
    """What `--json` prints."""
    stands = stored_standing(sweep)
    return {
        "sweep": sweep.name,
        "folder": str(sweep.folder),
        "state": sweep.state,
        "exit_code": None if sweep.runner else stored_exit_code(sweep),
        "runner": runner_of(sweep),
        "changed_at": utc(sweep.changed_at or None),
        "open_pools": stands["pools"]["open"],
        "running": [_running(sweep, job) for job in sweep.chain.unfinished.values()],
        "left_seconds": sweeps.left_s(sweep, SystemClock().now()),
        "cost_usd": sweep.cost_usd,
        "cost_simulated": not sweep.on_aws,
        **note.told(sweep),
        **stands,
        "rows": [files.as_json(sweep.table, row) for row in sweep.table.rows],
    }


def _shown_by(sweep: StoredSweep, job: Job) -> dict[str, float]:
    """The last value of each metric that a running job has printed, as far as its runner has read its log."""
    return measured.last_values(sweep.tail(job).new().points)


def _running(sweep: StoredSweep, job: Job) -> RunningTrial:
    metrics = {name: number(value) for name, value in _shown_by(sweep, job).items()}
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
    who = sweep.last_runner
    runner = f" ({who})" if who and who.alive else f" ({who.short} has died while it ran it)" if who else ""
    return f"{text}{_rest(sweep, now)}{runner}"


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
