"""docs/api.md from the docstrings: `python -m tools.api_page`."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path

import sweeper

PAGE = Path(__file__).resolve().parent.parent / "docs/api.md"
HEAD = """\
# The Python API

Every name of `from sweeper import ...`, as its docstrings tell of it (`make docs` writes this page).
[The guide](python.md) says how to work with them, [the notebook](notebook.ipynb) shows it.
"""
ORDER = ("Sweep", "Plan", "Result", "Rows", "Best")
"""What is told first; the errors follow, the root first."""


def page() -> str:
    """The page."""
    parts = [HEAD, *(_class(name) for name in _names())]
    return "\n".join(parts)


def _names() -> list[str]:
    """Every public name, in the order of the page."""
    others = sorted(set(sweeper.__all__) - set(ORDER), key=lambda name: (_depth(name), name))
    return [*ORDER, *others]


def _depth(name: str) -> tuple[bool, int]:
    kind = getattr(sweeper, name)
    return not issubclass(kind, Exception), len(kind.__mro__)


def _class(name: str) -> str:
    """A class: what it is, and each of its public members in the order of its source."""
    kind = getattr(sweeper, name)
    node = _node(kind)
    bases = [ast.unparse(base) for base in node.bases]
    heading = f"## {name}" + (f"\n\n`{name}({', '.join(bases)})`" if bases else "")
    return "\n\n".join([heading, _text(ast.get_docstring(node)), *_members(name, node)]) + "\n"


def _node(kind: type) -> ast.ClassDef:
    tree = ast.parse(inspect.getsource(importlib.import_module(kind.__module__)))
    return next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == kind.__name__)


def _members(name: str, node: ast.ClassDef) -> Iterator[str]:
    following = [*node.body[1:], None]
    for part, after in zip(node.body, following, strict=True):
        if isinstance(part, ast.FunctionDef) and not part.name.startswith("_"):
            told = _text(ast.get_docstring(part))
            yield f"### {name}.{part.name}\n\n{_signature(part)}\n\n{told}"
        elif field := _field(part):
            yield f"* `{field}`" + (f": {_said(after)}" if _said(after) else "")


def _field(part: ast.stmt) -> str:
    """An attribute with its type or value; empty for anything else."""
    if isinstance(part, ast.AnnAssign):
        told = f"{ast.unparse(part.target)}: {ast.unparse(part.annotation)}"
        return told + (f" = {ast.unparse(part.value)}" if part.value else "")
    return ast.unparse(part) if isinstance(part, ast.Assign) else ""


def _said(part: ast.stmt | None) -> str:
    """What a string below an attribute says of it."""
    if not (isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant) and isinstance(part.value.value, str)):
        return ""
    return " ".join(part.value.value.split())


def _signature(function: ast.FunctionDef) -> str:
    """How it is called; of a property only its type."""
    marks = [ast.unparse(mark) for mark in function.decorator_list]
    gives = ast.unparse(function.returns) if function.returns else "None"
    if "property" in marks:
        return f"`{function.name}: {gives}`"
    arguments = function.args
    arguments.args = [one for one in arguments.args if one.arg not in ("self", "cls")]
    made = "classmethod " if "classmethod" in marks else ""
    return f"`{made}{function.name}({ast.unparse(arguments)}) -> {gives}`"


def _text(docstring: str | None) -> str:
    assert docstring, "ruff asks for one"
    return docstring


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
