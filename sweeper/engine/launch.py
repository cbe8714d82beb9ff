"""Finds or starts the engine of a state folder, from the client's side; cheap to import."""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from sweeper.engine.settings import EngineSettings
from sweeper.errors import EngineError

_LOG_TAIL = 2000


@dataclass(frozen=True)
class EngineInfo:
    """Where an engine answers, and as whom. `id`: another one for every process that has ever served a folder."""

    id: str
    url: str
    account: str
    region: str
    pid: int


def ensure(state_dir: Path, settings: EngineSettings | Mapping[str, Any] = {}, timeout_s: float = 60) -> EngineInfo:  # noqa: B006 - read only
    """The engine of this folder, started if it does not run. Settings count for an engine that is started now."""
    state = state_dir.absolute()
    if (found := _running(state)) is not None:
        return _info(found)
    state.mkdir(parents=True, exist_ok=True)
    with _one_at_a_time(state, timeout_s):
        found = _running(state)
        if found is None:
            _start(state, settings, timeout_s)
            found = _running(state)
    if found is None:
        raise EngineError(f"the local engine ended as soon as it had started{_tail(state)}")
    return _info(found)


def still_runs(state_dir: Path, info: EngineInfo) -> bool:
    """Does the engine that was found before hold this folder still? Only files are asked: it may be asked often."""
    known = _named(state_dir)
    if known is None or (known["id"], known["url"]) != (info.id, info.url):
        return False
    try:
        with (state_dir / "engine.lock").open("rb") as lock:
            fcntl.flock(lock.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False  # nobody holds the lock


def status(state_dir: Path) -> dict[str, Any] | None:
    """What the engine of this folder says of itself; None when none runs."""
    found = _running(state_dir.absolute())
    return None if found is None else _ask(found, "GET", "/_engine/status", timeout_s=30)


def stop(state_dir: Path, timeout_s: float = 180) -> bool:
    """Stop the running jobs, release the pools, end the engine; False when none ran. Raises EngineError."""
    state = state_dir.absolute()
    found = _running(state)
    if found is None:
        return False
    if _ask(found, "POST", "/_engine/stop", timeout_s=30) is None and _running(state) is not None:
        raise EngineError(f"the local engine (process {found['pid']}) did not take the request to stop{_tail(state)}")
    with (state / "engine.lock").open("rb") as lock, contextlib.ExitStack() as stack:
        if not _lock(lock.fileno(), timeout_s):
            raise EngineError(f"the local engine (process {found['pid']}) did not end within {timeout_s:.0f} s")
        stack.callback(fcntl.flock, lock.fileno(), fcntl.LOCK_UN)
    return True


def _running(state: Path) -> dict[str, Any] | None:
    """The engine that engine.json names, if it answers and is that one."""
    known = _named(state)
    health = known and _ask(known, "GET", "/_engine/health", timeout_s=10)
    return known if known and health and health.get("id") == known["id"] else None


def _named(state: Path) -> dict[str, Any] | None:
    """What engine.json says; the engine that wrote it may be dead."""
    try:
        known: dict[str, Any] = json.loads((state / "engine.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return known


def _ask(engine: Mapping[str, Any], method: str, path: str, timeout_s: float) -> dict[str, Any] | None:
    host = engine["url"].rpartition("/")[2]
    connection = http.client.HTTPConnection(host, timeout=timeout_s)
    try:
        connection.request(method, path, headers={"X-Engine-Secret": engine["secret"]})
        answer = connection.getresponse()
        body = json.loads(answer.read())
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
    return body if answer.status == 200 and isinstance(body, dict) else None


def _start(state: Path, settings: EngineSettings | Mapping[str, Any], timeout_s: float) -> None:
    """Start a detached engine and wait for its line."""
    values = settings.to_mapping() if isinstance(settings, EngineSettings) else dict(settings)
    reader, writer = os.pipe()
    command = [sys.executable, "-m", "sweeper.engine.server", "--state-dir", str(state)]
    command += ["--settings", json.dumps(values), "--ready-fd", str(writer), "--wait-lock-s", "5"]
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


def _tail(state: Path) -> str:
    """The end of the engine's log, in one line."""
    try:
        text = (state / "engine.log").read_bytes()[-_LOG_TAIL:].decode("utf-8", "replace")
    except OSError:
        return ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f": {lines[-1]} (see {state / 'engine.log'})" if lines else ""


def _info(engine: Mapping[str, Any]) -> EngineInfo:
    return EngineInfo(engine["id"], engine["url"], engine["account"], engine["region"], engine["pid"])


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
