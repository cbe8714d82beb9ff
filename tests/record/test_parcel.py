"""What is sent is known by its content, and seen to be what was looked at."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from sweeper.record.parcel import Archive, Parcel


def archived(**members: bytes | Path) -> Archive:
    """An archive of Python files."""
    return Archive({f"{name}.py": member for name, member in members.items()})


def written(archive: Archive) -> bytes:
    """The bytes of an archive."""
    out = io.BytesIO()
    archive.write(out)
    return out.getvalue()


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A file."""
    path = tmp_path / "train.py"
    path.write_text("print()")
    return path


def test_a_parcel_is_its_content(script: Path, tmp_path: Path) -> None:
    """Not where it lies or when it was written; names, bytes, what may be run and what else is said count."""
    twin = tmp_path / "twin"
    twin.write_text("print()")
    known = Parcel({"a": archived(x=script), "b": b"1"}).digest
    assert Parcel({"b": b"1", "a": archived(x=twin)}).digest == known
    assert Parcel({"a": archived(x=b"print()"), "b": b"1"}).digest == known
    others = [
        Parcel({"a": archived(y=script), "b": b"1"}),
        Parcel({"a": archived(x=script), "b": b"2"}),
        Parcel({"a": script, "b": b"1"}),
        Parcel({"a": archived(x=script), "b": b"1"}, also="a key"),
    ]
    assert len({known, *(other.digest for other in others)}) == 5
    twin.chmod(0o755)
    assert Parcel({"b": b"1", "a": archived(x=twin)}).digest != known


def test_an_archive_is_the_same_bytes_every_time(script: Path) -> None:
    """Sorted, without times and owners; what may be run may be run there."""
    script.chmod(0o755)
    archive = archived(b=b"2", a=script)
    assert written(archive) == written(archived(a=script, b=b"2"))
    with tarfile.open(fileobj=io.BytesIO(written(archive))) as tar:
        assert [(m.name, m.mode, m.mtime, m.uid) for m in tar] == [("a.py", 0o755, 0, 0), ("b.py", 0o644, 0, 0)]


@pytest.mark.parametrize("what", ["written", "replaced", "removed"])
def test_a_file_that_changes_under_way_is_noticed(script: Path, tmp_path: Path, what: str) -> None:
    """Whatever becomes of it after the digest was taken, at the top or in an archive."""
    parcel = Parcel({"a": archived(x=script)})
    assert parcel.digest
    assert parcel.changed() is None
    if what == "written":
        script.write_text("print(1)")
    elif what == "replaced":
        (tmp_path / "new").write_text("print()")
        (tmp_path / "new").rename(script)
    else:
        script.unlink()
    assert parcel.changed() == script
