"""Other people's clients against a served engine, each from the environment that `make test-clients` makes for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.idle import described
from sweeper.engine import launch

ROOT = Path(__file__).parents[2]
SCRIPT = """\
import pathlib, time
print("score=0.5", flush=True)
while not pathlib.Path({go!r}).exists():
    time.sleep(0.02)
pathlib.Path("/opt/ml/model/weights").write_text("trained")
print("score=0.75", flush=True)
"""


class Engine:
    """A served engine whose image runs one script, which goes on when the file `go` is there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.go = folder / "go"
        own = folder / "own.py"
        own.write_text(SCRIPT.format(go=str(self.go)))
        images = json.dumps({"*": [sys.executable, str(own)]})
        serving = [sys.executable, "-m", "sweeper", "engine", "serve", "--detach", "--json"]
        told = subprocess.run(
            [*serving, "--state-dir", str(folder / "state"), "--set", f"images={images}"],
            capture_output=True,
            text=True,
            check=True,
        )
        self.environment: dict[str, str] = json.loads(told.stdout)["environment"]

    @property
    def client_environment(self) -> dict[str, str]:
        """What a client of it is started with; nothing of the user's own AWS configuration."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "SAGEMAKER_"))}
        return {**kept, **self.environment, "HOME": str(self.folder), "AWS_PAGER": ""}

    def jobs(self) -> list[dict[str, Any]]:
        """Its jobs as it describes them, oldest first, each with `warm`: does it run on another one's pool?"""
        found = launch.status(self.folder / "state")
        assert found is not None
        warm = {job["name"]: job["warm"] for job in found["jobs"]}
        return [{**job, "warm": warm[job["TrainingJobName"]]} for job in described(self.environment)]

    def stop(self) -> None:
        """End it."""
        launch.stop(self.folder / "state")


class AwsCli:
    """`aws`, as a person has it."""

    def __init__(self, program: Path, engine: Engine) -> None:
        self._program, self._environment = program, engine.client_environment

    def __call__(self, *words: str, fails: bool = False) -> Any:
        """Run it; returns what it printed, read as JSON where it is."""
        done = subprocess.run(
            [self._program, *words], env=self._environment, capture_output=True, text=True, check=False, timeout=120
        )
        assert (done.returncode != 0) is fails, done.stderr
        if fails:
            return done.stderr
        return json.loads(done.stdout) if done.stdout.strip().startswith(("{", "[")) else done.stdout


class Program:
    """Runs a user's programs in the environment of one SDK."""

    def __init__(self, python: Path, engine: Engine) -> None:
        self._python, self._environment = python, engine.client_environment

    def __call__(self, *words: str) -> tuple[dict[str, Any], str]:
        """Run one to its end; returns the JSON of its last line, and everything it printed."""
        done = subprocess.run(
            [self._python, *words],
            cwd=ROOT,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout
        return json.loads(done.stdout.splitlines()[-1]), done.stdout


@pytest.fixture(scope="session", autouse=True)
def clients() -> Path:
    """Where `make test-clients` has installed them."""
    folder = os.environ.get("SWEEPER_CLIENTS")
    if folder is None:
        pytest.skip("needs the AWS CLI and both SageMaker SDKs: make test-clients installs them and runs this")
    return Path(folder).absolute()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """A served engine."""
    served = Engine(tmp_path)
    yield served
    served.stop()


@pytest.fixture
def aws(engine: Engine, clients: Path) -> AwsCli:
    """The AWS CLI, pointed at it."""
    return AwsCli(clients / "awscli/bin/aws", engine)


@pytest.fixture
def sdk2(engine: Engine, clients: Path) -> Program:
    """Programs on SageMaker's Python SDK, version 2."""
    return Program(clients / "sdk2/bin/python", engine)


@pytest.fixture
def sdk3(engine: Engine, clients: Path) -> Program:
    """Programs on its version 3."""
    return Program(clients / "sdk3/bin/python", engine)
