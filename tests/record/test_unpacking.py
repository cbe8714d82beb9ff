"""A model's archive comes whole or not at all, and nothing of it leaves its folder."""

from __future__ import annotations

import contextlib
import io
import tarfile
from pathlib import Path

import pytest

from sweeper.errors import UsageError
from sweeper.record.unpacking import LinkError, unpack


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


def pax(**told: str) -> tarfile.TarInfo:
    """A file whose header is told in the words of POSIX, which may be anything."""
    made = member("told")
    made.pax_headers = told
    return made


HOSTILE = [
    member("../x"),
    member("/tmp/x"),
    member("a/../../x"),
    member("link", tarfile.SYMTYPE, "/etc/passwd"),
    member("link", tarfile.SYMTYPE, "../../x"),
    member("a/link", tarfile.SYMTYPE, "../../x"),
    member("a/link", tarfile.SYMTYPE, "b/../../.."),
    member("link", tarfile.LNKTYPE, "../x"),
    member("link", tarfile.LNKTYPE, "not-there"),
    member("pipe", tarfile.FIFOTYPE),
    member("device", tarfile.CHRTYPE),
    member("disk", tarfile.BLKTYPE),
    member("weights.bin/below-a-file"),
    member("n" * 300),
]


@pytest.mark.parametrize("bad", HOSTILE, ids=lambda bad: f"{bad.name[:30]}-{bad.type.decode()}-{bad.linkname}")
def test_nothing_leaves_the_folder(bad: tarfile.TarInfo, tmp_path: Path) -> None:
    """Absolute names, parents, links and devices: refused as a whole, in one line that names the member."""
    folder = tmp_path / "in" / "model"
    folder.mkdir(parents=True)
    with pytest.raises(UsageError) as refused:
        unpack(archive(bad=bad), folder, "model.tar.gz", links=True)
    assert not isinstance(refused.value, LinkError)
    assert "\n" not in str(refused.value)
    assert repr(bad.name) in str(refused.value)
    assert {path.name for path in tmp_path.rglob("*")} <= {"in", "model", "weights.bin"}


def test_a_link_of_links_leads_nowhere(tmp_path: Path) -> None:
    """Each of them stays inside by its words, and the second would leave by the first: it is refused."""
    deep, out = member("a/b/deep", tarfile.SYMTYPE, "../.."), member("out", tarfile.SYMTYPE, "a/b/deep/../secret")
    with pytest.raises(UsageError, match="'out' is a link out of its folder"):
        unpack(archive(deep=deep, out=out), tmp_path, "m", links=True)


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    """A link that a later member is below of, or beside, is none: the name is told."""
    for later in ("link/x", "link"):
        (folder := tmp_path / later.replace("/", "-")).mkdir()
        with pytest.raises(UsageError, match="'link'"):
            link = member("link", tarfile.SYMTYPE, "weights.bin")
            unpack(archive(link=link, later=member(later)), folder, "m", links=True)


def test_links_within_the_folder_are_kept_where_it_is_said(tmp_path: Path) -> None:
    """As training scripts leave them: the latest checkpoint, and a file under two names. Else each is refused."""
    made = {
        "checkpoints/1/model": member("checkpoints/1/model"),
        "latest": member("checkpoints/latest", tarfile.SYMTYPE, "1"),
        "up": member("checkpoints/1/weights", tarfile.SYMTYPE, "../../weights.bin"),
        "twice": member("again/weights.bin", tarfile.LNKTYPE, "weights.bin"),
    }
    for bad in (made["latest"], made["twice"]):
        with pytest.raises(LinkError, match=f"{bad.name!r} is a link, to {bad.linkname!r}: --links takes"):
            unpack(archive(link=bad), tmp_path, "m")
    assert [path.name for path in tmp_path.iterdir()] == ["weights.bin"]
    unpack(archive(**made), tmp_path, "m", links=True)
    assert (tmp_path / "checkpoints/latest/model").read_bytes() == b"x"
    assert (tmp_path / "checkpoints/1/weights").read_bytes() == b"abc"
    assert (tmp_path / "again/weights.bin").read_bytes() == b"abc"


def test_what_is_too_big_is_refused_before_it_is_written(tmp_path: Path) -> None:
    """By its own word: more than may be in an archive, or than the disk has; a bomb's headers are not read either."""
    huge = member("huge")
    huge.size = 1 << 60
    packed = io.BytesIO(huge.tobuf(tarfile.GNU_FORMAT))
    with pytest.raises(UsageError, match=r"'huge' is too big: with it 1048576.0 TiB, where 9.3 GiB are the most"):
        unpack(packed, tmp_path, "m")
    with pytest.raises(UsageError, match=r"'huge' is too big: 1048576.0 TiB, where .* are free"):
        unpack(packed, tmp_path, "m", 1 << 62)
    with pytest.raises(UsageError, match="'second' is too big"):
        unpack(archive(second=member("second")), tmp_path, "m", 3)
    with pytest.raises(UsageError, match="header of more than"):
        unpack(archive(told=pax(comment="x" * (2 << 20))), tmp_path, "m")
    assert not (tmp_path / "huge").exists()


@pytest.mark.parametrize("told", [{"path": "a\0b"}, {"size": "-5"}, {"mtime": "inf"}, {"mtime": "1e300"}, {"path": ""}])
def test_a_header_may_say_anything(told: dict[str, str], tmp_path: Path) -> None:
    """It is unpacked, or refused in a line: never a traceback."""
    with contextlib.suppress(UsageError):
        unpack(archive(told=pax(**told)), tmp_path, "m")


def test_headers_of_headers_are_refused(tmp_path: Path) -> None:
    """Python's module reads each of them by calling itself."""
    header = pax(comment="x").tobuf(tarfile.PAX_FORMAT)[: 2 * tarfile.BLOCKSIZE]
    with pytest.raises(UsageError, match="m: "):
        unpack(io.BytesIO(header * 1500), tmp_path, "m")


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
