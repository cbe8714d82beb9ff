"""argparse: which options a script defines, and whether its parser sees them all."""

from __future__ import annotations

import ast

from sweeper.core.argcheck.program import Function, Module, Program, last_name
from sweeper.core.argcheck.reads import Reads

PARSING = ("parse_args", "parse_known_args", "parse_intermixed_args", "parse_known_intermixed_args")
MAKING = ("add_argument_group", "add_mutually_exclusive_group")
PARSER = "argparse.ArgumentParser"
OWN_WAYS = ("prefix_chars", "fromfile_prefix_chars")
SAYING = ("print", "info", "debug", "warning", "warn", "error", "len", "isinstance", "type", "id", "repr", "str")
"""Functions that do nothing with what they are given but show it."""


def options(program: Program, reads: Reads) -> None:
    """Note what argparse reads."""
    if not any(full == PARSER or last_name(call.func) == "add_argument" for _, call, full in program.calls()):
        return
    reads.abbreviated = True
    for module, call, full in program.calls():
        name = last_name(call.func)
        if full == PARSER:
            _made(module, call, reads)
        elif name == "add_argument":
            _option(module, call, reads)
        elif name == "add_subparsers":
            reads.unsure(module, call, "has subcommands")
        elif name in PARSING:
            _parsed(program, module, call, reads)
    for module in program.modules:
        _handed_on(program, module, reads)


def _made(module: Module, call: ast.Call, reads: Reads) -> None:
    for keyword in call.keywords:
        own = keyword.arg in OWN_WAYS
        elsewhere = keyword.arg == "parents" and not _named(keyword.value)
        if own or elsewhere or keyword.arg is None:
            reads.unsure(module, call, "makes a parser that reads options in a way of its own")


def _named(parents: ast.expr) -> bool:
    return isinstance(parents, (ast.List, ast.Tuple)) and all(isinstance(one, ast.Name) for one in parents.elts)


def _option(module: Module, call: ast.Call, reads: Reads) -> None:
    names = [one.value for one in call.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    written = {name for name in names if name.startswith("-")}
    reads.options |= written
    if any(last_name(keyword.value) == "BooleanOptionalAction" for keyword in call.keywords):
        reads.options |= {f"--no-{name[2:]}" for name in written}
    if len(names) < len(call.args) or not names:
        reads.unsure(module, call, "adds an option whose name is not written there")


# -- is it the command line that is parsed, and all that is read of it? -----------------------------------------


def _parsed(program: Program, module: Module, call: ast.Call, reads: Reads) -> None:
    given = [*call.args[:1], *(keyword.value for keyword in call.keywords if keyword.arg == "args")]
    if given and not _is_command_line(module, call, given[0]):
        reads.unsure(module, call, "parses arguments that are made elsewhere")
    if "known" in last_name(call.func) and not _rest_is_dropped(program, module, call):
        reads.unsure(module, call, "leaves arguments that it does not know to others")


def _is_command_line(module: Module, call: ast.Call, given: ast.expr) -> bool:
    """sys.argv[1:], None, or what a function around it was given: who gives it is looked at where sys.argv is."""
    if isinstance(given, ast.Constant) and given.value is None:
        return True
    if isinstance(given, ast.Subscript) and module.full(given.value) == "sys.argv":
        return True
    around = module.function_around(call)
    return isinstance(given, ast.Name) and isinstance(around, Function) and given.id in parameters(around)


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """The names of its parameters, in order."""
    given = function.args
    return [argument.arg for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs)]


def _rest_is_dropped(program: Program, module: Module, node: ast.expr, deep: int = 3) -> bool:
    """Is the second of the pair that this call gives looked at by nobody?"""
    above = module.above(node)
    if isinstance(above, ast.Expr):
        return True
    if isinstance(above, ast.Subscript):
        return isinstance(above.slice, ast.Constant) and above.slice.value == 0
    if isinstance(above, ast.Assign) and len(above.targets) == 1 and isinstance(above.targets[0], ast.Tuple):
        pair = above.targets[0].elts
        return len(pair) == 2 and isinstance(pair[1], ast.Name) and _only_shown(module, pair[1].id)
    around = module.function_around(node)
    if deep and isinstance(above, ast.Return) and isinstance(around, Function):
        calls = [(m, call) for m, call, _ in program.calls() if last_name(call.func) == around.name]
        return all(_rest_is_dropped(program, m, call, deep - 1) for m, call in calls)
    return False


def _only_shown(module: Module, name: str) -> bool:
    """Is a variable of this name used for nothing but to be printed, or to see whether there is anything in it?"""
    looks = (ast.If, ast.UnaryOp, ast.Compare)
    return all(is_printed(module, use) or isinstance(module.above(use), looks) for use in module.loads(name))


def is_printed(module: Module, node: ast.AST) -> bool:
    """Is this shown to a person and nothing else, by itself or in a text?"""
    above = module.above(node)
    while isinstance(above, (ast.FormattedValue, ast.JoinedStr)):
        above = module.above(above)
    return isinstance(above, ast.Call) and last_name(above.func) in SAYING


# -- does somebody else add options? ----------------------------------------------------------------------------


def _handed_on(program: Program, module: Module, reads: Reads) -> None:
    """A parser that a package is given may get options that nobody sees here."""
    names = _parsers(module)
    for node in module.nodes:
        if isinstance(node, ast.ClassDef) and any(module.full(base) == PARSER for base in node.bases):
            reads.unsure(module, node, "makes a parser of its own kind")
        if isinstance(node, ast.Assign) and any(last_name(target) in names for target in node.targets):
            _made_here(program, module, node.value, reads)
        if not isinstance(node, ast.Call) or program.is_ours(node.func) or last_name(node.func) in SAYING:
            continue
        given = [*node.args, *(keyword.value for keyword in node.keywords if keyword.arg != "parents")]
        if any(last_name(one) in names for one in given if isinstance(one, (ast.Name, ast.Attribute))):
            reads.unsure(module, node, f"hands its parser to {ast.unparse(node.func)}")


def _made_here(program: Program, module: Module, value: ast.expr, reads: Reads) -> None:
    """A parser that a package has made may have options already."""
    if not isinstance(value, ast.Call) or program.is_ours(value.func) or last_name(value.func) in MAKING:
        return
    if module.full(value.func) != PARSER:
        reads.unsure(module, value, f"has its parser from {ast.unparse(value.func)}")


def _parsers(module: Module) -> set[str]:
    """The names that parsers and their groups have here: what options are added to, and what is parsed with."""
    found = set[str]()
    for node in module.nodes:
        called = node.func if isinstance(node, ast.Call) else None
        if isinstance(called, ast.Attribute) and called.attr in ("add_argument", *PARSING, *MAKING):
            found.add(last_name(called.value))
    return found - {""}
