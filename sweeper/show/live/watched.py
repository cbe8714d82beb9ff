"""A sweep that another process runs, followed by its files: its journal, its result files and its running trials' logs.

Nothing is changed, nobody is asked. The files are read again when they are others, at a twentieth of the time at most.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from sweeper.backends import DEFAULT, keeps_pool
from sweeper.core import events as ev
from sweeper.core.chain import Job
from sweeper.core.measured import Part
from sweeper.errors import UsageError
from sweeper.record.changes import is_running, marks
from sweeper.record.log_tail import LogTail
from sweeper.record.stored import StoredSweep
from sweeper.show.live.model import LiveModel, Subject

COST = 20
"""The files are read again only after so many times what reading them took."""


def subject_of(sweep: StoredSweep) -> Subject:
    """What a live table needs to know of a declaration, as its folder remembers it."""
    try:
        keeps = keeps_pool(str((sweep.config.get("backend") or {}).get("kind") or DEFAULT))
    except UsageError:  # a backend that is not installed here
        keeps = False
    return Subject(
        str(sweep.config.get("name") or sweep.name),
        sweep.declared.trials,
        tuple(metric.name for metric in sweep.declared.metrics),
        sweep.objective,
        str((sweep.config.get("prune") or {}).get("step") or ""),
        keeps,
        sweep.said.most_trials,
        any(rule.asks for rule in sweep.said.rules),
        sweep.rate,
        not sweep.on_aws,
        sweep.chain.opened.only if sweep.chain.opened else "",
        sweep.declared.seed,
    )


class Look(NamedTuple):
    """What a look has shown."""

    events: Sequence[tuple[float, ev.Event]]
    """What was journaled, with its time."""
    new: bool
    """Is anything else than it was?"""


class Watched:
    """What has come of a sweep, look by look. `sweep` is how it stood at the last one."""

    def __init__(self, sweep: StoredSweep, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._not_before = 0.0
        self._tails: dict[str, LogTail] = {}
        self._seen = marks(sweep.folder)
        self.sweep = sweep
        self.listeners: list[Callable[[Job, Part], None]] = []
        """Who is told what running jobs have printed."""
        self.model = LiveModel(subject_of(sweep))
        self._begin()

    @property
    def running(self) -> bool:
        """Does a process run it now?"""
        return is_running(self.sweep.folder)

    def look(self, now: float, *, soon: bool = False) -> Look:
        """Read on, `now` in UTC seconds since the epoch; `soon`: however long the last time took.

        Raises JournalError when the journal cannot be read any more.
        """
        come = self._read() if soon or self._monotonic() >= self._not_before else []
        printed = False
        for name, tail in self._tails.items():
            part = tail.new()
            if part.lines:
                self.model.printed(name, part, now)
                for listener in self.listeners:
                    listener(self.sweep.chain.jobs[name], part)
                printed = True
        return Look(come, printed or bool(come))

    def _read(self) -> Sequence[tuple[float, ev.Event]]:
        begun, found = self._monotonic(), marks(self.sweep.folder)
        if found == self._seen:
            return []
        known = len(self.sweep.events)
        self._seen, self.sweep = found, StoredSweep(self.sweep.folder)
        self.model.subject = subject_of(self.sweep)
        self._begin()
        ended = self._monotonic()
        self._not_before = ended + COST * (ended - begun)
        return self.sweep.events[known:]

    def _begin(self) -> None:
        chain = self.sweep.chain
        self.model.begin(chain, self.sweep.events)
        kept = {name: tail for name, tail in self._tails.items() if name in chain.unfinished}
        self._tails = {name: kept.get(name) or self.sweep.tail(job) for name, job in chain.unfinished.items()}
