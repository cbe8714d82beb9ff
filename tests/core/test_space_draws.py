"""Random draws are a fixed list: reproducible, stable when more is drawn, and without replacement."""

from __future__ import annotations

import math
import statistics
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.core.identity import canonical
from sweeper.core.space.domains import KINDS, MOST, Scale, check, drawer, size
from sweeper.core.space.draws import draw
from sweeper.core.space.optuna_search import distribution, unproposable

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


BOUNDED: list[tuple[str, list[Any], list[Any] | None]] = [
    ("logint", [1, 3], [1, 2, 3]),
    ("randint", [0, 3], [0, 1, 2]),
    ("lograndint", [1, 3], [1, 2]),
    ("quniform", [0.1, 0.35, 0.1], [0.1, 0.2, 0.3]),
    ("quniform", [0, 10, 5], [0, 5, 10]),
    ("qloguniform", [0.1, 0.3, 0.1], [0.1, 0.2, 0.3]),
    ("qrandint", [3, 9, 4], [4, 8]),
    ("qlograndint", [1, 8, 4], [4, 8]),
]


@pytest.mark.parametrize(("domain", "arguments", "values"), BOUNDED)
def test_steps_and_whole_numbers_are_all_there_is(domain: str, arguments: list[Any], values: list[Any]) -> None:
    """Multiples of the step within the ends, in the step's own type: each of them, and nothing else, is drawn."""
    assert size(domain, arguments) == len(values)
    rows = draw(len(values), 1, {"x": (domain, arguments)})
    assert sorted(canonical(row["x"]) for row in rows) == sorted(map(canonical, values))


@pytest.mark.parametrize(
    ("domain", "arguments", "middle", "spread"),
    [
        ("normal", [10, 2], 10.0, 2.0),
        ("qnormal", [10, 2, 0.5], 10.0, 2.0),
        ("lognormal", [1, 0.5], math.e, None),
        ("qlognormal", [1, 0.5, 0.01], math.e, None),
        ("loguniform", [0.01, 100], 1.0, None),
        ("logint", [10, 1000], math.sqrt(9.5 * 1000.5), None),
        ("quniform", [0, 20, 0.01], 10.0, 20 / math.sqrt(12)),
    ],
)
def test_draws_lie_as_their_scale_does(domain: str, arguments: list[Any], middle: float, spread: float | None) -> None:
    """The median of evenly spaced fractions is the scale's middle, and their deviation what was said."""
    values = [drawer(domain, arguments)((n + 0.5) / 999) for n in range(999)]
    assert values == sorted(values)
    assert statistics.median(values) == pytest.approx(middle, rel=0.01)
    assert spread is None or statistics.stdev(values) == pytest.approx(spread, rel=0.02)


def test_every_kind_of_domain_is_proposed_or_refused_with_a_way_out() -> None:
    """Optuna has the ends and steps of a random search; for a bell and for logarithmic steps there are words."""
    pytest.importorskip("optuna")
    for domain, kind in KINDS.items():
        arguments = [2, 9, 1][: 2 + kind.stepped]
        ends = drawer(domain, arguments)(0.0), drawer(domain, arguments)(MOST)
        if not kind.scale.bounded:
            assert "give it ends" in unproposable(domain, arguments)
            continue
        found: Any = distribution(domain, arguments)
        assert (found.low, found.high, found.log) == (*ends, kind.scale is Scale.LOG)
        if kind.stepped:
            coarse = unproposable(domain, [2, 9, 3])
            assert ("{loguniform: [3, 9]}" in coarse) is (kind.scale is Scale.LOG)
            assert coarse or distribution(domain, [2, 9, 3]).to_internal_repr(6) == 6


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
        ("randint", [2, 2]),
        ("quniform", [0, 1]),
        ("quniform", [1, 2, 5]),
        ("quniform", [0, 1, 0]),
        ("qrandint", [0, 8, 0.5]),
        ("qloguniform", [0, 8, 1]),
        ("normal", [0, 0]),
        ("lognormal", [800, 1]),
        ("qnormal", [0, 1, -1]),
        ("quniform", [0, 1e308, 1e-308]),
        ("qnormal", [0, 1, 5e-324]),
        ("int", [0, 10**400]),
        ("logint", [1, 10**310]),
        ("uniform", [-1e308, 1.7e308]),
    ],
)
def test_domains_that_make_no_sense(domain: str, arguments: list[Any]) -> None:
    """A domain that cannot be drawn from is refused in words."""
    with pytest.raises(ValueError, match=domain):
        check(domain, arguments)
