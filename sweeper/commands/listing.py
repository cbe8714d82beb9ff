"""`sweeper list`: every sweep of this project in one line each."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple, TypedDict

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
from sweeper.show.summary import BestTrial, EndedBy, best_trial, ended_by
from sweeper.show.table import idle_line

HEAD = ("sweep", "state", "done", "changed", "", "", "")


def main(arguments: Sequence[str]) -> int:
    """List the sweeps, the one that changed last first; returns the exit code."""
    parser = Parser(prog="sweeper list", description="Every sweep of this project, the one that changed last first.")
    parser.add_argument("--tag", action="append", default=[], metavar="T", help="only those with this tag; with all")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    options = parser.parse_args(arguments)
    every = filter(None, map(_line, folders(project.here())))
    found = sorted((one for one in every if {*options.tag} <= {*one.told["tags"]}), key=lambda one: -one.changed_at)
    if options.json:
        told: Sweeps = {"sweeps": [_with_size(one.told) for one in found]}
        tell_json(told)
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


class Listed(TypedDict):
    """A sweep of this project."""

    sweep: str
    """The folder's name."""
    state: Literal["running", "finished", "open", "interrupted"]
    ended_by: EndedBy | None
    nothing_trained: bool
    finished: int
    trials: int
    best: BestTrial | None
    open_pools: int
    """How many pools were not seen closed; none is counted while somebody runs it."""
    changed_at: str | None
    tags: list[str]
    notes: int
    bytes: int
    """How much room its folder takes."""


class Sweeps(TypedDict):
    """Every sweep of this project, the one that changed last first."""

    sweeps: list[Listed]


class _Line(NamedTuple):
    """A sweep in a line: what is told of it, its best in words, and when it changed last, in UTC seconds."""

    told: Listed
    best: str
    changed_at: float


def _cells(line: _Line) -> tuple[str, ...]:
    told = line.told
    best = f"best {line.best}" if line.best else ""
    pools = f"{counted(told['open_pools'], 'pool')} not seen closed" if told["open_pools"] else ""
    done = f"{told['finished']} of {told['trials']} trials"
    tags = f"[{', '.join(told['tags'])}]" if told["tags"] else ""
    return told["sweep"], told["state"], done, told["changed_at"] or "", best, tags, pools


def _line(folder: Path) -> _Line | None:
    try:
        sweep = StoredSweep(folder)
    except JournalError as error:
        complain(f"warning: {error}")
        return None
    return _Line(as_json(sweep), best_name(sweep.table, sweep.objective), sweep.changed_at)


def _with_size(told: Listed) -> Listed:
    return {**told, "bytes": bytes_of(project.here() / "runs" / told["sweep"])}


def as_json(sweep: StoredSweep) -> Listed:
    """What is told of a sweep; how large its folder is costs a walk, and is found out when it is asked for."""
    done, total = sweeps.progress_of(sweep)
    running = sweep.runner is not None
    return {
        "sweep": sweep.name,
        "state": sweep.state,
        "ended_by": ended_by(sweep.chain, running=running),
        "nothing_trained": not running and bool(idle_line(sweep.table, sweep.chain)),
        "finished": done,
        "trials": total,
        "best": best_trial(sweep.table, sweep.objective),
        "open_pools": 0 if running else len(sweep.chain.debts),
        "changed_at": utc(sweep.changed_at or None),
        "tags": sweep.tags,
        "notes": len(notes_of(sweep.remarks)),
        "bytes": 0,
    }
