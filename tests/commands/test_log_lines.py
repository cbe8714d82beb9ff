"""Which lines of a log are told, and how much of a long one is kept at a time."""

from __future__ import annotations

import tracemalloc
from datetime import datetime, timezone

import pytest

from sweeper.commands.log_lines import MOST_LETTERS, MOST_LINES, End, Told, Wanted, moment_of, wanted
from sweeper.errors import UsageError

LINES = [Told(float(number), f"step={number} {'odd' if number % 2 else 'even'}") for number in range(10)]


@pytest.mark.parametrize(
    ("tail", "since", "grep", "told"),
    [
        (None, None, None, range(10)),
        (3, None, None, [7, 8, 9]),
        (0, None, None, []),
        (2, None, "odd$", [7, 9]),
        (None, "4s", None, [6, 7, 8, 9]),
        (1, "1970-01-01T00:00:04Z", "ev.n", [8]),
        (None, "1970-01-01T01:00:08+01:00", None, [8, 9]),
    ],
)
def test_only_what_is_asked_for_is_told(tail: int | None, since: str | None, grep: str | None, told: list[int]) -> None:
    """The last ones of those that match and are not older; a line without a time is never too old."""
    found = wanted(tail, since, grep, now=10.0).last_of(LINES)
    assert [line.text.split()[0] for line in found] == [f"step={number}" for number in told]
    assert [*Wanted(since=99.0).of([Told(None, "x")])] == [Told(None, "x")]


@pytest.mark.parametrize(("word", "ago"), [("90s", 90), ("10m", 600), ("1.5h", 5400), ("1d", 86400)])
def test_a_moment_is_so_long_ago_or_a_time(word: str, ago: float) -> None:
    """Durations count back from now; a time without a zone is UTC."""
    assert moment_of(word, 1e9) == 1e9 - ago
    at = datetime(2026, 1, 31, 12, tzinfo=timezone.utc).timestamp()
    assert moment_of("2026-01-31T12:00:00", 0) == moment_of("2026-01-31T12:00:00Z", 0) == at


@pytest.mark.parametrize("words", [(-1, None, None), (None, "soon", None), (None, None, "(")])
def test_what_says_nothing_is_refused(words: tuple[int | None, str | None, str | None]) -> None:
    """A usage error that says what to write."""
    with pytest.raises(UsageError, match=r"^logs: --"):
        wanted(*words, now=0.0)


def test_a_long_log_is_not_kept_whole() -> None:
    """Of a log of 20 MB an object has the last lines, and says how many are left out; so much memory it takes."""
    tracemalloc.start()
    kept = Wanted().last_of((Told(None, "x" * 1000 + str(number)) for number in range(20_000)), bounded=True)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(kept, End)
    lines = [line.text for line in kept]
    assert (lines[-1][-6:], len(lines) + kept.omitted) == ("x19999", 20_000)
    assert sum(map(len, lines)) <= MOST_LETTERS and len(lines) <= MOST_LINES
    assert most < 4 * MOST_LETTERS
