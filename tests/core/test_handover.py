"""What a trial takes over from those before it, worked out from the chain."""

from __future__ import annotations

import math
from typing import Any

from sweeper.core import events as ev
from sweeper.core.chain import Job, fold
from sweeper.core.handover import taken, why_not
from sweeper.core.model import Goal, Objective

KEYS = (
    "metrics.loss",
    "values.rank",
    "model",
    "job_name",
    "trial",
    "best.metrics.loss",
    "best.job_name",
    "metrics.none",
)


def ended(name: str, loss: float, status: str = "completed") -> list[Any]:
    """A job that came and went."""
    intent = ev.Intent(name, f"trial-{name}", 0, name, {"rank": name}, 1, "mark", 0, 1, "")
    return [intent, ev.Outcome(name, "Completed", status, {"loss": loss}, model=f"s3://models/{name}")]


def chain(*jobs: list[Any]) -> list[Job]:
    """These jobs as they ended."""
    return fold(event for job in jobs for event in job).outcomes


def test_nothing_before() -> None:
    """The first trial takes over nothing: its defaults count."""
    assert taken(KEYS, chain()) == {}


def test_the_last_completed_trial_hands_on() -> None:
    """Values come from the last trial that completed, not from one that failed after it."""
    found = taken(KEYS, chain(ended("a", 3.0), ended("b", 2.0), ended("c", 1.0, "failed")))
    assert found == {
        "metrics.loss": 2.0,
        "values.rank": "b",
        "model": "s3://models/b",
        "job_name": "b",
        "trial": "trial-b",
    }


def test_the_best_hands_on() -> None:
    """`best.` asks the completed trial with the best objective; NaN is never best, the first of equals wins."""
    jobs = chain(ended("a", 2.0), ended("b", math.nan), ended("c", 1.0), ended("d", 1.0))
    assert taken(["best.job_name"], jobs, Objective("loss", Goal.MINIMIZE)) == {"best.job_name": "c"}
    assert taken(["best.job_name"], jobs, Objective("loss", Goal.MAXIMIZE)) == {"best.job_name": "a"}
    assert taken(["best.job_name"], jobs) == {}


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
