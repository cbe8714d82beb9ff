"""Secrets where everybody can read them: swept by value, in an address, or copied into a hyperparameter."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from sweeper.config.draft import MOST_ROWS, Draft
from sweeper.config.problems import Problem, dotted
from sweeper.core.identity import canonical, flatten
from sweeper.core.secrets import SHORTEST, looks_secret, user_info

Sections = Mapping[str, Any]
SWEPT = (
    "looks like a secret and is swept by its values, which are written wherever a trial is named; "
    "sweep the names of variables: ${oc.env:NAME_A}, ${oc.env:NAME_B}"
)
_VARIABLE = re.compile(r"\$\{oc\.env:\s*(\w+)")
_READABLE = ("job", "hyperparameters", "dependencies", "vars", "request")


def refuse_swept(draft: Draft) -> None:
    """A value that is swept tells its trial from the others, so it is kept; a secret may only be named."""
    for axis in draft.axes:
        for key in axis.block.keys:
            section, _, name = key.partition(".")
            rows = axis.block.rows[:MOST_ROWS]
            if section == "environment" and looks_secret(name) and any(_literal(row.get(key)) for row in rows):
                draft.wrong_at(axis, key, SWEPT)


def _literal(value: Any) -> bool:
    return value is not None and not isinstance(value, bool) and "${" not in str(value)


def addresses(draft: Draft, values: Sections) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every user and password before the @ of a URL that a job is given in the open, with its key."""
    for section in _READABLE:
        for path, value in flatten(values.get(section) or {}, (section,)):
            yield from ((path, found) for found in user_info(value if isinstance(value, str) else canonical(value)))
    for path, value in draft.written():  # the swept ones among them
        if path[0] in _READABLE and isinstance(value, str):
            yield from ((path, found) for found in user_info(value))
    job = values["job"]
    if job.get("source_dir") and job.get("requirements"):
        path = draft.root / job["source_dir"] / job["requirements"]
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        yield from ((("job", "requirements"), found) for found in user_info(text))


def texts(draft: Draft, values: Sections) -> tuple[str, ...]:
    """Those addresses' users and passwords, to be masked."""
    found = [info for _, info in addresses(draft, values)]
    return tuple(dict.fromkeys([*found, *(password for info in found if (password := info.partition(":")[2]))]))


def warnings(draft: Draft, values: Sections) -> Iterator[Problem]:
    """What can be read by everyone who may describe the job."""
    for path in dict.fromkeys(path for path, _ in addresses(draft, values)):
        what = "holds a user or a password before the @ of a URL, for everyone to read: put it under environment"
        yield draft.problem(path, what)
    secret = {**_variables(draft), **_environment(values)}
    for path, value in flatten(values["hyperparameters"] or {}, ("hyperparameters",)):
        if looks_secret(path[-1]) and value is not None:
            told = f"{dotted(path)} looks like a secret: put it under environment, hyperparameters are shown"
            yield Problem("", "", told)
            continue
        yield from _copied(draft, path, value, secret)
    for section in ("job", "request"):  # tags, commands, what Experiments and MLflow call a job
        for path, value in flatten(values[section] or {}, (section,)):
            yield from _copied(draft, path, value, secret)


def _copied(draft: Draft, path: tuple[str, ...], value: Any, secret: Mapping[str, str]) -> Iterator[Problem]:
    text = value if isinstance(value, str) else canonical(value)
    copied = next((key for key, hidden in secret.items() if len(hidden) >= SHORTEST and hidden in text), "")
    if copied:
        kind = "hyperparameters are" if path[0] == "hyperparameters" else "what a request says is"
        yield draft.problem(path, f"holds the value of {copied}: {kind} shown")


def _environment(values: Sections) -> dict[str, str]:
    """What a job is given under keys that look secret."""
    given = (values["environment"] or {}).items()
    return {f"environment.{key}": str(value) for key, value in given if looks_secret(key) and value is not None}


def _variables(draft: Draft) -> dict[str, str]:
    """What this shell has in variables that look secret, of those that the configuration names."""
    named = _VARIABLE.findall(canonical(draft.sections))
    return {f"the variable {name}": os.environ.get(name, "") for name in named if looks_secret(name)}
