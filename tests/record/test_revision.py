"""The commit that a source is of, and whether it was changed since."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sweeper.core.request import Revision
from sweeper.record import revision

Git = Callable[..., str]


@pytest.fixture
def git(tmp_path: Path) -> Git:
    """Git in a new repository with one commit."""

    def run(*words: str) -> str:
        who = ("-c", "user.name=a", "-c", "user.email=a@b")
        done = subprocess.run(["git", "-C", str(tmp_path), *who, *words], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    (tmp_path / "code").mkdir()
    (tmp_path / "code/train.py").write_text("1")
    (tmp_path / ".gitignore").write_text("*.log\n")
    run("init", "-q")
    run("add", ".")
    run("commit", "-qm", "first")
    return run


def test_the_commit_of_a_clean_source(git: Git, tmp_path: Path) -> None:
    """What git ignores, and what it does not know elsewhere in the repository, changes nothing."""
    (tmp_path / "code/run.log").write_text("")
    (tmp_path / "notes.txt").write_text("")
    assert revision.of(tmp_path / "code") == Revision(git("rev-parse", "HEAD"), dirty=False)


@pytest.mark.parametrize("path", ["code/train.py", "code/new.py", ".gitignore"])
def test_a_source_that_was_changed_is_dirty(git: Git, tmp_path: Path, path: str) -> None:
    """A file of the repository that differs from the commit, or one in the source that git does not know."""
    (tmp_path / path).write_text("2")
    assert revision.of(tmp_path / "code") == Revision(git("rev-parse", "HEAD"), dirty=True)


def test_none_is_known_outside_of_a_repository(tmp_path: Path) -> None:
    """Nor before its first commit, nor of a folder that is gone."""
    assert revision.of(tmp_path) == revision.of(tmp_path / "gone") == Revision()
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    assert revision.of(tmp_path) == Revision()
