"""`sweeper source`: the source that a trial ran with, how it differed from its commit, and the way to have it again."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

from sweeper.commands import sweeps
from sweeper.commands.output import tell_json
from sweeper.commands.parsing import Parser
from sweeper.commands.say import relative, tell
from sweeper.core.words import counted
from sweeper.errors import UsageError
from sweeper.record.snapshots import Snapshot
from sweeper.record.unpacking import unpack


class _Diff(TypedDict, total=False):
    diff: str | None
    """With --diff: what its source has changed since the commit; null: nothing, or there is no commit."""


class Source(_Diff):
    """The source that a trial ran with."""

    sweep: str
    trial: str
    job_name: str
    commit: str | None
    dirty: bool | None
    source: str | None
    """Where the job has read it."""
    archive: str | None
    """The copy that is kept here."""
    folder: str | None
    """Where it was unpacked."""
    files: list[str]


def main(arguments: Sequence[str]) -> int:
    """Tell of it, or unpack it; returns the exit code."""
    options = _parser().parse_args(arguments)
    sweep = sweeps.find(options.name)
    job = sweeps.chosen(sweep, options.trial).result
    intent = job.intent
    kept = Snapshot.of(sweep.folder, intent.source, intent.commit)
    if options.to:
        _unpack(kept, options.to.absolute(), f"the source of {intent.label}")
    told: Source = {
        "sweep": sweep.name,
        "trial": intent.trial,
        "job_name": job.name,
        "commit": intent.commit or None,
        "dirty": intent.dirty if intent.commit else None,
        "source": intent.source or None,
        "archive": str(kept.archive) if kept.archive.exists() else None,
        "folder": str(options.to.absolute()) if options.to else None,
        "files": [*kept.names],
    }
    if options.json:
        if options.diff:
            told["diff"] = kept.changes or None
        tell_json(told)
    elif options.diff:
        tell(kept.changes, end="")
    else:
        commit = f"commit {intent.commit[:12]}{' and changes since' if intent.dirty else ''}"
        where = relative(options.to.absolute()) if options.to else relative(kept.archive)
        files = f"{counted(len(kept.names), 'file')} in {where}" if kept.archive.exists() else f"at {intent.source}"
        tell(f"source of {intent.label} ({job.name}): {commit if intent.commit else 'no commit is known'}; {files}")
    return 0


def _unpack(kept: Snapshot, to: Path, what: str) -> None:
    """Unpack it into a folder that is new or empty. Raises UsageError."""
    if not kept.archive.exists():
        raise UsageError(f"{what} is not kept here: an earlier version of sweeper ran it, or the image brings its code")
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise UsageError(f"{to} is not empty: nothing was written; give another folder with --to")
    to.mkdir(parents=True, exist_ok=True)
    with kept.archive.open("rb") as archive:
        unpack(archive, to, str(kept.archive))


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="sweeper source",
        description="The source that a trial ran with: its commit, what was changed since, and its files as they were. "
        "Each content is kept once in runs/NAME/sources, and only what is sent to jobs; known secrets are masked in "
        "the diff.",
        epilog="`sweeper source NAME TRIAL --diff | git apply`, at that commit, brings the changes back; --to brings "
        "all of it.",
    )
    parser.add_argument("name", help="a folder of runs/, or its beginning")
    parser.add_argument("trial", nargs="?", default=sweeps.BEST, help="best (default), or its number, id or name")
    parser.add_argument("--diff", action="store_true", help="how it differed from its commit")
    parser.add_argument("--to", type=Path, metavar="DIR", help="unpack it into this folder, which is new or empty")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return parser
