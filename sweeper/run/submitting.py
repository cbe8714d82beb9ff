"""Submitting a trial: the intent is durable first, then the same Create is sent until it is proven (R1-R3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from sweeper.core import creating
from sweeper.core import events as ev
from sweeper.core.chain import Job
from sweeper.core.creating import Then
from sweeper.core.decide import Submit
from sweeper.core.events import Closed
from sweeper.core.model import Trial
from sweeper.core.outcome import created_with, fingerprint_of, refused
from sweeper.core.ports import Request
from sweeper.core.remedies import config_of
from sweeper.core.request import digest
from sweeper.core.words import span
from sweeper.errors import ApiError, ApiErrorKind, ForeignNameError, assert_never
from sweeper.run.intending import Intending
from sweeper.run.notes import Notes
from sweeper.run.releasing import Releasing
from sweeper.run.watching import RARE_NAG_S

Put = TypeVar("Put")
LIMIT_FIRST_S, LIMIT_MOST_S = 30.0, 600.0
BACKOFF_MOST_S = 60.0
STAGING_S = 600.0
"""Seconds for which S3 is asked again before the chain ends."""


@dataclass
class _Try:
    """What is being sent until it is proved: since when (monotonic), and how long to wait after it has failed again."""

    name: str
    begun: float
    waited: float = 1.0
    request: Request | None = None
    """The Create of a known intent; None until what it reads is staged."""


class Submitting:
    """Brings the next job into being, or proves that it cannot be: one step of it at each decision."""

    intends: ClassVar[type[Intending]] = Intending

    def __init__(self, notes: Notes, releasing: Releasing) -> None:
        self.notes, self._releasing = notes, releasing
        self.intending = self.intends(notes)
        self._try: _Try | None = None
        self._free_at = 0.0
        self._ended_before: int | None = None

    @property
    def held_s(self) -> float:
        """For how many more seconds nothing is to be sent. A wait for quota is over when one of our jobs has ended."""
        if self._ended_before not in (None, len(self.notes.chain.outcomes)):
            return 0.0
        return max(0.0, self._free_at - self.notes.world.clock.monotonic())

    def submit(self, decision: Submit) -> None:
        """Send the Create of this trial and attempt; a known intent is sent again as it was, and never decided anew."""
        name = self.intending.name(decision)
        known = self.notes.chain.jobs.get(name)
        known = None if known and known.never_was else known
        doing = self._doing(name)
        if known and doing.request:
            self.create(known, doing.request)
            return
        taken = known.intent.taken if known else self.intending.handed_over()
        patches = known.intent.patches if known else decision.patches
        config = config_of(self.notes.sweep, decision.trial, patches, taken)
        self.notes.world.redact.learn(config["environment"])
        world, of = self.notes.world, decision.trial
        staged = self._staged(of, doing, lambda: world.stage(config))
        if staged is None:
            return
        intent = known.intent if known else self.intending.intent(name, decision, config, staged, taken)
        request = self.intending.request(intent, config, staged)
        doing.request = self._staged(of, doing, lambda: world.carry(config, request))
        if doing.request is None:
            return
        self.notes.world.guard.arm()
        if not known:
            self.notes.note(intent)
            self._releasing.intended(name)
        self.create(self.notes.chain.jobs[name], doing.request)

    def _doing(self, name: str) -> _Try:
        """What is known of the steps that were taken towards this job."""
        if self._try is None or self._try.name != name:
            self._try = _Try(name, self.notes.world.clock.monotonic())
        return self._try

    def _staged(self, trial: Trial, doing: _Try, put: Callable[[], Put]) -> Put | None:
        """What comes of putting what a job reads into S3; None while that cannot be done: then it is tried again later.

        Raises ApiError for what does not pass, or has not in STAGING_S; new credentials are waited for.
        """
        notes = self.notes
        try:
            staged = put()
        except ApiError as error:
            lasted = notes.world.clock.monotonic() - doing.begun
            if not error.kind.passing or (lasted > STAGING_S and not error.kind.wants_credentials):
                raise
            if error.kind.wants_credentials:
                notes.say_unsigned(trial.id, error)
            else:
                notes.say_once(trial.id, f"cannot stage what {trial.name} reads, still trying: {error.message}")
            self._hold(min(doing.waited, BACKOFF_MOST_S))
            doing.waited *= 2
            return None
        doing.begun, doing.waited = notes.world.clock.monotonic(), 1.0
        return staged

    def create(self, job: Job, request: Request) -> None:
        """Send the same Create once more, until Describe or the service proves that the job exists, or refuses it."""
        notes, doing = self.notes, self._doing(job.name)
        try:
            notes.note(ev.Created(job.name, notes.world.api.create_training_job(request)))
        except ApiError as error:
            if error.kind.outcome_unknown:
                self._releasing.unanswered(job.name)
            pause = self.failed(job, error, doing.waited, notes.world.clock.monotonic() - doing.begun)
            if not (job.acknowledged or job.ended):
                limited = error.kind is ApiErrorKind.LIMIT
                pause = min(pause, BACKOFF_MOST_S) if pause < LIMIT_FIRST_S else pause
                self._hold(pause * _unevenness(job.name, doing.waited), limited=limited)
                doing.waited = min(doing.waited * 2, LIMIT_MOST_S)
                return
        self._try = None

    def _hold(self, seconds: float, *, limited: bool = False) -> None:
        """Nothing is sent for so long; when there was no room for it, until there may be some."""
        self._free_at = self.notes.world.clock.monotonic() + seconds
        self._ended_before = len(self.notes.chain.outcomes) if limited else None

    def failed(self, job: Job, error: ApiError, waited: float, lasted_s: float) -> float:
        """Do what follows from a failed Create; returns how many seconds to wait before it is sent again."""
        reason = self.notes.world.redact.cut(creating.why(error))
        step = creating.after(error, lasted_s, repeated=creating.was_said(self.notes.chain, job, reason))
        if error.kind.wants_credentials:
            self.notes.say_unsigned(job.name, error)
        if step.say and self.notes.due(job.name, error.kind.name, RARE_NAG_S):
            self.notes.say(step.say if lasted_s < RARE_NAG_S else f"{step.say} (for {span(lasted_s)} so far)")
        if error.kind is ApiErrorKind.IN_USE and not self._releasing.may_have_sent(job.name):
            made = f"another run of this sweep, of the owner {self.notes.owner}, has made it"
            self.notes.say_once(job.name, f"{job.name} is there already: {made}")
        match step.then:
            case Then.PROVE:
                self.prove(job)
            case Then.SEND_AGAIN:
                pass
            case Then.FREE_QUOTA:
                self._releasing.release(tuple(j.name for j in self.notes.chain.debts_newest_first if j.ended))
                others = any(other.acknowledged for other in self.notes.chain.unfinished.values())
                return LIMIT_FIRST_S if others else max(LIMIT_FIRST_S, waited)
            case Then.REFUSE | Then.END:
                self.refuse(job, step, error)
                if step.then is Then.END:
                    raise error
            case _:
                assert_never(step.then)
        return waited

    def prove(self, job: Job) -> None:
        """Describe decides whether the job exists and is ours."""
        try:
            description = self.notes.world.api.describe_training_job(job.name)
        except ApiError:
            return  # nothing is proved; the same Create is sent again
        if fingerprint_of(description) != job.intent.fingerprint:
            raise ForeignNameError(
                f"{job.name}: a training job of this name exists that is not this sweep's; "
                "nothing of it was touched. Set another `owner:` or `name:`"
            )
        self.notes.note(ev.Adopted(job.name, str(description.get("TrainingJobArn", "")), *created_with(description)))

    def refuse(self, job: Job, step: creating.Step, error: ApiError) -> None:
        """The service will not have this job: it has an end, and never had a pool."""
        self.notes.note(refused(job, step.failure, creating.why(error), wrong=step.then is Then.REFUSE))
        self.notes.note(ev.PoolClosed(job.name, Closed.NEVER_HAD_POOL.value))


def _unevenness(name: str, waited: float) -> float:
    """A factor from 1 to 1.25 that keeps two sweeps out of step; a function of the name, so that a replay is exact."""
    return 1.0 + int(digest([name, waited])[:8], 16) / 2**34
