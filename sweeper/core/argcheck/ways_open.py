"""What leaves it open what a script reads: sys.argv, code that is made, packages that read in ways of their own."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from sweeper.core.argcheck.parsers import PARSING, SAYING, is_printed, parameters
from sweeper.core.argcheck.program import Module, Program, last_name
from sweeper.core.argcheck.reads import Reads

RUNS = ("eval", "exec", "__import__", "importlib.import_module", "runpy.run_path", "runpy.run_module")
"""What may run code that is not written there."""
FOREIGN_READERS = (
    *("hydra", "jsonargparse", "simple_parsing", "tyro", "draccus", "pyrallis", "configargparse", "docopt", "plac"),
    *("optparse", "getopt", "fileinput", "runpy", "cyclopts", "tap", "chz", "gin", "ml_collections", "defopt"),
    *("clize", "argh", "cleo", "cement", "datargs", "pydantic_settings", "confection", "radicli", "dora"),
    *("sagemaker_training", "sagemaker_containers"),
)
"""Packages that read a command line, or all hyperparameters, in ways of their own."""
FOREIGN_PARTS = ("HfArgumentParser", "TrlParser", "LightningCLI", "from_cli", "add_argparse_args", "from_argparse_args")


def ways_open(program: Program, reads: Reads) -> None:
    """Note the reasons."""
    _arguments_themselves(program, reads)
    _code_from_elsewhere(program, reads)


def _arguments_themselves(program: Program, reads: Reads) -> None:
    """sys.argv where it is not what a parser parses."""
    for module in program.modules:
        for node in module.nodes:
            if module.full(node) == "sys.argv" and not _is_for_a_parser(program, module, node):
                reads.unsure(module, node, "reads sys.argv by itself")


def _is_for_a_parser(program: Program, module: Module, argv: ast.AST) -> bool:
    above = module.above(argv)
    if isinstance(above, ast.Subscript):
        if isinstance(above.slice, ast.Constant) and above.slice.value == 0 and isinstance(above.ctx, ast.Load):
            return True  # the program's own name
        argv, above = above, module.above(above)
    if not isinstance(above, ast.Call):
        return is_printed(module, argv)
    if last_name(above.func) in (*PARSING, *SAYING):
        return True
    if argv not in above.args:
        return False
    position = above.args.index(argv)
    found = program.functions.get(last_name(above.func), [])
    return bool(found) and all(_parses(m, function, position) for m, function in found)


def _parses(module: Module, function: ast.FunctionDef | ast.AsyncFunctionDef, position: int) -> bool:
    """Does a function do nothing with its parameter at this position but to parse it?"""
    names = parameters(function)
    if position >= len(names):
        return False
    uses = [use for use in module.loads(names[position]) if module.function_around(use) is function]
    calls = [above for use in uses if isinstance(above := module.above(use), ast.Call)]
    return len(calls) == len(uses) and all(last_name(call.func) in PARSING for call in calls)


def _code_from_elsewhere(program: Program, reads: Reads) -> None:
    for module, call, full in program.calls():
        if full in RUNS:
            reads.unsure(module, call, f"runs code that is not written there, by {ast.unparse(call.func)}")
        elif full.startswith(("subprocess.", "os.exec", "os.spawn", "os.system", "os.popen")) and not _is_a_tool(call):
            reads.unsure(module, call, "starts another program")
    for library in sorted({name.split(".")[0] for name in program.outside} & set(FOREIGN_READERS)):
        reads.why.append(f"{library} reads the command line in a way of its own")
    for module, name in _mentioned(program):
        reads.why.append(f"{module.path} uses {name}, which is not looked into")


def _is_a_tool(call: ast.Call) -> bool:
    """pip, nvidia-smi and the like, which train nothing."""
    words = {node.value for node in ast.walk(call) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    first = " ".join(sorted(words))
    return any(tool in first for tool in ("pip", "nvidia-smi", "apt-get", "git", "tar", "unzip", "ls", "df"))


def _mentioned(program: Program) -> Iterator[tuple[Module, str]]:
    for module in program.modules:
        known = {last_name(node) for node in module.nodes}
        yield from ((module, name) for name in FOREIGN_PARTS if name in known)
