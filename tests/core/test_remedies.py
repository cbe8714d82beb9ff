"""What follows a failure, from hand-made pasts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from sweeper.core import events as ev
from sweeper.core.chain import fold
from sweeper.core.decide import Decide, Decision, Extend, Submit, Wait, decide
from sweeper.core.keepalive import fitting, keep_alive_s
from sweeper.core.model import PoolSettings, Sweep, Trial
from sweeper.core.remedies import on_failure
from sweeper.core.results import results
from sweeper.core.search import search_for
from tests.core.test_decide import OPENED, a_sweep, done, intent, next_move

BATCH = "hyperparameters.batch"
HALVE = {"patch": {BATCH: "max(1, value // 2)"}}


def resolve(trial: Trial, taken: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
    """The base's batch of 64, unless the trial or a patch says otherwise."""
    return {"hyperparameters": {"batch": trial.values.get(BATCH, 64), "lr": 0.1, "name": "adam"}}


def a_patient_sweep(action: Any, **more: object) -> Sweep:
    """A sweep that does this when a trial is out of memory."""
    return a_sweep(on_failure=on_failure({"out_of_memory": action}), resolve=resolve, **more)


def failed(attempt: int = 1, failure: str = "out_of_memory", i: int = 0, **more: Any) -> list[ev.Event]:
    """An attempt that failed so; `patches` are those that it ran with."""
    patches = more.pop("patches", {})
    past = done(i, "failed", attempt=attempt, failure=failure, message="boom", **more)
    assert isinstance(past[0], ev.Intent)
    return [replace(past[0], patches=patches), *past[1:]]


def patched(sweep: Sweep, *past: ev.Event) -> Any:
    """The batch of the attempt that follows; None when none of this trial does."""
    move = next_move(sweep, *past)
    return move.patches.get(BATCH) if isinstance(move, Submit) and move.trial.index == 0 else None


def test_a_patch_is_worked_out_from_the_value_of_the_attempt_before() -> None:
    """64, 32, 16, ...: the trial stays the same one, its attempts count up."""
    sweep = a_patient_sweep(HALVE)
    assert next_move(sweep, *failed()) == Submit(sweep.trials[0], 2, patches={BATCH: 32})
    assert patched(sweep, *failed(), *failed(2, patches={BATCH: 32})) == 16


def test_a_patch_that_changes_nothing_is_the_end_of_it() -> None:
    """At 1 the expression gives 1: the trial has failed and the chain goes on."""
    sweep = a_patient_sweep(HALVE)
    assert next_move(sweep, *failed(patches={BATCH: 1})) == Submit(sweep.trials[1], 1)


@pytest.mark.parametrize(("attempts", "again"), [(1, True), (2, True), (3, False)])
def test_a_patch_is_tried_so_often_and_no_more(attempts: int, again: bool) -> None:
    """`attempts: 2` allows two more."""
    past = [e for n in range(1, attempts + 1) for e in failed(n, patches={BATCH: 64 // n} if n > 1 else {})]
    assert again == (patched(a_patient_sweep({**HALVE, "attempts": 2}), *past) is not None)


def test_a_patch_that_cannot_be_worked_out_is_none() -> None:
    """A wrong expression never sends a job."""
    for text in ("value // 0", "name * 2", "unknown + 1", "__import__('os')"):
        assert patched(a_patient_sweep({"patch": {BATCH: text}}), *failed()) is None


def test_the_next_value_follows_the_present_one() -> None:
    """The first when the present one is not in the list; none past its end."""
    sweep = a_patient_sweep({"next": {BATCH: [48, 32]}})
    assert patched(sweep, *failed()) == 48
    assert patched(sweep, *failed(), *failed(2, patches={BATCH: 48})) == 32
    assert patched(sweep, *failed(), *failed(2, patches={BATCH: 32})) is None


def test_an_interrupted_attempt_keeps_what_was_patched() -> None:
    """Ctrl-C between two attempts loses no remedy; another failure's retry keeps it too."""
    sweep = a_patient_sweep(HALVE)
    interrupted = done(0, "interrupted", attempt=2)
    assert isinstance(interrupted[0], ev.Intent)
    past = [*failed(), replace(interrupted[0], patches={BATCH: 32}), *interrupted[1:]]
    assert patched(sweep, *past) == 32
    both = replace(sweep, on_failure=on_failure({"out_of_memory": HALVE, "timeout": {"retry": 1}}))
    assert patched(both, *failed(), *failed(2, "timeout", patches={BATCH: 32})) == 32


def test_same_error_limit_counts_trials_that_came_to_it_and_not_their_attempts() -> None:
    """A trial whose remedy is not used up has not failed yet."""
    sweep = a_patient_sweep(HALVE)
    sweep = replace(sweep, on_failure=on_failure({"out_of_memory": HALVE, "same_error_limit": 2}))
    attempts = [*failed(), *failed(2, patches={BATCH: 32})]
    assert patched(sweep, *attempts) == 16
    last = failed(3, patches={BATCH: 1})
    other = failed(1, i=1, patches={BATCH: 1})
    assert isinstance(next_move(sweep, *attempts, *last), Submit)
    end = next_move(sweep, *attempts, *last, *other)
    assert isinstance(end, Decide) and end.rule == "same_error_limit"


def test_a_skipped_trial_has_no_remedy() -> None:
    """And is not run any more, until someone opens it again."""
    sweep = a_patient_sweep(HALVE)
    skip = ev.Skipped(sweep.trials[0].id)
    assert next_move(sweep, *failed(), skip) == Submit(sweep.trials[1], 1)
    assert next_move(sweep, skip) == Submit(sweep.trials[1], 1)
    assert next_move(sweep, skip, ev.Reopened(sweep.trials[0].id)) == Submit(sweep.trials[0], 1)


def test_an_added_trial_runs_after_the_declared_ones_and_has_a_row() -> None:
    """It is known from the journal alone, and nothing declared is last while it waits."""
    sweep = a_sweep(1)
    added = ev.Added("f" * 16, 1, "y=1", {"y": 1})
    assert next_move(sweep, added) == Submit(sweep.trials[0], 1)
    move = next_move(sweep, added, *done(0))
    assert move == Submit(Trial(1, "f" * 16, "y=1", {"y": 1}), 1, last=True)
    table = results(sweep, fold([OPENED, added]))
    assert [(row["name"], row["status"]) for row in table.rows] == [("x=0", "planned"), ("y=1", "planned")]
    assert table.columns[4:6] == ("x", "y")


# -- when to try again ------------------------------------------------------------------------------------------


def later(sweep: Sweep, now: float, *past: ev.Event) -> Decision:
    """The move at this time."""
    chain = fold([OPENED, *past])
    return decide(sweep, search_for(sweep, chain), chain, now)


@pytest.mark.parametrize(("attempt", "pause"), [(1, 60.0), (2, 120.0), (3, 240.0)])
def test_what_is_a_matter_of_time_is_not_tried_again_at_once(attempt: int, pause: float) -> None:
    """After CapacityError a minute, then two, then four; not a moment more."""
    sweep = a_sweep(on_failure=on_failure({"capacity": {"retry": 5}}))
    past = [e for n in range(1, attempt + 1) for e in failed(n, "capacity", ended_at=1000.0)]
    past = [*past, *(ev.PoolClosed(f"s-0-a{n:02d}", "terminated") for n in range(1, attempt + 1))]
    assert later(sweep, 1000.0 + pause - 1, *past) == Wait((), until=1000.0 + pause)
    assert isinstance(later(sweep, 1000.0 + pause, *past), Submit)
    assert isinstance(later(sweep, -9e9, *past), Submit)  # a clock that is far off does not hold the chain up


def test_a_pool_that_would_run_out_during_a_pause_is_kept_for_it_once() -> None:
    """Only while it is Available, and only as long as the pause needs it."""
    sweep = a_sweep(on_failure=on_failure({"capacity": {"retry": 9}}))
    past = [e for n in range(1, 5) for e in failed(n, "capacity", ended_at=1000.0)]
    past = [*past, *(ev.PoolClosed(f"s-0-a{n:02d}", "terminated") for n in range(1, 4))]
    move = later(sweep, 1100.0, *past)
    assert move == Extend("s-0-a04", 440, 540)  # 480 s of pause, 100 of them over, and a margin of 60
    assert later(sweep, 1100.0, *past, ev.Extended("s-0-a04", 540)) == Wait((), until=1480.0)


# -- how long a pool is kept ------------------------------------------------------------------------------------


def handed_on(gaps: list[float]) -> list[ev.Event]:
    """A chain whose pools idled so long between its jobs."""
    past: list[ev.Event] = []
    for i, gap in enumerate(gaps):
        past += [*done(i), ev.PoolClosed(f"s-{i}-a01", "reused_by_own", f"s-{i + 1}-a01", gap)]
    return [*past, intent(len(gaps))]


@pytest.mark.parametrize(
    ("gaps", "seconds"), [([], 300), ([5.0], 60), ([5.0, 40.0], 120), ([2000.0], 3600), ([900.0, *[30.0] * 5], 90)]
)
def test_auto_fits_the_latest_gaps_with_a_margin(gaps: list[float], seconds: int) -> None:
    """Three times the longest of the last five, between a minute and an hour."""
    assert fitting(fold([OPENED, *handed_on(gaps)])) == seconds


def test_a_job_that_is_known_to_be_the_last_keeps_nothing() -> None:
    """Whether the keep-alive is declared or measured."""
    chain = fold([OPENED])
    for declared in ("auto", 300):
        sweep = a_sweep(pool=PoolSettings(keep_alive_s=declared))
        assert keep_alive_s(sweep, chain, last=True) == 0
        assert keep_alive_s(sweep, chain, last=False) == 300
        kept = replace(sweep, pool=PoolSettings(keep_alive_s=declared, last_job_releases=False))
        assert keep_alive_s(kept, chain, last=True) == 300
