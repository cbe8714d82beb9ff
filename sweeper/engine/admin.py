"""What sweeper itself asks of an engine, below /_engine/."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from typing import Any

from sweeper.engine import launch
from sweeper.engine.credentials import KeyPair
from sweeper.engine.wire.answers import reply
from sweeper.engine.wire.http import Environ, StartResponse


class Admin:
    """How the engine is, and its end."""

    SERVICE = launch.SERVICE
    """What such a request is signed for."""

    def __init__(self, pair: KeyPair, records: Callable[[], dict[str, Any]], stop: Callable[[], None]):
        self._pair, self._records, self._stop = pair, records, stop

    def answer(self, environ: Environ, start: StartResponse) -> Iterable[bytes]:
        """Each answer proves that it comes from one who knows the secret."""
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        status, body = 200, {}
        if (method, path) == ("GET", "/_engine/status"):
            body = self._records()
        elif (method, path) == ("POST", "/_engine/stop"):
            threading.Thread(target=self._stop, name="stop", daemon=True).start()
        elif (method, path) != ("GET", "/_engine/health"):
            status, body = 404, {"message": "no such page"}
        text = json.dumps(body)
        proof = launch.proof(self._pair, environ.get("HTTP_AUTHORIZATION", ""), text.encode())
        return reply(start, text, status=status, headers=[(launch.PROOF, proof)])
