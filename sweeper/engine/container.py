"""The supervisor of one job's container: standard library only, its own process and session, outlives the engine.

Started as `python -I container.py JOBDIR`. It reads JOBDIR/spec.json, runs the entrypoint, writes every line of its
output to JOBDIR/log as `milliseconds text`, and when it has ended JOBDIR/exit.json. While it lives it holds the lock
it inherited on JOBDIR/lock: whoever gets that lock knows that the supervisor is gone.

TERM is passed on, and what is left after the grace is killed; USR1 kills at once. Nothing survives the entrypoint.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import json
import os
import re
import selectors
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any

LINE_MAX = 64 * 1024
LOG_MAX = 1 << 30
_DRAIN_S = 2.0
_PR_SET_CHILD_SUBREAPER = 36
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


def escape(line: str) -> str:
    """Control characters as the service's log shows them: a tab is #011."""
    return _CONTROL.sub(lambda m: f"#{ord(m.group()):03o}", line)


def write_json(path: Path, value: object) -> None:
    """Replace the file in one step: a reader sees the old one or the new one."""
    draft = path.with_name(path.name + ".tmp")
    draft.write_text(json.dumps(value), encoding="utf-8")
    draft.replace(path)


class Log:
    """Lines with the time they came, appended to a file."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)
        self._rest = b""
        self._left = LOG_MAX - self._file.tell()

    def feed(self, data: bytes) -> None:
        """Take output as it comes; a line without an end is cut where it gets too long."""
        *lines, rest = (self._rest + data).split(b"\n")
        while len(rest) > LINE_MAX:
            lines.append(rest[:LINE_MAX])
            rest = rest[LINE_MAX:]
        self._rest = rest
        self._write(lines)

    def close(self) -> None:
        """Write the last line even if it has no end."""
        if self._rest:
            self._write([self._rest])
        self._file.close()

    def _write(self, lines: list[bytes]) -> None:
        stamp = int(time.time() * 1000)
        text = "".join(
            f"{stamp} {escape(line[i : i + LINE_MAX].decode('utf-8', 'replace'))}\n"
            for line in lines
            for i in range(0, max(len(line), 1), LINE_MAX)
        )
        if not text or self._left <= 0:
            return
        data = text.encode("utf-8")
        self._left -= len(data)
        if self._left <= 0:  # a job that never stops talking must not fill the disk
            data += f"{stamp} sweeper engine: the log is longer than {LOG_MAX} bytes; the rest is dropped\n".encode()
        self._file.write(data)


def adopt_orphans() -> None:
    """Become the parent of every orphan below, so that none can hide (Linux; elsewhere the group must do)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def descendants(root: int) -> list[int]:
    """Process ids below `root`, by /proc; empty where there is no /proc."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            after_name = entry.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue  # gone meanwhile
        if after_name[0] != "Z":
            children.setdefault(int(after_name[1]), []).append(int(entry.parent.name))
    found: list[int] = []
    todo = [root]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


class Container:
    """One entrypoint and everything it starts."""

    def __init__(self, folder: Path, spec: dict[str, Any]) -> None:
        self.folder, self.spec = folder, spec
        self.log = Log(folder / "log")
        self.asked: list[int] = []  # signals that came in
        self.stop_at: float | None = None  # when to kill what is left
        self.process: subprocess.Popen[bytes]
        self.pid: int | None = None
        self.started = time.time()

    def run(self) -> dict[str, Any]:
        """Run to the end; returns what exit.json holds."""
        wake, wake_write = os.pipe()
        os.set_blocking(wake_write, False)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGUSR1):
            signal.signal(number, lambda got, _frame: self.asked.append(got))
        signal.signal(signal.SIGCHLD, lambda *_: None)
        adopt_orphans()
        try:
            self.process = self._spawn()
        except OSError as error:
            self.log.feed(f"{self.spec['argv'][0]}: {error.strerror}\n".encode())
            self._announce(None)
            return self._exit(127 if isinstance(error, FileNotFoundError) else 126)
        self._announce(self.process.pid)
        self._watch(wake)
        self._kill_tree()
        self._drain()
        return self._exit(self._code())

    def _spawn(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self.spec["argv"],
            preexec_fn=self._enter,
            env=self.spec["env"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def _enter(self) -> None:
        """In the child: its own /opt/ml where this machine allows one, and its working directory."""
        os.umask(0o022)  # the engine's own is stricter
        if self.spec["isolation"] != "none":
            isolation = _sibling("namespaces")
            isolation.enter(
                self.folder / "ml",
                isolation.Isolation(self.spec["isolation"]),
                read_only=tuple(self.spec["read_only"]),
                no_network=self.spec["no_network"],
            )
        os.chdir(self.spec["cwd"])

    def _announce(self, pid: int | None) -> None:
        """Tell the engine, and whoever looks later, that the entrypoint runs."""
        self.pid = pid
        started = {
            "pid": pid,
            "supervisor_pid": os.getpid(),
            "started_at": self.started,
            "isolation": self.spec["isolation"],
        }
        write_json(self.folder / "started.json", started)
        with contextlib.suppress(OSError):  # the engine may be gone; the file says it too
            os.write(1, json.dumps(started).encode() + b"\n")
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.close(null)

    def _watch(self, wake: int) -> None:
        deadline = time.monotonic() + self.spec["max_runtime_s"]
        output = self._output
        with selectors.DefaultSelector() as selector:
            selector.register(wake, selectors.EVENT_READ)
            selector.register(output, selectors.EVENT_READ)
            while not self._reaped():
                until = deadline if self.stop_at is None else self.stop_at
                # a system call's timeout has a limit of its own, some 24 days
                ready = selector.select(min(3600.0, max(0.0, until - time.monotonic())))
                for key, _ in ready:
                    data = os.read(key.fd, 65536)
                    if key.fileobj is output:
                        self.log.feed(data)
                        if not data:
                            selector.unregister(output)
                self._obey(deadline)

    def _obey(self, deadline: float) -> None:
        """Do what signals and time ask for."""
        asked, self.asked = self.asked, []
        now = time.monotonic()
        if signal.SIGUSR1 in asked or (self.stop_at is not None and now >= self.stop_at):
            self._kill_tree()
        elif self.stop_at is None and (signal.SIGTERM in asked or now >= deadline):
            self.stop_at = now + self.spec["stop_grace_s"]
            self._signal_all(signal.SIGTERM)

    def _reaped(self) -> bool:
        """Bury what has died; True when the entrypoint itself has."""
        while True:
            try:
                dead = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return True
            if dead is None:
                return False
            if dead.si_pid == self.process.pid:
                self.process.wait()
                return True
            os.waitpid(dead.si_pid, 0)

    def _bury(self) -> None:
        """Reap what the kill left; the entrypoint's own exit code is kept."""
        if self.process.poll() is None:
            return
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass

    @property
    def _output(self) -> IO[bytes]:
        assert self.process.stdout is not None, "spawned with a pipe"
        return self.process.stdout

    def _signal_all(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)

    def _kill_tree(self) -> None:
        """Kill the group and every descendant, whatever session it hides in, until there is none."""
        self._signal_all(signal.SIGKILL)
        end = time.monotonic() + _DRAIN_S
        while time.monotonic() < end:
            alive = descendants(os.getpid())
            for pid in alive:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._bury()
            if not alive:
                return

    def _drain(self) -> None:
        """What was written before the end is still in the pipe."""
        os.set_blocking(self._output.fileno(), False)
        while True:
            try:
                data = os.read(self._output.fileno(), 65536)
            except BlockingIOError:
                return  # someone out of reach still holds the other end
            if not data:
                return
            self.log.feed(data)

    def _code(self) -> int:
        """The exit code as a container runtime gives it: 128 + the signal."""
        code = self.process.returncode
        return code if code >= 0 else 128 - code

    def _exit(self, code: int) -> dict[str, Any]:
        self.log.close()
        return {"pid": self.pid, "started_at": self.started, "ended_at": time.time(), "exit_code": code}


def _sibling(name: str) -> Any:
    """A module beside this file; with -I there is no package to import it from."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main(folder: Path) -> None:
    """Run the container described in this folder."""
    spec = json.loads((folder / "spec.json").read_text(encoding="utf-8"))
    write_json(folder / "exit.json", Container(folder, spec).run())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
