"""Progress as a table that stays in place on a terminal: what runs, how far, what came of the rest, how long still.

It rewrites its own lines and clears nothing else. Whatever fails here silences it; it never decides anything and never
raises.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from sweeper.core import events as ev
from sweeper.core.chain import Chain, Job
from sweeper.core.events import TrialStatus
from sweeper.core.measured import Part
from sweeper.core.model import Trials
from sweeper.show.cells import cells
from sweeper.show.live import frame
from sweeper.show.live.model import LiveModel
from sweeper.show.progress import event_line, timestamped

FRAME_S = 0.2
"""Seconds between two frames at least."""
IDLE_S = 1.0
"""The same while nothing happens: then only the seconds change."""
MOST_ABOVE = 1000
"""Lines that wait for a terminal that does not read."""


class Screen(Protocol):
    """What a table is drawn on: a terminal, or the output of a notebook's cell."""

    @property
    @abstractmethod
    def size(self) -> tuple[int, int]:
        """(columns, rows)."""

    @property
    @abstractmethod
    def busy(self) -> bool:
        """True while nothing can be drawn."""

    def draw(self, above: Sequence[str], lines: Sequence[str], width_of: Callable[[str], int]) -> None:
        """Replace the lines of the last frame by these; `above` is left standing over them."""

    def close(self) -> None:
        """Nothing more is drawn."""


class LiveTable:
    """The Progress port on a screen. `tick` is called while the runner sleeps."""

    def __init__(
        self,
        terminal: Screen,
        model: LiveModel,
        now: Callable[[], float],
        monotonic: Callable[[], float],
        redact: Callable[[str], str],
        *,
        colour: bool = True,
    ) -> None:
        self._terminal: Screen | None = terminal
        self.model = model
        self._now, self._monotonic, self._redact, self._colour = now, monotonic, redact, colour
        self._zero = now() - monotonic()
        self._above: list[str] = []
        self._drawn_at, self._changed = -math.inf, False

    def event(self, event: ev.Event, chain: Chain) -> None:
        """Something was journaled: what a person must not miss stays above the table."""
        with _Silenced(self):
            self.model.event(event, chain, self._moment)
            self.mention(event, chain, self.model.subject.trials)
            self._touch()

    def mention(self, event: ev.Event, chain: Chain, trials: Trials) -> None:
        """Leave a line standing above the table where an event is worth one."""
        with _Silenced(self):
            line = event_line(event, chain, trials)
            if line and _stays(event):
                self._above_table(line)

    def watching(self, name: str, description: Mapping[str, Any]) -> None:
        """A job was looked at."""
        with _Silenced(self):
            self.model.looked(name, str(description.get("SecondaryStatus") or ""), self._moment)
            self.tick()

    def printed(self, job: Job, come: Part) -> None:
        """This has come of the log of a running job."""
        with _Silenced(self):
            last = [line for line in come.lines if line.text.strip()][-1:]  # only what is shown need be masked
            masked = [line._replace(text=self._redact(line.text)) for line in last]
            self.model.printed(job.name, Part(masked, come.matches), self._moment)
            self._touch()

    def say(self, line: str) -> None:
        """A line that is not an event: a service's words may be in it."""
        with _Silenced(self):
            self._above_table(self._redact(line))
            self._touch()

    def tick(self) -> None:
        """Draw the next frame when it is time for one."""
        if self._monotonic() - self._drawn_at >= (FRAME_S if self._changed else IDLE_S):
            self._frame()

    def refresh(self, *, changed: bool) -> None:
        """Draw the next frame when it is time for one; whoever changed the model says so."""
        self._changed = self._changed or changed
        self.tick()

    def close(self, *, keep: bool) -> None:
        """The last frame: with `keep` the table is left standing, else its lines are given back."""
        with _Silenced(self):
            self._frame(last=not keep)
        terminal, self._terminal = self._terminal, None
        if terminal:
            with _Silenced(self):
                terminal.close()

    def silence(self) -> None:
        """Nothing is shown from now on."""
        self._terminal = None

    @property
    def _moment(self) -> float:
        """UTC seconds since the epoch, by a clock that nobody sets."""
        return self._zero + self._monotonic()

    def _touch(self) -> None:
        self._changed = True
        self.tick()

    def _above_table(self, line: str) -> None:
        self._above = [*self._above[-MOST_ABOVE:], timestamped(self._now(), line)]

    def _frame(self, *, last: bool = False) -> None:
        with _Silenced(self):
            terminal = self._terminal
            if terminal is None or (terminal.busy and not last):
                return
            columns, rows = terminal.size
            of = partial(self.model.frame, self._moment)
            lines = [] if last else frame.lines(of, columns - 1, rows, colour=self._colour)
            above, self._above = self._above, []
            terminal.draw(above, lines, cells)
            self._drawn_at, self._changed = self._monotonic(), False


class _Silenced:
    """A display that fails is no reason to fail: it says nothing more."""

    def __init__(self, live: LiveTable) -> None:
        self._live = live

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> bool:
        if kind is not None and issubclass(kind, Exception):
            self._live.silence()
            return True
        return False


def _stays(event: ev.Event) -> bool:
    """Events whose line is left standing: the table itself shows the others."""
    if isinstance(event, ev.Outcome):
        return event.trial_status != TrialStatus.COMPLETED.value
    if isinstance(event, ev.Observed):
        return event.secondary in ev.WAITS_LONG
    decided = (ev.Decided, ev.Judged, ev.Skipped, ev.Added, ev.Withdrawn, ev.Extended, ev.Stopping, ev.StopSent)
    return isinstance(event, (*decided, ev.PoolClosed, ev.Cold, ev.Adopted))
