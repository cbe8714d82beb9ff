"""A user's own project on a temporary folder, driven through real processes and a real engine."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest

from sweeper.engine import launch
from tests.as_told import check_told
from tests.end_to_end.terminal import Opened
from tests.forked import Forked, command, heed_signals, start_engine

EXPERIMENT = """\
name: tiny
locked:
  role_arn: "${oc.env:SAGEMAKER_ROLE_ARN,'arn:aws:iam::123456789012:role/sweeper-local'}"
  instance_type: ml.m5.large
job:
  image_uri: "123456789012.dkr.ecr.us-east-1.amazonaws.com/train:1"
  source_dir: experiments/scripts/tiny
  entry_script: train.py
  max_runtime_s: 600
  metrics: [{name: score, regex: "score=([-+0-9.enaif]+)"}]
hyperparameters: {x: 1, wait: 0, fail: 0}
sweep: {grid: {hyperparameters.x: [1, 2, 3]}}
objective: {metric: score, goal: maximize}
pool: {watchdog_grace_s: 1}
"""

# It writes to a file when it begins, so that a test can wait for that and not for a time. It imports what a bare
# interpreter has: hundreds of these are started.
SCRIPT = """\
import os, sys, time
class a:
    x, wait, fail = map(dict(zip(sys.argv[1::2], map(float, sys.argv[2::2]))).get, ("--x", "--wait", "--fail"))
with open(os.environ["BEGAN"], "a") as file:
    file.write(f"{a.x:g} {os.getpid()}\\n")
time.sleep(a.wait)
if a.fail == a.x:
    raise ValueError(f"x={a.x:g} does not work")
print(f"score={a.x * 10}")
"""


QUICK = {"settle_gap_s": 0.02, "release_lag_s": 0.02}
"""An engine whose pools settle and close sooner than they do by default: nobody waits for what is not tried."""


@dataclass
class Ended:
    """What a finished command did."""

    code: int
    out: str
    err: str


@dataclass
class Project:
    """A folder with experiments/, and its own user state folder."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)

    def command(self, *arguments: str) -> list[str]:
        """The command line of a run of `tiny`."""
        return [sys.executable, "-m", "sweeper", "+experiment=tiny", *arguments]

    def start(self, *arguments: str, before: Callable[[], None] | None = None) -> subprocess.Popen[str]:
        """Start a run in the background; `before` prepares its process."""
        return self.background("+experiment=tiny", *arguments, before=before)

    def run(self, *arguments: str) -> Ended:
        """Run `tiny` to its end."""
        return self.ended(self.start(*arguments))

    def verb(self, *arguments: str) -> Ended:
        """Run any other command of sweeper to its end."""
        return self.ended(self.background(*arguments))

    def background(self, *arguments: str, before: Callable[[], None] | None = None) -> subprocess.Popen[str]:
        """Start any command of sweeper in the background."""
        return self.python(command, *arguments, before=before)

    def python(
        self, program: Callable[[list[str]], int], *arguments: str, before: Callable[[], None] | None = None
    ) -> subprocess.Popen[str]:
        """Start a program in a process of its own, in the project."""
        return Forked(
            program,
            arguments,
            cwd=self.root,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=before or heed_signals,
        )

    @staticmethod
    def ended(process: subprocess.Popen[str]) -> Ended:
        """Wait for a run. Whatever JSON it has printed is as its schema says."""
        out, err = process.communicate(timeout=240)
        assert isinstance(process.args, list)
        check_told([str(word) for word in process.args], out)
        return Ended(process.returncode, out, err)

    def rows(self) -> list[dict[str, str]]:
        """The rows of results.csv."""
        with (self.root / "runs/tiny/results.csv").open(newline="") as file:
            return list(csv.DictReader(file))

    def begun(self) -> list[str]:
        """`x pid` of every script that has begun, in order."""
        path = self.root / "began"
        return path.read_text().splitlines() if path.exists() else []

    def jobs(self, name: str = "") -> list[dict[str, Any]]:
        """The training jobs whose names contain this, oldest first, as Describe shows them."""
        info = launch.ensure(self.root / ".sweeper/engine")
        client = sagemaker(info)
        pages = client.get_paginator("list_training_jobs").paginate(
            SortBy="CreationTime", SortOrder="Ascending", **({"NameContains": name} if name else {})
        )
        names = [job["TrainingJobName"] for page in pages for job in page["TrainingJobSummaries"]]
        return [client.describe_training_job(TrainingJobName=name) for name in names]

    def pools(self) -> list[str]:
        """The warm pool status of every job, oldest first."""
        return [job.get("WarmPoolStatus", {}).get("Status", "") for job in self.jobs()]


@cache
def sagemaker(engine: launch.EngineInfo) -> Any:
    """A client of this engine."""
    return boto3.client("sagemaker", **engine.client_options)  # type: ignore[call-overload]


def wait_for(condition: Callable[[], Any], what: str, timeout_s: float = 180) -> Any:
    """Wait until a condition is true and return what it gave."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError(f"never happened: {what}")


@pytest.fixture
def project(fresh_project: Project) -> Project:
    """A project with one experiment of three trials that end at once; its engine runs already."""
    start_engine(fresh_project.root / ".sweeper/engine", QUICK)
    return fresh_project


@pytest.fixture
def fresh_project(tmp_path: Path) -> Iterator[Project]:
    """That project, and no engine has ever run in it."""
    scripts = tmp_path / "experiments/scripts/tiny"
    scripts.mkdir(parents=True)
    (tmp_path / "experiments/tiny.yaml").write_text(EXPERIMENT + f'environment: {{BEGAN: "{tmp_path}/began"}}\n')
    (scripts / "train.py").write_text(SCRIPT)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "SWEEPER_"))}
    yield Project(tmp_path, {**kept, "XDG_STATE_HOME": str(tmp_path / "state"), "SWEEPER_OWNER": "tester"})
    launch.stop(tmp_path / ".sweeper/engine")


@pytest.fixture
def opened(project: Project) -> Iterator[Opened]:
    """Runs of `tiny` on terminals."""
    terminals = Opened(project)
    yield terminals
    terminals.kill()
