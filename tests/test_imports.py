"""What is imported when, and what for its types alone: import-linter (`make check`) sees all imports alike."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import sweeper

ROOT = Path(sweeper.__file__).parent


def at_run_time(node: ast.AST) -> Iterator[str]:
    """The modules that this code imports, but for what only a type checker reads; with the names taken from them."""
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        for below in node.orelse:
            yield from at_run_time(below)
        return
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    for below in ast.iter_child_nodes(node):
        yield from at_run_time(below)


@pytest.mark.parametrize(
    ("files", "module"),
    [
        ("core/**/*.py", "random"),
        ("core/ports.py", "sweeper.core"),
        ("core/shown.py", "sweeper.core.model"),
        ("core/model.py", "sweeper.core.costs"),
        ("core/model.py", "sweeper.core.tracked"),
    ],
)
def test_what_is_known_by_its_type_is_not_imported_at_run_time(files: str, module: str) -> None:
    """The core draws with what it is given; and a sweep and the ports that take one make no circle."""
    found = {path.name: list(at_run_time(ast.parse(path.read_text(encoding="utf-8")))) for path in ROOT.glob(files)}
    assert found
    assert [name for name, imports in found.items() for one in imports if f"{one}.".startswith(f"{module}.")] == []


def test_the_command_line_begins_light() -> None:
    """Until a verb is known nothing that others wrote is imported, and nothing of the chain."""
    code = "import sys; before = set(sys.modules); import sweeper.cli; print(*set(sys.modules) - before)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {name.partition(".")[0] for name in told} - sys.stdlib_module_names == {"sweeper"}
    assert {f"sweeper.core.{name}" for name in ("chain", "events", "model", "ports")}.isdisjoint(told)
