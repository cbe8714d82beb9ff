"""Composing as a guest in somebody else's process, where Hydra may be in use, and an experiment may have no file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from contextvars import Context, copy_context
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf

from sweeper import config
from sweeper.config import project
from sweeper.config.hydras_state import apart
from sweeper.config.problems import KeyPath, Problem, brief, dotted, refuse
from sweeper.config.reading import GIVEN, Loader, giving
from sweeper.core.model import Sweep
from sweeper.errors import UsageError

OVERRIDES = "overrides"
"""Where what is wrong with them stands."""
_PLACE = re.compile(rf"^{re.escape(GIVEN.name)}:\d+:\d+(?=: )", re.MULTILINE)


@dataclass(frozen=True)
class Composed:
    """A sweep, and the context that it was composed in: whatever is done with it is done there."""

    sweep: Sweep
    context: Context


def compose(root: Path, experiment: str | Mapping[str, Any], overrides: Sequence[str]) -> Composed:
    """Compose an experiment of a project, by its name or as a mapping. Raises UsageError with everything wrong."""
    found: list[Composed] = []
    given = isinstance(experiment, Mapping)
    name = GIVEN.name if isinstance(experiment, Mapping) else experiment
    text = giving(as_text(experiment)) if isinstance(experiment, Mapping) else nullcontext()
    with apart() as remember, project.within(root), text:

        def keep(sweep: Sweep) -> int:
            context = copy_context()
            context.run(remember)
            found.append(Composed(sweep, context))
            return 0

        try:
            config.run([f"+experiment={name}", *words(overrides)], keep)
        except UsageError as error:
            raise _without_lines(error) if given else error from None
    return found[0]


def _without_lines(error: UsageError) -> UsageError:
    """The text that a mapping was made is nobody's: of a place in it only the key says anything."""
    found = [
        replace(one, message=_PLACE.sub(GIVEN.name, one.message), line=None, column=None)
        if one.file == GIVEN.name
        else one
        for one in error.faults
    ]
    return UsageError(_PLACE.sub(GIVEN.name, str(error)), found)


def words(overrides: Sequence[str]) -> list[str]:
    """Overrides as a command line has them, each a text of its own. Raises UsageError for what is none."""
    if isinstance(overrides, str):
        refuse([Problem(OVERRIDES, "", f"{brief(overrides)} is one text; write a list of them: [{brief(overrides)}]")])
    problems = [
        Problem(OVERRIDES, "", f"{brief(word)} is a flag of the command line, and no override; leave it out")
        if isinstance(word, str)
        else Problem(OVERRIDES, "", f'{brief(word)} is no text; write "KEY=VALUE"')
        for word in overrides
        if not isinstance(word, str) or word.startswith("-")
    ]
    refuse(problems)
    return list(overrides)


# -- an experiment as a mapping ---------------------------------------------------------------------------------------


class _Dumper(yaml.SafeDumper):
    """Writes what our own reader reads as the same value."""

    yaml_implicit_resolvers = Loader.yaml_implicit_resolvers

    def ignore_aliases(self, data: Any) -> bool:
        """Always: a list that stands twice is written twice."""
        return True


def _number(dumper: yaml.SafeDumper, value: float) -> yaml.ScalarNode:
    """As JSON writes it, where JSON can: a number is not told to be written otherwise than it is."""
    return dumper.represent_scalar("tag:yaml.org,2002:float", repr(value)) if isfinite(value) else _usual(dumper, value)


def _usual(dumper: yaml.SafeDumper, value: float) -> yaml.ScalarNode:
    return yaml.SafeDumper.represent_float(dumper, value)


_Dumper.add_representer(float, _number)


def as_text(experiment: Mapping[str, Any]) -> str:
    """The YAML of an experiment that is given as a mapping. Raises UsageError for values that no file can hold."""
    wrong: list[Problem] = []
    try:
        plain = _plain(experiment, (), wrong)
    except RecursionError:
        plain, wrong = {}, [Problem(GIVEN.name, "", "is nested too deep, or holds itself; give plain values")]
    if not wrong and not plain.get("name"):
        wrong.append(Problem(GIVEN.name, "name", "is missing; an experiment without a file has no other name"))
    refuse(wrong)
    return str(yaml.dump(plain, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=2**20))


def _plain(value: Any, path: KeyPath, wrong: list[Problem]) -> Any:
    """A value as YAML knows it: what is a mapping, a sequence, a path, or one number of numpy's is taken as such."""
    if OmegaConf.is_config(value):
        value = OmegaConf.to_container(value, resolve=False)
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, Mapping):
        for key in (key for key in value if not isinstance(key, str)):
            wrong.append(Problem(GIVEN.name, dotted(path), f"has the key {brief(key)}; a key is text"))
        return {str(key): _plain(one, (*path, str(key)), wrong) for key, one in value.items()}
    if isinstance(value, (list, tuple, range)):
        return [_plain(one, (*path, position), wrong) for position, one in enumerate(value)]
    if isinstance(value, Path):
        return str(value)
    if callable(getattr(value, "item", None)) and getattr(value, "ndim", None) == 0:
        return _plain(value.item(), path, wrong)
    kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
    what = f"{kind} is not read; give text, a number, True, False, None, a list or a dict"
    wrong.append(Problem(GIVEN.name, dotted(path), what))
    return None
