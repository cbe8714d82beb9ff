"""The language of `exclude` and `when`: what it understands, what it refuses, and that nothing is ever run."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.core.space.rules import RuleError, expression, matching

VALUES: dict[str, Any] = {"rank": 8, "lr": 0.01, "model.kind": "lora", "none": None, "flag": True, "items": [1, 2]}


def holds(text: str, values: dict[str, Any] | None = None) -> bool:
    """Whether the expression is true for these values."""
    return expression(text, lambda name: name).drops(values or VALUES)


@pytest.mark.parametrize(
    ("text", "true"),
    [
        ("rank == 8", True),
        ("rank * 2 > 15 and lr < 0.1", True),
        ("1 < rank <= 8", True),
        ("rank > 8 or lr >= 0.02", False),
        ("not flag", False),
        ("model.kind == 'lora'", True),
        ("model.kind in ['full', 'lora']", True),
        ("rank not in (4, 16)", True),
        ("none == null", True),
        ("flag == true", True),
        ("(rank + 2) % 5 == 0", True),
        ("rank // 3 - 2 == -0", True),
        ("-rank < 0", True),
        ("rank == 8.0", True),
        ("1 in items", True),
    ],
)
def test_what_it_means(text: str, true: bool) -> None:
    """Comparisons, arithmetic and the words of logic mean what they mean in Python."""
    assert holds(text) is true
    assert expression(text, lambda name: name, keep=True).drops(VALUES) is not true


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "rank()",
        "rank ** 9 ** 9",
        "items[0]",
        "[x for x in items]",
        "lambda: 1",
        "rank if flag else 1",
        "f'{rank}'",
        "rank.__class__()",
        "b'x'",
        "...",
        "1j > 2",
        "rank := 3",
        "rank = 3",
        "rank ==",
        "(" * 300 + "1" + ")" * 300,
        "rank > " + "1" * 2000,
        "~rank",
        "rank is 8",
        "",
    ],
)
def test_everything_else_is_refused(text: str) -> None:
    """Whatever is not on the list is refused when it is read."""
    with pytest.raises(RuleError):
        expression(text, lambda name: name)


@pytest.mark.parametrize(
    "text", ["none > 3", "model.kind + 1 > 0", "flag * 2 > 0", "rank / 0 > 1", "rank in 3", "'a' * 3"]
)
def test_values_that_do_not_fit(text: str) -> None:
    """A condition that cannot be worked out says for which values."""
    with pytest.raises(RuleError, match="cannot be worked out for"):
        holds(text)


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text does anything but be true, be false or be refused."""
    with contextlib.suppress(RuleError, KeyError):
        assert holds(text) in (True, False)


def test_matching_is_exact() -> None:
    """A mapping drops the trials that have all of its values, and 1 is not 1.0."""
    rule = matching({"rank": 1, "kind": "x"})
    assert rule.drops({"rank": 1, "kind": "x"})
    assert not rule.drops({"rank": 1.0, "kind": "x"})
    assert not rule.drops({"rank": 1, "kind": "y"})
