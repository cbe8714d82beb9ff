"""`sweeper status --watch`: the live table of a sweep that another process runs, from its files alone."""

from __future__ import annotations

import sys

from sweeper.commands.say import tell
from sweeper.record.stored import StoredSweep
from sweeper.run.clock import SystemClock
from sweeper.show.display import on_terminal
from sweeper.show.live.table import LiveTable
from sweeper.show.live.watched import Look, Watched
from sweeper.show.progress import event_line, timestamped

LOOK_S = 0.2
"""Seconds between two looks at the files."""


def watch(sweep: StoredSweep) -> StoredSweep:
    """Show it until nobody runs it any more; returns how it stands then. Without a terminal: a line for each event.

    Raises KeyboardInterrupt by Ctrl-C: the table is left standing.
    """
    clock = SystemClock()
    watched = Watched(sweep, clock.monotonic)
    live = on_terminal(sys.stdout, watched.model, clock, lambda line: line)  # its runner stores what it has masked
    try:
        while watched.running:
            _show(watched, live, watched.look(clock.now()))
            clock.sleep(LOOK_S)
        _show(watched, live, watched.look(clock.now(), soon=True))
    finally:
        if live:
            live.close(keep=True)
    return StoredSweep(sweep.folder)


def _show(watched: Watched, live: LiveTable | None, come: Look) -> None:
    chain, trials = watched.sweep.chain, watched.sweep.declared.trials
    for at, event in come.events:
        if live:
            live.mention(event, chain, trials)
        elif line := event_line(event, chain, trials):
            tell(timestamped(at, line), flush=True)
    if live:
        live.refresh(changed=come.new)
