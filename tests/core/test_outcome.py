"""What a job that we asked to stop comes to."""

from __future__ import annotations

from itertools import product

import pytest

from sweeper.core import events as ev
from sweeper.core.chain import fold
from sweeper.core.decide import Submit
from sweeper.core.outcome import lost, outcome
from tests.core.test_decide import OPENED, a_sweep, intent, next_move

NAME = "s-0-a01"
RUNNING = [OPENED, intent(0), ev.Created(NAME, "arn"), ev.Observed(NAME, "InProgress", "Training")]
ASKED = ev.StopSent(NAME, "stopped by SIGINT")
ENDS = [
    ("Completed", "Completed", ""),
    ("Failed", "Failed", "InternalServerError: the container is lost"),
    ("Failed", "Failed", "AlgorithmError: , exit code: 1"),
    ("Stopped", "Stopped", ""),
    ("Stopped", "MaxRuntimeExceeded", ""),
    ("Stopped", "MaxWaitTimeExceeded", ""),
]


def comes_to(*events: ev.Event, status: str, secondary: str = "", reason: str = "") -> ev.Outcome:
    """The outcome of the running job after these events."""
    described = {"TrainingJobStatus": status, "SecondaryStatus": secondary, "FailureReason": reason}
    return outcome(fold([*RUNNING, *events]).jobs[NAME], described, {}, "", ())


@pytest.mark.parametrize(("status", "secondary", "reason"), ENDS)
def test_a_job_that_we_asked_to_stop_is_interrupted_or_completed_and_runs_again(
    status: str, secondary: str, reason: str
) -> None:
    """Whatever comes back, `failed` is what a script does by itself; the reason that came back is told."""
    made = comes_to(ASKED, status=status, secondary=secondary, reason=reason)
    if status == "Completed":
        assert made.trial_status == "completed"
        return
    assert (made.trial_status, made.failure) == ("interrupted", "")
    assert made.message.startswith(ASKED.reason)
    assert reason.partition(": ")[2].removeprefix(", ") in made.message
    past = [*RUNNING[1:], ASKED, made, ev.PoolClosed(NAME, "terminated")]
    assert next_move(a_sweep(), *past) == Submit(a_sweep().trials[0], 2)


@pytest.mark.parametrize(("verdict", "end"), [*product(("pruned", "completed"), ENDS[1:4])])
def test_a_job_that_a_rule_stopped_is_what_the_rule_says(verdict: str, end: tuple[str, str, str]) -> None:
    """Also when the service calls it Failed."""
    judged = ev.Judged(NAME, "prune", verdict, "why")
    made = comes_to(judged, ASKED, status=end[0], secondary=end[1], reason=end[2])
    assert (made.trial_status, made.failure, made.message) == (verdict, "", "prune: why")


def test_a_job_that_fails_before_we_ask_has_failed() -> None:
    """A verdict alone stops nothing: what the script did by itself counts."""
    judged = ev.Judged(NAME, "prune", "pruned", "why")
    assert comes_to(judged, status="Failed", reason="AlgorithmError: , exit code: 1").trial_status == "failed"
    assert comes_to(status="Failed", reason="AlgorithmError: , exit code: 1").trial_status == "failed"


def test_a_job_that_is_gone_after_we_asked_it_to_stop_is_interrupted() -> None:
    """It had no result to lose."""
    asked, unasked = (lost(fold(past).jobs[NAME], "it is gone") for past in ([*RUNNING, ASKED], RUNNING))
    assert (asked.trial_status, asked.failure) == ("interrupted", "")
    assert (unasked.trial_status, unasked.failure) == ("failed", "lost_remote")


def test_a_job_that_was_stopped_before_its_create_was_answered_keeps_its_name_for_itself() -> None:
    """It was seen, so it exists: the next attempt has another name."""
    failed = ev.Outcome(NAME, "Failed", "interrupted", message=ASKED.reason)
    past = [intent(0, keep_alive_s=0), ASKED, failed, ev.PoolClosed(NAME, "never_had_pool")]
    assert next_move(a_sweep(), *past) == Submit(a_sweep().trials[0], 2)
