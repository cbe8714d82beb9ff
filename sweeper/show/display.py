"""What a person sees of a run: a table on a terminal, else lines; with the files that follow the chain."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import cached_property
from typing import TextIO

from sweeper.core.chain import Chain
from sweeper.core.ports import Clock, Progress
from sweeper.run.session import Session
from sweeper.show import files
from sweeper.show.events import Happening, Stream
from sweeper.show.live.model import LiveModel, subject_of
from sweeper.show.live.table import LiveTable
from sweeper.show.live.terminal import Terminal
from sweeper.show.progress import PlainProgress, Several
from sweeper.show.refresh import ResultFiles


def on_terminal(stream: TextIO, model: LiveModel, clock: Clock, redact: Callable[[str], str]) -> LiveTable | None:
    """A live table on this stream; None where it is no terminal, or one that moves no cursor (TERM=dumb)."""
    if not stream.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        return None
    try:
        terminal = Terminal(stream.fileno())
    except OSError:
        return None
    return LiveTable(terminal, model, clock.now, clock.monotonic, redact, colour=not os.environ.get("NO_COLOR"))


Also = Callable[[Session], Progress]
"""What else follows a run."""


def streaming(emit: Callable[[Happening], None]) -> Callable[[Session], Stream]:
    """What tells programs of a run."""

    def made(session: Session) -> Stream:
        where = session.folder.name, str(session.folder)
        return Stream(where, session.sweep.trials, emit, session.clock.now, session.redact)

    return made


class Display:
    """Tells of a run on stderr: a table where that is a terminal and may be one. `also`: who else is told."""

    def __init__(self, session: Session, *also: Also, live: bool = True) -> None:
        self._session, self._live = session, live
        self._display = self._made()
        self._also = [part(session) for part in also]

    def say(self, line: str) -> None:
        """A line for a person."""
        for one in (self._display, *self._also):
            one.say(line)

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

        if isinstance(display, LiveTable):
            session.logs.following.listeners.append(display.printed)
        session.logs.following.listeners += [one.printed for one in self._also if isinstance(one, Stream)]
        return Several(display, ResultFiles(write, session.clock.monotonic), *self._also)

    def _made(self) -> PlainProgress | LiveTable:
        session, clock = self._session, self._session.clock
        model = LiveModel(subject_of(session.sweep))
        if self._live and (live := on_terminal(sys.stderr, model, clock, session.redact)):
            clock.tick = live.tick
            return live
        return PlainProgress(sys.stderr, clock.now, session.sweep.trials, session.redact)
