"""Where the jobs of the questions are made, watched and closed: each is in the journal before its Create is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sweeper.core import events as ev
from sweeper.core.chain import Chain, Job, apply
from sweeper.core.events import Closed, TrialStatus
from sweeper.core.fate import look
from sweeper.core.ports import Clock, TrainingApi
from sweeper.core.request import fingerprint
from sweeper.core.smoke.budget import Budget
from sweeper.core.smoke.jobs import SWEEP, Bed, Pace, Wanted
from sweeper.core.smoke.timeline import Timeline
from sweeper.core.waits import Waits
from sweeper.errors import ApiError, ApiErrorKind, JournalError
from sweeper.run.release import Releaser, Unreleased

PATIENCE_S = 600.0
"""Seconds for which a call that time may heal is sent again."""
PAUSE_S = 5.0


class Interrupted(Exception):  # noqa: N818 - it is no error
    """A person asked to end: what is known is kept, and everything is closed."""


class NotAnswered(Exception):  # noqa: N818 - it is an answer
    """A question cannot be answered here; says why, in words."""


@dataclass
class Bench:
    """The jobs so far. `note` makes an event durable; `interrupted` is true once a person asked to end."""

    api: TrainingApi
    clock: Clock
    waits: Waits
    pace: Pace
    bed: Bed
    owner: str
    stamp: str
    """Part of every job's name: another one for each time that the questions are asked."""
    note: Callable[[ev.Event], None]
    say: Callable[[str], None]
    budget: Budget = field(default_factory=Budget)
    interrupted: Callable[[], bool] = lambda: False
    impatient: Callable[[], bool] = lambda: False
    flags: str = ""
    """How the AWS CLI is told where it is, for the commands that are told."""
    chain: Chain = field(default_factory=Chain)
    timelines: dict[str, Timeline] = field(default_factory=dict)
    heard: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """When, and to which request, a refusal was said last, by its text."""
    no_room: set[str] = field(default_factory=set)
    """Jobs for whose machine the quota had room only once our idle pools were gone."""
    closing: bool = False
    """Everything is being closed: a journal that cannot be written does not keep it from that."""

    # -- making -----------------------------------------------------------------------------------------------------

    def create(self, wanted: Wanted) -> Timeline:
        """Make this job. Raises ApiError when it is refused, NotAnswered when it may cost too much."""
        if not self.budget.admits(wanted.max_runtime_s, wanted.owed_s):
            raise NotAnswered("one more job could cost more than all of them may")
        number = len(self.chain.jobs) + 1
        name, mark = self._name(f"{number:02d}"), fingerprint(self.owner, SWEEP, self.stamp, number)
        self._write(
            ev.Intent(name, wanted.label, number, wanted.label, {}, 1, mark, wanted.owed_s, wanted.max_runtime_s, "")
        )
        self.budget.opened(name, wanted.max_runtime_s, wanted.owed_s)
        self.say(f"{name}: {wanted.label}")
        self._send(name, self.bed.request(wanted, name, mark))
        made = self.timelines[name] = Timeline(name, wanted.keep_alive_s)
        return made

    def nobody(self) -> str:
        """The name of a job that never was."""
        return self._name("00")

    def _name(self, number: str) -> str:
        return f"{SWEEP}-{self.stamp}-{number}"

    def _send(self, name: str, request: dict[str, Any]) -> None:
        """The same Create until it is acknowledged or refused; a name that is taken is ours: nobody else has it."""
        begun, arn = self.clock.monotonic(), ""
        while True:
            try:
                arn = self.api.create_training_job(request)
            except ApiError as error:
                if error.kind is not ApiErrorKind.IN_USE:
                    if self._heals(name, error, begun):
                        continue
                    if not error.kind.outcome_unknown:
                        self._refused(name, error)
                    raise
            self._write(ev.Created(name, arn))
            return

    def _heals(self, name: str, error: ApiError, begun: float) -> bool:
        """Wait a while, where that may help; a quota that is full has room once our own idle pools are gone."""
        known = error.kind.passing or error.kind in (ApiErrorKind.PROPAGATION, ApiErrorKind.LIMIT)
        if not known or self.clock.monotonic() - begun > PATIENCE_S:
            return False
        if error.kind is ApiErrorKind.LIMIT:
            self.no_room.add(name)
            self.close(job for job in self.chain.debts_newest_first if job.acknowledged)
        self.pause(PAUSE_S)
        return True

    def _refused(self, name: str, error: ApiError) -> None:
        """It has an end, and never had a pool."""
        self._heard(error, name)
        self._write(ev.Outcome(name, "Failed", TrialStatus.FAILED.value, failure=error.code, message=error.message))
        self._write(ev.PoolClosed(name, Closed.NEVER_HAD_POOL.value))

    # -- looking ----------------------------------------------------------------------------------------------------

    def pause(self, seconds: float) -> None:
        """Let time pass. Raises Interrupted."""
        if not self.interrupted():
            self.clock.sleep(seconds)
        if self.interrupted():
            raise Interrupted

    def look(self, seen: Timeline) -> bool:
        """Look at a job once; False when it is not shown (yet)."""
        try:
            description = self.api.describe_training_job(seen.name)
        except ApiError as error:
            if error.kind is ApiErrorKind.NOT_FOUND or error.kind.passing:
                return False
            raise
        seen.add(description, self.clock.now())
        return True

    def watch(
        self,
        seen: Timeline,
        until: Callable[[], bool],
        most_s: float,
        each: Callable[[], None] = lambda: None,
        *,
        often: bool = False,
    ) -> bool:
        """Look until it holds, for so many seconds at most; returns whether it does. `each`: after every look.

        `often`: something is measured, though the job only waits.
        """
        end = self.clock.monotonic() + most_s
        while True:
            self.look(seen)
            each()
            if until():
                return True
            if self.clock.monotonic() >= end:
                return False
            self.pause(self.pace.look_s if often else self._look_s(seen))

    def _look_s(self, seen: Timeline) -> float:
        """Often where something is measured, seldom where a machine is waited for."""
        measured = seen.ended or seen.trains or seen.last is None
        return self.pace.look_s if measured else min(self.waits.usual_s, self.pace.look_s * 5)

    # -- changing ---------------------------------------------------------------------------------------------------

    def update(self, name: str, keep_alive_s: int) -> str:
        """Ask for this keep-alive; what is said to it, as `CODE: text` with {name} for the job's, empty when taken.

        Raises ApiError when that is denied.
        """
        job = self.chain.jobs.get(name) if keep_alive_s else None
        before_s = job.keep_alive_s if job else 0
        if job:
            self._write(ev.Extended(name, keep_alive_s))
            self.budget.opened(name, job.intent.max_runtime_s, keep_alive_s)
        said, sure = self._said(lambda: self.api.update_training_job(name, keep_alive_s), name)
        if job and said and sure:
            self._write(ev.Extended(name, before_s))  # nothing is longer: who closes it need not wait for that
        return said

    def stop(self, name: str) -> str:
        """Ask for the stop of a job; what is said to it, empty when taken."""
        return self._said(lambda: self.api.stop_training_job(name), name)[0]

    def _said(self, call: Callable[[], None], name: str) -> tuple[str, bool]:
        """What is said to a call, empty when it is taken, and whether nothing can have come of one that is not."""
        begun, sure = self.clock.monotonic(), True
        while True:
            try:
                call()
            except ApiError as error:
                if error.kind is ApiErrorKind.DENIED:
                    raise
                sure = sure and not error.kind.outcome_unknown
                if not error.kind.passing:
                    return self._heard(error, name), sure
                if self.clock.monotonic() - begun > PATIENCE_S:
                    raise
                self.pause(PAUSE_S)
                continue
            return "", True

    def _heard(self, error: ApiError, name: str) -> str:
        text = said(error, name)
        self.heard[text] = {"at": round(self.clock.now(), 3), "request_id": error.request_id}
        return text

    # -- closing ----------------------------------------------------------------------------------------------------

    def close(self, jobs: Iterable[Job]) -> list[Unreleased]:
        """Stop what runs, release what idles, until each is seen closed; returns those that could not be."""
        releaser = Releaser(
            api=self.api,
            clock=self.clock,
            settings=self.waits,
            note=self._write,
            say=self.say,
            harvest=_judged_by_nobody,
            is_own=self.chain.jobs.__contains__,
            flags=self.flags,
            impatient=self.impatient,
        )
        return releaser.close_all(list(jobs))

    def close_all(self) -> list[Unreleased]:
        """Close every job, the newest first, whatever the journal says to it."""
        self.closing = True
        try:
            return self.close(self.chain.debts_newest_first)
        except Exception as error:  # noqa: BLE001 - what may still bill is named, whatever has gone wrong
            why = f"{type(error).__name__}: {error}"
            return [Unreleased(job.name, why, self.flags) for job in self.chain.debts_newest_first]

    def close_but(self, kept: Timeline | None) -> list[Unreleased]:
        """Close every job but this one; returns those that could not be."""
        names = {kept.name} if kept else set()
        return self.close(job for job in self.chain.debts_newest_first if job.name not in names)

    def known_closed(self, seen: Timeline) -> None:
        """Note that a pool is gone, where the newest look shows it: nothing is asked."""
        job = self.chain.jobs[seen.name]
        closed = look(job, seen.description).closed(self.chain.jobs.__contains__) if seen.description else None
        if closed and job.in_debt:
            self._write(closed)

    def _write(self, event: ev.Event) -> None:
        try:
            self.note(event)
        except JournalError as error:
            if not self.closing:
                raise
            self.say(f"warning: {error}")
        apply(self.chain, event)
        if isinstance(event, ev.PoolClosed):
            self.budget.closed(event.name, self._billed_s(event.name))

    def _billed_s(self, name: str) -> float:
        """From the start of its machine to now, when its pool was seen closed: not less than what is billed."""
        started = self.timelines[name].started_at if name in self.timelines else None
        return 0.0 if started is None else self.clock.now() - started


def said(error: ApiError, name: str = "") -> str:
    """A refusal as the engine's setting `refusals` has it."""
    text = f"{error.code}: {error.message}"
    return text.replace(name, "{name}") if name else text


def _judged_by_nobody(job: Job, description: Mapping[str, Any], _age_s: float) -> ev.Outcome:
    status = str(description.get("TrainingJobStatus"))
    return ev.Outcome(job.name, status, TrialStatus.INTERRUPTED.value)
