"""Every row of the fault matrix has a test that names it, or a line in docs/reliability.md that says why not."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs/reliability.md"
ROWS = set(range(1, 96))
NAMED = re.compile(r"test_row((?:_\d\d)+)_")


def covered() -> Iterator[int]:
    """The rows that tests are named for (`test_row_NN_...`) or marked with (`@pytest.mark.row(N)`)."""
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                match = NAMED.match(node.name)
                yield from map(int, re.findall(r"\d\d", match[1])) if match else ()
                yield from marked(node)


def marked(function: ast.FunctionDef) -> Iterator[int]:
    """The rows of a function's markers."""
    for decorator in function.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.row":
            yield from (ast.literal_eval(argument) for argument in decorator.args)


def untested() -> list[int]:
    """The rows of the page's table of what cannot be tested here."""
    section = PAGE.read_text(encoding="utf-8").partition("## Rows without a test")[2].partition("\n## ")[0]
    return [int(number) for number in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)]


def test_every_row_is_tested_or_explained() -> None:
    """The rows with a test and the rows explained are 1 to 95, none twice, and at most eight are explained."""
    tested, explained = set(covered()), untested()
    assert tested | set(explained) == ROWS
    assert tested & set(explained) == set()
    assert len(explained) <= 8
    assert max(Counter(explained).values(), default=0) <= 1


def test_every_test_of_a_row_states_its_law() -> None:
    """A test that is named for a row says in one sentence what holds."""
    for path in TESTS.rglob("test_rows_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                assert ast.get_docstring(node), f"{path.name}: {node.name}"
