"""A project of a user's, and a way to compose an experiment in it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from sweeper.config import run
from sweeper.core.model import Sweep
from sweeper.errors import UsageError

EXPERIMENT = """\
locked:
  role_arn: arn:aws:iam::123456789012:role/sweeper
  instance_type: ml.g5.xlarge
job:
  image_uri: repository/train:1
  source_dir: code
  entry_script: train.py
  max_runtime_s: 600
  metrics: [{name: accuracy, regex: "accuracy=(.+)"}]
hyperparameters: {rank: 8, lr: 0.01}
environment:
  MODE: fast
"""
"""What every experiment of these tests needs; twelve lines."""


class Project:
    """A folder with `experiments/`, `conf/` and code, which is also the working directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.write("code/train.py", "print('accuracy=1')\n")

    def write(self, name: str, text: str) -> Path:
        """Write a file below the project."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def experiment(self, more: str = "", name: str = "x") -> None:
        """Write the experiment, with more lines after its twelve."""
        self.write(f"experiments/{name}.yaml", EXPERIMENT + more)

    def sweep(self, *words: str, name: str = "x") -> Sweep:
        """Compose the experiment with these overrides."""
        found: list[Sweep] = []
        assert run([f"+experiment={name}", *words], lambda sweep: found.append(sweep) or 0) == 0
        return found[0]

    def refused(self, *words: str, name: str = "x") -> list[str]:
        """The lines with which the experiment is refused."""
        with pytest.raises(UsageError) as error:
            self.sweep(*words, name=name)
        return str(error.value).splitlines()


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Hydra's --info lets everything be logged from then on, and each later composition print itself for nothing."""
    before = logging.root.level
    yield
    logging.root.setLevel(before)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """An empty project; the test runs inside of it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SWEEPER_PROJECT", raising=False)
    return Project(tmp_path)
