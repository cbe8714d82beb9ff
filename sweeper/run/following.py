"""The logs of the running jobs: one position in each, read on at a bounded rate; each part is told to all who listen.

A log that cannot be had is looked for more and more rarely, and never in the way of the chain.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from sweeper.aws.logs import Tail
from sweeper.core import measured
from sweeper.core.chain import Job
from sweeper.core.watch import News
from sweeper.driver.matches import Metrics
from sweeper.errors import SweeperError
from sweeper.run.trial_log import TrialLog

RAREST_S = 300.0
GAP_S = 0.5
"""Seconds between two looks at logs where several jobs run: an account answers so many questions a second, of all."""
PAGES = 4
"""Who decides by a log takes so many megabytes of each host's at a look at most; the rest is there at the next one."""
AT_WORK = ("Training", "Uploading", "Stopping")
"""The phases in which a job writes its log."""

Listener = Callable[[Job, measured.Part], None]


class Followed:
    """The log of one job, as far as it has come."""

    def __init__(self, job: Job, tail: Tail, log: TrialLog) -> None:
        self.job, self.tail, self.log = job, tail, log
        self.last = measured.Last()
        self.unasked = 0
        """Lines that nobody has asked for yet, and the metrics in them."""
        self.points: list[tuple[str, float]] = []


class Following:
    """Reads the logs of running jobs: `tail_of` asks with a client that gives up soon.

    `every_s`: seconds between two looks that nobody asks for. `deciding`: somebody asks for `news`.
    """

    def __init__(
        self,
        tail_of: Callable[[Job], Tail],
        log_of: Callable[[Job], TrialLog],
        metrics: Metrics,
        monotonic: Callable[[], float],
        every_s: float,
        *,
        deciding: bool,
    ) -> None:
        self._tail_of, self._log_of, self._metrics, self._monotonic = tail_of, log_of, metrics, monotonic
        self._every_s = self._pause_s = every_s
        self._deciding = deciding
        self._read_at: dict[str, float] = {}
        self._followed: dict[str, Followed] = {}
        self.listeners: list[Listener] = []

    def follow(self, job: Job, description: Mapping[str, Any]) -> None:
        """Read what is new in a running job's log, when it is time to."""
        if self._rests(job) >= max(self._pause_s, self._turn_s) and description.get("SecondaryStatus") in AT_WORK:
            self._look(job, 1)

    def news(self, job: Job) -> News | None:
        """What has come in this job's log since this was last asked for; None when it cannot be read.

        Of several each has its turn: until then nothing has come.
        """
        readable = self._rests(job) < self._turn_s or self._look(job, PAGES)
        followed = self._followed.get(job.name)
        if followed is None:
            return None
        news = News(followed.unasked, tuple(followed.points))
        followed.unasked = 0
        followed.points.clear()
        return news if readable or news.lines else None

    def of(self, job: Job) -> Followed:
        """What is known of this job's log. Raises SweeperError."""
        if job.name not in self._followed:
            self._followed[job.name] = Followed(job, self._tail_of(job), self._log_of(job))
        return self._followed[job.name]

    def read(self, followed: Followed, tail: Tail, most: int | None = None) -> None:
        """Read on, so many pages of each host's log at most, and tell of each. Raises SweeperError."""
        for page in tail.pages(most):
            come = measured.part(page, self._metrics)
            followed.log.take(come)
            followed.last.take(come)
            if self._deciding:
                followed.unasked += len(page)
                followed.points += ((metric, value) for _, metric, value in come.points)
            for listener in self.listeners:
                listener(followed.job, come)

    def leave(self, job: Job) -> Followed | None:
        """Follow this job no further; what had come of its log, if it was followed."""
        self._read_at.pop(job.name, None)
        return self._followed.pop(job.name, None)

    def overtaken(self, job: Job) -> bool:
        """Does the log of a later attempt at the same trial stand where this job's would?"""
        own, others = job.intent, [(followed.job.intent, followed.log) for followed in self._followed.values()]
        return any(one.trial == own.trial and one.attempt > own.attempt and log.begun for one, log in others)

    def _rests(self, job: Job) -> float:
        """For how long this job's log was not looked at, in seconds."""
        return self._monotonic() - self._read_at.get(job.name, -math.inf)

    @property
    def _turn_s(self) -> float:
        """Seconds until all that are followed have had their turn; none for one alone."""
        return GAP_S * len(self._read_at) if len(self._read_at) > 1 else 0.0

    def _sign_anew(self, job: Job) -> None:
        """The next look is by whatever credentials there are then: those of this one may have run out."""
        with suppress(SweeperError):
            if followed := self._followed.get(job.name):
                followed.tail = self._tail_of(job).going_on_from(followed.tail)

    def _look(self, job: Job, most: int) -> bool:
        try:
            followed = self.of(job)
            self.read(followed, followed.tail, most)
            self._pause_s = self._every_s
            return True
        except SweeperError:
            self._pause_s = min(2 * self._pause_s, RAREST_S)
            self._sign_anew(job)
            return False
        finally:
            self._read_at[job.name] = self._monotonic()
