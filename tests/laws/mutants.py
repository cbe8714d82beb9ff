"""Broken variants of the protocol. Each leaves out one rule; the laws must notice every one of them."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sweeper.core import events as ev
from sweeper.core.chain import Chain, Job, apply
from sweeper.core.creating import Step, Then
from sweeper.core.decide import Decision, Finish, Release, StopJob, Wait, decide
from sweeper.core.events import Closed, JobStatus
from sweeper.core.failures import Failure
from sweeper.core.fate import Look
from sweeper.core.ports import Request
from sweeper.errors import ApiError, ApiErrorKind
from sweeper.run.attention import Attention
from sweeper.run.intending import Intending
from sweeper.run.notes import Notes
from sweeper.run.parts import Parts
from sweeper.run.release import Closing, Releaser
from sweeper.run.releasing import Releasing
from sweeper.run.runner import Runner
from sweeper.run.submitting import Submitting

REFUSED = Step(Then.REFUSE, failure=Failure.REQUEST)


class RandomNameAndLateIntent(Submitting):
    """A name by chance, and the intent only after the job exists."""

    def submit(self, decision: Any) -> None:
        """Create, then note."""
        world = self.notes.world
        config = self.notes.sweep.resolve(decision.trial)
        staged = world.stage(config)
        chance = random.Random(world.clock.now()).getrandbits(64)
        intent = replace(self.intending.intent("x", decision, config, staged), name=f"random-{chance:016x}")
        request = self.intending.request(intent, config, staged)
        while True:
            try:
                arn = world.api.create_training_job(request)
                break
            except ApiError:
                world.clock.sleep(5)
        self.notes.note(intent)
        self.notes.note(ev.Created(intent.name, arn))


class NewNameAfterLoss(Submitting):
    """An unknown outcome is answered with another name."""

    def create(self, job: Job, request: Request) -> None:
        """Create under one name after the other."""
        while not job.acknowledged and not job.ended:
            try:
                self.notes.note(ev.Created(job.name, self.notes.world.api.create_training_job(request)))
            except ApiError as error:
                if error.kind is not ApiErrorKind.LOST:
                    self.failed(job, error, 1.0, 0.0)
                    self.notes.world.clock.sleep(5)
                    continue
                self.notes.note(replace(job.intent, name=job.name + "x"))
                request = {**request, "TrainingJobName": job.name + "x"}
                job = self.notes.chain.jobs[job.name + "x"]


class InUseIsAnError(Submitting):
    """A name that exists fails the trial."""

    def failed(self, job: Job, error: ApiError, waited: float, lasted_s: float) -> float:
        """Refuse what is there."""
        if error.kind is ApiErrorKind.IN_USE:
            self.refuse(job, REFUSED, error)
            return 0.0
        return super().failed(job, error, waited, lasted_s)


class NotFoundIsAbsence(Submitting):
    """NotFound after a Create of unknown outcome is taken for proof: the job is created under a new name."""

    def prove(self, job: Job) -> None:
        """Believe what is not found."""
        try:
            self.notes.world.api.describe_training_job(job.name)
        except ApiError as error:
            if error.kind is not ApiErrorKind.NOT_FOUND:
                return
            again = replace(job.intent, name=job.name + "y")
            self.notes.note(again)
            config = self.notes.sweep.resolve(self.notes.sweep.trials[again.index])
            request = self.intending.request(again, config, self.notes.world.stage(config))
            self.create(self.notes.chain.jobs[again.name], request)
            self.refuse(job, REFUSED, error)
        else:
            super().prove(job)


class NoSettleWait(Runner):
    """The successor is sent as soon as the job has ended."""

    @staticmethod
    def decide(sweep: Any, search: Any, chain: Chain, now: float, *held: Any) -> Decision:  # type: ignore[override]
        move = decide(sweep, search, chain, now, *held)
        if isinstance(move, Wait) and not chain.unfinished:
            for job in chain.debts.values():
                job.settled = True
            return decide(sweep, search, chain, now, *held)
        return move


class OneJobTooMany(Runner):
    """Where several may be in flight, one more is sent."""

    @staticmethod
    def decide(sweep: Any, search: Any, chain: Chain, now: float, *held: Any) -> Decision:  # type: ignore[override]
        if sweep.in_flight > 1:
            sweep = replace(sweep, backend=replace(sweep.backend, max_in_flight=sweep.in_flight + 1))
        return decide(sweep, search, chain, now, *held)


class StopsOnlyOne(Runner):
    """At a signal one job is stopped, and the others are believed to end with it."""

    @staticmethod
    def decide(sweep: Any, search: Any, chain: Chain, now: float, *held: Any) -> Decision:  # type: ignore[override]
        move = decide(sweep, search, chain, now, *held)
        alone = chain.stopping is None or len(chain.unfinished) < 2
        return move if alone or not isinstance(move, StopJob) else Finish("stopped")


class ReleasesTheLastJobOnly(Releasing):
    """Only the newest job's pool is ever closed; the older ones are believed to have moved on."""

    def release(self, names: tuple[str, ...]) -> None:
        """Close the newest."""
        newest = next(reversed(self.notes.chain.jobs))
        super().release(tuple(name for name in names if name == newest))
        for name in names:
            if self.notes.chain.jobs[name].in_debt and name not in self.unreleased:
                self.notes.note(ev.PoolClosed(name, Closed.TERMINATED.value))


class ReleasesTheFirstJob(Releasing):
    """The first job's name is taken for the pool's."""

    def release(self, names: tuple[str, ...]) -> None:
        """Close the first."""
        first = next(iter(self.notes.chain.jobs.values()))
        if first.in_debt:
            super().release((first.name,))
        for name in names:
            if self.notes.chain.jobs[name].in_debt:
                self.notes.note(ev.PoolClosed(name, Closed.TERMINATED.value))


class ReleasesOnSuccessOnly(Runner):
    """After a signal or an error nothing is released."""

    @staticmethod
    def decide(sweep: Any, search: Any, chain: Chain, now: float, *held: Any) -> Decision:  # type: ignore[override]
        move = decide(sweep, search, chain, now, *held)
        return Finish("stopped") if chain.stopping and isinstance(move, Release) else move


class ForgetsTheLimit(Intending):
    """Makes the intent of a decision without its limit."""

    def intent(self, name: str, decision: Any, *rest: Any) -> ev.Intent:
        """Forget the limit."""
        return super().intent(name, replace(decision, most_s=None), *rest)


class IgnoresTheBudget(Submitting):
    """A job may run as long as it is declared to, whatever is left."""

    intends = ForgetsTheLimit


class ToldAsCompleted(Notes):
    """A job that was stopped at its metric is told with a value that it never showed."""

    def note(self, event: ev.Event) -> None:
        """Tell another value."""
        if isinstance(event, ev.Judged) and event.value is not None:
            event = replace(event, value=event.value + 1)
        super().note(event)


class GoesOnWithoutTheLease(Attention):
    """Whether the lease is still ours is never asked."""

    def keep_lease(self) -> None:
        """Nothing."""


class DecidesFromWhatItSaw(Notes):
    """An outcome is believed before it is durable; a death in between loses it."""

    def note(self, event: ev.Event) -> None:
        """Believe it."""
        if isinstance(event, ev.Outcome):
            apply(self.chain, event)
        else:
            super().note(event)


class _NoWait(Closing):
    def _absent(self, shown: Look) -> None:
        self._closed(Closed.NEVER_HAD_POOL)


class _NoVerify(Closing):
    def _update(self) -> None:
        super()._update()
        self._closed(Closed.TERMINATED)


class _FailedHasNoPool(Closing):
    def _ended(self, shown: Look, age_s: float) -> None:
        if shown.status is JobStatus.FAILED and self.job.ended:
            self._closed(Closed.NEVER_HAD_POOL)
        else:
            super()._ended(shown, age_s)


class _NothingArrivesLate(Closing):
    def _arriving_s(self) -> float:
        return 0.0


def _closing(kind: type[Closing]) -> type[Runner]:
    class Broken(Releaser):
        closing = kind

    class Mutant(Releasing):
        releaser = Broken

    return _made_of(Parts(releasing=Mutant))


def _made_of(broken: Parts) -> type[Runner]:
    class Mutant(Runner):
        made_of = broken

    return Mutant


MUTANTS: Mapping[str, type[Runner]] = {
    "random name, intent after create": _made_of(Parts(submitting=RandomNameAndLateIntent)),
    "new name after a lost response": _made_of(Parts(submitting=NewNameAfterLoss)),
    "ResourceInUse is an error": _made_of(Parts(submitting=InUseIsAnError)),
    "NotFound is absence": _made_of(Parts(submitting=NotFoundIsAbsence)),
    "no wait for WarmPoolStatus at release": _closing(_NoWait),
    "no verification after Update": _closing(_NoVerify),
    "a failed job has no pool": _closing(_FailedHasNoPool),
    "a lost request never arrives": _closing(_NothingArrivesLate),
    "releases the first job's name": _made_of(Parts(releasing=ReleasesTheFirstJob)),
    "releases on success only": ReleasesOnSuccessOnly,
    "releases the last job only": _made_of(Parts(releasing=ReleasesTheLastJobOnly)),
    "no settle wait": NoSettleWait,
    "one job too many": OneJobTooMany,
    "one of several is stopped": StopsOnlyOne,
    "the budget does not shorten a job": _made_of(Parts(submitting=IgnoresTheBudget)),
    "a stopped job is told with another value": _made_of(Parts(notes=ToldAsCompleted)),
    "the lease is not looked at": _made_of(Parts(attention=GoesOnWithoutTheLease)),
    "an outcome is not durable": _made_of(Parts(notes=DecidesFromWhatItSaw)),
}
