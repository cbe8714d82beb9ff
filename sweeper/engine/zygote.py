"""A pool's hot interpreter: it has imported what the pool's first job imported, and forks itself for each later job.

It is `python SCRIPT` held up before it begins (hook/sitecustomize.py). The engine sends it a job's folder, and the fork
becomes the job's supervisor, which forks the driver, which forks the script: the same processes as in a cold start,
none of which has to be started. In the script's process `wait` returns and Python runs SCRIPT by itself, so that
tracebacks, exit and clean-up are Python's own. Packages are out of sight until the script imports them.

Standard library only, one thread. What could make a job differ from a cold one ends the matter: before the script has
begun, or at its first import of a package, its process becomes a fresh interpreter, and the engine is told why.
"""

from __future__ import annotations

import array
import ast
import contextlib
import fcntl
import gc
import importlib
import os
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
import warnings
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import IO, TYPE_CHECKING, Any, NoReturn

_HERE = Path(__file__).parent
DRIVER = "input/data/sweeper/driver.py"
# packages that hold threads, devices or connections which no fork survives
FORK_UNSAFE = frozenset({"cupy", "grpc", "horovod", "jax", "jaxlib", "mpi4py", "pyspark", "ray", "tensorflow"})
# what a shell and Python themselves add to the environment of a job
_ADDED = ("LC_CTYPE", "PWD", "OLDPWD", "SHLVL", "_")
_INSPECTED = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM)


def _load(path: Path) -> Any:
    """A module by its file, unknown to sys.modules: its name might be one of the user's."""
    module = ModuleType(path.stem)
    module.__file__ = str(path)
    SourceFileLoader(path.stem, str(path)).exec_module(module)
    return module


if TYPE_CHECKING:
    from sweeper.driver import driver
    from sweeper.engine import container, imports, namespaces
else:
    container, imports, namespaces = (_load(_HERE / f"{name}.py") for name in ("container", "imports", "namespaces"))
    driver = _load(_HERE.parent / "driver/driver.py")


class RefusedError(Exception):
    """No job may be forked from here; the message says why."""


class Script(container.Unwind):
    """The fork that is to be the training script has left every frame of the engine's: arguments, variables, folder."""


# --- importing ahead --------------------------------------------------------------------------------------------------


class _Watched(os._Environ):  # type: ignore[type-arg]
    """The environment, noting who looks at what only a job can tell."""

    asked: set[str]

    def __getitem__(self, key: str) -> str:
        if imports.per_job(key):
            self.asked.add(key)
        return str(super().__getitem__(key))

    def __iter__(self) -> Any:
        self.asked.add("every variable")
        return super().__iter__()


class Preloaded:
    """The packages, imported and put out of sight, and what importing them has changed."""

    def __init__(self, notes: dict[str, Any]) -> None:
        if sys.path != notes["path"]:
            raise RefusedError("it looks for modules elsewhere than the job did")
        self.start = dict(os.environ)
        self.path = list(sys.path)
        self.before = imports.lasting(notes["environ"])
        self._set(self.before)
        lasting = [entry for entry in sys.path if not _is_jobs(entry)]
        sys.path[:] = lasting
        own = set(sys.modules)
        filters, handlers, streams = list(warnings.filters), _handlers(), (sys.stdout, sys.stderr)
        files, where = _descriptors(), Path.cwd()
        asked = self._import(notes["modules"])
        self.changed = {k: v for k, v in os.environ.items() if self.before.get(k) != v}
        added = warnings.filters[: len(warnings.filters) - len(filters)]
        wrong = {
            f"its imports read {', '.join(sorted(asked))}": asked,
            "its imports print": _waiting(1),
            "its imports start threads": threading.active_count() > 1 or _threads_after_fork() > 1,
            "its imports start processes": _has_children(),
            "its imports handle signals": _handlers() != handlers,
            "its imports replace the output": (sys.stdout, sys.stderr) != streams,
            "its imports leave files open": _descriptors() != files,
            "its imports change the folder": Path.cwd() != where,
            "its imports change the search path": sys.path != lasting,
            "its imports unset variables": not self.before.keys() <= os.environ.keys(),
            "its imports change the warnings": list(warnings.filters) != [*added, *filters],
            "its imports hold random generators": _generators(),
        }
        for why, found in wrong.items():
            if found:
                raise RefusedError(why)
        self.added, self.filters = added, filters
        self.hidden = {n: sys.modules.pop(n) for n in list(sys.modules) if n not in own and not _is_standard(n)}
        self.places = {name: _place(name) for name in self.hidden if "." not in name}
        self.stats = _stats([sys.executable, *lasting, *_files(self.hidden)])
        gc.collect()
        gc.freeze()  # the forks share this memory as long as nobody counts it

    def _set(self, environ: dict[str, str]) -> None:
        os.environ.clear()
        os.environ.update(environ)

    def _import(self, names: list[str]) -> set[str]:
        """Import these; returns the variables of single jobs that were looked at."""
        if unsafe := sorted(FORK_UNSAFE & {name.partition(".")[0] for name in names}):
            raise RefusedError(f"no fork may use {', '.join(unsafe)}")
        plain = type(os.environ)
        os.environ.__class__ = _Watched
        os.environ.asked = set()  # type: ignore[attr-defined]
        try:
            for name in names:
                if name not in sys.modules:
                    importlib.import_module(name)
        except Exception as error:
            raise RefusedError(f"{name} cannot be imported ahead: {type(error).__name__}: {error}") from error
        finally:
            os.environ.__class__ = plain
        asked: set[str] = os.environ.asked  # type: ignore[attr-defined]
        del os.environ.asked  # type: ignore[attr-defined]
        return asked

    # ------------------------------------------------------------------ in the script's process

    def begin(self, argv: list[str], environ: dict[str, str], folder: str) -> None:
        """Be the script's interpreter as if it had just started, or become one that has."""
        self.argv, self.environ, self.folder, self.cwd = argv, environ, folder, str(Path.cwd())
        os.closerange(3, 65536)
        for number in (signal.SIGTERM, signal.SIGCHLD, signal.SIGUSR1):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT})
        self._set(self.environ)
        sys.argv[:], sys.orig_argv[:] = self.argv[1:], self.argv
        sys.path[:] = self.path
        for entry in filter(_is_jobs, list(sys.path_importer_cache)):  # there was no such folder until now
            del sys.path_importer_cache[entry]
        warnings.filters[:] = self.filters  # type: ignore[index]
        gc.unfreeze()  # what Python clears as it ends may be reached through modules that are here since before
        if why := self._unlike_start():
            self.cold(why)
        sys.meta_path.insert(0, self)
        _reseed(self.hidden)

    def _unlike_start(self) -> str:
        """What differs from the job that these imports were learnt from; empty when nothing does."""
        if imports.lasting(self.environ) != imports.lasting(self.start):
            return f"its environment differs in {_difference(self.environ, self.start)}"
        if _stats(self.stats) != self.stats:
            return "its packages have changed"
        own = {Path.cwd(), Path(self.argv[1]).absolute().parent}
        names = {entry.name.partition(".")[0] for folder in own for entry in folder.iterdir()}
        if hiding := sorted(names & {name.partition(".")[0] for name in sys.modules} - {"__pycache__"}):
            return f"its source has modules of its own named {', '.join(hiding)}"
        return ""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """A package that is imported already, until the first of them is wanted."""
        module = self.hidden.get(name)
        known = getattr(module, "__spec__", None)
        if module is None or known is None:
            return None
        spec = ModuleSpec(name, self, origin=known.origin, is_package=known.submodule_search_locations is not None)  # type: ignore[arg-type]
        spec.has_location = known.has_location
        if known.submodule_search_locations is not None:
            spec.submodule_search_locations = list(known.submodule_search_locations)
        return spec

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The first package is imported: show them all, as the script would have found them in a cold start."""
        if why := self._unlike_import():
            self.cold(why)
        sys.meta_path.remove(self)
        os.environ.update(self.changed)
        for entry in reversed(self.added):
            warnings.filters.insert(0, entry)  # type: ignore[attr-defined]
        sys.modules.update(self.hidden)
        self._specs = {spec.name: self.hidden[spec.name].__spec__}
        return self.hidden[spec.name]

    def exec_module(self, module: ModuleType) -> None:
        """It is executed already; the import system has only written its own specification into it."""
        module.__spec__ = self._specs[module.__name__]

    def _unlike_import(self) -> str:
        now = imports.lasting(dict(os.environ))
        if now != self.before:
            return f"it imports packages with other values of {_difference(now, self.before)}"
        moved = [name for name, place in self.places.items() if _place(name) != place]
        return f"it finds {', '.join(moved)} elsewhere" if moved else ""

    def cold(self, why: str) -> NoReturn:
        """Become a fresh interpreter; the engine finds out why."""
        with contextlib.suppress(OSError):  # where the job's folder is out of sight
            (Path(self.folder) / imports.COLD).write_text(why, encoding="utf-8")
        sys.stdout.flush()
        os.chdir(self.cwd)
        os.execve(self.argv[0], self.argv, self.environ)


def _is_jobs(entry: str) -> bool:
    return entry == namespaces.OPT_ML or entry.startswith(namespaces.OPT_ML + "/")


def _place(name: str) -> str | None:
    """Where a package would be found now."""
    spec = PathFinder.find_spec(name)
    return None if spec is None else spec.origin


def _is_standard(name: str) -> bool:
    return name.partition(".")[0] in sys.stdlib_module_names


def _handlers() -> list[object]:
    return [signal.getsignal(number) for number in _INSPECTED]


def _descriptors() -> set[int]:
    """Open file descriptors; the listing's own is gone when it is asked for."""
    return {fd for fd in map(int, os.listdir("/proc/self/fd")) if _is_open(fd)}  # noqa: PTH208


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _waiting(descriptor: int) -> int:
    """Bytes in a pipe."""
    count = array.array("i", [0])
    fcntl.ioctl(descriptor, termios.FIONREAD, count)
    return count[0]


def _threads_after_fork() -> int:
    """Threads that are left when a fork is prepared: a linear algebra library ends its own then, and fork is safe."""
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return len(os.listdir("/proc/self/task"))  # noqa: PTH208


def _has_children() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _generators() -> bool:
    """Random generators that packages have made for themselves: every job would draw the same from them."""
    known, every = sys.modules, gc.get_objects()
    kinds: list[type] = []
    fresh: list[object] = []  # those that are seeded anew after a fork, by themselves or by us
    if "random" in known:
        kinds.append(known["random"].Random)
        fresh.append(known["random"]._inst)
    if "tempfile" in known:
        namers = [o for o in every if isinstance(o, known["tempfile"]._RandomNameSequence)]
        fresh += [getattr(namer, "_rng", None) for namer in namers]
    if "numpy.random" in known:
        kinds += [known["numpy.random"].Generator, known["numpy.random"].RandomState]
        fresh.append(known["numpy.random"].mtrand._rand)
    found = [o for o in every if isinstance(o, tuple(kinds)) and type(o).__name__ != "SystemRandom"]
    return any(all(o is not one for one in fresh) for o in found)


def _reseed(modules: dict[str, ModuleType]) -> None:
    """What the system seeds in a fresh process; `random` does it by itself after a fork."""
    for name in ("numpy.random", "torch"):
        if name in modules:
            modules[name].seed()


def _files(modules: dict[str, ModuleType]) -> list[str]:
    return [file for module in modules.values() if isinstance(file := getattr(module, "__file__", None), str)]


def _stats(files: Any) -> dict[str, tuple[int, int] | None]:
    """Time and size of files and folders: a package that was installed anew shows in them."""
    return {file: _stat(file) for file in files}


def _stat(file: str) -> tuple[int, int] | None:
    try:
        found = os.stat(file)  # noqa: PTH116 - hundreds of them before each script
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _difference(a: dict[str, str], b: dict[str, str]) -> str:
    """Names only: values may be secret."""
    a, b = imports.lasting(a), imports.lasting(b)
    return ", ".join(sorted(k for k in a.keys() | b.keys() if a.get(k) != b.get(k)))


# --- forking jobs -----------------------------------------------------------------------------------------------------


class Forked:
    """The script's process as the driver knows it from subprocess.Popen."""

    def __init__(self, argv: list[str], cwd: str, environ: dict[str, str], folder: str) -> None:
        (out, out_write), (errors, errors_write), (ready, hold) = os.pipe(), os.pipe(), os.pipe()
        self.returncode: int | None = None
        signals = {signal.SIGTERM, signal.SIGINT}
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # one that comes early waits for the script
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            os.chdir(cwd)
            for descriptor, source in enumerate((os.open(os.devnull, os.O_RDONLY), out_write, errors_write)):
                os.dup2(source, descriptor)
            os.close(hold)
            warnings.simplefilter("ignore")  # files of the frames that are left now
            raise Script(argv, environ, folder)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
        for descriptor in (out_write, errors_write, hold):
            os.close(descriptor)
        os.read(ready, 1)  # until it has a session of its own to send signals to
        os.close(ready)
        self.stdout: IO[bytes] = open(out, "rb", buffering=0)  # noqa: PTH123, SIM115
        self.stderr: IO[bytes] = open(errors, "rb", buffering=0)  # noqa: PTH123, SIM115

    def poll(self) -> int | None:
        """The exit code if it has ended, negative for a signal."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float) -> int:
        """The exit code; raises TimeoutExpired when it has not ended by then."""
        end, pause = time.monotonic() + timeout, 0.0005
        while (code := self.poll()) is None:
            if time.monotonic() >= end:
                raise subprocess.TimeoutExpired("the script", timeout)
            time.sleep(pause)
            pause = min(2 * pause, 0.02)
        return code


class Hot(container.Container):
    """A container whose driver is a fork of this interpreter."""

    hot = True
    ready: Preloaded

    def _namespaces(self) -> Any:
        return namespaces

    def _program(self) -> None:
        os.closerange(3, 65536)
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # as Python has them
            signal.signal(number, signal.SIG_IGN)
        added = {name: self.ready.start[name] for name in _ADDED if name in self.ready.start}
        os.environ.clear()
        os.environ.update({**added, **self.spec["env"]})
        code = driver.main(Path(self.spec["cwd"]) / DRIVER, self._start)
        sys.stdout.flush()
        os._exit(code)

    def _start(self, argv: list[str], *, cwd: str, env: dict[str, str], **options: Any) -> Any:
        """Start a program as subprocess.Popen does: the script as a fork, everything else as ever."""
        if [argv[0], f"{namespaces.OPT_ML}/code/{argv[1]}"] == sys.orig_argv[:2]:
            return Forked(argv, cwd, env, self.folder)
        return subprocess.Popen(argv, cwd=cwd, env=env, **options)


def _fork_job(channel: socket.socket) -> None:
    """Take an order and fork its supervisor. Returns in this process only."""
    order, descriptors, _, _ = socket.recv_fds(channel, 65536, 4)
    if not order:
        os._exit(0)  # the pool has ended, or the engine
    pid = os.fork()
    if pid == 0:
        channel.close()
        _supervise(order.decode(), *descriptors)
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


def wait(descriptor: int, notes: str) -> None:
    """Import, then fork jobs until the engine lets go of the other end. Returns in a process that is to be a script."""
    channel = socket.socket(fileno=descriptor)
    try:
        Hot.ready = ready = Preloaded(ast.literal_eval(Path(notes).read_text(encoding="utf-8")))
    except (RefusedError, OSError, SyntaxError, ValueError, KeyError) as error:
        channel.send(f"-{error}".encode())
        os._exit(0)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for supervisors
    channel.send(f"+{len(ready.hidden)}".encode())
    try:
        while True:
            _fork_job(channel)
    except Script as unwound:
        script = unwound.args
    ready.begin(*script)  # now that the frames are gone, and with them what they had open
