"""The page of a sweep over HTTP, for whoever on this machine was told its address, and for no page of another site.

A random token begins every path. A name that an attacker's DNS leads here is no Host of ours, and what a browser asks
for on behalf of another site says so (Sec-Fetch-Site). Nothing can be changed by it: it reads, and only what it names.
"""

from __future__ import annotations

import secrets
import shutil
import sys
import threading
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from sweeper.core.measured import LOG
from sweeper.show.report.page import to_html
from sweeper.show.view.feed import Feed

LOOPBACK = "127.0.0.1"
MOST_CLIENTS = 16
"""Requests that are answered at once; whoever comes then is asked to come again."""
PATIENCE_S = 10.0
"""The longest wait for a client that neither asks nor reads."""
BUSY = b"HTTP/1.0 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"
DATA = "data.json"
_FILES = (LOG, "config.yaml")
_OURS = ("none", "same-origin")
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class PageServer(ThreadingHTTPServer):
    """Serves a feed on loopback. `serve_forever` ends by an exception alone; raises OSError when the port is taken."""

    daemon_threads = True

    def __init__(self, feed: Feed, port: int = 0) -> None:
        self.feed, self.token = feed, secrets.token_urlsafe(24)
        self._slots = threading.BoundedSemaphore(MOST_CLIENTS)
        super().__init__((LOOPBACK, port), _Handler)

    @property
    def address(self) -> str:
        """What to open in a browser; whoever knows it sees the page."""
        return f"http://{LOOPBACK}:{self.server_port}/{self.token}/"

    @property
    def hosts(self) -> tuple[str, ...]:
        """What a browser that was sent here by us calls us."""
        return tuple(f"{name}:{self.server_port}" for name in (LOOPBACK, "localhost"))

    def service_actions(self) -> None:
        """Called twice a second: a feed that has failed ends the server."""
        if self.feed.failed:
            raise self.feed.failed

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread of its own, while there is one to be had."""
        if not self._slots.acquire(blocking=False):
            request.settimeout(0)
            with suppress(OSError):
                request.send(BUSY)
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """What a thread does."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone is nobody's trouble; the rest is a bug, and ends the server."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            self.feed.failed = error


class _Handler(BaseHTTPRequestHandler):
    server: PageServer
    server_version, sys_version = "sweeper", ""
    timeout = PATIENCE_S

    def do_GET(self) -> None:
        """Answer, if it is for us to answer."""
        path = self._allowed()
        if path is None:
            self._tell(HTTPStatus.FORBIDDEN)
        elif path == ():
            self._tell(HTTPStatus.MOVED_PERMANENTLY, Location=f"/{self.server.token}/")
        elif path == ("",):
            self._page()
        elif path == (DATA,):
            self._data()
        elif len(path) == 3 and path[0] == "trials" and path[2] in _FILES:
            self._file(*path[1:])
        else:
            self._tell(HTTPStatus.NOT_FOUND)

    do_HEAD = do_GET  # noqa: N815 - as above

    def _allowed(self) -> tuple[str, ...] | None:
        """The path behind the token; None for who does not know it, or is another site."""
        _, token, *path = self.path.partition("?")[0].split("/") if self.path.startswith("/") else ("", "")
        known = secrets.compare_digest(token.encode("utf-8", "replace"), self.server.token.encode())
        site = self.headers.get("Sec-Fetch-Site", "none")
        one_host = self.headers.get_all("Host") or [""]
        ours = len(one_host) == 1 and one_host[0] in self.server.hosts and site in _OURS
        return tuple(path) if known and ours else None

    def _page(self) -> None:
        told = self.server.feed.newest()
        self._tell(HTTPStatus.OK, to_html(told.data, follow=(DATA, told.tag)).encode(), "text/html")

    def _data(self) -> None:
        told = self.server.feed.newest()
        if self.headers.get("If-None-Match") == told.tag:
            self._tell(HTTPStatus.NOT_MODIFIED, ETag=told.tag)
        else:
            self._tell(HTTPStatus.OK, told.json, "application/json", ETag=told.tag)

    def _file(self, trial: str, name: str) -> None:
        """A log or a configuration of a trial that there is."""
        if trial not in self.server.feed.newest().trials:
            self._tell(HTTPStatus.NOT_FOUND)
            return
        path: Path = self.server.feed.folder / "trials" / trial / name
        try:
            file = path.open("rb")
        except OSError:
            self._tell(HTTPStatus.NOT_FOUND)
            return
        with file:
            self._head(HTTPStatus.OK, "text/plain", {})
            if self.command != "HEAD":
                shutil.copyfileobj(file, self.wfile)

    def _tell(self, status: HTTPStatus, body: bytes = b"", kind: str = "text/plain", **headers: str) -> None:
        self._head(status, kind, {"Content-Length": str(len(body)), **headers})
        if self.command != "HEAD":
            self.wfile.write(body)

    def _head(self, status: HTTPStatus, kind: str, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**_HEADERS, "Content-Type": f"{kind}; charset=utf-8", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that http.server gives it
        """Nothing: a path has the token."""
