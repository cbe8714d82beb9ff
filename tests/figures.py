"""The size of the code in figures, from its syntax tree: `make check` prints them, and judges nothing.

What is named is what a stranger would stumble over: a class, a module or a function that does more than one thing.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from sweeper import backends

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "sweeper"
METHODS, IMPORTS, LINES = 20, 15, 40
KINDS = {**dict.fromkeys([*backends.KINDS, "BackendKind"], "backends/"), "EngineKind": "core/scope.py run/registry.py"}
"""A kind's name or an enum of them, and the places that may ask for one by its name: elsewhere the port answers."""
Tree = tuple[str, ast.Module]


def trees() -> list[Tree]:
    """Every module of ours by its path below the package, and its syntax tree."""
    paths = sorted(PACKAGE.rglob("*.py"))
    return [(path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text(encoding="utf-8"))) for path in paths]


def classes(modules: list[Tree]) -> list[tuple[int, str]]:
    """How many methods each class has."""
    found = ((path, node) for path, tree in modules for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    return [
        (sum(isinstance(part, ast.FunctionDef) for part in node.body), f"{path} {node.name}") for path, node in found
    ]


def imports(modules: list[Tree]) -> list[tuple[int, str]]:
    """How many modules of ours each one imports, wherever in it."""
    names = {"sweeper"} | {"sweeper." + path.removesuffix(".py").replace("/", ".") for path, _ in modules}
    return [(len(set(_imported(tree, names))), path) for path, tree in modules]


def _imported(tree: ast.Module, names: set[str]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "sweeper")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "sweeper":
            within = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (module if module in names else str(node.module) for module in within)


def functions(modules: list[Tree]) -> list[tuple[int, str]]:
    """How many lines each function has."""
    found = ((path, node) for path, tree in modules for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
    return [
        ((node.end_lineno or node.lineno) - node.lineno + 1, f"{path}:{node.lineno} {node.name}")
        for path, node in found
        if not _is_table(node)
    ]


def _is_table(node: ast.FunctionDef) -> bool:
    """Is it one `match`, with a few lines around it? Its arms are rows."""
    tables = [part for part in node.body if isinstance(part, ast.Match)]
    return len(tables) == 1 and len(node.body) <= 4


def switches(modules: list[Tree]) -> list[str]:
    """Where something is compared with a kind by its name, outside the places that may."""
    return [
        f"{path}:{node.lineno} {ast.unparse(part)}"
        for path, tree in modules
        for node in ast.walk(tree)
        if isinstance(node, (ast.Compare, ast.MatchValue))
        for part in ([node.left, *node.comparators] if isinstance(node, ast.Compare) else [node.value])
        if not _may(path, part)
    ]


def _may(path: str, compared: ast.expr) -> bool:
    parts = compared.elts if isinstance(compared, (ast.Tuple, ast.List, ast.Set)) else [compared]
    return all(path.startswith(tuple(KINDS.get(_kind(part), "").split() or [""])) for part in parts)


def _kind(part: ast.expr) -> str:
    """The text of a constant, the enum of kinds that a member is of."""
    if isinstance(part, ast.Constant):
        return str(part.value)
    enum = ast.unparse(part).partition(".")[0]
    return enum if enum.endswith("Kind") else ""


def told(what: str, figures: list[tuple[int, str]], limit: int) -> Iterator[str]:
    """The largest figure, and every one over the limit by its name."""
    over = sorted((figure for figure in figures if figure[0] > limit), reverse=True)
    yield f"{what}: at most {max(figures)[0]}; {len(over)} over {limit}"
    yield from (f"  {count:4} {name}" for count, name in over)


def lines() -> Iterator[str]:
    """The figures, a line each."""
    modules = trees()
    length = sum(len((PACKAGE / path).read_text(encoding="utf-8").splitlines()) for path, _ in modules)
    yield f"{len(modules)} modules of {length} lines"
    yield from told("methods in a class", classes(modules), METHODS)
    yield from told("modules of ours that one imports", imports(modules), IMPORTS)
    yield from told("lines in a function, tables excepted", functions(modules), LINES)
    found = switches(modules)
    yield f"kinds asked for by their name outside their registry: {len(found)}"
    yield from (f"       {name}" for name in found)


if __name__ == "__main__":
    print("\n".join(lines()))  # noqa: T201
