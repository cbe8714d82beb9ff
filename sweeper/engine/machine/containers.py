"""The containers of jobs: each is a supervisor in a process of its own, which outlives the engine."""

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
from typing import IO, Any

from sweeper.engine.machine import container
from sweeper.engine.machine.folders import JobFolder, JobView
from sweeper.engine.machine.hot import HotStarts, Zygote
from sweeper.engine.machine.listener import Listener
from sweeper.engine.training.states import Signal

_LOST = "InternalServerError: the local engine found neither the container of this job nor its exit."
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


class Containers:
    """Starts them, finds them again, signals them, and reports how they end."""

    def __init__(self, listener: Listener, hot: HotStarts, folder_of: Callable[[str], JobFolder]) -> None:
        self._listener, self._hot, self._folder_of = listener, hot, folder_of
        self._lock = threading.Lock()
        self._supervisors: dict[str, int] = {}  # job name -> process id
        self._wanted: dict[str, Signal] = {}  # signals for containers that are still being prepared

    def run(self, view: JobView, folder: JobFolder, zygote: Zygote | None, begun: Callable[[], None]) -> None:
        """Start the container of a prepared job, hot when there is a zygote, and wait for its end.

        `begun` is called once it has begun, whether it could say so or not.
        """
        name = view.name
        with self._lock:
            if name in self._wanted:
                del self._wanted[name]
                stopped = True
            else:
                pid, told, process = self._spawn(view, folder, zygote)
                self._supervisors[name] = pid
                stopped = False
        if stopped:  # before there was anything to stop
            self._listener.exited(name, 128 + signal.SIGTERM, "")
            return
        with told as pipe:
            line = pipe.readline()
        if line:
            self._listener.note_container(name, json.loads(line))
            self._listener.started(name)
        begun()
        self._await_exit(name, folder)
        if process is not None:
            process.wait()

    def adopt(self, name: str, folder: JobFolder, begun: Callable[[], None]) -> None:
        """The engine was away. The container still runs, has ended, or is lost."""
        started = self._told(name) or {}
        with self._lock:
            if started:
                self._supervisors[name] = started["supervisor_pid"]
            wanted = self._wanted.pop(name, None)
        if wanted is not None:
            self.signal(name, wanted)
        if started:
            self._listener.note_container(name, started)
            self._listener.started(name)
        begun()
        self._await_exit(name, folder)

    def forget(self, name: str) -> None:
        """No container of this job is being prepared any more."""
        with self._lock:
            self._wanted.pop(name, None)

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

    def _told(self, name: str) -> dict[str, Any] | None:
        """What a supervisor tells as it begins: while it lives it is about to; None when it ended before."""
        while (started := self._folder_of(name).read_json("started.json")) is None and self._alive(name):
            time.sleep(_LOOK_S)
        return started

    def _await_exit(self, name: str, folder: JobFolder) -> None:
        """Wait until the supervisor lets go of the lock, and report what it left."""
        with folder.lock.open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
        with self._lock:
            self._supervisors.pop(name, None)
        ended = folder.read_json("exit.json")
        if ended is not None and (view := self._listener.view(name)) is not None:
            self._hot.ended(view, folder)
        folder.forget_spec()
        if ended is None:
            self._listener.failed(name, _LOST)
            return
        self._listener.note_container(name, ended)
        if torn := ended.get("torn"):
            self._listener.failed(name, f"ClientError: Data download failed: {torn}")
            return
        self._listener.exited(name, ended["exit_code"], folder.failure_text(), ended["ended_at"])

    def signal(self, name: str, wanted: Signal) -> None:
        """Send it, or keep it for a container that is still being prepared."""
        with self._lock:
            pid = self._supervisors.get(name)
            if pid is None:
                self._wanted[name] = wanted
            elif self._alive(name):
                os.kill(pid, _SIGNALS[wanted])

    def _alive(self, name: str) -> bool:
        """A process id may have been given to someone else; the lock tells."""
        with self._folder_of(name).lock.open("rb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False
