"""The table at the end and the page: whole words, aligned numbers, and every cause where it can be read."""

import io
import re

import pytest

from sweeper.core import events as ev
from sweeper.core.chain import Chain, fold
from sweeper.core.results import Results
from sweeper.show.report import data
from sweeper.show.report.subject import Subject
from sweeper.show.table import counted, pool_line, print_table

NAMES = ("trial", "name")
KEYS = ("hyperparameters.lr", "hyperparameters.depth")
COLUMNS = (*NAMES, *KEYS, "status", "metric.val_acc", "pool", "train_seconds", "cost_usd", "failure", "message")
CAUSE = "RuntimeError: CUDA out of memory. " + "Tried to allocate 20.00 MiB. " * 12


def row(lr: float, depth: int, status: str, pool: str, usd: float, failure: str | None = None) -> dict[str, object]:
    """A row of results.csv."""
    names, cause = (f"{lr}", f"lr={lr},depth={depth}"), CAUSE if failure else None
    values = (*names, lr, depth, status, 0.5, pool, 61, usd, failure, cause)
    return dict(zip(COLUMNS, values, strict=True))


TABLE = Results(
    COLUMNS,
    (
        row(0.01, 1, "completed", "cold", 0.0123),
        row(0.1, 12, "failed", "reused", 1.5, "out_of_memory"),
        row(0.3, 2, "metric_missing", "reused", 0.01),
    ),
)


def printed(width: int = 120) -> list[str]:
    """The lines of the table."""
    stream = io.StringIO()
    print_table(stream, TABLE, KEYS, TABLE.rows[0], None, width)
    return stream.getvalue().splitlines()


@pytest.mark.parametrize("width", [60, 72, 80, 100, 120, 200])
def test_words_are_whole_at_every_width(width: int) -> None:
    """A trial takes one line, and its name, status and pool stand in it unbroken; what has no room is left out."""
    lines = printed(width)
    assert max(map(len, lines[:5])) <= width
    for one in TABLE.rows:
        assert [line for line in lines[:5] if str(one["status"]) in line and str(one["pool"]) in line]


def test_a_pipe_gets_no_padding() -> None:
    """The first line is the heading, no line ends in a blank, the last is not empty."""
    lines = printed()
    assert "status" in lines[0]
    assert all(line == line.rstrip() for line in lines)
    assert lines[-1]


def test_money_lines_up_by_its_point() -> None:
    """Every sum has as many decimals as the smallest one needs for two digits."""
    assert re.findall(r"\d+\.\d{3}(?=\s|$)", "\n".join(printed()[2:5])) == ["0.012", "1.500", "0.010"]


def test_the_page_tells_every_cause_below_its_table() -> None:
    """A cause is told whole beside its trial; the table keeps to words and numbers, which line up by their digits."""
    page = data(Subject("mine", TABLE, Chain(), TABLE.rows[0]))
    table = {column["key"]: column["kind"] for column in page["columns"] if column["shown"]}
    assert "message" not in table
    assert (table["failure"], table[KEYS[0]], table["cost_usd"]) == ("word", "number", "usd")
    failed, missing = page["failures"]["kinds"]
    assert (failed["failure"], failed["message"], failed["rows"]) == ("out_of_memory", CAUSE, [1])
    assert (missing["status"], missing["rows"]) == ("metric_missing", [2])


def test_one_is_not_many() -> None:
    """A number is told with its noun as people say it."""
    assert [counted(n, "pool") for n in (0, 1, 2)] == ["0 pools", "1 pool", "2 pools"]


@pytest.mark.parametrize(
    ("keep_s", "at_work", "left"),
    [(300, "the pool is in use", "2 pools may still bill"), (0, "2 in flight", "2 jobs may still bill")],
)
def test_jobs_that_leave_no_pool_are_not_told_as_pools(keep_s: int, at_work: str, left: str) -> None:
    """What is open of jobs that go without a keep-alive is the jobs themselves."""
    chain = fold(ev.Intent(f"s{n}", f"t{n}", n, "", {}, 1, "m", keep_s, 3600, "") for n in range(2))
    assert pool_line(chain, running=True).endswith(at_work)
    assert pool_line(chain).endswith(left)
