"""The page of a sweep over HTTP: what is served, to whom, and that nothing is left when it ends."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sweeper.core import events as ev
from sweeper.record.journal import SqliteJournal
from sweeper.show.view import server as serving
from sweeper.show.view.server import DATA, PageServer
from tests.core.test_decide import OPENED, intent
from tests.show.served import served

METRICS = "job: {metrics: [{name: m, regex: 'm=(\\S+)'}]}\nobjective: {metric: m, goal: maximize}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sweep whose first trial runs, and has printed twice."""
    path = tmp_path / "runs/s"
    trial = path / "trials" / intent(0).trial
    trial.mkdir(parents=True)
    journal = SqliteJournal(path / "journal.db", lambda: 1000.0)
    journal.append(OPENED, intent(0), ev.Created(intent(0).name, "arn"))
    journal.close()
    (path / "config.yaml").write_text(METRICS)
    (trial / "log.txt").write_text("m=0.1\nm=0.5\n")
    return path


@pytest.fixture
def server(folder: Path) -> Iterator[PageServer]:
    """Its server; what it has begun ends with it."""
    before = threading.active_count()
    with served(folder) as running:
        yield running
    wait_for(lambda: threading.active_count() == before)


def wait_for(condition: Callable[[], Any]) -> None:
    """Until it holds."""
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def ask(server: PageServer, path: str, method: str = "GET", **headers: str) -> tuple[int, bytes, str]:
    """(status, body, tag) of what a client is answered; `path` behind the token unless it begins with a slash."""
    client = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    whole = path if path.startswith("/") else f"/{server.token}/{path}"
    client.request(method, whole, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = client.getresponse()
    body = answer.read()
    client.close()
    return answer.status, body, answer.headers.get("ETag") or ""


def test_the_page_its_data_and_the_files_it_links_to_are_served(server: PageServer) -> None:
    """The same page as report.html, which may ask its own server; the running trial's curve; its log."""
    status, page, _ = ask(server, "")
    assert (status, b"connect-src 'self'" in page, b'data-follow="data.json"' in page) == (200, True, True)
    status, body, tag = ask(server, DATA)
    data = json.loads(body)
    assert (status, data["rows"]["status"], data["name"]) == (200, ["running"], "s")
    assert ask(server, DATA, If_None_Match=tag)[:2] == (304, b"")
    assert ask(server, f"trials/{intent(0).trial}/log.txt")[:2] == (200, b"m=0.1\nm=0.5\n")
    assert ask(server, "", "HEAD")[:2] == (200, b"")
    assert ask(server, "", "POST")[0] == 501


def test_nobody_else_is_answered(server: PageServer) -> None:
    """Without the token, under another name, or for another site: 403, whatever is asked for."""
    for path in ("/", f"/{DATA}", "/x/", f"/{server.token}x/", f"/{server.token[:-1]}/"):
        assert ask(server, path)[0] == 403, path
    for host in ("evil.example", "127.0.0.1", f"127.0.0.1:{server.server_port + 1}", "localhost.evil.example:80", ""):
        assert ask(server, "", Host=host)[0] == 403, host
    for site in ("cross-site", "same-site", "odd"):
        assert ask(server, "", Sec_Fetch_Site=site)[0] == 403, site
        assert ask(server, DATA, Sec_Fetch_Site=site)[0] == 403, site
    for site in ("none", "same-origin"):
        assert ask(server, DATA, Sec_Fetch_Site=site, Host=f"localhost:{server.server_port}")[0] == 200
    assert b"403" in raw(server, f"GET /{server.token}/ HTTP/1.1\r\nHost: {server.hosts[0]}\r\nHost: evil\r\n\r\n")
    assert b"403" in raw(server, f"GET /\u00e9/ HTTP/1.1\r\nHost: {server.hosts[0]}\r\n\r\n")
    assert b"403" in raw(server, f"GET {server.token}/ HTTP/1.1\r\nHost: {server.hosts[0]}\r\n\r\n")


def raw(server: PageServer, text: str) -> bytes:
    """The first line of the answer to this very request."""
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=30) as client:
        client.sendall(text.encode())
        return client.makefile("rb").readline()


def test_only_what_is_named_can_be_had(server: PageServer, folder: Path) -> None:
    """No path leads out of a trial's two files, however it is spelled."""
    (folder / "trials" / "outside").mkdir()
    (folder / "trials" / "outside" / "config.yaml").write_text("secret")
    trial = f"trials/{intent(0).trial}"
    for path in (
        "journal.db",
        "config.yaml",
        "trials/",
        "../s/journal.db",
        "trials/../config.yaml",
        "trials/outside/config.yaml",
        "trials/./config.yaml",
        f"{trial}/journal.db",
        f"{trial}/../../journal.db",
        f"{trial}/..%2f..%2fjournal.db",
        f"{trial}/%2e%2e/config.yaml",
        f"{trial}//etc/passwd",
        f"trials/{intent(0).trial}%00/log.txt",
        f"{trial}/log.txt/",
    ):
        assert ask(server, path)[0] == 404, path


def test_what_happens_is_told_with_another_tag(server: PageServer, folder: Path) -> None:
    """When the journal grows, and when a running trial prints."""
    _, _, tag = ask(server, DATA)
    journal = SqliteJournal(folder / "journal.db", lambda: 1001.0)
    journal.append(ev.Outcome(intent(0).name, "Completed", "completed", metrics={"m": 0.5}))
    journal.close()
    wait_for(lambda: ask(server, DATA, If_None_Match=tag)[0] == 200)
    _, body, _ = ask(server, DATA)
    assert json.loads(body)["rows"]["status"] == ["completed"]
    (folder / "journal.db").write_bytes(b"damaged")
    (folder / "config.yaml").write_text("")
    assert json.loads(ask(server, DATA)[1])["rows"]["status"] == ["completed"], "what is known is told on"


def test_clients_are_few_and_leave_nothing(server: PageServer) -> None:
    """Whoever comes while too many are being answered is sent away at once, and is answered when they have gone."""
    waiting = [socket.create_connection(("127.0.0.1", server.server_port)) for _ in range(serving.MOST_CLIENTS)]
    assert raw(server, "") == b"HTTP/1.0 503 Service Unavailable\r\n"
    for client in waiting:
        client.close()
    wait_for(lambda: ask(server, DATA)[0] == 200)
    assert server.feed.failed is None
