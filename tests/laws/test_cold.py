"""Why a job started cold that should have found a warm pool: one sentence, in the progress, the row and the page."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from sweeper.core import events as ev
from sweeper.core.cold import Cause
from sweeper.core.model import PoolSettings
from sweeper.core.request import Staged
from sweeper.core.results import results
from sweeper.engine.training.settings import ServiceSettings
from sweeper.show.report.jobs import colds as page_of
from sweeper.show.report.subject import Subject
from sweeper.show.table import print_table
from sweeper.testing.twin import Twin
from tests.laws.outside import STAGED, Outside, make_sweep

Make = Callable[..., Outside]
SETTINGS = ServiceSettings(cold_start_s=90.0, warm_start_s=5.0, settle_gap_s=2.0)


def colds(here: Outside) -> list[ev.Cold]:
    """What the journal has of it."""
    return [event for event in here.journal if isinstance(event, ev.Cold)]


def between(here: Outside, happens: Callable[[str], object]) -> None:
    """Before the second job is created, this happens; it is told the first one's name."""

    def stage(config: Mapping[str, Any]) -> Staged:
        if names := [job.name for job in here.ledger.jobs if job.ended]:
            happens(names[0])
        return STAGED

    here.stage = stage


def is_slow(here: Outside) -> None:
    """A gap that is longer than the keep-alive."""
    between(here, lambda first: here.clock.sleep(400))


def is_released(here: Outside) -> None:
    """A person releases the pool 60 s after its job."""

    def release(first: str) -> None:
        here.clock.sleep(60)
        update = {"TrainingJobName": first, "ResourceConfig": {"KeepAlivePeriodInSeconds": 0}}
        here.twin.apply("UpdateTrainingJob", update)
        here.clock.sleep(60)

    between(here, release)


def is_taken(here: Outside) -> None:
    """Somebody's job of the same kind comes first."""

    def take(first: str) -> None:
        request = dict(here.twin.service.jobs[first].request)
        here.twin.apply("CreateTrainingJob", {**request, "TrainingJobName": "theirs", "Environment": {}})

    between(here, take)


@pytest.mark.parametrize(
    ("happens", "cause", "told"),
    [
        (is_slow, Cause.EXPIRED, "it came 4.. s after {first}, whose pool was kept for 300 s"),
        (is_released, Cause.ENDED_EARLY, "the pool of {first} was ended after 6. of 300 s: released, or patched"),
        (is_taken, Cause.TAKEN, "theirs had taken the pool of {first}"),
    ],
)
def test_what_became_of_the_pool_is_the_reason(
    outside: Make, happens: Callable[[Outside], None], cause: Cause, told: str
) -> None:
    """Run out, released by somebody or taken by another: told as it happened, in the row, the table and the page."""
    here = outside(settings=SETTINGS)
    happens(here)
    here.run()
    (cold,) = colds(here)
    first, second = here.chain.jobs
    assert (cold.cause, cold.before, cold.name) == (cause.value, first, second)
    sentence = told.replace("{first}", first)
    table = results(here.sweep, here.chain)
    assert [row["cold_because"] for row in table.rows] == [None, cold.why]
    print_table(printed := io.StringIO(), table, here.sweep.trials.keys, None, None)
    for shown in (cold.why, here.said, printed.getvalue(), str(page_of(Subject("s", table, here.chain)))):
        assert re.search(sentence, shown), shown


def test_without_a_quota_every_job_is_told_that_no_pool_was_kept(outside: Make) -> None:
    """With the quota where the service tells it."""
    here = outside(settings=replace(SETTINGS, warm_pool_quota={"*": 0}), sweep=make_sweep(3))
    here.warm_pool_quota = lambda: 0.0
    here.run()
    assert [cold.cause for cold in colds(here)] == [Cause.NOT_KEPT.value] * 2
    assert colds(here)[0].why.endswith("; the quota 'ml.m5.large for training warm pool usage' is 0")


def test_a_pool_that_never_shows_is_told_as_such(outside: Make) -> None:
    """Describe leaves the status out for every job: nobody waits for it twice, and the last job is told of too."""
    here = outside(settings=replace(SETTINGS, warm_pool_quota={"*": 0}), sweep=make_sweep(3))

    def hide(twin: Twin, operation: str, answer: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in answer.items() if name != "WarmPoolStatus"}

    here.twin.alter = hide
    here.run()
    assert [cold.cause for cold in colds(here)] == [Cause.NOT_SHOWN.value] * 2
    assert colds(here)[-1].name == [*here.chain.jobs][-1]


def test_a_job_that_is_warm_or_was_not_to_be_is_never_told_of(outside: Make) -> None:
    """Not the first of an invocation, nor one that has found its pool, nor one whose predecessor kept none."""
    here = outside(settings=SETTINGS, sweep=make_sweep(3))
    here.run()
    assert here.warmth == ["cold", "reused", "reused"]
    here.sweep = make_sweep(5)
    here.run()
    assert here.warmth[3:] == ["cold", "reused"]
    none = make_sweep(7, pool=PoolSettings(keep_alive_s=0))
    here.sweep = none
    here.run()
    assert here.warmth[5:] == ["cold", "cold"]
    assert colds(here) == []
