"""What a trial takes over from those before it, worked out from the chain."""

from __future__ import annotations

import math
from typing import Any

from sweeper.core import events as ev
from sweeper.core.chain import fold
from sweeper.core.handover import next_takes, why_not
from sweeper.core.model import Goal, Objective
from tests.core.test_decide import OPENED, a_sweep, done, intent

KEYS = (
    "metrics.loss",
    "values.x",
    "model",
    "job_name",
    "trial",
    "best.metrics.loss",
    "best.job_name",
    "metrics.none",
)


def takes(*past: list[ev.Event], keys: tuple[str, ...] = KEYS, **more: Any) -> dict[str, Any]:
    """What the next trial takes over after these."""
    return next_takes(a_sweep(9, prev=keys, **more), fold([OPENED, *(event for events in past for event in events)]))


def ran(i: int, loss: float, status: str = "completed", **more: Any) -> list[ev.Event]:
    """A trial that came and went."""
    return done(i, status, metrics={"loss": loss}, model=f"s3://models/{i}", **more)


def test_nothing_before() -> None:
    """The first trial takes over nothing: its defaults count."""
    assert takes() == {}


def test_the_last_completed_trial_hands_on() -> None:
    """Values come from the last trial that completed, not from one that failed after it."""
    assert takes(ran(0, 3.0), ran(1, 2.0), ran(2, 1.0, "failed", failure="x")) == {
        "metrics.loss": 2.0,
        "values.x": 1,
        "model": "s3://models/1",
        "job_name": intent(1).name,
        "trial": intent(1).trial,
    }


def test_the_best_hands_on() -> None:
    """`best.` asks the completed trial with the best objective; NaN is never best, the first of equals wins."""
    past, keys = (ran(0, 2.0), ran(1, math.nan), ran(2, 1.0), ran(3, 1.0)), ("best.job_name",)
    for goal, chosen in ((Goal.MINIMIZE, 2), (Goal.MAXIMIZE, 0)):
        assert takes(*past, keys=keys, objective=Objective("loss", goal)) == {keys[0]: intent(chosen).name}
    assert takes(*past, keys=keys) == {}


def test_what_cannot_be_handed_on() -> None:
    """A key that no trial hands on is refused in words."""
    objective = Objective("loss", Goal.MINIMIZE)
    assert [why_not(key, ["loss"], objective) for key in ("metrics.loss", "best.model", "values.a.b", "trial")] == [
        ""
    ] * 4
    assert why_not("metrics.los", ["loss"], objective) == "'los' is not one of job.metrics"
    assert why_not("best.model", ["loss"], None) == "'best.model' needs an objective, which says what is best"
    for key in ("modl", "metrics", "model.x", ""):
        assert why_not(key, ["loss"], objective).startswith(f"{key!r} is nothing that a trial hands on: there is ")
