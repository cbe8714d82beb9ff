"""`sweeper list`: every sweep of this project in one line each."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sweeper.commands import sweeps
from sweeper.commands.output import tell_json
from sweeper.commands.parsing import Parser
from sweeper.commands.say import complain, tell
from sweeper.config import project
from sweeper.core.words import counted, utc
from sweeper.errors import JournalError
from sweeper.record.remarks import notes_of
from sweeper.record.stored import StoredSweep, bytes_of, folders
from sweeper.show.best import best_name

HEAD = ("sweep", "state", "done", "changed", "", "", "")


def main(arguments: Sequence[str]) -> int:
    """List the sweeps, the one that changed last first; returns the exit code."""
    parser = Parser(prog="sweeper list", description="Every sweep of this project, the one that changed last first.")
    parser.add_argument("--tag", action="append", default=[], metavar="T", help="only those with this tag; with all")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    options = parser.parse_args(arguments)
    every = filter(None, map(_told, folders(project.here())))
    found = sorted((one for one in every if {*options.tag} <= {*one["tags"]}), key=lambda told: -told["changed_at"])
    for told in found:
        told["changed_at"] = utc(told["changed_at"]) if told["changed_at"] else None  # nothing has happened yet
    if options.json:
        for told in found:
            told["bytes"] = bytes_of(project.here() / "runs" / told["sweep"])
        tell_json({"sweeps": found})
        return 0
    rows = [_cells(told) for told in found]
    if sys.stdout.isatty() and rows:  # people get columns with a head; a pipe gets the sweeps alone
        rows.insert(0, HEAD)
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        rows = [tuple(map(str.ljust, row, widths)) for row in rows]
    for row in rows:
        tell("  ".join(filter(None, row)).rstrip())
    if not found:
        tagged = f" with the tag {', '.join(options.tag)}" if options.tag else ""
        tell(f"there is no sweep{tagged} below {project.here() / 'runs'}")
    return 0


def _cells(told: Mapping[str, Any]) -> tuple[str, ...]:
    best = f"best {told['best']}" if told["best"] else ""
    pools = f"{counted(told['open_pools'], 'pool')} not seen closed" if told["open_pools"] else ""
    done = f"{told['finished']} of {told['trials']} trials"
    tags = f"[{', '.join(told['tags'])}]" if told["tags"] else ""
    return told["sweep"], told["state"], done, told["changed_at"] or "", best, tags, pools


def _told(folder: Path) -> dict[str, Any] | None:
    try:
        sweep = StoredSweep(folder)
    except JournalError as error:
        complain(f"warning: {error}")
        return None
    done, total = sweeps.progress_of(sweep)
    return {
        "sweep": sweep.name,
        "state": sweep.state,
        "finished": done,
        "trials": total,
        "best": best_name(sweep.table, sweep.objective) or None,
        "open_pools": 0 if sweep.runner else len(sweep.chain.debts),
        "changed_at": sweep.changed_at,
        "tags": sweep.tags,
        "notes": len(notes_of(sweep.remarks)),
    }
