"""Who is told of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sweeper.core.as_json import plain
from sweeper.run.clock import SystemClock
from sweeper.run.session import Session
from sweeper.show.display import Display, Silent, in_cell, on_stderr, streaming
from sweeper.show.events import Happening
from sweeper.show.notebook import in_notebook


@dataclass
class Telling:
    """Who is told of a run, and what it was worth a word of."""

    progress: bool | Callable[[Mapping[str, Any]], None] | None = None
    said: list[str] = field(default_factory=list)
    clock: SystemClock | None = None
    """That of the run, once it has one."""
    early: list[int] = field(default_factory=list)
    """Signals that have come before it had one."""

    @property
    def emit(self) -> Callable[[Happening], None] | None:
        """Who is told each thing that happens, as a program is that reads it from stdout."""
        tell = self.progress
        return (lambda happened: tell(plain(happened))) if callable(tell) else None

    def interrupt(self, number: int) -> None:
        """End the run as by this signal, from another thread; a run that has not begun is ended when it has."""
        if self.clock:
            self.clock.caught.append(number)
        else:
            self.early.append(number)

    def show(self, session: Session, *, before: Sequence[str]) -> Display:
        """What shows the run; first that which was to be said before it began."""
        session.clock.caught += self.early
        self.clock = session.clock
        silent = self.emit is not None or self.progress is False
        made = (lambda _: Silent()) if silent else in_cell if in_notebook() else on_stderr
        display = Display(session, *([streaming(self.emit)] if self.emit else []), made=made)
        for line in before:
            display.say(line)
        return display
