"""What follows from a Create that failed."""

from __future__ import annotations

import pytest

from sweeper.core import creating
from sweeper.core import events as ev
from sweeper.core.chain import fold
from sweeper.core.creating import PROPAGATION_S, Then
from sweeper.core.failures import Failure, refined
from sweeper.errors import ApiError, ApiErrorKind
from tests.core.test_decide import OPENED, intent

FULL = "The account-level service limit 'x' is 1 Instances, with current utilization of 1 Instances and a request delta"
ROLE = "1 validation error detected: Value 'x' at 'roleArn' failed to satisfy constraint"


def then(kind: ApiErrorKind, lasted_s: float = 0.0) -> Then:
    """The step after this kind of failure."""
    return creating.after(ApiError(kind, "CreateTrainingJob", "Code", "text"), lasted_s).then


@pytest.mark.parametrize("kind", list(ApiErrorKind))
def test_a_job_that_may_exist_is_never_refused_before_it_was_looked_for(kind: ApiErrorKind) -> None:
    """Of every kind there is a step; where a mutation may have happened, Describe comes first."""
    if kind.outcome_unknown or kind is ApiErrorKind.IN_USE:
        assert then(kind) is Then.PROVE
    elif kind.passing:
        assert then(kind) is Then.SEND_AGAIN
    else:
        assert then(kind) is not Then.PROVE


def test_what_is_too_new_is_waited_for_and_not_for_ever() -> None:
    """A role that cannot be seen yet is sent again, until it has lasted too long to be propagation."""
    assert then(ApiErrorKind.PROPAGATION, PROPAGATION_S - 1) is Then.SEND_AGAIN
    assert then(ApiErrorKind.PROPAGATION, PROPAGATION_S) is Then.REFUSE


@pytest.mark.parametrize(
    ("kind", "text", "found", "step", "failure"),
    [
        (ApiErrorKind.LIMIT, f"{FULL} of 1 Instances.", ApiErrorKind.LIMIT, Then.FREE_QUOTA, Failure.UNKNOWN),
        (ApiErrorKind.LIMIT, f"{FULL} of 2 Instances.", ApiErrorKind.NO_QUOTA, Then.END, Failure.QUOTA),
        (ApiErrorKind.INVALID, ROLE, ApiErrorKind.INVALID_FOR_ALL, Then.END, Failure.REQUEST),
        (ApiErrorKind.INVALID, "Value 'x' at 'tags' failed", ApiErrorKind.INVALID, Then.REFUSE, Failure.REQUEST),
    ],
)
def test_what_the_text_says_is_in_the_kind(
    kind: ApiErrorKind, text: str, found: ApiErrorKind, step: Then, failure: Failure
) -> None:
    """A text is read once, into a kind; what follows comes from the kind alone."""
    assert refined(kind, text) is found
    made = creating.after(ApiError(found, "CreateTrainingJob", "Code", text), 0.0)
    assert (made.then, made.failure) == (step, failure)


def test_the_same_words_are_the_same_but_for_the_name_of_the_job() -> None:
    """A reason counts as said when another trial was refused for it; one trial's own attempts do not."""
    said = "ValidationException: s-{}-a01 may not"
    refused = ev.Outcome("s-0-a01", "Failed", "failed", failure=Failure.REQUEST.value, message=said.format(0))
    chain = fold([OPENED, intent(0), refused, intent(1), intent(0, 2)])
    again, other = chain.jobs["s-0-a02"], chain.jobs["s-1-a01"]
    assert creating.was_said(chain, other, said.format(1))
    assert not creating.was_said(chain, other, "ValidationException: another")
    assert not creating.was_said(chain, again, said.format(0))
