"""A pool's hot interpreter: it has imported what the pool's first job imported, and forks itself for each later job.

It is `python SCRIPT` held up before it begins (hook/sitecustomize.py). The engine sends it a job's folder, and the fork
becomes the job's supervisor, which forks the driver, which forks the script: the same processes as in a cold start,
none of which has to be started. In the script's process `wait` returns and Python runs SCRIPT by itself, so that
tracebacks, exit and clean-up are Python's own. Standard library only, one thread.
"""

from __future__ import annotations

import json
import math
import os
import signal
import socket
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from sweeper.driver import driver
    from sweeper.engine.machine import container, handing, imports, namespaces, toolkit
    from sweeper.engine.machine.preload import Preloaded, RefusedError, UnfitError
else:  # by their files: hook/sitecustomize.py
    import container
    import driver
    import handing
    import imports
    import namespaces
    import toolkit
    from preload import Preloaded, RefusedError, UnfitError

LEFT_OUT_MOST = 12
"""Packages that an interpreter does without; with more it is not worth its memory."""
DRIVER = "input/data/sweeper/driver.py"
_AS_PYTHON_STARTS = {
    signal.SIGTERM: signal.SIG_DFL,
    signal.SIGUSR1: signal.SIG_DFL,
    signal.SIGCHLD: signal.SIG_DFL,
    signal.SIGPIPE: signal.SIG_IGN,
    signal.SIGXFSZ: signal.SIG_IGN,
}
# what a shell and Python themselves add to the environment of a job
_ADDED = ("LC_CTYPE", "PWD", "OLDPWD", "SHLVL", "_")


class Script(container.Unwind):
    """The fork that is to be the training script has left every frame of the engine's: arguments, variables, folder."""


class Forked:
    """The script's process as the driver knows it from subprocess.Popen."""

    def __init__(
        self, argv: list[str], environ: dict[str, str], folder: str, program: handing.Program | None, **options: Any
    ) -> None:
        """`program`: what this starts, when it is not the script at once; `options`: as Popen takes them."""
        (ready, hold), ours, theirs = os.pipe(), dict[str, int](), dict[str, int]()
        for stream in ("stdout", "stderr"):
            if options.get(stream) == subprocess.PIPE:
                ours[stream], theirs[stream] = os.pipe()
        self.returncode: int | None = None
        signals = {signal.SIGTERM, signal.SIGINT}
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # one that comes early waits for the script
        self.pid = os.fork()
        if self.pid == 0:
            if options.get("start_new_session"):
                os.setsid()
            os.chdir(options["cwd"])
            if options.get("stdin") == subprocess.DEVNULL:
                os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            for stream, descriptor in theirs.items():
                os.dup2(descriptor, {"stdout": 1, "stderr": 2}[stream])
            os.close(hold)
            warnings.simplefilter("ignore")  # files of the frames that are left now
            raise Script(*(_begun(program, argv, environ) if program else (argv, environ)), folder)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
        for descriptor in (*theirs.values(), hold):
            os.close(descriptor)
        os.read(ready, 1)  # until it has a session of its own to send signals to
        os.close(ready)
        self.stdout, self.stderr = (_reader(ours.get(stream)) for stream in ("stdout", "stderr"))

    def poll(self) -> int | None:
        """The exit code if it has ended, negative for a signal."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float = math.inf) -> int:
        """The exit code; raises TimeoutExpired when it has not ended by then."""
        end, pause = time.monotonic() + timeout, 0.0005
        while (code := self.poll()) is None:
            if time.monotonic() >= end:
                raise subprocess.TimeoutExpired("the script", timeout)
            time.sleep(pause)
            pause = min(2 * pause, 0.02)
        return code


def _reader(descriptor: int | None) -> IO[bytes] | None:
    return None if descriptor is None else open(descriptor, "rb", buffering=0)  # noqa: PTH123


def _begun(program: handing.Program, argv: list[str], environ: dict[str, str]) -> tuple[list[str], dict[str, str]]:
    """Run this; what goes wrong must not go on as the driver, whose frames are still below."""
    try:
        return program.run(argv, environ)
    except Exception:  # noqa: BLE001
        sys.excepthook(*sys.exc_info())
        os._exit(126)


class Hot(container.Container):
    """A container whose driver is a fork of this interpreter."""

    hot = True
    ready: Preloaded

    def _namespaces(self) -> Any:
        return namespaces

    def _program(self) -> None:
        signal.set_wakeup_fd(-1)
        for number, action in _AS_PYTHON_STARTS.items():
            signal.signal(number, action)
        os.closerange(3, 65536)  # from here on the supervisor may send signals
        added = {name: self.ready.start[name] for name in _ADDED if name in self.ready.start}
        os.environ.clear()
        os.environ.update({**added, **self.spec["env"]})
        _, starter, *given = self.spec["argv"]
        if Path(starter).name == Path(toolkit.__file__).name:
            code = toolkit.main(Path(given[0]), given[1], given[2] == "1", self._start)
        else:
            code = driver.main(Path(self.spec["cwd"]) / DRIVER, self._start)
        sys.stdout.flush()
        os._exit(code)

    def _start(self, argv: list[str], *, cwd: str, env: dict[str, str], **options: Any) -> Any:
        """Start a program as subprocess.Popen does: the script as a fork, and so what may end as it; pip as ever."""
        if [argv[0], os.path.join(cwd, argv[1])] == sys.orig_argv:  # noqa: PTH118
            return Forked(argv, env, self.folder, None, cwd=cwd, **options)
        if argv[0] != sys.executable:
            program = handing.Program(Path(self.folder) / "handing", self.ready.called)
            return Forked(argv, env, self.folder, program, cwd=cwd, **options)
        return subprocess.Popen(argv, cwd=cwd, env=env, **options)


def _fork_job(channel: socket.socket) -> None:
    """Take an order and fork its supervisor. Returns in this process only."""
    order, descriptors, _, _ = socket.recv_fds(channel, 65536, 4)
    if not order:
        os._exit(0)  # the pool has ended, or the engine
    signal.pthread_sigmask(signal.SIG_BLOCK, container.STOPS)  # until the supervisor can heed them
    pid = os.fork()
    if pid == 0:
        channel.close()
        _supervise(order.decode(), *descriptors)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, container.STOPS)
    for descriptor in descriptors:
        os.close(descriptor)
    channel.send(str(pid).encode())


def _supervise(folder: str, lock: int, told: int, errors: int, go: int) -> NoReturn:
    """Be the supervisor of this job, once the engine knows of it. It holds the lock until it ends."""
    try:
        if os.read(go, 1) != b"!":
            os._exit(0)  # the engine has given this one up
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        for descriptor, source in enumerate((os.open(os.devnull, os.O_RDONLY), told, errors)):
            os.dup2(source, descriptor)
        for descriptor in range(3, max(lock, told, errors, go) + 1):
            if descriptor != lock:
                os.closerange(descriptor, descriptor + 1)
        container.main(folder, Hot)
    except container.Unwind:
        raise
    except BaseException:  # noqa: BLE001 - it must not go on as anything else
        sys.excepthook(*sys.exc_info())
    os._exit(0)


def wait(told: str) -> None:
    """Import, then fork jobs until the engine lets go of the other end. Returns in a process that is to be a script.

    `told`: the socket to the engine, the file of notes, and the packages that are left out and why, as JSON.
    """
    descriptor, notes, known = json.loads(told)
    channel, start = socket.socket(fileno=descriptor), dict(os.environ)
    try:
        Hot.ready = ready = Preloaded(imports.read(Path(notes).read_text(encoding="utf-8")), known)
    except UnfitError as error:
        package, why = error.args
        if len(known) < LEFT_OUT_MOST:
            _again(descriptor, notes, start, {**known, package: why})
        _refuse(channel, notes, f"{package}: {why}")
    except Exception as error:  # noqa: BLE001 - it must not run a script outside of a job
        _refuse(channel, notes, str(error) if isinstance(error, RefusedError) else f"{type(error).__name__}: {error}")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for supervisors
    channel.send(b"+" + "; ".join(f"{package} ({why})" for package, why in known.items()).encode())
    Path(notes).unlink(missing_ok=True)  # it holds a job's environment
    try:
        while True:
            _fork_job(channel)
    except Script as unwound:
        script = unwound.args
    try:
        ready.begin(*script)
    except Exception as error:  # noqa: BLE001 - a fresh interpreter can do no worse
        ready.cold(f"{type(error).__name__}: {error}")


def _refuse(channel: socket.socket, notes: str, why: str) -> NoReturn:
    channel.send(f"-{why}".encode())
    Path(notes).unlink(missing_ok=True)
    os._exit(0)


def _again(descriptor: int, notes: str, start: dict[str, str], left_out: dict[str, str]) -> NoReturn:
    """Be a fresh interpreter that imports less: what a package has done as it was imported cannot be undone."""
    hook = str(Path(__file__).with_name("hook"))
    environ = {
        **start,
        "PYTHONPATH": os.pathsep.join(filter(None, [hook, start.get("PYTHONPATH")])),
        "SWEEPER_ENGINE_ZYGOTE": json.dumps([descriptor, notes, left_out]),
    }
    os.set_inheritable(descriptor, True)
    os.chdir("/")
    os.execve(sys.orig_argv[0], sys.orig_argv, environ)
