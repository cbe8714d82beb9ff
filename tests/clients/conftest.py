"""Other people's clients against a served engine; each test is skipped where its client is not installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sweeper.engine import launch

CLIENTS = Path(os.environ.get("SWEEPER_CLIENTS", ".venv-clients")).absolute()
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

    def stop(self) -> None:
        """End it."""
        launch.stop(self.folder / "state")


class AwsCli:
    """`aws`, as a person has it."""

    def __init__(self, program: str, engine: Engine) -> None:
        self._program = program
        kept = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
        self._environment = {**kept, **engine.environment, "HOME": str(engine.folder), "AWS_PAGER": ""}

    def __call__(self, *words: str, fails: bool = False) -> Any:
        """Run it; returns what it printed, read as JSON where it is."""
        done = subprocess.run(
            [self._program, *words], env=self._environment, capture_output=True, text=True, check=False, timeout=120
        )
        assert (done.returncode != 0) is fails, done.stderr
        if fails:
            return done.stderr
        return json.loads(done.stdout) if done.stdout.strip().startswith(("{", "[")) else done.stdout


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """A served engine."""
    served = Engine(tmp_path)
    yield served
    served.stop()


@pytest.fixture
def aws(engine: Engine) -> AwsCli:
    """The AWS CLI, pointed at it."""
    program = shutil.which("aws", path=str(CLIENTS / "bin")) or shutil.which("aws")
    if program is None:
        pytest.skip("the AWS CLI is not installed: make test-clients installs it")
    return AwsCli(program, engine)
