"""May the caller do what a run does: release before create, then stop, tag and pass the role."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from sweeper.aws.permissions import Permissions, Wanted
from sweeper.core import policy
from sweeper.core.costs import keeps
from sweeper.core.ports import TrainingApi
from sweeper.core.request import slug
from sweeper.core.verdict import Check, Verdict
from sweeper.errors import ApiError, ApiErrorKind
from sweeper.run.checks.subject import Subject
from sweeper.run.checks.unasked import unasked

KEEP_ALIVE = "sagemaker:KeepAlivePeriod"
_SERVICE = "sagemaker.amazonaws.com"
May = Callable[[Wanted], "bool | None"]
_ASK = "have iam:SimulatePrincipalPolicy and iam:GetRole allowed to be told before a run"


@dataclass(frozen=True)
class Question:
    """Something that a run does, and how it comes out where a policy denies it."""

    id: str
    wanted: Wanted
    denied: str
    do: str
    verdict: Verdict = Verdict.FAIL
    probe: Callable[[], None] | None = None
    """Does it to a job that never was: the service says NotFound to who may."""


@dataclass(frozen=True)
class Permission:
    """The questions for a sweep.

    `jobs`: the ARN of its jobs, `nobody`: a name that no job ever has; `queue` and `queued`: the ARNs of the queue that
    creates them, and of its service jobs.
    """

    may: May
    api: TrainingApi
    jobs: str
    role: str
    nobody: str
    keep_alive_s: int
    queue: str = ""
    queued: str = ""

    def checks(self) -> Iterator[Check]:
        """What comes of each question. What helps where IAM cannot be asked is told once."""
        known = False
        for question in self._questions():
            try:
                may = self._asked(question)
            except ApiError as error:
                check = unasked(question.id, question.wanted.action, error, _ASK)
                yield replace(check, do="") if known else check
                known = True
            else:
                yield self._answer(question, may)

    def _questions(self) -> Iterator[Question]:
        yield from self._by_queue() if self.queue else self._direct()
        yield self._needed("pass", Wanted("iam:PassRole", self.role, {"iam:PassedToService": _SERVICE}))

    def _by_queue(self) -> Iterator[Question]:
        yield self._needed("create", Wanted("batch:SubmitServiceJob", self.queue))
        yield Question(
            "permission.stop",
            Wanted("batch:TerminateServiceJob", self.queued),
            "you may not end a job: your policy denies batch:TerminateServiceJob, so that Ctrl-C and rules wait for "
            "its end, which bills",
            "have it allowed",
            Verdict.WARN,
        )
        yield self._needed("tag", Wanted("batch:TagResource", self.queued))

    def _direct(self) -> Iterator[Question]:
        if self.keep_alive_s:
            yield Question(
                "permission.release",
                Wanted("sagemaker:UpdateTrainingJob", self.jobs, {KEEP_ALIVE: 0}),
                "you may not release a pool: your policy denies sagemaker:UpdateTrainingJob with "
                "KeepAlivePeriodInSeconds 0",
                "have it allowed, or run with backend=on_demand",
                probe=lambda: self.api.update_training_job(self.nobody, 0),
            )
        yield self._create()
        yield Question(
            "permission.stop",
            Wanted("sagemaker:StopTrainingJob", self.jobs),
            "you may not stop a job: your policy denies sagemaker:StopTrainingJob, so that Ctrl-C and rules wait for "
            "its end, which bills",
            "have it allowed",
            Verdict.WARN,
            probe=lambda: self.api.stop_training_job(self.nobody),
        )
        yield self._needed("tag", Wanted("sagemaker:AddTags", self.jobs))

    def _create(self) -> Question:
        keep = self.keep_alive_s
        return self._needed(
            "create", Wanted("sagemaker:CreateTrainingJob", self.jobs, {KEEP_ALIVE: keep} if keep else {})
        )

    @staticmethod
    def _needed(what: str, wanted: Wanted) -> Question:
        denied = f"your policy denies {wanted.action} on {wanted.resource}"
        return Question(f"permission.{what}", wanted, denied, "have it allowed: `sweeper iam` prints what is needed")

    def _answer(self, question: Question, may: bool | None) -> Check:
        action = question.wanted.action
        if may:
            return Check(question.id, Verdict.PASS, f"{action} is allowed")
        if may is None:
            found = f"whether you may do {action} depends on conditions that could not be checked"
            return Check(question.id, Verdict.UNKNOWN, found, "look at the conditions of your policy")
        if question.id == "permission.create" and self.keep_alive_s and self._allows_without_pool():
            return Check(
                question.id,
                Verdict.FAIL,
                f"pool.keep_alive_s: your policy's condition on {KEEP_ALIVE} does not allow {self.keep_alive_s}",
                "set a value that it allows, or run with backend=on_demand",
            )
        return Check(question.id, question.verdict, question.denied, question.do)

    def _asked(self, question: Question) -> bool | None:
        """What IAM says; where it cannot be asked, what the service itself does. Raises ApiError when neither tells."""
        try:
            return self.may(question.wanted)
        except ApiError:
            if question.probe is None or (may := _tried(question.probe)) is None:
                raise
        return may

    def _allows_without_pool(self) -> bool:
        return self.may(Wanted("sagemaker:CreateTrainingJob", self.jobs, {KEEP_ALIVE: 0})) is not False


def permissions(subject: Subject) -> Iterator[Check]:
    """Those that the sweep needs, and that can be asked for."""
    if (sweep := subject.sweep) is None:
        return
    through = sweep.backend.through
    name = f"{slug(sweep.name)}-{'0' * 16}-a00"  # as its jobs are called, and no job ever is: attempts begin at 1
    yield from Permission(
        may=Permissions(subject.clients()).may,
        api=subject.api,
        jobs=subject.place.arn("sagemaker", f"training-job/{name}"),
        role=str(sweep.locked["role_arn"]),
        nobody=name,
        keep_alive_s=keeps(sweep),
        queue=policy.queue_arn(through.queue, subject.place) if through else "",
        queued=subject.place.arn("batch", f"service-job/{uuid.UUID(int=0)}"),
    ).checks()


def _tried(probe: Callable[[], None]) -> bool | None:
    """Did the service refuse it for who asks, or for there being no such job? None for any other answer."""
    try:
        probe()
    except ApiError as error:
        return {ApiErrorKind.DENIED: False, ApiErrorKind.NOT_FOUND: True}.get(error.kind)
    return None
