"""An experiment made of what another tool was told: its sections, and what of it has no counterpart, and why."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from sweeper.config.check import Finding
from sweeper.config.foreign.ranges import Range
from sweeper.config.from_job import without_secrets
from sweeper.config.problems import KeyPath, brief
from sweeper.config.writing import Reference, experiment_text
from sweeper.core.job import Job, Locked
from sweeper.core.space.domains import size
from sweeper.driver.matches import NUMBER

MISSING = "???"
"""A value that somebody has yet to write; nothing runs before."""
ROLE = Reference("${oc.env:SAGEMAKER_ROLE_ARN,arn:aws:iam::123456789012:role/sweeper-local}")
IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.5.1-cpu-py311-ubuntu22.04-sagemaker"
MACHINE = "ml.m5.large"
MAX_RUNTIME_S = 3600
USUAL_COUNT = 20
"""Trials of a search whose tool is told their number elsewhere."""
HYPERPARAMETERS = "hyperparameters"
_ORDER = (
    "name",
    "defaults",
    "locked",
    "job",
    HYPERPARAMETERS,
    "environment",
    "sweep",
    "objective",
    "stop",
    "prune",
    "pool",
)


@dataclass
class Converted:
    """An experiment in the making. Sections stay empty where nothing is said of them.

    `left` is what has no counterpart, and why; `problems` is what makes no experiment at all, by its key in what was
    converted; `notes` are comments for a section of the file.
    """

    of: str
    """What was converted: `a W&B sweep`."""
    sections: dict[str, Any] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    problems: list[Finding] = field(default_factory=list)
    notes: dict[str, list[str]] = field(default_factory=dict)

    def section(self, name: str) -> dict[str, Any]:
        """A section, to be written to."""
        made: dict[str, Any] = self.sections.setdefault(name, {})
        return made

    def lose(self, key: str, why: str) -> None:
        """Something has no counterpart."""
        self.left.append(f"{key}: {why}")

    def note(self, section: str, line: str) -> None:
        """A comment above a section."""
        self.notes.setdefault(section, []).append(line)

    def wrong(self, path: KeyPath, what: str) -> None:
        """What was converted does not say what it has to."""
        self.problems.append((path, what))

    def in_order(self, name: str) -> dict[str, Any]:
        """The sections as the file has them, those that say nothing left out."""
        said = {**without_secrets(self.sections), "name": name}
        for section, options in (("locked", Locked), ("job", Job)):
            own = said.get(section, {})
            said[section] = {one.name: own[one.name] for one in fields(options) if one.name in own}
        return {key: said[key] for key in _ORDER if said.get(key) not in (None, {}, [])}

    def text(self, name: str, origin: str) -> str:
        """The experiment's file under this name; `origin` is what it was made of, as its head names it."""
        head = [f"Made of {origin}, {self.of}, by `sweeper init`."]
        if self.left:
            head += ["", "What is not as it was:", *(f"* {line}" for line in self.left)]
        return experiment_text(self.in_order(name), head, self.notes)

    # -- what several tools say --------------------------------------------------------------------------------

    def assume_machine(self) -> None:
        """Where nothing is said of role, machine and image: some that work here, to be replaced."""
        locked, job = self.section("locked"), self.section("job")
        usual = (("role_arn", ROLE), ("instance_type", MACHINE))
        assumed = [key for key, value in usual if locked.setdefault(key, value) is value]
        job.setdefault("max_runtime_s", MAX_RUNTIME_S)
        if "image_uri" not in job and "algorithm_name" not in job:
            job["image_uri"] = IMAGE
            assumed.append("job.image_uri")
        if assumed:
            self.note("locked", f"{self.of} does not say {', '.join(assumed)}: write yours")

    def script(self, place: str) -> None:
        """The script that a job starts, by its place below the project."""
        path = Path(place)
        self.section("job").update(source_dir=path.parent.as_posix(), entry_script=path.name)

    def metric(self, name: str, goal: str) -> None:
        """The objective, and how it is found in the log."""
        self.section("job").setdefault("metrics", []).append({"name": name, "regex": printed(name)})
        self.note("job", f"the metric is read from what the script prints: {name}=0.5")
        self.sections["objective"] = {"metric": name, "goal": goal}

    def fix(self, name: str, value: Any) -> None:
        """A hyperparameter with one value."""
        self.section(HYPERPARAMETERS)[name] = value

    def grid(self, axes: Mapping[str, Range]) -> None:
        """Every combination. What has no finite list of values is a problem."""
        tried = {key: axis.tried for key, axis in axes.items()}
        for axis in axes.values():
            if axis.tried is None:
                self.wrong(axis.path, "has no finite number of values, which a grid needs")
        if tried:
            self.section("sweep")["grid"] = {f"{HYPERPARAMETERS}.{key}": value for key, value in tried.items()}

    def search(self, how: str, axes: Mapping[str, Range], count: int, **options: Any) -> None:
        """A search of this kind (random, optuna) over all of these."""
        if how == "optuna" and "objective" not in self.sections and not self.problems:
            self.wrong((), "says no metric to be better in, and a search by results needs one")
        there = 1.0
        for axis in axes.values():
            domain, arguments = axis.domain
            there *= size(domain, arguments)
        if count > there:
            self.lose(f"{count} trials", f"there are only {int(there)} different ones")
            count = int(there)
        drawn = {f"{HYPERPARAMETERS}.{key}": axis.drawn for key, axis in axes.items()}
        if drawn:
            self.section("sweep")[how] = {"count": count, **options, "of": drawn}


def printed(name: str) -> str:
    """A regular expression that finds `NAME=0.5` in a log, whatever number Python prints."""
    return f"{re.escape(name)}={NUMBER}"


def whole(said: Any) -> int | None:
    """A count as a file may say it: 20, 20.0 or "20"; None when it is none."""
    try:
        number = float(said)
    except (TypeError, ValueError, OverflowError):
        return None
    return int(number) if number.is_integer() and number >= 1 and not isinstance(said, bool) else None


def mapping_of(converted: Converted, said: Mapping[str, Any], key: str, path: KeyPath = ()) -> Mapping[str, Any]:
    """A mapping below another one; an empty one, and a problem, when something else stands there."""
    value = said.get(key)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        converted.wrong((*path, key), f"must be a mapping, not {brief(value)}")
        return {}
    return value


def lose_all(converted: Converted, said: Mapping[str, Any], known: Sequence[str], why: Mapping[str, str]) -> None:
    """What a tool was told beside what is converted, each with its own reason."""
    for key in said:
        if key not in known:
            converted.lose(str(key), why.get(str(key), "sweeper has no such setting"))
