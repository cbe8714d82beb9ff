"""Random draws are a fixed list: reproducible, stable when more is drawn, and without replacement."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.core.identity import canonical
from sweeper.core.space.draws import check, draw

OF: dict[str, tuple[str, list[Any]]] = {"lr": ("loguniform", [1e-5, 1e-1]), "rank": ("choice", [4, 8, 16])}


def test_the_draws_are_known() -> None:
    """The first draws of seed 0 are these, on every machine and every Python."""
    assert draw(3, 0, OF) == [
        {"lr": 0.0191857, "rank": 8},
        {"lr": 0.026266, "rank": 4},
        {"lr": 0.00897365, "rank": 4},
    ]


@given(st.integers(0, 99), st.integers(1, 20), st.integers(0, 20))
def test_more_draws_begin_with_fewer(seed: int, few: int, more: int) -> None:
    """Asking for more draws, or for one more key, changes none of those there were."""
    rows = draw(few, seed, OF)
    assert draw(few + more, seed, OF)[:few] == rows
    wider = draw(few, seed, {**OF, "new": ("uniform", [0, 1])})
    assert [{"lr": row["lr"], "rank": row["rank"]} for row in wider] == rows


@given(st.integers(0, 5), st.integers(1, 12))
def test_finite_domains_are_not_drawn_twice(seed: int, count: int) -> None:
    """Where there are finitely many values no draw repeats another, down to the last one."""
    rows = draw(count, seed, {"a": ("int", [1, 4]), "b": ("choice", ["x", "y", "z", "x"])})
    assert len({canonical(row) for row in rows}) == count


@given(st.integers(0, 1000))
def test_draws_stay_in_their_domain(seed: int) -> None:
    """Every draw lies between its ends, both included where numbers are whole."""
    (row,) = draw(1, seed, {"a": ("uniform", [-2, 3]), "b": ("int", [0, 2]), "c": ("loguniform", [1, 1])})
    assert -2 <= row["a"] <= 3
    assert row["b"] in (0, 1, 2)
    assert row["c"] == 1.0


def test_more_than_there_are() -> None:
    """More draws than there are different ones are refused."""
    with pytest.raises(ValueError, match="only 2 different draws"):
        draw(3, 0, {"a": ("choice", [1, 2])})


@pytest.mark.parametrize(
    ("domain", "arguments"),
    [
        ("choice", []),
        ("uniform", [1]),
        ("uniform", [2, 1]),
        ("int", [0.5, 2]),
        ("loguniform", [0, 1]),
        ("int", [True, 2]),
    ],
)
def test_domains_that_make_no_sense(domain: str, arguments: list[Any]) -> None:
    """A domain that cannot be drawn from is refused in words."""
    with pytest.raises(ValueError, match=domain):
        check(domain, arguments)
