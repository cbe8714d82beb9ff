"""Broken variants of the protocol. Each leaves out one rule; the laws must notice every one of them."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sweeper.core import events as ev
from sweeper.core.chain import Chain, Job, apply
from sweeper.core.decide import Decision, Finish, Release, Wait, decide
from sweeper.core.events import Closed, JobStatus
from sweeper.core.failures import Failure
from sweeper.core.ports import Request
from sweeper.errors import ApiError, ApiErrorKind
from sweeper.run.release import Closing, Releaser
from sweeper.run.runner import Runner


class RandomNameAndLateIntent(Runner):
    """A name by chance, and the intent only after the job exists."""

    def _submit(self, decision: Any) -> None:
        config = self.sweep.resolve(decision.trial)
        staged = self.world.stage(config)
        chance = random.Random(self.world.clock.now()).getrandbits(64)
        intent = replace(self._intend("x", decision, config, staged), name=f"random-{chance:016x}")
        request = self._request(intent, config, staged)
        while True:
            try:
                arn = self.world.api.create_training_job(request)
                break
            except ApiError:
                self.world.clock.sleep(5)
        self.note(intent)
        self.note(ev.Created(intent.name, arn))


class NewNameAfterLoss(Runner):
    """An unknown outcome is answered with another name."""

    def _create(self, job: Job, request: Request) -> None:
        while not job.acknowledged and not job.ended:
            try:
                self.note(ev.Created(job.name, self.world.api.create_training_job(request)))
            except ApiError as error:
                if error.kind is not ApiErrorKind.LOST:
                    self._create_failed(job, error, 1.0, 0.0)
                    self.world.clock.sleep(5)
                    continue
                self.note(replace(job.intent, name=job.name + "x"))
                request = {**request, "TrainingJobName": job.name + "x"}
                job = self.chain.jobs[job.name + "x"]


class InUseIsAnError(Runner):
    """A name that exists fails the trial."""

    def _create_failed(self, job: Job, error: ApiError, waited: float, since: float) -> float:
        if error.kind is ApiErrorKind.IN_USE:
            self._refuse(job, Failure.REQUEST, error)
            return 0.0
        return super()._create_failed(job, error, waited, since)


class NotFoundIsAbsence(Runner):
    """NotFound after a Create of unknown outcome is taken for proof: the job is created under a new name."""

    def _prove(self, job: Job) -> None:
        try:
            self.world.api.describe_training_job(job.name)
        except ApiError as error:
            if error.kind is not ApiErrorKind.NOT_FOUND:
                return
            again = replace(job.intent, name=job.name + "y")
            self.note(again)
            config = self.sweep.resolve(self.sweep.trials[again.index])
            self._create(self.chain.jobs[again.name], self._request(again, config, self.world.stage(config)))
            self._refuse(job, Failure.REQUEST, error)
        else:
            super()._prove(job)


class NoSettleWait(Runner):
    """The successor is sent as soon as the job has ended."""

    @staticmethod
    def decide(sweep: Any, search: Any, chain: Chain, now: float, capacity: int = 1) -> Decision:  # type: ignore[override]
        move = decide(sweep, search, chain, now, capacity)
        if isinstance(move, Wait) and not chain.unfinished:
            for job in chain.debts.values():
                job.settled = True
            return decide(sweep, search, chain, now, capacity)
        return move


class ReleasesTheLastJobOnly(Runner):
    """Only the newest job's pool is ever closed; the older ones are believed to have moved on."""

    def _release(self, names: tuple[str, ...]) -> None:
        newest = next(reversed(self.chain.jobs))
        super()._release(tuple(name for name in names if name == newest))
        for name in names:
            if self.chain.jobs[name].in_debt and name not in self.unreleased:
                self.note(ev.PoolClosed(name, Closed.TERMINATED.value))


class ReleasesTheFirstJob(Runner):
    """The first job's name is taken for the pool's."""

    def _release(self, names: tuple[str, ...]) -> None:
        first = next(iter(self.chain.jobs.values()))
        if first.in_debt:
            super()._release((first.name,))
        for name in names:
            if self.chain.jobs[name].in_debt:
                self.note(ev.PoolClosed(name, Closed.TERMINATED.value))


class ReleasesOnSuccessOnly(Runner):
    """After a signal or an error nothing is released."""

    @staticmethod
    def decide(sweep: Any, search: Any, chain: Chain, now: float, capacity: int = 1) -> Decision:  # type: ignore[override]
        move = decide(sweep, search, chain, now, capacity)
        return Finish("stopped") if chain.stopping and isinstance(move, Release) else move


class IgnoresTheBudget(Runner):
    """A job may run as long as it is declared to, whatever is left."""

    def _intend(self, name: str, decision: Any, *rest: Any) -> ev.Intent:
        return super()._intend(name, replace(decision, most_s=None), *rest)


class ToldAsCompleted(Runner):
    """A job that was stopped at its metric is told with a value that it never showed."""

    def note(self, event: ev.Event) -> None:
        if isinstance(event, ev.Judged) and event.value is not None:
            event = replace(event, value=event.value + 1)
        super().note(event)


class GoesOnWithoutTheLease(Runner):
    """Whether the lease is still ours is never asked."""

    def _keep_lease(self) -> None:
        pass


class DecidesFromWhatItSaw(Runner):
    """An outcome is believed before it is durable; a death in between loses it."""

    def note(self, event: ev.Event) -> None:
        if isinstance(event, ev.Outcome):
            apply(self.chain, event)
        else:
            super().note(event)


class _NoWait(Closing):
    def _absent(self, description: Mapping[str, Any]) -> None:
        self._closed(Closed.NEVER_HAD_POOL)


class _NoVerify(Closing):
    def _update(self) -> None:
        super()._update()
        self._closed(Closed.TERMINATED)


class _FailedHasNoPool(Closing):
    def _ended(self, description: Mapping[str, Any], look: ev.Observed) -> None:
        if look.status == JobStatus.FAILED.value and self.job.ended:
            self._closed(Closed.NEVER_HAD_POOL)
        else:
            super()._ended(description, look)


class _NothingArrivesLate(Closing):
    def _arriving_s(self) -> float:
        return 0.0


def _closing(kind: type[Closing]) -> type[Runner]:
    class Broken(Releaser):
        closing = kind

    class Mutant(Runner):
        releaser = Broken

    return Mutant


MUTANTS: Mapping[str, type[Runner]] = {
    "random name, intent after create": RandomNameAndLateIntent,
    "new name after a lost response": NewNameAfterLoss,
    "ResourceInUse is an error": InUseIsAnError,
    "NotFound is absence": NotFoundIsAbsence,
    "no wait for WarmPoolStatus at release": _closing(_NoWait),
    "no verification after Update": _closing(_NoVerify),
    "a failed job has no pool": _closing(_FailedHasNoPool),
    "a lost request never arrives": _closing(_NothingArrivesLate),
    "releases the first job's name": ReleasesTheFirstJob,
    "releases on success only": ReleasesOnSuccessOnly,
    "releases the last job only": ReleasesTheLastJobOnly,
    "no settle wait": NoSettleWait,
    "the budget does not shorten a job": IgnoresTheBudget,
    "a stopped job is told with another value": ToldAsCompleted,
    "the lease is not looked at": GoesOnWithoutTheLease,
    "an outcome is not durable": DecidesFromWhatItSaw,
}
