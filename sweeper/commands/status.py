"""`sweeper status`: the chain now, from the journal alone; works while another process runs it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from sweeper.clock import SystemClock
from sweeper.commands import sweeps
from sweeper.commands.say import tell
from sweeper.core.chain import Job
from sweeper.core.events import JobStatus
from sweeper.stored import StoredSweep
from sweeper.tracking import files, table


def main(arguments: Sequence[str]) -> int:
    """Print the rows of results.csv as they are now; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="sweeper status",
        description="The chain now, from its journal. Changes nothing, and works while another process runs the sweep.",
    )
    parser.add_argument("name", nargs="?", help="a folder of runs/, or its beginning (default: the newest sweep)")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout: the rows of results.csv")
    options = parser.parse_args(arguments)
    sweep = sweeps.find(options.name) if options.name else sweeps.newest()
    if options.json:
        tell(json.dumps(as_json(sweep)))
        return 0
    table.print_table(sys.stdout, sweep.table, sweep.declared.trials.keys, sweep.best, sweep.objective)
    tell(table.pool_line(sweep.chain, running=sweep.runner is not None))
    tell(line(sweep, SystemClock().now()))
    return 0


def as_json(sweep: StoredSweep) -> dict[str, object]:
    """What `--json` prints."""
    rows = [files.as_json(sweep.table, row) for row in sweep.table.rows]
    open_pools = [job.name for job in sweep.chain.debts_newest_first]
    return {"sweep": sweep.name, "state": sweep.state, "open_pools": open_pools, "rows": rows}


def line(sweep: StoredSweep, now: float) -> str:
    """How the sweep stands, in one line."""
    done, total = sweeps.progress_of(sweep)
    ago = f"last event {now - sweep.changed_at:.0f} s ago"
    told = f"{sweep.name}: {sweep.state}, {done} of {total} trials done, {ago}"
    jobs = list(sweep.chain.unfinished.values())
    doing = "".join(f"; {job.intent.label}: {_doing(job)}" for job in jobs)
    return f"{told}{doing}" + (f" ({sweep.runner})" if sweep.runner else "")


def _doing(job: Job) -> str:
    """What is known of an unfinished job; its phase is journaled with the next event that matters."""
    if not job.acknowledged:
        return "being submitted"
    return job.phase or ("running" if job.status is JobStatus.UNKNOWN else job.status.value)
