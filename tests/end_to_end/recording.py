"""A wire that passes everything on and remembers what clients said."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator

_CREATE = re.compile(rb"x-amz-target: SageMaker\.CreateTrainingJob", re.IGNORECASE)
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


class Recording:
    """Listens on loopback in front of a server; every byte goes through unchanged."""

    def __init__(self, server: str) -> None:
        host, _, port = server.rpartition("/")[2].partition(":")
        self._server = (host, int(port))
        self._said: list[bytearray] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def creates(self) -> list[bytes]:
        """The bodies of every CreateTrainingJob, in order."""
        return [body for said in self._said for body in _bodies(bytes(said))]

    def _accept(self) -> None:
        while True:
            client, _ = self._listening.accept()
            server = socket.create_connection(self._server)
            said = bytearray()
            self._said.append(said)
            threading.Thread(target=_pass, args=(client, server, said), daemon=True).start()
            threading.Thread(target=_pass, args=(server, client, bytearray()), daemon=True).start()


def _pass(source: socket.socket, target: socket.socket, said: bytearray) -> None:
    try:
        while data := source.recv(65536):
            said += data
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # one end has gone; the other notices by itself


def _bodies(said: bytes) -> Iterator[bytes]:
    for match in _CREATE.finditer(said):
        begin = said.rfind(b"POST ", 0, match.start())
        end = said.index(b"\r\n\r\n", match.start()) + 4
        length = _LENGTH.search(said, begin, end)
        assert length is not None
        yield said[end : end + int(length[1])]
