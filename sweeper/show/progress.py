"""Progress as plain lines on a stream: one per thing that happened, with the time. Never fails, never decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TextIO

from sweeper.core import events as ev
from sweeper.core.chain import Chain, Job
from sweeper.core.costs import savings_percent
from sweeper.core.declared import count
from sweeper.core.events import Closed, JobStatus, TrialStatus
from sweeper.core.model import Trials, number_of
from sweeper.core.ports import Progress
from sweeper.core.text import harmless
from sweeper.errors import assert_never


class Several:
    """Tells each of its parts."""

    def __init__(self, *parts: Progress) -> None:
        self._parts = parts

    def event(self, event: ev.Event, chain: Chain) -> None:
        """Something was journaled."""
        for part in self._parts:
            part.event(event, chain)

    def watching(self, name: str, description: Mapping[str, Any]) -> None:
        """A job was looked at."""
        for part in self._parts:
            part.watching(name, description)

    def say(self, line: str) -> None:
        """A line that is not an event."""
        for part in self._parts:
            part.say(line)


class PlainProgress:
    """Writes timestamped lines. A stream that is gone (a closed terminal, a broken pipe) silences it for good."""

    def __init__(self, stream: TextIO, now: Callable[[], float], trials: Trials, redact: Callable[[str], str]) -> None:
        self._stream, self._now, self._trials, self._redact = stream, now, trials, redact
        self._silent = False

    def say(self, line: str) -> None:
        """A line that is not an event: a service's words may be in it."""
        self._write(self._redact(line))

    def _write(self, line: str) -> None:
        if self._silent:
            return
        try:
            self._stream.write(timestamped(self._now(), line) + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            self._silent = True

    def watching(self, name: str, description: Mapping[str, Any]) -> None:
        """Nothing: a plain log tells only what changed."""

    def event(self, event: ev.Event, chain: Chain) -> None:
        """The line for an event, where it is worth one."""
        line = event_line(event, chain, self._trials)
        if line:
            self._write(line)


def timestamped(now: float, line: str) -> str:
    """A line with the local time; what a terminal would obey becomes a blank."""
    return f"{datetime.fromtimestamp(now):%H:%M:%S} {harmless(line)}"


def event_line(event: ev.Event, chain: Chain, trials: Trials) -> str:
    """What to tell of an event in a sweep of these trials; empty when it is not worth a line."""
    match event:
        case ev.Intent():
            again = f", attempt {event.attempt}" if event.attempt > 1 else ""
            again += f" ({event.remedy})" if event.remedy else ""
            again += f" ({event.clamped}: may run for {event.max_runtime_s} s)" if event.clamped else ""
            number = f"{number_of(event.index)}/{count(trials, chain)}"
            return f"trial {number} {event.label}{again}: submitting {event.name}"
        case ev.Adopted():
            return f"{_label(chain, event.name)}: found {event.name}, going on with it"
        case ev.Outcome():
            return f"{_label(chain, event.name)}: {describe(chain.jobs[event.name])}"
        case ev.Observed():
            job = chain.job(event.name)
            ended = JobStatus.of(event.status).terminal
            return "" if ended else f"{job.intent.label}: {job.phase or event.status}"
        case ev.StopSent():
            return f"{_label(chain, event.name)}: stopping the job ({event.reason})"
        case ev.PoolClosed():
            return _closed(event)
        case ev.Cold():
            return f"{_label(chain, event.name)}: started cold: {event.why}"
        case ev.Decided():
            return f"{event.rule}: {event.why}"
        case ev.Stopping():
            return f"{event.reason}: {_ending(event, chain)}"
        case ev.Judged():
            return f"{_label(chain, event.name)}: {event.rule}: {event.why}"
        case ev.Extended():
            return f"pool of {event.name} is kept for {event.keep_alive_s} s: the next job is a while away"
        case ev.Skipped():
            return f"trial {event.label or event.trial} is skipped"
        case ev.Added():
            return f"trial {event.label} was added"
        case ev.Withdrawn():
            return f"trial {event.label} was added to another version of this sweep: add it again to have it run"
        case ev.Taught():
            return f"warm start: {event.words}"
        case ev.Awaited():
            return _awaited(event, chain)
        case ev.Offered():
            return f"pool of {event.name} is offered to the sweep in {event.to}"
        case ev.Unclaimed():
            return f"the sweep in {event.to} did not take the pool in time"
        case ev.Inherited():
            return f"pool of {event.name} is taken over from {event.sweep}"
        case ev.Opened() | ev.Created() | ev.Settled() | ev.Reopened() | ev.Finished():
            return ""
        case _:
            assert_never(event)


def _awaited(event: ev.Awaited, chain: Chain) -> str:
    if not event.by:
        return "nobody waits for the pool any more"
    bare = next((job.name for job in chain.unfinished.values() if not job.keep_alive_s), "")
    late = f"; {bare} was sent without keep-alive: if it is the last, {event.sweep} starts cold" if bare else ""
    return f"{event.sweep} waits to take the pool over{late}"


def _ending(event: ev.Stopping, chain: Chain) -> str:
    """What is done until the end."""
    if chain.opened and chain.opened.in_flight > 1:
        return "stopping what runs, please wait" if event.now else "ending after the running jobs"
    return "releasing the pool, please wait" if event.now else "ending after the running job"


def _label(chain: Chain, name: str) -> str:
    return chain.job(name).intent.label


def describe(job: Job) -> str:
    """An ended job in a few words."""
    outcome = job.outcome
    if outcome is None:
        return "running"
    metrics = " ".join(f"{name}={value:g}" for name, value in outcome.metrics.items())
    seconds = "" if outcome.train_seconds is None else f"{outcome.train_seconds:g} s"
    saved = savings_percent(outcome.billable_seconds, outcome.train_seconds)
    seconds += f" ({saved:.0f} % saved)" if saved else ""
    reason = f"{outcome.failure}: {outcome.message}" if outcome.failure else outcome.message
    cause = reason if outcome.trial_status != TrialStatus.COMPLETED.value else ""
    return ", ".join(part for part in (outcome.trial_status, metrics, seconds, cause) if part)


def _closed(event: ev.PoolClosed) -> str:
    match Closed(event.how):
        case Closed.TERMINATED:
            kept = "" if event.retained_s is None else f" (kept for {event.retained_s:g} billable s)"
            return f"pool of {event.name} is closed{kept}"
        case Closed.EXPIRED_BY_BOUND:
            return f"pool of {event.name} has run out"
        case Closed.HANDED_OVER:
            return f"pool of {event.name} is handed to {event.by}"
        case _:
            return ""  # handed on to the next job, or never there: nothing to tell
