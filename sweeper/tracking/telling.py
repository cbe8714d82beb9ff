"""Telling the trackers of a sweep, beside it: each has a thread of its own, and nothing waits for it but the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

from sweeper.core.chain import Chain, Job
from sweeper.core.costs import Rate
from sweeper.core.model import Sweep
from sweeper.core.results import best, results
from sweeper.core.tracked import Notebook, Point, SweepEnded, Tracked, Tracker, TrialEnded, sweep_ended, trial_ended
from sweeper.record.points import are_stored, points
from sweeper.tracking.ledger import Ledger

SILENT_S = 1.0
"""Seconds for which the end waits for a tracker without a word."""


class Telling:
    """Tells the trackers of one sweep, in one process. `see`: what a tracker with these notes sees of the sweep."""

    def __init__(
        self, trackers: Iterable[Tracker], folder: Path, see: Callable[[Notebook], Tracked], rate: Rate | None
    ) -> None:
        self._folder, self._rate = folder, rate
        ledgers = [(tracker, Ledger(folder, tracker.kind)) for tracker in trackers]
        self._lines = [_Line(tracker, ledger, see(ledger)) for tracker, ledger in ledgers]
        self._before: frozenset[str] = frozenset()
        """The jobs that had ended before this process began."""

    def begin(self, chain: Chain) -> None:
        """Begin to tell: first of what has ended before and nobody has told yet.

        A killed process may have left logs that this one stores: those trials are told then, or at the end.
        """
        self._before = frozenset(job.name for job in chain.outcomes)
        for line in self._lines:
            line.start()
        self._past(chain, but_unstored=True)

    def after(self, keep: Callable[[Job], Iterator[None]]) -> Callable[[Job], Iterator[None]]:
        """What stores the log of an ended job, and then has its trial told."""

        def kept(job: Job) -> Iterator[None]:
            yield from keep(job)
            self._put(self._ended(job, partial(points, self._folder, job.intent.trial)))

        return kept

    def end(self, chain: Chain, ended: SweepEnded | None, say: Callable[[str], None] = lambda line: None) -> None:
        """Nothing more will happen: tell that, and wait for each tracker as long as it asks for, and say so."""
        self._past(chain)  # a signal or a full disk may have kept a log from being stored
        self._put(ended)
        begun = time.monotonic()
        for line in self._lines:
            line.facts.put(None)
        for line in self._lines:
            line.wait(begun, say)

    @contextmanager
    def of_a_break(self, sweep: Sweep, chain: Chain, say: Callable[[str], None]) -> Iterator[None]:
        """Within, an error that breaks the chain off is told as its end, and goes on; its pools are closed by then."""
        try:
            yield
        except Exception as error:
            with suppress(Exception):  # whatever is wrong with the chain, that error is what is told to a person
                table = results(sweep, chain, rate=self._rate)
                names = [pool.name for pool in getattr(error, "unreleased", ())]
                self.end(chain, sweep_ended(chain, table, best(table, sweep.objective), names), say)
                for trouble in self.troubles():
                    say(trouble)
            raise

    def troubles(self) -> list[str]:
        """What went wrong with a tracker, once for each; only what was not asked for before."""
        return [trouble for line in self._lines if (trouble := line.news())]

    def _past(self, chain: Chain, *, but_unstored: bool = False) -> None:
        newest = {job.intent.trial: job for job in chain.outcomes}
        for job in chain.outcomes if self._lines else ():
            trial = job.intent.trial
            if newest[trial] is not job:
                self._put(self._ended(job, tuple))
            elif not but_unstored or are_stored(self._folder, trial):
                self._put(self._ended(job, partial(points, self._folder, trial)))

    def _ended(self, job: Job, stored: Callable[[], Iterable[Point]]) -> TrialEnded | None:
        return trial_ended(job, self._rate, stored, late=job.name in self._before)

    def _put(self, fact: TrialEnded | SweepEnded | None) -> None:
        for line in self._lines if fact else ():
            line.facts.put(fact)


class _Line:
    """One tracker, its thread, and what is still to be told."""

    def __init__(self, tracker: Tracker, ledger: Ledger, sweep: Tracked) -> None:
        self.facts: SimpleQueue[TrialEnded | SweepEnded | None] = SimpleQueue()
        self._tracker, self._ledger, self._sweep = tracker, ledger, sweep
        self._thread = Thread(target=self._work, name=f"tracker {tracker.kind}", daemon=True)
        self._trouble = ""
        self._said = self._closing = False
        self._new: bool | None = None
        """Was it never told of this sweep before? None while nobody has looked."""
        self._told: set[str] = set()
        self._ready = False

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wait(self, since: float, say: Callable[[str], None]) -> None:
        """Wait until all is told or was tried, from a moment (monotonic) on as long as the tracker asks for."""
        self._closing = True
        most_s = self._tracker.patience_s
        self._join(since + min(SILENT_S, most_s))
        if self._thread.is_alive() and most_s > SILENT_S:
            say(f"waiting for the tracker {self._tracker.kind}, {most_s:g} s at most")
        self._join(since + most_s)
        if self._thread.is_alive() and not self._trouble:
            self._trouble = f"no answer within {most_s:g} s"

    def _join(self, until: float) -> None:
        self._thread.join(max(0.0, until - time.monotonic()))

    def news(self) -> str:
        """The first trouble, once."""
        if not self._trouble or self._said:
            return ""
        self._said = True
        return (
            f"warning: the tracker {self._tracker.kind} could not be told: {self._trouble}; "
            f"the next run tells it what it has missed, or `sweeper report {self._sweep.folder.name} --tell`"
        )

    def _work(self) -> None:
        self._tried(self._prepare)
        while (fact := self.facts.get()) is not None:
            if not self._tried(partial(self._tell, fact)) and self._closing:
                return  # the end waits for one trouble, not for as many as there are facts

    def _tried(self, step: Callable[[], None]) -> bool:
        try:
            step()
        except Exception as error:  # noqa: BLE001 - somebody else's code, and nothing of the sweep depends on it
            self._trouble = self._trouble or f"{type(error).__name__}: {error}"
            return False
        return True

    def _prepare(self) -> None:
        if self._new is None:
            self._new = self._ledger.first()
            self._told = self._ledger.told()
        if not self._ready:
            self._tracker.started(self._sweep)
            self._ready = True

    def _tell(self, fact: TrialEnded | SweepEnded) -> None:
        self._prepare()
        repeats = self._tracker.repeats
        anew = repeats and isinstance(fact, SweepEnded)
        if fact.fact in self._told and not anew:
            return  # a chain of thousands is gone through at its end
        if not self._ledger.begin(fact.fact, again=repeats, anew=anew):
            return
        try:
            if isinstance(fact, TrialEnded):
                self._tracker.trial(self._sweep, replace(fact, late=fact.late and bool(self._new)))
            else:
                self._tracker.ended(self._sweep, fact)
        except Exception:
            self._ledger.undo(fact.fact)
            raise
        self._ledger.done(fact.fact)
        self._told.add(fact.fact)
