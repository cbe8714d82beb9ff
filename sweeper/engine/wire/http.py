"""HTTP under the application: keep-alive, one segment per answer, the whole body read before anything is done."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterable
from typing import Any

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import BaseWSGIServer, make_server

_LOG = logging.getLogger(__name__)
_IN_MEMORY = 1 << 20
_BLOCK = 1 << 20
HEADERS = "sweeper.headers"
"""In the environment of a request: its headers as they came, which WSGI's own names cannot tell."""
_CALL_MAX = 16 << 20
_OBJECT_MAX = 5 << 30
"""As S3: the longest that is put at once."""
_DRAINED = 64 << 20
_SIGNED_IN_THE_URL = ("x-amz-signature=", "&signature=")
Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]


class TooLongError(Exception):
    """The body is longer than what it says that it is may be."""


class Handler(MotoRequestHandler):
    """werkzeug's handler closes every connection and waits for stray input; this one keeps it."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one segment per answer: head and body apart cost 40 ms by Nagle and delayed ACK
    disable_nagle_algorithm = True
    timeout = 120

    def handle_expect_100(self) -> bool:
        """Go on: whether the body is wanted is known a little later."""
        return True

    def run_wsgi(self) -> None:
        """Answer one request."""
        environ = self.make_environ()
        environ[HEADERS] = self.headers
        waits = self.headers.get("Expect", "").lower().strip() == "100-continue"
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as body:
            try:
                known = self.server.may_know(environ)  # type: ignore[attr-defined]
                most = _longest(environ) if known else _CALL_MAX
                if int(environ.get("CONTENT_LENGTH") or 0) > most:
                    raise TooLongError
                if waits:
                    self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                    self.wfile.flush()
                self._read_body(environ, body, most)
            except TooLongError:
                self._refuse(environ["wsgi.input"], drained=0 if waits else _DRAINED)
                return
            except ValueError:
                self.close_connection = True
                self.send_error(400)
                return
            self._answer(environ)

    def _refuse(self, stream: Any, drained: int) -> None:
        """None of it is kept; some is read, so that a client that sends before it listens comes to hear of it."""
        self.close_connection = True
        left = min(drained, int(self.headers.get("Content-Length") or drained))
        while left > 0 and (block := stream.read(min(_BLOCK, left))):
            left -= len(block)
        said = b'{"__type": "RequestEntityTooLarge", "message": "The request is too large."}'
        self._send("413 Request Entity Too Large", [("x-amzn-ErrorType", "RequestEntityTooLarge")], said)

    def _read_body(self, environ: Environ, body: Any, most: int) -> None:
        """Nothing is left unread, so the next request begins where this one ends."""
        stream = environ["wsgi.input"]
        if environ.get("wsgi.input_terminated"):
            while block := stream.read(_BLOCK):
                if body.tell() + len(block) > most:
                    raise TooLongError
                body.write(block)
        else:
            left = int(environ.get("CONTENT_LENGTH") or 0)
            if left < 0:
                raise ValueError("negative Content-Length")
            while left:
                block = stream.read(min(left, _BLOCK))
                if not block:
                    raise ConnectionError("the client went away in the middle of its request")
                body.write(block)
                left -= len(block)
        environ["CONTENT_LENGTH"] = str(body.tell())
        environ["wsgi.input_terminated"] = True
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        body.seek(0)
        environ["wsgi.input"] = body

    def _answer(self, environ: Environ) -> None:
        head: list[Any] = []

        def start(status: str, headers: list[tuple[str, str]], _exc_info: object = None) -> Callable[[bytes], None]:
            head[:] = [status, headers]
            return chunks.append

        chunks: list[bytes] = []
        try:
            answer = self.server.app(environ, start)
            chunks += list(answer)
            if hasattr(answer, "close"):
                answer.close()
        except ConnectionError:  # a simulated loss: the client sees its connection end
            self.close_connection = True
            return
        except Exception:  # noqa: BLE001 - a bug, ours or moto's, is a 500 for the client and a traceback in the log
            _LOG.exception("%s %s", self.command, self.path)
            head[:] = ["500 Internal Server Error", [("x-amzn-ErrorType", "InternalFailure")]]
            chunks[:] = [b'{"__type": "InternalFailure", "message": "We encountered an internal error."}']
        self._send(head[0], head[1], b"".join(chunks))

    def _send(self, status: str, headers: list[tuple[str, str]], body: bytes) -> None:
        code, _, reason = status.partition(" ")
        self.send_response(int(code), reason)
        named = {name.lower() for name, _ in headers}
        for name, value in headers:
            self.send_header(name, value)
        if "content-length" not in named and int(code) not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    def version_string(self) -> str:
        """The Server header."""
        return "sweeper-engine"

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - werkzeug's name
        """Requests go to the debug log."""
        _LOG.debug(message, *args)


def _longest(environ: Environ) -> int:
    """The most bytes that a request may have, by whom it says that it is for: an object, or the call of a service.

    Asked before anything of it is read, hence before anybody knows whether it is signed.
    """
    signed = str(environ.get("HTTP_AUTHORIZATION", ""))
    in_the_url = any(word in f"&{environ.get('QUERY_STRING', '')}".lower() for word in _SIGNED_IN_THE_URL)
    posted = environ["REQUEST_METHOD"] == "POST" and str(environ.get("CONTENT_TYPE", "")).startswith("multipart/form-")
    of_s3 = "/s3/aws4_request" in signed or signed.startswith("AWS ") or (not signed and (in_the_url or posted))
    return _OBJECT_MAX if of_s3 else _CALL_MAX


def listen(app: Application, port: int, may_know: Callable[[Environ], bool]) -> BaseWSGIServer:
    """A threaded server on loopback. `may_know`: may this request be one that is answered, by its head?"""
    server = make_server("127.0.0.1", port, app, threaded=True, request_handler=Handler)
    server.daemon_threads = True  # type: ignore[attr-defined]
    server.may_know = may_know  # type: ignore[attr-defined]
    return server
