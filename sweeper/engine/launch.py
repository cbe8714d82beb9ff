"""Finds or starts the engine of a state folder, from the client's side; cheap to import."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import hmac
import http.client
import json
import os
import selectors
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import IO, Any

from sweeper.engine.credentials import KeyPair, client_environment
from sweeper.engine.interpreter import module_command
from sweeper.engine.settings import EngineSettings
from sweeper.errors import EngineError
from sweeper.record.atomic import private_folder

SERVICE = "sweeper"
"""What requests to an engine itself are signed for."""
PROOF = "X-Engine-Proof"
_LOG_TAIL = 2000
UNANSWERED_S = 3.0
"""How long an engine that has not answered may take to end: longer than the end of one that has nothing to stop."""


@dataclass(frozen=True)
class EngineInfo:
    """Where an engine answers, as whom, and to whom. `id`: another one for every process that has served a folder."""

    id: str
    url: str
    account: str
    region: str
    pid: int
    access_key: str
    secret_key: str = field(repr=False)
    state: Path

    @classmethod
    def of(cls, identity: Mapping[str, Any], state: Path) -> EngineInfo:
        """The engine of the engine.json of this folder."""
        return cls(**{known.name: identity[known.name] for known in fields(cls) if known.name != "state"}, state=state)

    def lives(self) -> bool:
        """Does it hold its folder still? Who listens where it was, once it does not, is another one."""
        return still_runs(self.state, self)

    @property
    def client_options(self) -> dict[str, str]:
        """What `boto3.client(service, ...)` takes to reach it."""
        return {
            "endpoint_url": self.url,
            "region_name": self.region,
            "aws_access_key_id": self.access_key,
            "aws_secret_access_key": self.secret_key,
        }

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables that point any client of AWS at it."""
        return client_environment(self.url, self.region, KeyPair(self.access_key, self.secret_key))


def ensure(state_dir: Path, settings: EngineSettings | Mapping[str, Any] = {}, timeout_s: float = 60) -> EngineInfo:  # noqa: B006 - read only
    """The engine of this folder, started if it does not run. Settings count for an engine that is started now."""
    state = state_dir.absolute()
    if (found := _running(state)) is not None:
        return EngineInfo.of(found, state)
    private_folder(state)
    with _one_at_a_time(state, timeout_s):
        found = _running(state)
        if found is None:
            _start(state, settings, timeout_s)
            found = _running(state)
    if found is None:
        raise EngineError(f"the local engine ended as soon as it had started{_tail(state)}")
    return EngineInfo.of(found, state)


def still_runs(state_dir: Path, info: EngineInfo) -> bool:
    """Does the engine that was found before hold this folder still? Only files are asked: it may be asked often."""
    known = _named(state_dir)
    return known is not None and (known["id"], known["url"]) == (info.id, info.url) and lives(state_dir)


def lives(state_dir: Path) -> bool:
    """Does an engine hold this folder? It is not asked: its lock ends with it, however it ends."""
    try:
        with (state_dir / "engine.lock").open("rb") as lock:
            fcntl.flock(lock.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def find(state_dir: Path) -> EngineInfo | None:
    """The engine of this folder; None when none runs."""
    state = state_dir.absolute()
    found = _running(state)
    return None if found is None else EngineInfo.of(found, state)


def status(state_dir: Path) -> dict[str, Any] | None:
    """What the engine of this folder says of itself; None when none runs."""
    found = _running(state_dir.absolute())
    return None if found is None else _ask(found, "GET", "/_engine/status", timeout_s=30)


def stop(state_dir: Path, timeout_s: float = 180) -> bool:
    """Stop the running jobs, release the pools, end the engine; False when none ran. Raises EngineError."""
    state = state_dir.absolute()
    found = _living(state)
    if found is None:
        return False
    answered = _ask(found, "POST", "/_engine/stop", timeout_s=30) is not None
    with (state / "engine.lock").open("rb") as lock, contextlib.ExitStack() as stack:
        # one that has nothing to stop may have ended before its answer was sent
        if not _lock(lock.fileno(), timeout_s if answered else UNANSWERED_S):
            what = f"did not end within {timeout_s:.0f} s" if answered else "did not take the request to stop"
            raise EngineError(f"the local engine (process {found['pid']}) {what}{_tail(state)}")
        stack.callback(fcntl.flock, lock.fileno(), fcntl.LOCK_UN)
    return True


def _running(state: Path) -> dict[str, Any] | None:
    """The engine that holds this folder, if it answers and proves to be that one."""
    known = _living(state)
    return known if known and _ask(known, "GET", "/_engine/health", timeout_s=10) is not None else None


def _living(state: Path) -> dict[str, Any] | None:
    """The engine that engine.json names, if it holds the folder: whoever listens where a dead one was is not asked."""
    known = _named(state)
    if known is None or not lives(state):
        return None
    if not {"access_key", "secret_key"} <= known.keys():
        raise EngineError(
            f"an engine of an earlier version of sweeper runs on {state} (process {known.get('pid')}): "
            f"its jobs go on without it; end it with `kill {known.get('pid')}`"
        )
    return known


def _named(state: Path) -> dict[str, Any] | None:
    """What engine.json says; the engine that wrote it may be dead."""
    try:
        known: dict[str, Any] = json.loads((state / "engine.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return known


def proof(pair: KeyPair, authorization: str, answer: bytes) -> str:
    """What only one who knows the secret can say of an answer to a request that is signed so."""
    told = authorization.encode() + b"\n" + answer
    return hmac.new(pair.secret_key.encode(), told, hashlib.sha256).hexdigest()


def _ask(engine: Mapping[str, Any], method: str, path: str, timeout_s: float) -> dict[str, Any] | None:
    """Its answer; None when it gives none, or another one does. The secret stays here: requests are signed with it."""
    pair = KeyPair(engine["access_key"], engine["secret_key"])
    headers = _signed(engine["url"], method, path, engine["region"], pair)
    connection = http.client.HTTPConnection(engine["url"].rpartition("/")[2], timeout=timeout_s)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        text = answer.read()
        proven = hmac.compare_digest(answer.headers.get(PROOF, ""), proof(pair, headers["Authorization"], text))
        body = json.loads(text) if proven and answer.status == 200 else None
    except (OSError, http.client.HTTPException, ValueError, TypeError):
        return None
    finally:
        connection.close()
    return body if isinstance(body, dict) else None


def _signed(url: str, method: str, path: str, region: str, pair: KeyPair) -> dict[str, str]:
    """The headers of a request without a body."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    request = AWSRequest(method, url + path)
    SigV4Auth(Credentials(pair.access_key, pair.secret_key), SERVICE, region).add_auth(request)
    return dict(request.headers.items())


def _start(state: Path, settings: EngineSettings | Mapping[str, Any], timeout_s: float) -> None:
    """Start a detached engine and wait for its line."""
    values = settings.to_mapping() if isinstance(settings, EngineSettings) else _whole(settings)
    reader, writer = os.pipe()
    command = module_command("sweeper.engine.server", "--state-dir", str(state), "--settings", json.dumps(values))
    command += ["--ready-fd", str(writer), "--wait-lock-s", "5"]
    try:
        with _private(state / "engine.log") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=(writer,),
            )
    finally:
        os.close(writer)
    with open(reader, "rb", buffering=0) as pipe, selectors.DefaultSelector() as selector:  # noqa: PTH123
        selector.register(pipe, selectors.EVENT_READ)
        if not selector.select(timeout_s):
            process.kill()
            process.wait()
            raise EngineError(f"the local engine did not answer within {timeout_s:.0f} s{_tail(state)}")
        if not pipe.read(16):
            code = process.wait()
            raise EngineError(f"the local engine did not start (exit code {code}){_tail(state)}")
    # it lives on by itself; Popen must not warn that nobody waited for it
    process.returncode = 0


def _whole(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with what their recording says: the engine that is started need not find the file."""
    if not settings.get("recorded"):
        return dict(settings)
    try:
        return EngineSettings.from_mapping(settings).to_mapping()
    except ValueError as error:
        raise EngineError(f"the local engine cannot be started: {error}") from error


def _tail(state: Path) -> str:
    """The end of the engine's log, in one line."""
    try:
        text = (state / "engine.log").read_bytes()[-_LOG_TAIL:].decode("utf-8", "replace")
    except OSError:
        return ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f": {lines[-1]} (see {state / 'engine.log'})" if lines else ""


@contextlib.contextmanager
def _one_at_a_time(state: Path, timeout_s: float) -> Iterator[None]:
    """Of two callers at once one starts the engine and the other finds it."""
    with _private(state / "launch.lock") as lock:
        if not _lock(lock.fileno(), timeout_s):
            raise EngineError(f"another program has been starting the engine of {state} for {timeout_s:.0f} s")
        yield


def _private(path: Path) -> IO[bytes]:
    """A file to append to that others may not read."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab")


def _lock(fd: int, timeout_s: float) -> bool:
    end = time.monotonic() + timeout_s
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= end:
                return False
            time.sleep(0.02)
