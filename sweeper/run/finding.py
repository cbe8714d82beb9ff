"""Finding jobs that hold a pool, in an account whose history may be long: ours by their tag, all others newest first.

ListTrainingJobs has a fixed quota of about two requests a second for the whole account, and filters by status after it
has cut a page: a filter saves nothing. Search knows tags, and is late by an unknown time; what is too new for it is
among the newest that are listed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from math import inf
from typing import TypeVar

from sweeper.core.events import JobStatus, PoolStatus
from sweeper.core.outcome import fingerprint_of
from sweeper.core.ports import Clock, Description, TrainingApi
from sweeper.errors import ApiError, ApiErrorKind

Answer = TypeVar("Answer")

PAUSE_S = 1.0
"""Between two requests to an account: others list there too."""
PATIENCE_S = 60.0
"""Seconds for which the same is asked again while the account is throttled."""
OLDEST_S = 29 * 86400.0
"""No job runs for longer than 28 days, and no pool idles for longer than an hour: what is older holds none."""
_LIVE = (PoolStatus.IN_USE, PoolStatus.AVAILABLE)


def holds_pool(description: Description) -> bool:
    """Does a job, as it is described or listed, hold a pool that is in use or idles?"""
    return PoolStatus.of((description.get("WarmPoolStatus") or {}).get("Status")) in _LIVE


def may_hold_pool(description: Description) -> bool:
    """Does it hold one, or may it come to?"""
    return holds_pool(description) or not JobStatus.of(description.get("TrainingJobStatus")).terminal


@dataclass
class Newest:
    """The jobs of an account as it lists them, newest first: one request after another, as long as there is time."""

    api: TrainingApi
    clock: Clock
    most_s: float = inf
    """Seconds after which no further page is asked for."""
    pause_s: float = PAUSE_S
    seen: int = field(default=0, init=False)
    cut_off: bool = field(default=False, init=False)
    """Was there no time for all that may hold a pool?"""

    _begun: float | None = field(default=None, init=False)

    @property
    def in_time(self) -> bool:
        """Is there time for more? There is before the first page is asked for."""
        return self._begun is None or self.clock.monotonic() - self._begun < self.most_s

    def __iter__(self) -> Iterator[Description]:
        """The summaries. Raises ApiError."""
        self._begun, token = self.clock.monotonic(), ""
        while True:
            page = _patiently(self.clock, partial(self.api.list_training_jobs, token))
            for job in page.jobs:
                if job["CreationTime"].timestamp() < self.clock.now() - OLDEST_S:
                    return
                self.seen += 1
                yield job
            token = page.token
            self.cut_off = bool(token) and not self.in_time
            if not token or self.cut_off:
                return
            self.clock.sleep(self.pause_s)


def tagged(api: TrainingApi, mark: str, since: float) -> list[Description]:
    """The jobs created since then (UTC seconds) whose fingerprint begins so; none where we may not search."""
    try:
        found = list(api.search_training_jobs(mark, since))
    except ApiError as error:
        if error.kind in (ApiErrorKind.DENIED, ApiErrorKind.INVALID, ApiErrorKind.UNKNOWN, ApiErrorKind.THROTTLED):
            return []
        raise
    return [job for job in found if fingerprint_of(job).startswith(mark)]


def described(api: TrainingApi, clock: Clock, name: str) -> Description | None:
    """DescribeTrainingJob, patient with throttling; None when there is no such job. Raises ApiError."""
    try:
        return _patiently(clock, partial(api.describe_training_job, name))
    except ApiError as error:
        if error.kind is ApiErrorKind.NOT_FOUND:
            return None
        raise


def _patiently(clock: Clock, ask: Callable[[], Answer]) -> Answer:
    """Ask; while the account is throttled, again for a while. Raises ApiError."""
    begun = clock.monotonic()
    while True:
        try:
            return ask()
        except ApiError as error:
            if error.kind is not ApiErrorKind.THROTTLED or clock.monotonic() - begun > PATIENCE_S:
                raise
        clock.sleep(PAUSE_S)


def pools(newest: Newest, marks: list[str]) -> Iterator[Description]:
    """Every job that holds a pool, as Describe shows it: those whose fingerprint begins with a mark, then all others.

    Raises ApiError.
    """
    return _described(newest, marks, holds_pool)


def live(newest: Newest, marks: list[str]) -> Iterator[Description]:
    """The same of every job that runs too, as long as there is time for those that are neither ours nor hold a pool."""
    return _described(newest, marks, lambda job: holds_pool(job) or (may_hold_pool(job) and newest.in_time))


def _described(newest: Newest, marks: list[str], counts: Callable[[Description], bool]) -> Iterator[Description]:
    api, clock = newest.api, newest.clock
    ours = (job for mark in marks for job in tagged(api, mark, clock.now() - OLDEST_S))
    asked = {str(job["TrainingJobName"]) for job in ours if may_hold_pool(job)}
    others = (name for job in newest if counts(job) and (name := str(job["TrainingJobName"])) not in asked)
    for name in chain(sorted(asked), others):
        if (description := described(api, clock, name)) and counts(description):
            yield description
