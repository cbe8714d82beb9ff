"""What is better, said once: every rule, table and search that compares asks here."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.core.model import Goal, Objective

VALUES = st.lists(st.none() | st.floats(width=16))


@given(VALUES, st.sampled_from(Goal))
def test_the_best_is_better_than_every_other(values: list[float | None], goal: Goal) -> None:
    """Nothing is better than the best; the first of equals wins; None and NaN never do."""
    best = Objective("m", goal).best(enumerate(values), lambda pair: pair[1])
    known = [(n, value) for n, value in enumerate(values) if value is not None and not math.isnan(value)]
    if best is None:
        assert not known
        return
    assert best in known and best[1] is not None
    assert not any(goal.better(value, best[1]) for _, value in known)
    assert best[0] == min(n for n, value in known if value == best[1])


@given(VALUES)
def test_less_is_to_minimize_what_more_is_to_maximize(values: list[float | None]) -> None:
    """The two goals are mirror images."""
    mirrored = [None if value is None else -value for value in values]
    assert Goal.MINIMIZE.since_best(values, 0.5) == Goal.MAXIMIZE.since_best(mirrored, 0.5)


@pytest.mark.parametrize(
    ("values", "since"),
    [([], 0), ([1.0], 0), ([1.0, 1.5], 1), ([1.0, 2.5], 0), ([1.0, None, math.nan, 0.0], 3), ([-math.inf], 1)],
)
def test_what_is_not_better_by_enough_is_counted(values: list[float | None], since: int) -> None:
    """Since the last value that was better by more than one; a trial without a value brought nothing."""
    assert Goal.MAXIMIZE.since_best(values, 1.0) == since
