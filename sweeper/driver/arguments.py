"""What a script is called with: its program, and its hyperparameters as arguments in the style that it reads.

Standard library only, Python 3.8 and later; staged with the driver.
"""

from __future__ import annotations

import json
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

OPTIONS, FLAGS, HYDRA = "options", "flags", "hydra"
STYLES = (OPTIONS, FLAGS, HYDRA)

_PLAIN = re.compile(r"[A-Za-z_/.][\w/.:@-]*\Z")
_WORDS = {"true", "false", "null", "none", "nan", "inf", "yes", "no", "on", "off"}


class ProgramError(Exception):
    """The script cannot be started; the message is the cause."""


def arguments(hyperparameters: Mapping[str, str], styles: str | Mapping[str, str] | None = None) -> list[str]:
    """The arguments of a script, in order; `styles` is one for all, or by name where it is not `options`.

    options: `--name value`, verbatim. flags: true is `--name`, false nothing, a list `--name a b c`. hydra:
    `name=value` in the grammar of Hydra's overrides.
    """
    args: list[str] = []
    for name, value in hyperparameters.items():
        if name.startswith("_tuning_"):
            continue  # a tuner's own note, which the script did not ask for
        style = styles if isinstance(styles, str) else (styles or {}).get(name, OPTIONS)
        if style == HYDRA:
            args.append(f"{name}={override_value(decoded(value))}")
        elif style == FLAGS:
            args += _flag("--" + name, value)
        else:
            args += ["--" + name, value]
    return args


def _flag(option: str, value: str) -> list[str]:
    read = decoded(value)
    if isinstance(read, bool):
        return [option] if read else []
    if isinstance(read, list):
        return [option, *(item if isinstance(item, str) else json.dumps(item) for item in read)]
    return [option, value]


def override_value(value: Any) -> str:
    """A value in the grammar of Hydra's overrides."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{override_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(override_value, value)) + "]"
    if not isinstance(value, str):
        return str(value)
    if _PLAIN.match(value) and value.lower() not in _WORDS and not value.endswith(":"):
        return value
    # A quote is escaped; backslashes are doubled only where they stand before a quote.
    escaped = re.sub(r"(\\*)'", lambda m: m[1] * 2 + "\\'", value)
    return "'" + re.sub(r"(\\+)\Z", lambda m: m[1] * 2, escaped) + "'"


def decoded(value: str) -> Any:
    """What a hyperparameter was before it became a string; `1.10` stays a string, because as a number it changes."""
    try:
        read = json.loads(value)
    except ValueError:
        return value
    return read if json.dumps(read) == value else value


def program(code: Path, entry: str, python: str) -> list[str]:
    """How a script is started, seen from its folder. Raises ProgramError.

    A Python file by this Python; what has a first line `#!...` by whatever that names, as the sagemaker-training
    toolkit does; another `.sh` by the shell, anything else by Python.
    """
    script = code / entry
    if entry.endswith(".py"):
        return [python, entry]
    with script.open("rb") as opened:
        first = opened.readline(4096)
    if not first.startswith(b"#!"):
        return ["/bin/sh" if entry.endswith(".sh") else python, entry]
    if first.endswith(b"\r\n"):
        raise ProgramError(f"{entry}: its first line ends with a carriage return: save it with the line ends of Unix")
    named = first[2:].decode("utf-8", "replace").split()
    if named and named[0].startswith("/") and not (code / named[0]).exists():
        raise ProgramError(f"{entry}: there is no {named[0]} here, which its first line names")
    script.chmod(script.stat().st_mode | 0o111)
    return ["./" + entry]
