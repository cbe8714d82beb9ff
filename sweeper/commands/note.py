"""`sweeper note`: write a note about a sweep, or give it a tag; without either, read them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypedDict

from sweeper.commands import sweeps
from sweeper.commands.output import tell_json
from sweeper.commands.parsing import Parser
from sweeper.commands.say import tell
from sweeper.core.job import TAG, TAG_SAYS
from sweeper.core.words import utc
from sweeper.errors import UsageError
from sweeper.record import remarks
from sweeper.record.remarks import Remark, notes_of
from sweeper.record.stored import StoredSweep
from sweeper.run.clock import SystemClock


def main(arguments: Sequence[str]) -> int:
    """Write it or show what is written; returns the exit code."""
    parser = Parser(
        prog="sweeper note",
        description="Write a note about a sweep, with the time, or give it tags. The report, `status` and `list` show "
        "them; `sweeper list --tag T` finds the sweeps with a tag. Changes nothing else, also while the sweep runs. "
        "With neither a text nor a tag it prints what was written.",
    )
    parser.add_argument("name", help="a folder of runs/, or its beginning")
    parser.add_argument("text", nargs="?", default="", help="what there is to say")
    parser.add_argument("--tag", action="append", default=[], metavar="T", help="give it this tag; may be repeated")
    parser.add_argument("--untag", action="append", default=[], metavar="T", help="take this tag away")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout: its tags and notes")
    options = parser.parse_args(arguments)
    for tag in options.tag:
        if not re.fullmatch(TAG, tag):
            raise UsageError(f"--tag {tag}: {TAG_SAYS}")
    sweep = sweeps.find(options.name)
    if options.text.strip() or options.tag or options.untag:
        now = SystemClock().now()
        remarks.write(sweep.folder, Remark(now, options.text.strip(), options.tag, options.untag))
        sweep = StoredSweep(sweep.folder)
    if options.json:
        noted: Noted = {"sweep": sweep.name, **told(sweep)}
        tell_json(noted)
        return 0
    for line in lines(sweep) or [f"{sweep.name} has no notes and no tags"]:
        tell(line)
    return 0


def lines(sweep: StoredSweep) -> list[str]:
    """The tags and the notes of a sweep, in lines."""
    tags = [f"tags: {', '.join(sweep.tags)}"] if sweep.tags else []
    return [*tags, *(f"{utc(note.at)}  {' '.join(note.text.split())}" for note in notes_of(sweep.remarks))]


class Note(TypedDict):
    """What somebody has written about a sweep."""

    at: str
    text: str


class Remarks(TypedDict):
    """The tags and the notes of a sweep."""

    tags: list[str]
    notes: list[Note]


class Noted(Remarks):
    """What is written about a sweep."""

    sweep: str


def told(sweep: StoredSweep) -> Remarks:
    """The same as plain values."""
    notes: list[Note] = [{"at": utc(note.at) or "", "text": note.text} for note in notes_of(sweep.remarks)]
    return {"tags": sweep.tags, "notes": notes}
