"""Sweeps beside each other: what is declared otherwise, and trials that are the same but for that."""

from __future__ import annotations

import math
from typing import Any

import pytest

from sweeper.core.model import Goal, Objective
from sweeper.core.results import Results
from sweeper.core.side_by_side import Side, differences, matched, paired

LR, SIZE = "hyperparameters.lr", "hyperparameters.size"


def side(name: str, keys: tuple[str, ...], *rows: tuple[Any, ...], **base: Any) -> Side:
    """A sweep whose rows are (a value for each key, status, m)."""
    columns = ("trial", "name", "index", "status", *keys, "metric.m")
    told = [(f"{name}{n}", f"row {n}", n, row[-2], *row[:-2], row[-1]) for n, row in enumerate(rows)]
    table = Results(columns, tuple(dict(zip(columns, row, strict=True)) for row in told))
    config = {"name": name, "tags": [name], "hyperparameters": base, "job": {"image_uri": "a"}}
    return Side(name, table, Objective("m", Goal.MINIMIZE), config, source="2" if name == "other" else "1")


def test_only_what_is_declared_otherwise_is_told() -> None:
    """Names and tags say nothing of what runs; a key that one of them does not have is None there; a source counts."""
    sides = [
        side("one", (), lr=0.1, size=1),
        side("two", (), lr=0.1, size=2, more=[1]),
        side("other", (), lr=0.1, size=1),
    ]
    assert differences(sides) == {
        "hyperparameters.size": [1, 2, 1],
        "hyperparameters.more": [None, [1], None],
        "source": ["1", "1", "2"],
    }
    assert differences(sides[:1] * 2) == {}


def test_trials_match_by_their_free_values_and_what_is_fixed() -> None:
    """A sweep that does not vary a key has it as it declares it; only pairs with a value say which is better."""
    done = "completed"
    wide = side("wide", (LR, SIZE), *((lr, size, done, lr * size) for lr in (1.0, 2.0, 3.0) for size in (1, 2)))
    rows = [(1.0, done, 1.5), (2.0, done, 4.0), (3.0, "failed", 0.1), (4.0, done, 0.0)]
    narrow = side("narrow", (LR,), *rows, size=2)
    matches = matched([wide, narrow])
    assert [match.values for match in matches] == [{LR: lr, SIZE: 2} for lr in (1.0, 2.0, 3.0)]
    assert all(row is not None for match in matches for row in match.rows)
    pairs = paired(matches, 1, Objective("m", Goal.MINIMIZE))
    assert (pairs.better, pairs.worse, pairs.differences.values) == (1, 0, (-0.5, 0.0))
    assert pairs.differences.mean == pytest.approx(-0.25)
    for odd in (math.nan, math.inf):
        none = matched([wide, side("odd", (LR,), (1.0, done, odd), size=2)])
        assert paired(none, 1, Objective("m", Goal.MINIMIZE)).differences.n == 0
