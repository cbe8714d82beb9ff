"""The sources that a sweep has run are kept, each content once, and as the jobs read them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from sweeper.core.request import ARCHIVE, Revision
from sweeper.errors import UsageError
from sweeper.record.parcel import Archive, Parcel
from sweeper.record.snapshots import SOURCES, Sent, Snapshot, Snapshots
from sweeper.record.source import Folder


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A folder in a repository, changed since its commit."""
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "train.py").write_text("1\n")
    for words in (("init", "-q"), ("add", "."), ("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "1")):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True)
    (folder / "train.py").write_text("password = 'hunter2hunter2'\n")
    return folder


def sent(code: Path, commit: str = "c" * 40) -> Sent:
    """The folder as it is staged now."""
    files = dict(Folder(code).files())
    parcel = Parcel({ARCHIVE: Archive(files)})
    return Sent(f"s3://b/_sources/{parcel.digest[:32]}", parcel, frozenset(files), code, Revision(commit, dirty=True))


def keeper(tmp_path: Path, said: list[str] | None = None) -> Snapshots:
    """Keeps for a sweep whose secret is known."""
    return Snapshots(
        tmp_path / "runs/x", lambda text: text.replace("hunter2hunter2", "***"), ([] if said is None else said).append
    )


def test_a_content_is_kept_once(code: Path, tmp_path: Path) -> None:
    """The archive by its content, the diff by content and commit; for the owner alone, secrets masked in the diff."""
    keep = keeper(tmp_path)
    for commit in ("c" * 40, "c" * 40, "d" * 40):
        keep.keep(sent(code, commit))
    (code / "train.py").write_text("2\n")
    keep.keep(sent(code))
    kept = sorted((tmp_path / "runs/x" / SOURCES).iterdir())
    assert sorted(path.suffix for path in kept) == [".diff", ".diff", ".diff", ".gz", ".gz"]
    assert {path.stat().st_mode & 0o777 for path in kept} == {0o600}
    texts = [path.read_text() for path in kept if path.suffix == ".diff"]
    assert sum("+password = '***'" in text for text in texts) == 2 and not any("hunter2" in text for text in texts)


def test_what_changes_while_it_is_kept_is_refused(code: Path, tmp_path: Path) -> None:
    """A copy is what the jobs read, or there is none."""
    staged = sent(code)
    (code / "train.py").write_text("other\n")
    os.utime(code / "train.py", (1, 1))
    with pytest.raises(UsageError, match="has changed while it was sent"):
        keeper(tmp_path).keep(staged)
    assert list((tmp_path / "runs/x" / SOURCES).iterdir()) == []


def test_what_cannot_be_kept_stops_nothing(code: Path, tmp_path: Path) -> None:
    """It is said where the source lies instead; a damaged archive is told in one line."""
    said: list[str] = []
    (tmp_path / "runs").write_text("in the way")
    keeper(tmp_path, said).keep(sent(code))
    assert "it lies at s3://b/_sources/" in said[0]
    torn = Snapshot(tmp_path / "torn.tar.gz", tmp_path / "none.diff")
    assert (torn.names, torn.changes) == ([], "")
    torn.archive.write_bytes(b"no archive")
    with pytest.raises(UsageError, match="cannot be read"):
        assert torn.names
