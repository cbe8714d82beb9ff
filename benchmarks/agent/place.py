"""The folder that an agent works in, what it did there, and what files, journal and service show of it afterwards."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import boto3

from sweeper.engine import launch
from sweeper.record.stored import StoredSweep
from sweeper.run.registry import Registry

CHARACTERS_A_TOKEN = 4
"""An estimate: tokenisers differ, and JSON is a little dearer than prose."""
HOLDS_MACHINE = ("Available", "InUse")


@dataclass(frozen=True)
class Answer:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The JSON objects on its stdout, one a line."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def told(self) -> dict[str, Any]:
        """The last of them."""
        return self.lines[-1]


@dataclass(frozen=True)
class Call:
    """One thing that an agent did, and how many characters it was answered with."""

    what: str
    characters: int

    @property
    def tokens(self) -> int:
        """An estimate."""
        return -(-self.characters // CHARACTERS_A_TOKEN)


Run = Callable[[Sequence[str], Path, Mapping[str, str]], Answer]


def program(words: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Answer:
    """Run sweeper as a user does, without a terminal."""
    command = [sys.executable, "-m", "sweeper", *words]
    done = subprocess.run(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    return Answer(done.returncode, done.stdout, done.stderr)


@dataclass
class Place:
    """A project of its own, with a user state of its own. Every call of an agent is counted, with what it answered."""

    root: Path
    run: Run = program
    calls: list[Call] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """Of every command: nothing of AWS, and no debts but its own."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "SWEEPER_"))}
        return {**kept, "XDG_STATE_HOME": str(self.root / "state"), "SWEEPER_OWNER": "agent", "TERM": "dumb"}

    # -- what an agent does -----------------------------------------------------------------------------------------

    def sweeper(self, *words: str) -> Answer:
        """A command."""
        answer = self.run(words, self.root, self.environment)
        self.calls.append(Call(" ".join(("sweeper", *words)), len(answer.out) + len(answer.err)))
        return answer

    def edit(self, path: str, was: str, instead: str) -> None:
        """Replace a text in a file; it has to be there."""
        text = self.text(path)
        assert was in text, f"{path} has no {was!r}"
        (self.root / path).write_text(text.replace(was, instead))
        self.calls.append(Call(f"edit {path}", 0))

    # -- what a checker looks at --------------------------------------------------------------------------------------

    def text(self, path: str) -> str:
        """A file, as it is now."""
        return (self.root / path).read_text(encoding="utf-8")

    def rows(self, sweep: str) -> list[dict[str, str]]:
        """The rows of a sweep's results.csv."""
        with (self.root / "runs" / sweep / "results.csv").open(newline="") as file:
            return list(csv.DictReader(file))

    def journal(self, sweep: str) -> StoredSweep:
        """What its journal tells."""
        return StoredSweep(self.root / "runs" / sweep)

    def jobs(self, sweep: str) -> list[dict[str, Any]]:
        """A sweep's training jobs as the service describes them, oldest first."""
        client = _client(launch.ensure(self.root / ".sweeper/engine"))
        pages = client.get_paginator("list_training_jobs").paginate(SortBy="CreationTime", SortOrder="Ascending")
        names = [job["TrainingJobName"] for page in pages for job in page["TrainingJobSummaries"]]
        described = [client.describe_training_job(TrainingJobName=name) for name in names]
        mark = f"agent/{sweep}/"
        return [job for job in described if job["Environment"].get("SWEEPER_FINGERPRINT", "").startswith(mark)]

    def open_pools(self) -> list[str]:
        """What holds a machine at the service, or is a debt in the books."""
        client = _client(launch.ensure(self.root / ".sweeper/engine"))
        found = client.list_training_jobs(StatusEquals="InProgress")["TrainingJobSummaries"]
        for status in HOLDS_MACHINE:
            found += client.list_training_jobs(WarmPoolStatusEquals=status)["TrainingJobSummaries"]
        debts = Registry(self.root / "state" / "sweeper")
        return [*(job["TrainingJobName"] for job in found), *(debt.sweep for debt in debts)]


@cache
def _client(engine: launch.EngineInfo) -> Any:
    """A client of this engine: making one takes longer than all that it is asked."""
    return boto3.client("sagemaker", **engine.client_options)  # type: ignore[call-overload]
