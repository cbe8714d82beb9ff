"""What a run keeps in a project: folders that git leaves alone, and the schema where an editor finds it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from sweeper.commands.own_folders import own_folders
from sweeper.config.schema import files


def test_git_does_not_see_what_runs_write(tmp_path: Path) -> None:
    """After a run a project has no more files to commit than before."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    own_folders(tmp_path)
    (tmp_path / "runs/mine").mkdir()
    (tmp_path / "runs/mine/journal.db").write_text("")
    seen = subprocess.run(["git", "status", "--porcelain"], cwd=tmp_path, capture_output=True, check=True)
    assert seen.stdout == b""


def test_what_a_user_says_of_them_stays(tmp_path: Path) -> None:
    """Whoever wants to keep results in a repository empties the file."""
    own_folders(tmp_path)
    ignored = tmp_path / "runs/.gitignore"
    assert ignored.read_text() == "*\n"
    ignored.write_text("")
    own_folders(tmp_path)
    assert ignored.read_text() == ""


def test_the_schema_lies_where_the_first_line_of_an_experiment_names_it(tmp_path: Path) -> None:
    """`$schema=../.sweeper/experiment.json`, that of the version that ran last."""
    own_folders(tmp_path)
    schema = tmp_path / "experiments" / "../.sweeper/experiment.json"
    (tmp_path / "experiments").mkdir()
    assert json.loads(schema.read_text()) == files()["experiment.json"]
    schema.write_text("of another version")
    own_folders(tmp_path)
    assert json.loads(schema.read_text()) == files()["experiment.json"]
