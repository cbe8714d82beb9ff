"""What a person sees of a run: a table on a terminal, else lines; with the files that follow the chain."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, TextIO

from sweeper.core import events as ev
from sweeper.core.chain import Chain
from sweeper.core.ports import Clock, Progress
from sweeper.run.session import Session
from sweeper.show import files
from sweeper.show.events import Happening, Stream
from sweeper.show.live.model import LiveModel, subject_of
from sweeper.show.live.table import LiveTable
from sweeper.show.live.terminal import Terminal
from sweeper.show.notebook import Cell, cell_output
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


class Silent:
    """A Progress that tells nothing."""

    def event(self, event: ev.Event, chain: Chain) -> None:
        """Nothing."""

    def watching(self, name: str, description: Mapping[str, Any]) -> None:
        """Nothing."""

    def say(self, line: str) -> None:
        """Nothing."""


def in_lines(session: Session) -> PlainProgress:
    """Lines on stderr."""
    return PlainProgress(sys.stderr, session.clock.now, session.sweep.trials, session.redact)


def on_stderr(session: Session) -> LiveTable | PlainProgress:
    """A live table on a terminal, else lines."""
    model = LiveModel(subject_of(session.sweep))
    return on_terminal(sys.stderr, model, session.clock, session.redact) or in_lines(session)


def in_cell(session: Session) -> LiveTable:
    """A live table in the output of the cell of a notebook that runs."""
    clock, model = session.clock, LiveModel(subject_of(session.sweep))
    return LiveTable(Cell(cell_output()), model, clock.now, clock.monotonic, session.redact)


Made = Callable[[Session], "LiveTable | PlainProgress | Silent"]
"""What makes that which a person looks at."""


class Display:
    """Tells a person of a run on what `made` makes. `also`: who else is told."""

    def __init__(self, session: Session, *also: Also, made: Made = on_stderr) -> None:
        self._session = session
        self._display = made(session)
        if isinstance(self._display, LiveTable):
            session.clock.tick = self._display.tick
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
