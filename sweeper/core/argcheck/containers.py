"""What SageMaker's container gives a script beside its command line: SM_HP_*, SM_HPS, hyperparameters.json."""

from __future__ import annotations

import ast
import re

from sweeper.core.argcheck.parsers import is_printed
from sweeper.core.argcheck.program import Module, Program, last_name
from sweeper.core.argcheck.reads import Reads

ALL_OF_THEM = ("SM_HPS", "hyperparameters.json")
OTHER_FORMS = ("SM_TRAINING_ENV", "SM_USER_ARGS", "SM_INPUT_CONFIG_DIR", "SM_INPUT_DIR")
PREFIXES = ("SM", "SM_", "SM_HP", "HP")
CONFIG, FILES_OF_OTHERS = "input/config", ("resourceconfig.json", "inputdataconfig.json", "hyperparameters.json")
"""The folder that holds hyperparameters.json, and the files in it that are looked at elsewhere or not at all."""
ONE = re.compile(r"SM_HP_([A-Za-z0-9_.-]+)\Z")


def containers(program: Program, reads: Reads) -> None:
    """Note what is read of these."""
    _environment(program, reads)
    _all_at_once(program, reads)


def _environment(program: Program, reads: Reads) -> None:
    """SM_HP_X, by that name or by one that is made: to find them among all variables takes a part of it too."""
    for module, constant, text in program.texts():
        if named := ONE.match(text):
            reads.variables.add(named[1])
        elif "HP_" in text or text in PREFIXES or any(form in text for form in OTHER_FORMS) or _is_their_folder(text):
            reads.unsure(module, constant, "reads hyperparameters of the environment by a name that is made")
    for module in program.modules:
        named_alike = (ONE.match(last_name(node).upper()) for node in module.nodes)
        reads.variables |= {found[1] for found in named_alike if found}


def _is_their_folder(text: str) -> bool:
    return CONFIG in text and not text.endswith(FILES_OF_OTHERS)


def _all_at_once(program: Program, reads: Reads) -> None:
    """A mapping of all hyperparameters: only what is looked up in it is read, if nothing else is done with it."""
    for module in program.modules:
        said = [node for where, node, text in program.texts() if where is module and _names_all(text)]
        if not said:
            continue
        loads = [
            n for n in module.nodes if isinstance(n, ast.Call) and module.full(n.func) in ("json.load", "json.loads")
        ]
        if not loads:
            reads.unsure(module, said[0], "reads all hyperparameters in a way that is not known here")
        for load in loads:
            reads.keys |= _looked_up(module, load, reads)


def _names_all(text: str) -> bool:
    return any(name in text for name in ALL_OF_THEM)


def _looked_up(module: Module, load: ast.Call, reads: Reads) -> set[str]:
    above = module.above(load)
    target = above.targets[0] if isinstance(above, ast.Assign) and len(above.targets) == 1 else None
    if isinstance(above, ast.AnnAssign):
        target = above.target
    if not isinstance(target, ast.Name):
        reads.unsure(module, load, "reads all hyperparameters and hands them on")
        return set()
    found = set[str]()
    for use in module.loads(target.id):
        key = _key(module, use)
        if key is None:
            reads.unsure(module, use, "hands all hyperparameters on")
        else:
            found |= {key} - {""}
    return found


def _key(module: Module, use: ast.Name) -> str | None:
    """The key that is looked up here; empty where the mapping is only shown, None for everything else."""
    above = module.above(use)
    wanted: ast.AST | None = None
    if isinstance(above, ast.Subscript) and above.value is use:
        wanted = above.slice
    elif isinstance(above, ast.Attribute) and above.attr in ("get", "pop", "setdefault"):
        call = module.above(above)
        wanted = call.args[0] if isinstance(call, ast.Call) and call.func is above and call.args else None
    elif isinstance(above, ast.Compare) and use in above.comparators:
        wanted = above.left
    elif is_printed(module, use):
        return ""
    return wanted.value if isinstance(wanted, ast.Constant) and isinstance(wanted.value, str) else None
