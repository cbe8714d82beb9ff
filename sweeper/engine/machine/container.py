"""The supervisor of one job's container: standard library only, its own process and session, outlives the engine.

Started as `python -I container.py JOBDIR`. It reads JOBDIR/spec.json, runs the entrypoint, writes every line of its
output to JOBDIR/log as `milliseconds text`, and when it has ended JOBDIR/exit.json. While it lives it holds the lock
it inherited on JOBDIR/lock: whoever gets that lock knows that the supervisor is gone.

TERM is passed on, and what is left after the grace is killed; USR1 kills at once. Nothing survives the entrypoint.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import re
import select
import signal
import sys
import time

TYPE_CHECKING = False  # each job pays for what this file imports, and typing and pathlib are dear
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path
    from typing import Any

LINE_MAX = 64 * 1024
LOG_MAX = 1 << 30
_DRAIN_S = 2.0
_PR_SET_CHILD_SUBREAPER = 36
STOPS = (signal.SIGTERM, signal.SIGUSR1)
"""Who starts a supervisor blocks these in it: one that comes before it can heed them waits until it does."""
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


def escape(line: str) -> str:
    """Control characters as the service's log shows them: a tab is #011."""
    return _CONTROL.sub(lambda m: f"#{ord(m.group()):03o}", line)


def write_json(path: str, value: object) -> None:
    """Replace the file in one step: a reader sees the old one or the new one."""
    with open(f"{path}.tmp", "w", encoding="utf-8") as draft:
        draft.write(json.dumps(value))
    os.replace(f"{path}.tmp", path)


class Log:
    """Lines with the time they came, appended to a file."""

    def __init__(self, path: Path | str) -> None:
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115 - closed by close
        self._rest = b""
        self._left = LOG_MAX - self._file.tell()

    def feed(self, data: bytes) -> None:
        """Take output as it comes; a line without an end is cut where it gets too long."""
        *lines, rest = (self._rest + data).split(b"\n")
        *more, self._rest = _cut(rest)
        self._write([piece for line in lines for piece in _cut(line)] + more)

    def close(self) -> None:
        """Write the last line even if it has no end."""
        if self._rest:
            self._write(_cut(self._rest))
        self._file.close()

    def _write(self, lines: list[bytes]) -> None:
        stamp = int(time.time() * 1000)
        text = "".join(f"{stamp} {escape(line.decode('utf-8', 'replace'))}\n" for line in lines)
        if not text or self._left <= 0:
            return
        data = text.encode("utf-8")
        self._left -= len(data)
        if self._left <= 0:  # a job that never stops talking must not fill the disk
            data += f"{stamp} sweeper engine: the log is longer than {LOG_MAX} bytes; the rest is dropped\n".encode()
        self._file.write(data)


def _cut(line: bytes) -> list[bytes]:
    """A line in pieces that are not too long. A progress bar is cut where it returns to the line's beginning."""
    pieces = []
    while len(line) > LINE_MAX:
        at = line.rfind(b"\r", 0, LINE_MAX) + 1 or LINE_MAX
        pieces.append(line[:at])
        line = line[at:]
    return [*pieces, line]


def adopt_orphans() -> None:
    """Become the parent of every orphan below, so that none can hide (Linux; elsewhere the group must do)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def descendants(root: int) -> list[int]:
    """Process ids below `root`, by /proc; empty where there is no /proc."""
    children: dict[int, list[int]] = {}
    for pid in _processes():
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
                after_name = stat.read().rpartition(")")[2].split()
        except OSError:
            continue  # gone meanwhile
        if after_name[0] != "Z":
            children.setdefault(int(after_name[1]), []).append(pid)
    found: list[int] = []
    todo = [root]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


def _processes() -> Iterable[int]:
    with contextlib.suppress(OSError):
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return []


class Unwind(BaseException):
    """Leaves every frame in a child that goes on as something else."""


class Child:
    """A forked process in a session of its own that runs `work`, its whole output in one pipe.

    Returns when the child has let go of what it inherited: at the latest when it has become another program.
    """

    def __init__(self, work: Callable[[], None]) -> None:
        self.output, write = os.pipe()
        ready, hold = os.pipe()
        self.code: int | None = None  # once it is dead: as a container runtime gives it, 128 + the signal
        self.pid = os.fork()
        if self.pid == 0:
            _become(write, hold, work)
        os.close(write)
        os.close(hold)
        os.read(ready, 1)  # a signal before that would be lost
        os.close(ready)

    def bury(self, flags: int = 0) -> None:
        """Reap it; with WNOHANG only if it is dead."""
        if self.code is None and (found := os.waitpid(self.pid, flags))[0]:
            code = os.waitstatus_to_exitcode(found[1])
            self.code = code if code >= 0 else 128 - code


def _become(write: int, hold: int, work: Callable[[], None]) -> None:
    """In the child: does not return."""
    code = 126
    try:
        os.setsid()
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them
            signal.signal(number, signal.SIG_DFL)
        null = os.open(os.devnull, os.O_RDONLY)
        for descriptor, source in enumerate((null, write, write)):
            os.dup2(source, descriptor)
        os.closerange(3, hold)  # above all the job's lock, which says that the supervisor lives
        os.closerange(hold + 1, 65536)
        work()
    except Unwind:
        raise
    except OSError as error:
        code = 127 if isinstance(error, FileNotFoundError) else 126
        os.write(2, f"{error.filename}: {error.strerror}\n".encode())
    except BaseException:  # noqa: BLE001 - whatever it is, the child ends here
        sys.excepthook(*sys.exc_info())
    os._exit(code)


class Container:
    """One entrypoint and everything it starts."""

    hot = False  # whether it is forked from an interpreter that has imported the job's packages

    def __init__(self, folder: str, spec: dict[str, Any]) -> None:
        self.folder, self.spec = folder, spec
        self.log = Log(f"{folder}/log")
        self.asked: list[int] = []  # signals that came in
        self.stop_at: float | None = None  # when to kill what is left
        self.feeders: dict[str, int] = {}  # the process of each Pipe channel
        self.torn: str | None = None  # what the job could not read; empty: nothing
        self.process: Child
        self.started = time.time()

    def run(self) -> dict[str, Any]:
        """Run to the end; returns what exit.json holds."""
        wake, wake_write = os.pipe()
        os.set_blocking(wake_write, False)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        for number in STOPS:
            signal.signal(number, lambda got, _frame: self.asked.append(got))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        adopt_orphans()
        self._feed()
        self.process = Child(self._entrypoint)
        self._announce()
        self._watch(wake)
        self._kill_tree()
        self._drain()
        return self._exit()

    def _feed(self) -> None:
        """A process for each Pipe channel, which ends when nobody holds the other end of its standard input."""
        if not self.spec["pipes"]:
            return
        nobody, self.feeding = os.pipe()
        program = os.path.join(os.path.dirname(__file__), "feeder.py")
        files = [(os.POSIX_SPAWN_DUP2, nobody, 0), (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
        os.chdir(f"{self.folder}/ml/input/data")  # before the job can put a link in its place
        for channel in self.spec["pipes"]:
            argv = [sys.executable, "-I", "-S", program, self.folder, channel]
            feeder = os.posix_spawn(sys.executable, argv, os.environ, file_actions=files, setsigmask=())
            self.feeders[channel] = feeder
        os.chdir("/")
        os.close(nobody)

    def _torn(self) -> str:
        """Why the job has not read what it should have, if a feeder has given up, or is dead before its job is."""
        for channel, feeder in self.feeders.items():
            problem = f"{self.folder}/pipes/{channel}/problem"
            with contextlib.suppress(FileNotFoundError), open(problem, encoding="utf-8") as told:
                return f"channel {channel}: {told.read()}"
            with contextlib.suppress(ChildProcessError):
                if os.waitpid(feeder, os.WNOHANG)[0] == 0:
                    continue
            return f"channel {channel}: the process that streams it has ended"
        return ""

    def _entrypoint(self) -> None:
        """In the child: its own /opt/ml where this machine allows one, its working directory, its program."""
        os.umask(0o022)  # the engine's own is stricter
        if self.spec["isolation"] != "none":
            isolation = self._namespaces()
            isolation.enter(
                f"{self.folder}/ml",
                isolation.Isolation(self.spec["isolation"]),
                host=self.spec["host"],
                mounts=self.spec["mounts"],
                read_only=tuple(self.spec["read_only"]),
                no_network=self.spec["no_network"],
            )
        os.chdir(self.spec["cwd"])
        self._program()

    def _namespaces(self) -> Any:
        """The module beside this file; with -I there is no package to import it from."""
        sys.path.append(os.path.dirname(__file__))
        return __import__("namespaces")

    def _program(self) -> None:
        argv = self.spec["argv"]
        try:
            os.execvpe(argv[0], argv, self.spec["env"])
        except OSError as error:
            error.filename = argv[0]  # not the last folder of PATH
            raise

    def _announce(self) -> None:
        """Tell the engine, and whoever looks later, that the entrypoint runs."""
        started = {
            "pid": self.process.pid,
            "supervisor_pid": os.getpid(),
            "started_at": self.started,
            "isolation": self.spec["isolation"],
            "hot": self.hot,
        }
        write_json(f"{self.folder}/started.json", started)
        with contextlib.suppress(OSError):  # the engine may be gone; the file says it too
            os.write(1, json.dumps(started).encode() + b"\n")
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.close(null)

    def _watch(self, wake: int) -> None:
        deadline = time.monotonic() + self.spec["max_runtime_s"]
        output = self.process.output
        waited = [wake, output]
        while not self._reaped():
            until = deadline if self.stop_at is None else self.stop_at
            # a system call's timeout has a limit of its own, some 24 days
            ready = select.select(waited, [], [], min(3600.0, max(0.0, until - time.monotonic())))[0]
            for descriptor in ready:
                data = os.read(descriptor, 65536)
                if descriptor == output:
                    self.log.feed(data)
                    if not data:
                        waited.remove(output)
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
                self.process.bury()
                return True
            os.waitpid(dead.si_pid, 0)

    def _alone(self) -> bool:
        """Is no child left, dead or alive? Then there is no descendant, for orphans are children of this process.

        To look through all processes of the machine takes a multiple of what the rest of a job's end does.
        """
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return True
        return False

    def _bury(self) -> None:
        """Reap what the kill left; the entrypoint's own exit code is kept."""
        self.process.bury(os.WNOHANG)
        if self.process.code is None:
            return
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass

    def _signal_all(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)

    def _kill_tree(self) -> None:
        """Kill the group and every descendant, whatever session it hides in, until there is none."""
        self.torn = self._torn() if self.torn is None else self.torn  # while feeders are alive that should be
        self._signal_all(signal.SIGKILL)
        end = time.monotonic() + _DRAIN_S
        while time.monotonic() < end and not self._alone():
            alive = descendants(os.getpid())
            feeders = self.feeders.values()  # they go last: nobody must take the end of one for the end of its data
            for pid in [pid for pid in alive if pid not in feeders] or alive:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._bury()
            if not alive:
                return

    def _drain(self) -> None:
        """What was written before the end is still in the pipe."""
        os.set_blocking(self.process.output, False)
        while True:
            try:
                data = os.read(self.process.output, 65536)
            except BlockingIOError:
                return  # someone out of reach still holds the other end
            if not data:
                return
            self.log.feed(data)

    def _exit(self) -> dict[str, Any]:
        self.log.close()
        return {
            "pid": self.process.pid,
            "started_at": self.started,
            "ended_at": time.time(),
            "exit_code": self.process.code,
            "torn": self.torn,
        }


def main(folder: str, kind: type[Container] = Container) -> None:
    """Run the container described in this folder."""
    with open(f"{folder}/spec.json", encoding="utf-8") as file:
        spec = json.load(file)
    write_json(f"{folder}/exit.json", kind(folder, spec).run())


if __name__ == "__main__":
    main(sys.argv[1])
