"""What to do when a Create has failed: a value, by what the failure means and how long it has lasted. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from sweeper.core.chain import Chain, Job
from sweeper.core.failures import Failure
from sweeper.errors import ApiError, ApiErrorKind, assert_never

PROPAGATION_S = 120.0
"""Seconds for which a new role, bucket or repository may not be visible yet (Terraform retries as long)."""


class Then(Enum):
    """The next step after a Create that failed."""

    PROVE = "look whether the job exists: it may, whatever was answered"
    SEND_AGAIN = "send the same Create again, after a while"
    FREE_QUOTA = "close the pools that idle, then send the same Create again, after a longer while"
    REFUSE = "the trial cannot be created so; the chain goes on"
    END = "nor can any other trial: the chain ends"


@dataclass(frozen=True)
class Step:
    """What to do, what to tell a person once (empty: nothing), and what has failed when the job is refused."""

    then: Then
    say: str = ""
    failure: Failure = Failure.UNKNOWN


def after(error: ApiError, lasted_s: float, *, repeated: bool = False) -> Step:
    """The step after this failure of a Create that was first sent so many seconds ago.

    `repeated`: another trial was refused in these very words, so that it is no trial's own fault.
    """
    match error.kind:
        case ApiErrorKind.IN_USE | ApiErrorKind.LOST | ApiErrorKind.UNAVAILABLE | ApiErrorKind.UNKNOWN:
            return Step(Then.PROVE)
        case ApiErrorKind.THROTTLED:
            return Step(Then.SEND_AGAIN)
        case ApiErrorKind.EXPIRED | ApiErrorKind.WRONG_ACCOUNT:
            return Step(Then.SEND_AGAIN)  # which is told wherever it is met
        case ApiErrorKind.SKEWED:
            return Step(Then.SEND_AGAIN, f"this machine's clock is wrong; waiting until it is set ({error.message})")
        case ApiErrorKind.PROPAGATION if lasted_s < PROPAGATION_S:
            return Step(Then.SEND_AGAIN, f"not visible to SageMaker yet, trying again: {error.message}")
        case ApiErrorKind.LIMIT:
            return Step(Then.FREE_QUOTA, f"waiting for quota: {error.message}")
        case ApiErrorKind.NO_QUOTA:
            return Step(Then.END, failure=Failure.QUOTA)
        case ApiErrorKind.DENIED | ApiErrorKind.NOT_FOUND:
            return Step(Then.END, failure=Failure.PERMISSION)
        case ApiErrorKind.INVALID_FOR_ALL | ApiErrorKind.WITHHELD:
            return Step(Then.END, failure=Failure.REQUEST)
        case ApiErrorKind.PROPAGATION | ApiErrorKind.INVALID if repeated:
            return Step(Then.END, "a second trial is refused for the same reason: no other is tried", Failure.REQUEST)
        case ApiErrorKind.PROPAGATION | ApiErrorKind.INVALID:
            return Step(Then.REFUSE, failure=Failure.REQUEST)
        case _:
            assert_never(error.kind)


def why(error: ApiError) -> str:
    """The service's reason not to create a job, as its outcome tells it."""
    return f"{error.code}: {error.message}"


def was_said(chain: Chain, job: Job, reason: str) -> bool:
    """Whether another trial was refused for this reason, but for the name of its job."""
    others = (other for other in chain.jobs.values() if other.intent.trial != job.intent.trial)
    refused = (other for other in others if other.outcome and other.outcome.failure == Failure.REQUEST.value)
    return any(_nameless(other, other.outcome.message) == _nameless(job, reason) for other in refused if other.outcome)


def _nameless(job: Job, text: str) -> str:
    return text.replace(job.name, "")
