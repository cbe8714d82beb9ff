"""A model's archive comes whole or not at all, and nothing of it leaves its folder."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from sweeper.aws.artifacts import unpack
from sweeper.errors import UsageError


def archive(**members: tarfile.TarInfo) -> io.BytesIO:
    """A tar.gz with a plain file and these members."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        good = tarfile.TarInfo("weights.bin")
        good.size = 3
        tar.addfile(good, io.BytesIO(b"abc"))
        for member in members.values():
            tar.addfile(member, io.BytesIO(b"x" * member.size))
    packed.seek(0)
    return packed


def member(name: str, kind: bytes = tarfile.REGTYPE, to: str = "") -> tarfile.TarInfo:
    """One entry."""
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.size = kind, to, 1 if kind == tarfile.REGTYPE else 0
    return made


@pytest.mark.parametrize(
    "bad",
    [
        member("../out"),
        member("/tmp/out"),
        member("a/../../out"),
        member("link", tarfile.SYMTYPE, "/etc/passwd"),
        member("link", tarfile.SYMTYPE, "../../out"),
        member("link", tarfile.LNKTYPE, "../out"),
        member("pipe", tarfile.FIFOTYPE),
        member("device", tarfile.CHRTYPE),
    ],
    ids=lambda bad: f"{bad.name}-{bad.type.decode()}",
)
def test_nothing_leaves_the_folder(bad: tarfile.TarInfo, tmp_path: Path) -> None:
    """Absolute names, parents, links and devices: refused as a whole, in one line."""
    folder = tmp_path / "in" / "model"
    folder.mkdir(parents=True)
    with pytest.raises(UsageError) as refused:
        unpack(archive(bad=bad), folder, "model.tar.gz")
    assert "\n" not in str(refused.value)
    assert {path.name for path in tmp_path.rglob("*")} <= {"in", "model", "weights.bin"}


@pytest.mark.parametrize("bytes_", [b"", b"no archive", b"\x1f\x8b" + b"0" * 100])
def test_what_is_no_archive_is_said(bytes_: bytes, tmp_path: Path) -> None:
    """An empty, a plain and a torn file."""
    with pytest.raises(UsageError, match="cannot be unpacked"):
        unpack(io.BytesIO(bytes_), tmp_path, "model.tar.gz")


def test_a_plain_archive_is_unpacked(tmp_path: Path) -> None:
    """Files and folders, without the rights that the archive asks for."""
    nested = member("code/run.sh")
    nested.mode = 0o6777
    unpack(archive(nested=nested), tmp_path, "model.tar.gz")
    assert (tmp_path / "weights.bin").read_bytes() == b"abc"
    assert (tmp_path / "code/run.sh").stat().st_mode & 0o6022 == 0
