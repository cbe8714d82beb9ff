"""Command lines that other libraries read: click, absl, typer, fire."""

from __future__ import annotations

import ast

from sweeper.core.argcheck.parsers import parameters
from sweeper.core.argcheck.program import Function, Module, Program, last_name
from sweeper.core.argcheck.reads import Reads

QUIET = (
    *("numpy", "pandas", "scipy", "sklearn", "joblib", "matplotlib", "seaborn", "tqdm", "PIL", "yaml", "torch"),
    *("torchvision", "torchaudio", "torchmetrics", "xgboost", "lightgbm", "catboost", "tensorflow", "keras", "jax"),
    *("transformers", "datasets", "tokenizers", "safetensors", "accelerate", "peft", "evaluate", "boto3", "botocore"),
    *("requests", "pyarrow", "polars", "cv2", "nltk", "gensim", "spacy", "networkx", "statsmodels", "optuna", "einops"),
)
"""Packages that read no arguments behind a script's back."""


def command_lines(program: Program, reads: Reads) -> None:
    """Note what these read."""
    _click(program, reads)
    _absl(program, reads)
    _functions(program, reads)


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
