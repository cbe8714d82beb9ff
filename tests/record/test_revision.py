"""The commit that a source is of, and whether it was changed since."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sweeper.core.request import Revision
from sweeper.record import revision

Git = Callable[..., str]
SENT = ("train.py", "new.py", "näh.log")


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


def test_the_commit_of_a_clean_source(git: Git, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What git does not know and is not sent, or lies elsewhere in the repository, changes nothing; nor does a hook."""
    (tmp_path / "code/.env").write_text("")
    (tmp_path / "train.py").write_text("")
    commit = git("rev-parse", "HEAD")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "another"))
    assert revision.of(tmp_path / "code", SENT) == Revision(commit, dirty=False)


@pytest.mark.parametrize("path", ["code/train.py", "code/new.py", "code/näh.log", ".gitignore"])
def test_a_source_that_was_changed_is_dirty(git: Git, tmp_path: Path, path: str) -> None:
    """A file of the repository that differs from the commit, or one that is sent and that git does not know."""
    (tmp_path / path).write_text("2")
    assert revision.of(tmp_path / "code", SENT) == Revision(git("rev-parse", "HEAD"), dirty=True)


def test_none_is_known_outside_of_a_repository(tmp_path: Path) -> None:
    """Nor before its first commit, nor of a folder that is gone."""
    assert revision.of(tmp_path, SENT) == revision.of(tmp_path / "gone", SENT) == Revision()
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    assert revision.of(tmp_path, SENT) == Revision()


def test_the_diff_tells_what_is_sent_and_nothing_else(git: Git, tmp_path: Path) -> None:
    """Applied to a clean checkout it gives the same files; a secret that git knew, or that is gone, is not in it."""
    code = tmp_path / "code"
    (code / "old.py").write_text("old\n")
    (code / ".env").write_text("TOKEN=first\n")
    (code / ".netrc").write_text("login first\n")
    git("add", "-f", ".")
    git("commit", "-qm", "second")
    (code / "old.py").unlink()
    (code / ".netrc").unlink()
    (code / ".env").write_text("TOKEN=second\n")
    (code / "train.py").write_text("2\n")
    (code / "new.py").write_text("no end of line")
    (code / "näh.log").write_bytes(b"\xff")
    (tmp_path / "elsewhere.py").write_text("3")
    told = revision.diff(code, SENT)
    assert "TOKEN" not in told and "login" not in told and "elsewhere" not in told
    assert "# näh.log: new, and no text" in told
    git("stash", "-qu")
    subprocess.run(["git", "apply"], cwd=tmp_path, input=told, text=True, check=True)
    assert {path.name: path.read_text() for path in code.iterdir() if path.suffix == ".py"} == {
        "train.py": "2\n",
        "new.py": "no end of line",
    }


def test_a_diff_is_bounded(git: Git, tmp_path: Path) -> None:
    """Of a file of any size, of any number of files: it says what it leaves out. A folder that is gone has none."""
    code = tmp_path / "code"
    (code / "train.py").write_text("x" * 2 * revision.MOST_DIFF)
    assert revision.diff(code, SENT).endswith("characters\n")
    assert len(revision.diff(code, SENT)) < revision.MOST_DIFF + 100
    names = [f"{n}.py" for n in range(revision.MOST_FILES + 5)]
    for name in names:
        (code / name).write_text(name)
    (code / "train.py").write_text("1")
    assert revision.diff(code, names).endswith("# and 5 more files that changed\n")
    assert revision.diff(tmp_path / "gone", SENT) == ""
