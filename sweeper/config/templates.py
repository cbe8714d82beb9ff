"""The experiments that come with the package, to start one's own from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sweeper.config import project
from sweeper.config.check import findings
from sweeper.config.problems import COMMAND_LINE, Problem, refuse
from sweeper.config.schema import SECTIONS
from sweeper.config.sources import SUFFIX
from sweeper.config.writing import SCHEMA_LINE, as_yaml

FIRST = "first"
"""The smallest of them: it needs nothing but Python."""
SCRIPTS = "scripts"
_SCHEMA = re.compile(r"\A# yaml-language-server:.*")
_SOURCE = re.compile(rf"(?<=source_dir: ){project.EXPERIMENTS}/{SCRIPTS}/[\w-]+")
_LEFT = ("__pycache__", ".pyc")


def folder() -> Path:
    """The folder of the experiments that come with the package: inside of it in a wheel, beside it in a checkout."""
    conf = project.packaged_conf()
    return conf.parent / project.EXPERIMENTS


def names() -> list[str]:
    """Every template."""
    return sorted(file.stem for file in folder().glob("*" + SUFFIX))


@dataclass(frozen=True)
class NewFile:
    """A file to be made: its place below the project, and what it will hold."""

    place: Path
    content: bytes


def named(template: str, name: str) -> list[NewFile]:
    """The files of an experiment of this name that begins as a template: its own, and those of its script."""
    text = (folder() / f"{template}{SUFFIX}").read_text(encoding="utf-8")
    source = _SOURCE.search(text)
    assert source is not None  # a test holds the templates against this
    text = _SCHEMA.sub(SCHEMA_LINE, text)
    text = text.replace(source[0], f"{project.EXPERIMENTS}/{SCRIPTS}/{name}")
    text = re.sub(rf"^name: {template}$", f"name: {as_yaml(name).strip()}", text, flags=re.MULTILINE)
    text = re.sub(rf"(?<=\+experiment=){template}\b", name, text)
    return [NewFile(experiment_file(name), text.encode()), *_scripts(folder().parent / source[0], name)]


def _scripts(source: Path, name: str) -> Iterator[NewFile]:
    for file in sorted(source.rglob("*")):
        if file.is_file() and not any(word in str(file) for word in _LEFT):
            yield NewFile(script_folder(name) / file.relative_to(source), file.read_bytes())


def experiment_file(name: str) -> Path:
    """Where an experiment lies, below its project."""
    return Path(project.EXPERIMENTS) / f"{name}{SUFFIX}"


def script_folder(name: str) -> Path:
    """Where a new experiment's script lies, below its project."""
    return Path(project.EXPERIMENTS) / SCRIPTS / name


def check_name(name: str, said: str = "") -> None:
    """Raises UsageError for what cannot be an experiment's name; `said`: the flag that it came by."""
    refuse([Problem(COMMAND_LINE, said or name, what) for _, what in findings(name, SECTIONS["name"])])
