"""docs/api.md."""

from __future__ import annotations

import subprocess
import sys

import sweeper
from tools.api_page import PAGE, page


def test_the_page_of_the_python_api_is_what_its_docstrings_say() -> None:
    """`make docs` writes docs/api.md; every public name is on it, and each is loaded when it is asked for alone."""
    told = PAGE.read_text(encoding="utf-8")
    assert told == page(), "run `make docs`"
    assert [name for name in sweeper.__all__ if f"\n## {name}\n" not in told] == []
    assert set(sweeper.__all__) <= set(dir(sweeper)) and not hasattr(sweeper, "Sweeper")


def test_errors_are_imported_without_the_rest() -> None:
    """Who catches an error of sweeper's need not load Hydra for it."""
    code = "import sys; before = set(sys.modules); from sweeper import UsageError; print(*set(sys.modules) - before)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {name for name in told if name.partition(".")[0] not in sys.stdlib_module_names} == {
        "sweeper",
        "sweeper.errors",
    }
