"""How soon a job is looked at again."""

from __future__ import annotations

from itertools import pairwise

import pytest

from sweeper.core import events as ev
from sweeper.core.chain import fold
from sweeper.core.foretold import Window, width, windows
from sweeper.core.looks import (
    CREATED,
    DOUBTFUL_S,
    ENDED,
    RAREST_S,
    SOON_S,
    TRAINING,
    UPLOADING,
    USUAL_S,
    Known,
    lengths,
    marks,
    pause_s,
)
from tests.core.test_decide import OPENED, intent

NOW = 1_700_000_000.0
PAST = {TRAINING: (600.0, 605.0, 598.0, 601.0), UPLOADING: (8.0, 8.5, 8.2, 8.0)}


def pause(since_training_s: float, spare: float = 30.0, rarest_s: float = RAREST_S, **more: float) -> float:
    """Seconds until the next look at a job that trains for so long, others of which took ten minutes."""
    seen = {mark.capitalize(): NOW - ago for mark, ago in more.items()}
    return pause_s(Known({TRAINING: NOW - since_training_s, **seen}, PAST, None, spare), NOW, rarest_s)


def test_a_job_is_looked_at_rarely_while_it_cannot_end_and_often_when_it_is_about_to() -> None:
    """By how long those before it took; and no more rarely than somebody needs it to be looked at."""
    assert pause(100.0) == RAREST_S
    assert pause(100.0, rarest_s=USUAL_S) == USUAL_S
    assert pause(560.0) < 40.0 - 8.0, "the end may be early"
    assert pause(600.0) == pytest.approx(0.8 * 8.0), "it will upload for eight seconds yet"
    assert pause(606.0, uploading=8.0) == SOON_S


def test_what_is_late_is_looked_at_less_and_less_often() -> None:
    """Up to the usual time between two looks."""
    late = [pause(660.0 + seconds, uploading=20.0 + seconds) for seconds in (0, 20, 40, 400)]
    assert late == sorted(late) and late[0] < USUAL_S and late[-1] == USUAL_S


def test_who_has_no_look_left_looks_as_usual() -> None:
    """Where a job may end at any moment of ten minutes, so many looks cannot be paid."""
    assert pause(600.0, spare=-100.0) == USUAL_S
    assert pause(700.0, spare=-1.0, uploading=90.0) == USUAL_S


def test_a_first_job_is_looked_at_as_usual() -> None:
    """More rarely until it trains; soon when its model goes up, and for its pool."""
    for known, seconds in (
        ({}, USUAL_S),
        ({CREATED: NOW - 100}, DOUBTFUL_S),
        ({CREATED: NOW - 100, TRAINING: NOW - 50}, USUAL_S),
        ({CREATED: NOW - 100, UPLOADING: NOW - 1}, SOON_S),
        ({ENDED: NOW - 1}, SOON_S),
    ):
        assert pause_s(Known(known, spare=3.0), NOW) == seconds


def test_when_a_job_ends_is_told_by_what_tells_it_most_exactly() -> None:
    """By when it began to train where starts differ; by what it says itself where that is exact."""
    begun = {CREATED: NOW - 400.0, TRAINING: NOW - 100.0}
    past = {CREATED: (150.0, 420.0, 610.0, 330.0), TRAINING: (120.0, 121.0, 119.5, 120.5), UPLOADING: (1.0,) * 4}
    assert 10.0 < pause_s(Known(begun, past, None, 9.0), NOW) < 20.0
    told = Window(NOW + 5.0, NOW + 6.0)
    assert pause_s(Known(begun, past, told, 9.0), NOW) == 5.0


@pytest.mark.parametrize(
    ("before", "following"),
    [
        ((60.0,), 63.0),
        ((60.0, 61.0), 60.5),
        ((60.0, 300.0, 301.0, 61.0, 60.5), 300.5),
        ((100.0, 110.0, 120.0, 130.0, 140.0), 150.0),
        ((100.0, 120.0, 144.0, 172.8, 207.4), 248.8),
        ((5000.0, *(60.0,) * 16), 60.0),
        ((0.0, 0.0, 0.0, 0.0, 0.0), 0.0),
    ],
)
def test_the_next_length_is_expected_where_it_lies(before: tuple[float, ...], following: float) -> None:
    """Alike, of two kinds or growing; and not in between, nor for most of the time."""
    found = windows(before)
    assert any(early <= following <= late for early, late in found)
    assert width(found) <= max(1.5, 0.65 * max(before[-16:]))
    assert all(one.late < other.early for one, other in pairwise(found))


def test_marks_and_lengths_are_those_of_completed_jobs() -> None:
    """By the service's transitions: the last time that it came to a status; nothing of a job that failed."""
    events: list[ev.Event] = [OPENED]
    for number, status in enumerate(("completed", "failed", "completed")):
        told = [
            ["Starting", 1000.0, 1020.0],
            ["Training", 1020.0, 1030.0],
            ["Training", 1050.0, 1100.0],
            ["Uploading", 1100.0 + number, None],
            ["Completed", 1110.0, 1110.0],
        ]
        name = f"s-{number}-a01"
        events += [intent(number), ev.Created(name, "arn"), ev.Observed(name, "Completed", "Completed")]
        events.append(ev.Outcome(name, "Completed", status, ended_at=1110.0, transitions=told))
    chain = fold(events)
    assert marks(told) == {CREATED: 1000.0, TRAINING: 1050.0, UPLOADING: 1102.0, ENDED: 1110.0}
    assert lengths(chain) == {CREATED: (110.0, 110.0), TRAINING: (60.0, 60.0), UPLOADING: (10.0, 8.0)}
