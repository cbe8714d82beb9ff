"""What an expression of a Python script is known to be without running it: text, numbers, lists, and names of them."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sweeper.config.writing import Reference, escaped

MOST_DEPTH = 50
"""Names that lead to names, and lists within lists."""
_PLAIN = re.compile(r"[\w./:@+-]*")
_OPERATORS: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Pow: operator.pow,
}
_ENVIRONMENT = ("os.environ.get", "os.getenv", "environ.get", "getenv")
MOST_LETTERS = 10_000


@dataclass(frozen=True)
class Computed:
    """An expression whose value only the running script knows."""

    text: str
    line: int

    def __str__(self) -> str:
        return f"{self.text} (line {self.line}) is computed when the script runs"


def calls(tree: ast.AST) -> list[ast.Call]:
    """Every call of a script, in its order."""
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return sorted(found, key=lambda call: (call.lineno, call.col_offset))


def called(call: ast.Call) -> str:
    """The last name of what is called: a class, a function or a method."""
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


class Constants:
    """The names of a script that are given a value once, and what expressions of them are."""

    def __init__(self, tree: ast.AST) -> None:
        self._assigned: dict[str, list[ast.expr]] = {}
        for node in ast.walk(tree):
            for target, value in _assignments(node):
                self._assigned.setdefault(target, []).append(value)

    def node(self, node: ast.expr) -> ast.expr:
        """The expression that a name stands for, when it is given one alone; else the expression itself."""
        for _ in range(MOST_DEPTH):
            found = self._assigned.get(node.id, []) if isinstance(node, ast.Name) else []
            if len(found) != 1:
                return node
            node = found[0]
        return node

    def value(self, node: ast.expr, depth: int = 0) -> Any:
        """The value as an experiment file says it, or `Computed`; one that is computed may stand within a list."""
        node = self.node(node)
        if depth > MOST_DEPTH:
            return _computed(node)
        if isinstance(node, ast.Constant):
            known = isinstance(node.value, (str, int, float, bool, type(None)))
            return node.value if known else _computed(node)
        if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            return [self.value(item, depth + 1) for item in node.elts]
        if isinstance(node, ast.Dict):
            return self._mapping(node, depth)
        if isinstance(node, ast.JoinedStr):
            return self._joined(node, depth)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            inner = self.value(node.operand, depth + 1)
            return -inner if isinstance(inner, (int, float)) else _computed(node)
        if isinstance(node, ast.BinOp):
            return self._binary(node, depth)
        return self._called(node, depth)

    def _mapping(self, node: ast.Dict, depth: int) -> Any:
        found: dict[str, Any] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            name = self.value(key, depth + 1) if key is not None else None
            if not isinstance(name, (str, int)):
                return _computed(node)
            found[str(name)] = self.value(value, depth + 1)
        return found

    def _joined(self, node: ast.JoinedStr, depth: int) -> Any:
        parts: list[str] = []
        for piece in node.values:
            inner = piece.value if isinstance(piece, ast.FormattedValue) else piece
            value = self.value(inner, depth + 1)
            plain = not isinstance(piece, ast.FormattedValue) or (piece.format_spec is None and piece.conversion == -1)
            if not plain or not isinstance(value, (str, int, float)):
                return _computed(node)
            parts.append(value if isinstance(value, str) else str(value))
        return _together(parts)

    def _binary(self, node: ast.BinOp, depth: int) -> Any:
        left, right = self.value(node.left, depth + 1), self.value(node.right, depth + 1)
        numbers = all(isinstance(one, (int, float)) for one in (left, right))
        texts = isinstance(node.op, ast.Add) and isinstance(left, str) and isinstance(right, str)
        work = _OPERATORS.get(type(node.op))
        if work is None or not (numbers or texts) or (isinstance(node.op, ast.Pow) and abs(right) > 64):
            return _computed(node)
        if texts:
            return _together([left, right])
        try:
            made = work(left, right)
        except (ArithmeticError, ValueError):
            return _computed(node)
        return made if len(str(made)) < MOST_LETTERS and not isinstance(made, complex) else _computed(node)

    def _called(self, node: ast.expr, depth: int) -> Any:
        """What the environment says stays so; `dict(a=1)` is a mapping."""
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) in ("os.environ", "environ"):
            return self._variable([node.slice]) or _computed(node)
        if not isinstance(node, ast.Call):
            return _computed(node)
        name = ast.unparse(node.func)
        if name in _ENVIRONMENT:
            return self._variable(node.args) or _computed(node)
        if name == "dict" and not node.args and all(word.arg for word in node.keywords):
            return {str(word.arg): self.value(word.value, depth + 1) for word in node.keywords}
        if name in ("str", "Path", "pathlib.Path") and len(node.args) == 1:
            return self.value(node.args[0], depth + 1)
        if name.endswith("path.join"):
            parts = [self.value(part, depth + 1) for part in node.args]
            return _together(parts, "/") if all(isinstance(part, str) for part in parts) else _computed(node)
        return _computed(node)

    def _variable(self, arguments: Sequence[ast.expr]) -> Reference | None:
        """`${oc.env:NAME,default}`."""
        said = [self.value(argument) for argument in arguments]
        plain = all(isinstance(one, str) and _PLAIN.fullmatch(one) for one in said) and 1 <= len(said) <= 2
        return Reference(f"${{oc.env:{','.join(said)}}}") if plain else None


def _together(parts: Sequence[str], between: str = "") -> str:
    """Texts as one; it is a reference as soon as one of them is."""
    if not any(isinstance(part, Reference) for part in parts):
        return between.join(parts)
    return Reference(between.join(escaped(part) for part in parts))


def _assignments(node: ast.AST) -> list[tuple[str, ast.expr]]:
    """The names that a statement gives a value. What it changes otherwise counts as another value."""
    if isinstance(node, ast.Assign):
        pairs = [(target, node.value) for target in node.targets]
    elif isinstance(node, (ast.AnnAssign, ast.AugAssign)) and node.value is not None:
        pairs = [(node.target, node.value)] * (2 if isinstance(node, ast.AugAssign) else 1)
    elif isinstance(node, (ast.For, ast.comprehension)):
        pairs = [(node.target, node.iter)] * 2
    else:
        return []
    return [(name.id, value) for target, value in pairs for name in ast.walk(target) if isinstance(name, ast.Name)]


def _computed(node: ast.expr) -> Computed:
    try:
        text = " ".join(ast.unparse(node).split())
    except RecursionError:
        text = "what stands there"
    return Computed(text[:200], node.lineno)
