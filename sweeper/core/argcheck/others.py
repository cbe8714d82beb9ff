"""What reads hyperparameters besides argparse: click, absl, typer, fire, the environment, hyperparameters.json."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from sweeper.core.argcheck.parsers import PARSING, SAYING, parameters
from sweeper.core.argcheck.program import Function, Module, Program, last_name
from sweeper.core.argcheck.reads import Reads

ALL_OF_THEM = ("SM_HPS", "hyperparameters.json")
OTHER_FORMS = ("SM_TRAINING_ENV", "SM_USER_ARGS", "SM_INPUT_CONFIG_DIR", "SM_INPUT_DIR")
PREFIXES = ("SM", "SM_", "SM_HP", "HP")
CONFIG, FILES_OF_OTHERS = "input/config", ("resourceconfig.json", "inputdataconfig.json", "hyperparameters.json")
"""The folder that holds hyperparameters.json, and the files in it that are looked at elsewhere or not at all."""
ONE = re.compile(r"SM_HP_([A-Za-z0-9_.-]+)\Z")
RUNS = ("eval", "exec", "__import__", "importlib.import_module", "runpy.run_path", "runpy.run_module")
"""What may run code that is not written there."""
FOREIGN_READERS = (
    *("hydra", "jsonargparse", "simple_parsing", "tyro", "draccus", "pyrallis", "configargparse", "docopt", "plac"),
    *(
        "optparse",
        "getopt",
        "fileinput",
        "runpy",
        "cyclopts",
        "tap",
        "chz",
        "gin",
        "ml_collections",
        "defopt",
        "clize",
        "argh",
        "cleo",
        "cement",
        "datargs",
    ),
    *("pydantic_settings", "sagemaker_training", "sagemaker_containers", "confection", "radicli", "guildai", "dora"),
)
"""Packages that read a command line, or all hyperparameters, in ways of their own."""
FOREIGN_PARTS = ("HfArgumentParser", "TrlParser", "LightningCLI", "from_cli", "add_argparse_args", "from_argparse_args")
QUIET = (
    *("numpy", "pandas", "scipy", "sklearn", "joblib", "matplotlib", "seaborn", "tqdm", "PIL", "yaml", "torch"),
    *("torchvision", "torchaudio", "torchmetrics", "xgboost", "lightgbm", "catboost", "tensorflow", "keras", "jax"),
    *("transformers", "datasets", "tokenizers", "safetensors", "accelerate", "peft", "evaluate", "boto3", "botocore"),
    *("requests", "pyarrow", "polars", "cv2", "nltk", "gensim", "spacy", "networkx", "statsmodels", "optuna", "einops"),
)
"""Packages that read no arguments behind a script's back."""


def everything_else(program: Program, reads: Reads) -> None:
    """Note what these read."""
    _click(program, reads)
    _absl(program, reads)
    _functions(program, reads)
    _environment(program, reads)
    _all_at_once(program, reads)
    _arguments_themselves(program, reads)
    _code_from_elsewhere(program, reads)


# -- libraries of command lines ---------------------------------------------------------------------------------


def _click(program: Program, reads: Reads) -> None:
    for module, call, full in program.calls():
        if full in ("click.option", "rich_click.option"):
            names = [one.value for one in call.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
            reads.options |= {part.strip() for name in names for part in name.split("/") if part.strip()[:1] == "-"}
            if len(names) < len(call.args) or not names:
                reads.unsure(module, call, "adds an option whose name is not written there")
        elif full in ("click.command", "rich_click.command"):
            if any(keyword.arg not in ("name", "help", "short_help", "epilog") for keyword in call.keywords):
                reads.unsure(module, call, "makes a command that reads options in a way of its own")
            _decorated(program, module, call, reads)
        elif full.startswith(("click.", "rich_click.")) and last_name(call.func) in ("group", "Group", "MultiCommand"):
            reads.unsure(module, call, "has subcommands")
    if program.foreign & {"click", "rich_click"} and not reads.options:
        reads.why.append("click is used in a way that is not known here")


def _decorated(program: Program, module: Module, command: ast.Call, reads: Reads) -> None:
    """Decorators of a package may add options."""
    function = module.above(command)
    for decorator in function.decorator_list if isinstance(function, Function) else []:
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        if not module.full(called).startswith(("click.", "rich_click.")) and not program.is_ours(called):
            reads.unsure(module, decorator, f"is decorated by {ast.unparse(called)}")


def _absl(program: Program, reads: Reads) -> None:
    defines = [(m, c) for m, c, _ in program.calls() if last_name(c.func).startswith("DEFINE_")]  # TensorFlow's too
    for module, call in defines:
        if call.args and isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str):
            name = call.args[0].value
            reads.options |= {f"--{name}", f"--no{name}"}
        else:
            reads.unsure(module, call, "adds a flag whose name is not written there")
    if "absl" in program.foreign and not defines and any(name.startswith("absl.flags") for name in program.outside):
        reads.why.append("absl is used in a way that is not known here")
    if others := sorted(program.foreign - {"absl", *QUIET}) if defines else []:
        reads.why.append(f"{others[0]} may define flags of absl too")


def _functions(program: Program, reads: Reads) -> None:
    """fire and typer make a function's parameters options."""
    for module, call, full in program.calls():
        if full == "fire.Fire":
            reads.either |= _signature(program, module, call, call.args[:1], reads)
        elif full == "typer.run":
            named = _signature(program, module, call, call.args[:1], reads)
            reads.options |= {f"--{name.replace('_', '-')}" for name in named}
            reads.options |= {f"--no-{name.replace('_', '-')}" for name in named}
        elif full == "typer.Typer":
            reads.unsure(module, call, "makes an application of typer")
    if "typer" in program.foreign and any(full in ("typer.Option", "typer.Argument") for _, _, full in program.calls()):
        reads.why.append("typer is told names of options in a way that is not known here")
    for library in program.foreign & {"fire", "typer"}:
        if not (reads.either or reads.options):
            reads.why.append(f"{library} is used in a way that is not known here")


def _signature(program: Program, module: Module, call: ast.Call, given: list[ast.expr], reads: Reads) -> set[str]:
    found = program.functions.get(last_name(given[0]), []) if given and isinstance(given[0], ast.Name) else []
    if len(found) != 1 or found[0][1].args.kwarg or found[0][1].args.vararg or found[0][1].decorator_list:
        reads.unsure(module, call, "takes its options from something that is no plain function")
        return set()
    return set(parameters(found[0][1]))


# -- SageMaker's own ways ---------------------------------------------------------------------------------------


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
    elif _is_printed(module, use):
        return ""
    return wanted.value if isinstance(wanted, ast.Constant) and isinstance(wanted.value, str) else None


# -- what leaves everything open --------------------------------------------------------------------------------


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
        return _is_printed(module, argv)
    if last_name(above.func) in (*PARSING, *SAYING):
        return True
    if argv not in above.args:
        return False
    position = above.args.index(argv)
    found = program.functions.get(last_name(above.func), [])
    return bool(found) and all(_parses(m, function, position) for m, function in found)


def _is_printed(module: Module, node: ast.AST) -> bool:
    above = module.above(node)
    while isinstance(above, (ast.FormattedValue, ast.JoinedStr)):
        above = module.above(above)
    return isinstance(above, ast.Call) and last_name(above.func) in SAYING


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
