"""A Python script with the modules of its own source that it imports: syntax trees, and who calls what."""

from __future__ import annotations

import ast
import posixpath
import sys
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from functools import cached_property

Read = Callable[[str], "str | None"]
Function = (ast.FunctionDef, ast.AsyncFunctionDef)
MOST_MODULES, MOST_CHARACTERS = 200, 1_000_000
"""What is looked at: a source with more of its own than that is another program than a training script."""


class NotToldError(Exception):
    """The script cannot be looked at; the message says why."""


@dataclass(frozen=True)
class Module:
    """One file of the source."""

    path: str
    tree: ast.Module

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """Everything in it."""
        return tuple(ast.walk(self.tree))

    @cached_property
    def _above(self) -> dict[ast.AST, ast.AST]:
        return {child: node for node in self.nodes for child in ast.iter_child_nodes(node)}

    def above(self, node: ast.AST) -> ast.AST:
        """What holds this node."""
        return self._above[node]

    def function_around(self, node: ast.AST) -> ast.AST | None:
        """The function that a node stands in."""
        while node in self._above:
            node = self._above[node]
            if isinstance(node, Function):
                return node
        return None

    @cached_property
    def names(self) -> dict[str, str]:
        """What imported names stand for, in full."""
        found: dict[str, str] = {}
        for node in self.nodes:
            if isinstance(node, ast.Import):
                whole = ((alias.asname, alias.name, alias.name.split(".")[0]) for alias in node.names)
                found.update((given, name) if given else (first, first) for given, name, first in whole)
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.update((alias.asname or alias.name, f"{node.module}.{alias.name}") for alias in node.names)
        return found

    def full(self, node: ast.AST) -> str:
        """What a name or `a.b.c` stands for, in full; empty for anything else."""
        if isinstance(node, ast.Name):
            return self.names.get(node.id, node.id)
        if isinstance(node, ast.Attribute):
            above = self.full(node.value)
            return f"{above}.{node.attr}" if above else ""
        return ""

    def place(self, node: ast.AST) -> str:
        """Where a node stands: file:line."""
        return f"{self.path}:{getattr(node, 'lineno', 1)}"

    def loads(self, name: str) -> list[ast.Name]:
        """Every use of a variable of this name."""
        return [n for n in self.nodes if isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Load)]


@dataclass
class Program:
    """The script and what it imports of its own source; `outside`: what it imports from elsewhere, in full."""

    modules: list[Module] = field(default_factory=list)
    outside: set[str] = field(default_factory=set)

    @cached_property
    def functions(self) -> dict[str, list[tuple[Module, ast.FunctionDef | ast.AsyncFunctionDef]]]:
        """Every function and method of the source, by its name."""
        found: dict[str, list[tuple[Module, ast.FunctionDef | ast.AsyncFunctionDef]]] = {}
        for module in self.modules:
            for node in module.nodes:
                if isinstance(node, Function):
                    found.setdefault(node.name, []).append((module, node))
        return found

    @cached_property
    def classes(self) -> set[str]:
        """The name of every class of the source."""
        return {node.name for module in self.modules for node in module.nodes if isinstance(node, ast.ClassDef)}

    @property
    def foreign(self) -> set[str]:
        """The packages that it imports and that are neither its own nor the standard library's."""
        return {name.split(".")[0] for name in self.outside} - sys.stdlib_module_names

    def calls(self) -> Iterator[tuple[Module, ast.Call, str]]:
        """Every call, with what is called, in full."""
        for module in self.modules:
            for node in module.nodes:
                if isinstance(node, ast.Call):
                    yield module, node, module.full(node.func)

    def texts(self) -> Iterator[tuple[Module, ast.AST, str]]:
        """Every text that is no documentation."""
        for module in self.modules:
            for node in module.nodes:
                text = node.value if isinstance(node, ast.Constant) else None
                if isinstance(text, str) and not isinstance(module.above(node), ast.Expr):
                    yield module, node, text

    def is_ours(self, called: ast.expr) -> bool:
        """Is a function, method or class of this name in the source?"""
        name = last_name(called)
        return name in self.functions or name in self.classes


def last_name(node: ast.AST) -> str:
    """`c` of `a.b.c`; empty for what has no name."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def follow(entry: str, files: Collection[str], read: Read) -> Program:
    """The script at `entry` with every module that it imports from `files`. Raises NotToldError."""
    program, waiting, seen = Program(), [posixpath.normpath(entry)], set[str]()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        if len(seen) > MOST_MODULES:
            raise NotToldError(f"it imports more than {MOST_MODULES} modules of its source")
        module = Module(path, _parsed(path, read(path)))
        program.modules.append(module)
        for name in _imported(module):
            own = _files_of(name, files)
            waiting += own
            if not own:
                program.outside.add(name)
    return program


def _parsed(path: str, text: str | None) -> ast.Module:
    if text is None or len(text) > MOST_CHARACTERS:
        raise NotToldError(f"{path} cannot be read" if text is None else f"{path} is too long")
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise NotToldError(f"{path} is not Python of this version: {error}") from error


def _imported(module: Module) -> Iterator[str]:
    """The modules that one imports: each dotted name that may be one."""
    for node in module.nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _base(module.path, node)
            yield from ([base] if base else [])
            yield from (f"{base}.{alias.name}".lstrip(".") for alias in node.names)


def _base(path: str, node: ast.ImportFrom) -> str:
    """What `from BASE import x` names, seen from the top of the source; dots at its beginning are folders."""
    folders = [part for part in posixpath.dirname(path).split("/") if part]
    above = folders[: len(folders) - node.level + 1] if node.level else []
    return ".".join([*above, *([node.module] if node.module else [])])


def _files_of(name: str, files: Collection[str]) -> list[str]:
    """The files that an import of this dotted name may run: wherever in the source, since paths can be added."""
    parts = name.split(".")
    stems = ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]
    wanted = [f"{stem}{end}" for stem in stems for end in (".py", "/__init__.py")]
    ends = tuple("/" + one for one in wanted)
    return [file for file in files if file in wanted or file.endswith(ends)]
