"""The engine's process: one WSGI application on loopback for SageMaker, its logs, and moto for the rest."""

from __future__ import annotations

import argparse
import fcntl
import json
import logging
import os
import secrets
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import BaseWSGIServer

from sweeper.engine import rules
from sweeper.engine.control import Control
from sweeper.engine.errors import ServiceError
from sweeper.engine.logs import TARGET as LOGS
from sweeper.engine.logs import TrainingLogs
from sweeper.engine.s3 import ObjectStore
from sweeper.engine.settings import EngineSettings
from sweeper.engine.wire import Environ, StartResponse, listen

_LOG = logging.getLogger(__name__)
SAGEMAKER = "SageMaker."
_JSON = "application/x-amz-json-1.1"
_REQUEST_MAX = 16 << 20
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class Application:
    """Dispatches one request; knows nothing of processes and of time but when it was last asked."""

    def __init__(self, control: Control, objects: ObjectStore, logs: TrainingLogs, admin: Admin) -> None:
        self._control, self._objects, self._logs, self._admin = control, objects, logs, admin
        self._moto: Callable[[Environ, StartResponse], Iterable[bytes]] = DomainDispatcherApplication(
            create_backend_app
        )
        self.asked_at = time.monotonic()

    def __call__(self, environ: Environ, start: StartResponse) -> Iterable[bytes]:
        """WSGI."""
        self.asked_at = time.monotonic()
        if not _from_this_machine(environ):
            return _reply(start, {"message": "this engine serves programs on this machine only"}, status=403)
        if environ["PATH_INFO"].startswith("/_engine/"):
            return self._admin.answer(environ, start)
        target = environ.get("HTTP_X_AMZ_TARGET", "")
        if target.startswith(SAGEMAKER):
            return _json_call(environ, start, lambda params: self._sagemaker(target[len(SAGEMAKER) :], params))
        if target.startswith(LOGS):
            return self._logs_or_moto(target[len(LOGS) :], environ, start)
        if not target and not _is_form(environ):
            return self._s3(environ, start)
        return self._moto(environ, start)

    def _sagemaker(self, operation: str, params: object) -> dict[str, Any]:
        if rules.operation(operation) is None:
            raise ServiceError("UnknownOperationException", f"The requested operation {operation} is not recognized.")
        if operation not in self._control.operations:
            raise ServiceError(
                "UnknownOperationException", f"The local engine does not emulate the operation {operation}."
            )
        answer = self._control.call(operation, rules.validated(operation, params))
        return rules.shaped(operation, answer)

    def _logs_or_moto(self, operation: str, environ: Environ, start: StartResponse) -> Iterable[bytes]:
        body = environ["wsgi.input"]
        try:
            params = json.loads(body.read(_REQUEST_MAX))
        except ValueError:
            params = None
        if isinstance(params, dict) and self._logs.knows(operation, params):
            return _answer(start, lambda: self._logs.call(operation, params))
        body.seek(0)
        return self._moto(environ, start)

    def _s3(self, environ: Environ, start: StartResponse) -> Iterable[bytes]:
        """moto has no lock and forgets everything: one request at a time, and what it changed goes to disk first."""
        with self._objects.lock:
            chunks = list(self._moto(environ, start))
            if environ["REQUEST_METHOD"] in ("PUT", "POST", "DELETE"):
                bucket, _, key = unquote(str(environ["RAW_URI"]).partition("?")[0]).lstrip("/").partition("/")
                if bucket:
                    self._objects.sync(bucket, key)
        return chunks


class Admin:
    """What sweeper itself asks of an engine, below /_engine/."""

    def __init__(self, identity: Mapping[str, Any], records: Callable[[], dict[str, Any]], stop: Callable[[], None]):
        self._identity, self._records, self._stop = identity, records, stop

    def answer(self, environ: Environ, start: StartResponse) -> Iterable[bytes]:
        """health and status are for everyone; stop needs the secret of engine.json."""
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        if (method, path) == ("GET", "/_engine/health"):
            return _reply(start, {k: self._identity[k] for k in ("id", "pid")})
        if environ.get("HTTP_X_ENGINE_SECRET") != self._identity["secret"]:
            return _reply(start, {"message": "wrong secret"}, status=403)
        if (method, path) == ("GET", "/_engine/status"):
            return _reply(start, self._records())
        if (method, path) == ("POST", "/_engine/stop"):
            threading.Thread(target=self._stop, name="stop", daemon=True).start()
            return _reply(start, {})
        return _reply(start, {"message": "no such page"}, status=404)


class EngineProcess:
    """Everything one engine owns, from its lock on the state folder to its end."""

    def __init__(self, state: Path, settings: EngineSettings) -> None:
        self._state, self._settings = state, settings
        self._objects = ObjectStore(_folder(state / "s3"), settings.service.account)
        self._ended = threading.Event()
        self.server: BaseWSGIServer = listen(self._dispatch, settings.port)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self._control = Control(state, settings, self._objects, self.url)
        self.identity = {
            "id": uuid.uuid4().hex,
            "secret": secrets.token_hex(16),
            "pid": os.getpid(),
            "url": self.url,
            "started": time.time(),
            "account": settings.service.account,
            "region": settings.service.region,
            "settings": settings.to_mapping(),
        }
        logs = TrainingLogs(self._control, lambda name: self._control.machine.folder(name).log, self._arn)
        admin = Admin(self.identity, self._status, self._stop)
        self._app = Application(self._control, self._objects, logs, admin)

    @property
    def _arn(self) -> str:
        return self._settings.service.arn_prefix

    def _dispatch(self, environ: Environ, start: StartResponse) -> Iterable[bytes]:
        return self._app(environ, start)

    def run(self, ready: Callable[[], None]) -> None:
        """Serve until stopped, idle or signalled."""
        self._objects.restore()
        self._control.start()
        threading.Thread(target=self.server.serve_forever, name="http", daemon=True).start()
        _write_private(self._state / "engine.json", json.dumps(self.identity))
        ready()
        while not self._ended.wait(min(1.0, max(0.05, self._settings.idle_s / 4))):
            if self._idle():
                break
        (self._state / "engine.json").unlink(missing_ok=True)
        self.server.shutdown()
        self._control.close()
        self._objects.close()

    def end(self, *_: object) -> None:
        """Leave; running jobs go on, and the next engine adopts them."""
        self._ended.set()

    def _idle(self) -> bool:
        quiet = time.monotonic() - self._app.asked_at >= self._settings.idle_s
        return quiet and self._control.busy() == (0, 0)

    def _stop(self) -> None:
        """Stop every job, release every pool, then leave."""
        grace = self._settings.service.stop_grace_s
        if not self._control.wind_down(grace + 30):
            _LOG.error("some jobs did not stop; their containers go on")
        self.end()

    def _status(self) -> dict[str, Any]:
        running, pools = self._control.busy()
        return {
            **{k: v for k, v in self.identity.items() if k != "secret"},
            "jobs_running": running,
            "pools_alive": pools,
            "isolation": self._control.machine.isolation.value,
            "object_bytes": self._objects.size(),
            "disk_bytes": _disk_bytes(self._state),
            "jobs": self._control.records(),
        }


# ---------------------------------------------------------------------- small things of the wire


def _json_call(environ: Environ, start: StartResponse, call: Callable[[object], dict[str, Any]]) -> Iterable[bytes]:
    def parsed() -> dict[str, Any]:
        raw = environ["wsgi.input"].read(_REQUEST_MAX + 1)
        if len(raw) > _REQUEST_MAX:
            raise ServiceError("RequestEntityTooLarge", "The request is too large.", 413)
        try:
            params = json.loads(raw or b"{}")
        except (ValueError, RecursionError) as error:
            raise ServiceError("SerializationException", "The request body is not JSON.") from error
        return call(params)

    return _answer(start, parsed)


def _answer(start: StartResponse, call: Callable[[], dict[str, Any]]) -> Iterable[bytes]:
    try:
        return _reply(start, call())
    except ServiceError as error:
        body = {"__type": error.code, "message": error.message}
        return _reply(start, body, status=error.http_status, error=error.code)
    except Exception:  # noqa: BLE001 - a bug of ours is an internal error on the wire, and a traceback in the log
        _LOG.exception("internal error")
        body = {"__type": "InternalFailure", "message": "We encountered an internal error. Please try again."}
        return _reply(start, body, status=500, error="InternalFailure")


def _reply(start: StartResponse, body: Mapping[str, Any], status: int = 200, error: str | None = None) -> list[bytes]:
    data = json.dumps(body).encode()
    headers = [
        ("x-amzn-RequestId", str(uuid.uuid4())),
        ("Content-Type", _JSON),
        ("Content-Length", str(len(data))),
    ]
    if error is not None:
        headers.append(("x-amzn-ErrorType", error))
    reasons = {200: "OK", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 500: "Internal Server Error"}
    start(f"{status} {reasons.get(status, 'Error')}", headers)
    return [data]


def _from_this_machine(environ: Environ) -> bool:
    """A page in a browser must not start programs here: no cross-origin request, no borrowed host name."""
    host = str(environ.get("HTTP_HOST", ""))
    name = host[: host.rfind(":")] if ":" in host and not host.endswith("]") else host
    return "HTTP_ORIGIN" not in environ and (name in _LOOPBACK or name.endswith(".localhost"))


def _is_form(environ: Environ) -> bool:
    """The query protocol of sts and iam, and cloudwatch's rpc, which are moto's alone."""
    kind = str(environ.get("CONTENT_TYPE", ""))
    scope = str(environ.get("HTTP_AUTHORIZATION", ""))
    signed_for_other = "Credential=" in scope and "/s3/aws4_request" not in scope
    return signed_for_other or kind.startswith("application/x-www-form-urlencoded")


def _disk_bytes(folder: Path) -> int:
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(path, name)).st_size  # noqa: PTH118 - a large tree, walked often
            except FileNotFoundError:
                continue
    return total


def _folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


def _write_private(path: Path, text: str) -> None:
    draft = path.with_name(path.name + ".tmp")
    draft.touch(mode=0o600)
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def _hold_state(state: Path, wait_s: float) -> int | None:
    """The lock that makes this engine the only one on its folder; None when another has it."""
    fd = os.open(_folder(state) / "engine.lock", os.O_RDWR | os.O_CREAT, 0o600)
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


def main() -> int:
    """Run an engine on a state folder."""
    parser = argparse.ArgumentParser(prog="python -m sweeper.engine.server", description=__doc__)
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument("--settings", type=json.loads, default={}, help="a JSON object of engine settings")
    parser.add_argument("--ready-fd", type=int, help="a descriptor that gets one line when the engine answers")
    parser.add_argument("--wait-lock-s", type=float, default=0.0)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    state = options.state_dir.absolute()
    if _hold_state(state, options.wait_lock_s) is None:
        parser.exit(4, f"another engine already runs on {state}\n")
    process = EngineProcess(state, EngineSettings.from_mapping(options.settings))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, process.end)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def ready() -> None:
        _LOG.info("engine %s answers at %s", os.getpid(), process.url)
        if options.ready_fd is not None:
            os.write(options.ready_fd, b"ready\n")
            os.close(options.ready_fd)

    process.run(ready)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
