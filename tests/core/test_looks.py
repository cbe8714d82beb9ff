"""How soon a job is looked at again."""

from __future__ import annotations

import pytest

from sweeper.core import events as ev
from sweeper.core.chain import fold
from sweeper.core.looks import SOON_S, lengths, pause_s
from tests.core.test_decide import OPENED, intent

NAME = "s-3-a01"


def past(*seconds: float) -> list[ev.Event]:
    """Completed trials that ran for so long."""
    events: list[ev.Event] = [OPENED]
    for number, length in enumerate(seconds):
        name = f"s-{number}-a01"
        events += [intent(number), ev.Created(name, "arn"), ev.Observed(name, "Completed", "Completed")]
        events.append(ev.Outcome(name, "Completed", "completed", started_at=1000.0, ended_at=1000.0 + length))
    return events


def next_look(running_s: float | None, *before: float, secondary: str = "Training", poll_s: float = 10.0) -> float:
    """Seconds until the next look at a job that has run for so long."""
    seen = [intent(3), ev.Created(NAME, "arn"), ev.Observed(NAME, "InProgress", secondary)]
    chain = fold([*past(*before), *seen])
    return pause_s(chain.jobs[NAME], running_s, lengths(chain), poll_s)


@pytest.mark.parametrize(
    ("running_s", "before", "seconds"),
    [
        (100.0, (), 10.0),  # nothing is known of how long one takes
        (599.0, (600.0,), 10.0),  # nor by one alone
        (100.0, (600.0, 610.0), 10.0),
        (565.0, (600.0, 610.0), 5.0),  # the next look is when it may end
        (600.0, (600.0, 610.0), SOON_S),
        (640.0, (600.0, 610.0), SOON_S),
        (650.0, (600.0, 610.0), 10.0),  # it takes longer than any: who knows how long
        (None, (600.0, 610.0), 10.0),  # it waits for a machine
    ],
)
def test_a_job_is_looked_at_often_when_it_is_about_to_end(
    running_s: float | None, before: tuple[float, ...], seconds: float
) -> None:
    """By how long the jobs before it ran; never more rarely than was asked for."""
    assert next_look(running_s, *before) == pytest.approx(seconds)


def test_what_is_ending_is_looked_at_soon() -> None:
    """Its model goes up, it is being stopped, it has ended and its pool is about to show."""
    for phase in ("Uploading", "Stopping"):
        assert next_look(1.0, secondary=phase) == SOON_S
    chain = fold(past(60.0))
    assert pause_s(chain.jobs["s-0-a01"], 60.0, [], 10.0) == SOON_S


def test_whoever_looks_more_often_goes_on_doing_so() -> None:
    """A shorter time between two looks is never made longer."""
    assert next_look(600.0, 600.0, 610.0, poll_s=0.1) == 0.1
    assert next_look(1.0, secondary="Uploading", poll_s=0.1) == 0.1
