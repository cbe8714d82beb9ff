"""What a person sees of a run: a table on a terminal, else lines; with the files that follow the chain."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from functools import cached_property

from sweeper.core.chain import Chain, Job
from sweeper.core.measured import Part, last_values
from sweeper.core.ports import Progress
from sweeper.run.session import Session
from sweeper.show import files
from sweeper.show.live import LiveTable, Terminal
from sweeper.show.progress import PlainProgress, Several
from sweeper.show.refresh import ResultFiles


class Display:
    """Tells of a run on stderr."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._display = self._made()

    def say(self, line: str) -> None:
        """A line for a person."""
        self._display.say(line)

    def close(self) -> None:
        """From here on there is only the report, which shows the same table."""
        self._session.clock.tick = None
        if isinstance(self._display, LiveTable):
            self._display.close(keep=not sys.stdout.isatty())

    @cached_property
    def progress(self) -> Progress:
        """The display, and what else follows the chain: the result files. It is told what the running job prints."""
        session, display = self._session, self._display

        def write(chain: Chain) -> None:
            files.write_results(session.sweep, chain, session.folder, session.redact)

        def tell(job: Job, come: Part) -> None:
            if isinstance(display, LiveTable):
                for metric, value in last_values(come.points).items():
                    display.metric(job.name, metric, value)

        session.logs.following.listeners.append(tell)
        return Several(display, ResultFiles(write, session.clock.monotonic))

    def _made(self) -> PlainProgress | LiveTable:
        session, clock = self._session, self._session.clock
        if sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb":
            with suppress(OSError):
                live = LiveTable(
                    Terminal(sys.stderr.fileno()),
                    session.sweep,
                    clock.now,
                    clock.monotonic,
                    session.redact,
                    colour=not os.environ.get("NO_COLOR"),
                )
                clock.tick = live.tick
                return live
        return PlainProgress(sys.stderr, clock.now, session.sweep.trials, session.redact)
