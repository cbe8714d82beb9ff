"""The containers of jobs, one for each host: a supervisor in a process of its own, which outlives the engine."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from sweeper.engine.machine import container
from sweeper.engine.machine.folders import FIRST, JobFolder, JobView
from sweeper.engine.machine.hot import HotStarts, Zygote
from sweeper.engine.machine.listener import Listener
from sweeper.engine.training.states import Signal

_LOOK_S = 0.01
_SIGNALS = {Signal.TERM: signal.SIGTERM, Signal.KILL: signal.SIGUSR1}


@contextlib.contextmanager
def _blocked(signals: Iterable[signal.Signals]) -> Iterator[None]:
    """A process that this thread starts meanwhile begins with these signals blocked."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@dataclass(frozen=True)
class Exit:
    """How a container has ended; `failure` is what it left in /opt/ml/output/failure."""

    code: int
    ended_at: float
    failure: str = ""
    torn: str = ""
    """Why it could not be given all of its data."""

    @property
    def failed(self) -> bool:
        """Has it ended otherwise than it should?"""
        return bool(self.code or self.torn)


class Containers:
    """Starts them, finds them again, signals them, and tells how they end. A container is known by its folder."""

    def __init__(self, listener: Listener, hot: HotStarts) -> None:
        self._listener, self._hot = listener, hot
        self._lock = threading.Lock()
        self._supervisors: dict[Path, int] = {}  # process ids
        self._wanted: dict[Path, Signal] = {}  # signals for containers that are still being prepared

    def run(self, view: JobView, folder: JobFolder, zygote: Zygote | None, begun: Callable[[], None]) -> Exit | None:
        """Start the container of a prepared host, hot when there is a zygote, and wait for its end; None: it is lost.

        `begun` is called once it has begun, whether it could say so or not.
        """
        with self._lock:
            if folder.path in self._wanted:
                del self._wanted[folder.path]
                stopped = True
            else:
                pid, told, process = self._spawn(view, folder, zygote)
                self._supervisors[folder.path] = pid
                stopped = False
        if stopped:  # before there was anything to stop
            return Exit(128 + signal.SIGTERM, time.time())
        with told as pipe:
            line = pipe.readline()
        if line:
            self._note(view.name, folder, json.loads(line))
            self._listener.started(view.name)
        begun()
        self._hot.begun(view, folder)
        ended = self._await_exit(view.name, folder)
        if process is not None:
            process.wait()
        return ended

    def adopt(self, name: str, folder: JobFolder, begun: Callable[[], None]) -> Exit | None:
        """The engine was away. The container still runs, has ended, or is lost, which is None."""
        started = self._told(folder) or {}
        with self._lock:
            if started:
                self._supervisors[folder.path] = started["supervisor_pid"]
            wanted = self._wanted.pop(folder.path, None)
        if wanted is not None:
            self.signal(folder, wanted)
        if started:
            self._note(name, folder, started)
            self._listener.started(name)
        begun()
        return self._await_exit(name, folder)

    def forget(self, folder: JobFolder) -> None:
        """No container is being prepared any more in this folder of a job's first host, or in one of the others."""
        with self._lock:
            for path in [path for path in self._wanted if path.is_relative_to(folder.path)]:
                del self._wanted[path]

    def kill_all(self) -> None:
        """End every container at once: there is nobody left to report to."""
        with self._lock:
            for pid in self._supervisors.values():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGUSR1)

    def _spawn(
        self, view: JobView, folder: JobFolder, zygote: Zygote | None
    ) -> tuple[int, IO[bytes], subprocess.Popen[bytes] | None]:
        """Start a supervisor that holds the job's lock from its first moment: its id, what it tells, it if cold."""
        lock = os.open(folder.lock, os.O_RDWR | os.O_CREAT, 0o600)
        reader, writer = os.pipe()
        told = os.fdopen(reader, "rb")
        process = None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with (folder.path / "supervisor.log").open("ab") as errors, _blocked(container.STOPS):
                pid = None
                if zygote is not None:
                    pid = self._hot.fork(view, zygote, folder, lock, writer, errors.fileno())
                if pid is None:
                    process = subprocess.Popen(
                        [sys.executable, "-I", "-S", container.__file__, str(folder.path)],
                        stdin=subprocess.DEVNULL,
                        stdout=writer,
                        stderr=errors,
                        start_new_session=True,
                        pass_fds=(lock,),
                        env={"PATH": os.environ.get("PATH", os.defpath)},
                    )
                    pid = process.pid
        finally:
            os.close(writer)
            os.close(lock)
        return pid, told, process

    def _note(self, name: str, folder: JobFolder, facts: dict[str, Any]) -> None:
        """The engine's record has the process of a job's first host."""
        if folder.host == FIRST:
            self._listener.note_container(name, facts)

    def _told(self, folder: JobFolder) -> dict[str, Any] | None:
        """What a supervisor tells as it begins: while it lives it is about to; None when it ended before."""
        while (started := folder.read_json("started.json")) is None and self._alive(folder):
            time.sleep(_LOOK_S)
        return started

    def _await_exit(self, name: str, folder: JobFolder) -> Exit | None:
        """Wait until the supervisor lets go of the lock: what it left."""
        with folder.lock.open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
        with self._lock:
            self._supervisors.pop(folder.path, None)
        ended = folder.read_json("exit.json")
        if ended is not None and (view := self._listener.view(name)) is not None:
            self._hot.ended(view, folder)
        folder.forget_spec()
        if ended is None:
            return None
        self._note(name, folder, ended)
        return Exit(ended["exit_code"], ended["ended_at"], folder.failure_text(), ended.get("torn") or "")

    def signal(self, folder: JobFolder, wanted: Signal) -> None:
        """Send it, or keep it for a container that is still being prepared."""
        with self._lock:
            pid = self._supervisors.get(folder.path)
            if pid is None:
                self._wanted[folder.path] = wanted
            elif self._alive(folder):
                os.kill(pid, _SIGNALS[wanted])

    def _alive(self, folder: JobFolder) -> bool:
        """A process id may have been given to someone else; the lock tells."""
        with folder.lock.open("rb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False
