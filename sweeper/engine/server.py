"""The engine's process: one WSGI application on loopback for SageMaker, its logs, and moto for the rest."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import logging
import os
import signal
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from werkzeug.serving import BaseWSGIServer

from sweeper.engine import credentials
from sweeper.engine.admin import Admin
from sweeper.engine.application import Application, Doors
from sweeper.engine.around.parts import parts
from sweeper.engine.around.s3 import ObjectStore
from sweeper.engine.around.single_sign_on import SingleSignOn
from sweeper.engine.control import Control
from sweeper.engine.credentials import client_environment
from sweeper.engine.launch import EngineInfo
from sweeper.engine.machine import disk
from sweeper.engine.settings import EngineSettings
from sweeper.engine.wire.gate import Gate
from sweeper.engine.wire.holders import Holders
from sweeper.engine.wire.http import Environ, StartResponse, listen
from sweeper.engine.wire.sessions import Sessions
from sweeper.record.atomic import private_folder, write_atomically

_LOG = logging.getLogger(__name__)
_DISK_EVERY_S = 60.0


class EngineProcess:
    """Everything one engine owns, from its lock on the state folder to its end."""

    def __init__(self, state: Path, settings: EngineSettings) -> None:
        self._state, self._settings = state, settings
        self._objects = ObjectStore(private_folder(state / "s3"), settings.service)
        self._ended = threading.Event()
        pair = credentials.kept(state)
        sessions = Sessions(pair, settings.service.sso_users)
        gate = Gate(Holders(pair, sessions))
        port = settings.port or _port_of_last_time(state)
        self.server: BaseWSGIServer = listen(self._dispatch, port, gate.may_know)
        (state / "port").write_text(str(self.server.server_port), encoding="ascii")
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        reached = client_environment(self.url, settings.service.region, pair)
        self._control = Control(state, settings, self._objects, reached)
        self.identity = {
            "id": uuid.uuid4().hex,
            "access_key": pair.access_key,
            "secret_key": pair.secret_key,
            "pid": os.getpid(),
            "url": self.url,
            "started": time.time(),
            "account": settings.service.account,
            "region": settings.service.region,
            "settings": settings.to_mapping(),
        }
        service, control = settings.service, self._control
        answerers = parts(service, control.overview, control.logs_of)
        doors = Doors(gate, SingleSignOn(sessions, settings.service), Admin(pair, self._status, self._stop))
        self._app = Application(doors, self._control, self._objects, answerers)

    @property
    def info(self) -> EngineInfo:
        """What who has started it needs to know."""
        return EngineInfo.of(self.identity, self._state)

    def _dispatch(self, environ: Environ, start: StartResponse) -> Iterable[bytes]:
        return self._app(environ, start)

    def run(self, ready: Callable[[], None]) -> None:
        """Serve until stopped, idle or signalled."""
        self._objects.restore()
        self._control.start()
        threading.Thread(target=self.server.serve_forever, name="http", daemon=True).start()
        write_atomically(self._state / "engine.json", json.dumps(self.identity))
        ready()
        looked = 0.0
        while not self._ended.wait(min(1.0, max(0.05, self._settings.idle_s / 4))):
            if self._idle():
                break
            if not self._still_ours():
                _LOG.error("the state folder is gone or belongs to another engine: its jobs are killed")
                self._control.machine.kill_all()
                os._exit(1)  # there is no place left to write anything
            if time.monotonic() - looked >= _DISK_EVERY_S:
                disk.trim(
                    self._state, self._objects, self._control.overview.ended_jobs(), self._settings.disk_cap_bytes
                )
                looked = time.monotonic()
        (self._state / "engine.json").unlink(missing_ok=True)
        self._hang_up()
        self._control.close()
        self._objects.close()

    def _hang_up(self) -> None:
        """Answer nobody any more. Between calls the server looks twice a second whether it is to end: so call it."""
        ending = threading.Thread(target=self.server.shutdown, name="end of http", daemon=True)
        ending.start()
        while ending.is_alive():
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.server.server_port), timeout=0.1).close()
            ending.join(0.01)

    def end(self, *_: object) -> None:
        """Leave; running jobs go on, and the next engine adopts them."""
        self._ended.set()

    def _still_ours(self) -> bool:
        """Somebody may have removed the folder under a running engine."""
        try:
            known = json.loads((self._state / "engine.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return bool(known.get("id") == self.identity["id"])

    def _idle(self) -> bool:
        quiet = time.monotonic() - self._app.asked_at >= self._settings.idle_s
        return quiet and self._control.overview.busy() == (0, 0)

    def _stop(self) -> None:
        """Stop every job, release every pool, then leave."""
        grace = self._settings.service.stop_grace_s
        if not self._control.wind_down(grace + 30):
            _LOG.error("some jobs did not stop; their containers go on")
        self.end()

    def _status(self) -> dict[str, Any]:
        running, pools = self._control.overview.busy()
        return {
            **{k: v for k, v in self.identity.items() if k not in ("access_key", "secret_key")},
            "jobs_running": running,
            "pools_alive": pools,
            "isolation": self._control.machine.isolation.value,
            "object_bytes": self._objects.size(),
            "disk_cap_bytes": self._settings.disk_cap_bytes,
            "disk_bytes": disk.used(self._state),
            "jobs": self._control.overview.records(),
            "asked": self._control.permissions.asked_so_far(),
        }


def _port_of_last_time(state: Path) -> int:
    """The port that clients and running jobs know, if it is still free; else 0, the kernel's choice."""
    try:
        port = int((state / "port").read_text(encoding="ascii"))
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
    except (OSError, ValueError, OverflowError):
        return 0
    return port


def _hold_state(state: Path, wait_s: float) -> int | None:
    """The lock that makes this engine the only one on its folder; None when another has it."""
    fd = os.open(private_folder(state) / "engine.lock", os.O_RDWR | os.O_CREAT, 0o600)
    end = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return fd
        except BlockingIOError:
            if time.monotonic() >= end:
                os.close(fd)
                return None
            time.sleep(0.05)


def serve(
    state: Path, settings: EngineSettings, ready: Callable[[EngineProcess], None], wait_lock_s: float = 0.2
) -> bool:
    """Run an engine until it is stopped, idle or signalled; False when another one runs on this folder.

    `wait_lock_s`: who looks whether an engine lives holds its lock for a moment.
    """
    os.umask(0o077)  # requests and logs may hold secrets
    if _hold_state(state, wait_lock_s) is None:
        return False
    (state / "engine.json").unlink(missing_ok=True)  # who held the folder before, and where it answered
    os.environ["MOTO_ACCOUNT_ID"] = settings.service.account  # moto looks there at each request
    process = EngineProcess(state, settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, process.end)
    process.run(lambda: ready(process))
    return True


def main() -> int:
    """Run an engine on a state folder."""
    parser = argparse.ArgumentParser(prog="python -m sweeper.engine.server", description=__doc__)
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument("--settings", type=json.loads, default={}, help="a JSON object of engine settings")
    parser.add_argument("--ready-fd", type=int, help="a descriptor that gets one line when the engine answers")
    parser.add_argument("--wait-lock-s", type=float, default=0.2)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def ready(process: EngineProcess) -> None:
        _LOG.info("engine %s answers at %s", os.getpid(), process.url)
        if options.ready_fd is not None:
            os.write(options.ready_fd, b"ready\n")
            os.close(options.ready_fd)

    settings = EngineSettings.from_mapping(options.settings)
    if not serve(options.state_dir.absolute(), settings, ready, options.wait_lock_s):
        parser.exit(4, f"another engine already runs on {options.state_dir}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
