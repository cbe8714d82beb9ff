"""A model comes whole and proved, or not at all; what a broken connection has brought is not brought again."""

from __future__ import annotations

import io
import os
import re
import socket
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from sweeper.aws.artifacts import fetch, found
from sweeper.aws.clients import Clients, Endpoint
from sweeper.engine import launch
from sweeper.engine.launch import EngineInfo
from sweeper.errors import ApiError, UsageError
from sweeper.record.unpacking import unpack
from tests.forked import start_engine
from tests.record.test_unpacking import HOSTILE, archive, member

KEY, MARK = "out/job/output/model.tar.gz", ".mark"
URI = f"s3://models/{KEY}"
WEIGHTS = os.urandom(3 << 20)


@dataclass
class Line:
    """A connection to an engine that may break within an answer, or change a byte of it."""

    port: int
    to: int
    cuts: list[int] = field(default_factory=list)
    """After so many bytes of an object the connection ends: those of the next answers, in order."""
    flips: bool = False
    asked: list[str] = field(default_factory=list)
    """The range that was asked for each time an object was; empty: all of it."""

    def serve(self, listener: socket.socket) -> None:
        """Pass on one request a connection, until the listener is closed."""
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            client.settimeout(30)
            with suppress(OSError), client, socket.create_connection(("127.0.0.1", self.to), timeout=30) as engine:
                self._pass_on(client, engine)  # whoever hangs up is not waited for: the next one is served

    def _pass_on(self, client: socket.socket, engine: socket.socket) -> None:
        request = _head(client)
        engine.sendall(_closing(request))
        head, body = _head(engine), b""
        while block := engine.recv(1 << 16):
            body += block
        if request.startswith(b"GET /models/"):
            ranges = re.search(rb"(?i)\r\nrange: bytes=(\S+)", request)
            self.asked.append(ranges[1].decode() if ranges else "")
            body = body[: self.cuts.pop(0)] if self.cuts else body
            if self.flips:
                body = bytes([body[0] ^ 1]) + body[1:]
        client.sendall(_closing(head) + body)


def _closing(head: bytes) -> bytes:
    """The connection ends behind what this is the head of."""
    return re.sub(rb"(?i)\r\nconnection: [^\r]*", b"", head)[:-2] + b"Connection: close\r\n\r\n"


def _head(connection: socket.socket) -> bytes:
    found = b""
    while not found.endswith(b"\r\n\r\n") and (byte := connection.recv(1)):
        found += byte
    return found


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineInfo]:
    """An engine with a bucket for models."""
    folder = tmp_path_factory.mktemp("engine")
    info = start_engine(folder, {})
    at(info, info.url).client("s3").create_bucket(Bucket="models")
    yield info
    launch.stop(folder)


def at(info: EngineInfo, url: str) -> Clients:
    """Clients of the engine that ask this address."""
    return Clients(Endpoint(url, info.region, access_key=info.access_key, secret_key=info.secret_key))


@pytest.fixture
def line(engine: EngineInfo) -> Iterator[Line]:
    """A connection to it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made = Line(listener.getsockname()[1], urlsplit(engine.url).port or 0)
        serving = threading.Thread(target=made.serve, args=(listener,))
        serving.start()
        yield made
        listener.shutdown(socket.SHUT_RDWR)
        serving.join()


@pytest.fixture
def put(engine: EngineInfo) -> Callable[..., None]:
    """Puts these bytes where the model lies."""

    def stored(content: bytes, key: str = KEY, **more: str) -> None:
        at(engine, engine.url).client("s3").put_object(Bucket="models", Key=key, Body=content, **more)

    return stored


@pytest.fixture
def pull(engine: EngineInfo, line: Line, tmp_path: Path) -> Callable[..., str]:
    """Brings the model into a folder, by way of that connection."""

    def brought(uri: str = URI, links: bool = False) -> str:
        clients, unpacked = at(engine, f"http://127.0.0.1:{line.port}"), partial(unpack, links=links)
        return fetch(clients, found(clients, uri), tmp_path / "models" / "job", MARK, lambda how: how, unpacked)

    return brought


def packed(weights: bytes = WEIGHTS) -> bytes:
    """A model as a job leaves it."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz", compresslevel=0) as tar:
        member = tarfile.TarInfo("weights.bin")
        member.size = len(weights)
        tar.addfile(member, io.BytesIO(weights))
    return made.getvalue()


def left(tmp_path: Path) -> set[str]:
    """Every file and folder that there is."""
    return {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}


WHOLE = {"models", "models/job", "models/job/weights.bin", f"models/job/{MARK}"}


def test_a_broken_connection_is_gone_on_with(
    put: Callable[..., None], pull: Callable[..., str], line: Line, tmp_path: Path
) -> None:
    """From the byte after the last that came; the model is what the job wrote, and proved by S3's own sum."""
    put(packed())
    line.cuts = [1 << 20, 0, 1 << 20]
    assert pull() == "MD5"
    assert line.asked == ["", f"{1 << 20}-", f"{1 << 20}-", f"{2 << 20}-"]
    assert (tmp_path / "models/job/weights.bin").read_bytes() == WEIGHTS
    assert left(tmp_path) == WHOLE


def test_a_model_is_proved_by_the_strongest_sum_that_there_is(
    put: Callable[..., None], pull: Callable[..., str]
) -> None:
    """One that was uploaded with a SHA-256 says so."""
    put(packed(), ChecksumAlgorithm="SHA256")
    assert pull() == "SHA256"


@pytest.mark.parametrize("sizes", [(5, 1), (5, 6, 1)], ids=["equal", "as-they-came"])
def test_a_model_that_was_uploaded_in_parts_is_proved_by_them(
    sizes: tuple[int, ...], engine: EngineInfo, pull: Callable[..., str], line: Line, tmp_path: Path
) -> None:
    """Its ETag is no sum of the whole; one changed byte is found all the same."""
    s3, content, sent = at(engine, engine.url).client("s3"), packed(os.urandom(sum(sizes) << 20)), []
    where = {"Bucket": "models", "Key": KEY}
    upload = s3.create_multipart_upload(**where)["UploadId"]
    for number, size in enumerate(sizes, 1):
        body = content[sum(sizes[: number - 1]) << 20 :][: size << 20 if number < len(sizes) else None]
        part = s3.upload_part(**where, UploadId=upload, PartNumber=number, Body=body)
        sent.append({"PartNumber": number, "ETag": part["ETag"]})
    s3.complete_multipart_upload(**where, UploadId=upload, MultipartUpload={"Parts": sent})
    line.flips = True
    with pytest.raises(ApiError, match="what came differs in the MD5 of its parts"):
        pull()
    line.flips = False
    assert pull() == "the MD5 of its parts"
    assert left(tmp_path) == WHOLE


def test_what_has_come_is_kept_for_the_next_time(
    put: Callable[..., None], pull: Callable[..., str], line: Line, tmp_path: Path
) -> None:
    """A connection that does not come back ends it, in words, with no model; the same command brings the rest alone."""
    put(packed())
    line.cuts = [2 << 20, *[0] * 5]
    with pytest.raises(ApiError, match="the same command goes on from there"):
        pull()
    assert not (tmp_path / "models/job").exists()
    line.asked.clear()
    pull()
    assert line.asked == [f"{2 << 20}-"]
    assert (tmp_path / "models/job/weights.bin").read_bytes() == WEIGHTS
    assert left(tmp_path) == WHOLE


def test_two_models_are_never_mixed(
    put: Callable[..., None], pull: Callable[..., str], line: Line, tmp_path: Path
) -> None:
    """One that was replaced since its connection broke is brought from its first byte, and the old one goes."""
    put(packed())
    line.cuts = [2 << 20, *[0] * 5]
    with pytest.raises(ApiError):
        pull()
    put(packed(WEIGHTS[::-1]))
    line.asked.clear()
    pull()
    assert line.asked == [""]
    assert (tmp_path / "models/job/weights.bin").read_bytes() == WEIGHTS[::-1]
    assert left(tmp_path) == WHOLE


def test_bytes_that_differ_are_no_model(
    put: Callable[..., None], pull: Callable[..., str], line: Line, tmp_path: Path
) -> None:
    """One changed byte on the way: told, and nothing is left."""
    put(packed())
    line.flips = True
    with pytest.raises(ApiError, match="what came differs in MD5"):
        pull()
    assert left(tmp_path) == set()


@pytest.mark.parametrize("bad", HOSTILE[:4], ids=lambda bad: f"{bad.name}-{bad.type.decode()}")
def test_a_hostile_archive_leaves_nothing(
    bad: tarfile.TarInfo, put: Callable[..., None], pull: Callable[..., str], tmp_path: Path
) -> None:
    """Not the members before it either, nor what was brought."""
    put(archive(bad=bad).getvalue())
    with pytest.raises(UsageError, match=re.escape(repr(bad.name))):
        pull()
    assert left(tmp_path) == set()


def test_who_has_to_say_that_links_are_taken_does_not_wait_again(
    put: Callable[..., None], pull: Callable[..., str], line: Line, tmp_path: Path
) -> None:
    """The refusal keeps what has come, and the command that takes links asks for nothing of it again."""
    put(archive(link=member("latest", tarfile.SYMTYPE, "weights.bin")).getvalue())
    with pytest.raises(UsageError, match="'latest' is a link"):
        pull()
    assert not (tmp_path / "models/job").exists()
    line.asked.clear()
    pull(links=True)
    assert line.asked == []
    assert left(tmp_path) == {*WHOLE, "models/job/latest"}


def test_a_model_that_is_not_compressed_comes_file_by_file(
    put: Callable[..., None], pull: Callable[..., str], tmp_path: Path
) -> None:
    """Under the names below its prefix; one that would lead out of the folder is refused before anything is brought."""
    base = "plain/job/output/model"
    for name in ("config.json", "shards/1.bin", "shards/2.bin"):
        put(name.encode(), f"{base}/{name}")
    for folder in (f"{base}/", f"{base}/shards/"):
        put(b"", folder)
    assert pull(f"s3://models/{base}/") == "MD5"
    job = tmp_path / "models/job"
    files = {str(path.relative_to(job)): path.read_text() for path in job.rglob("*") if path.is_file()}
    assert files == {
        "config.json": "config.json",
        "shards/1.bin": "shards/1.bin",
        "shards/2.bin": "shards/2.bin",
        MARK: "MD5",
    }
    put(b"x", f"{base}/../out")
    with pytest.raises(UsageError, match="would be written outside of its folder"):
        pull(f"s3://models/{base}")
