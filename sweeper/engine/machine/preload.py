"""Importing ahead: the packages of a pool's jobs, put out of sight, and shown to a script as it imports them.

Standard library only: it runs in a pool's hot interpreter (zygote.py) and in the scripts that are forked from it. What
could make a job differ from a cold one ends the matter: here no job is forked then, and a script becomes a fresh
interpreter, either before it has begun or at its first import of a package.
"""

from __future__ import annotations

import array
import contextlib
import fcntl
import gc
import importlib
import os
import signal
import sys
import termios
import threading
import warnings
from collections.abc import Collection, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from sweeper.engine.machine import generators, imports, watched
    from sweeper.engine.machine.namespaces import OPT_ML
else:  # by their files: hook/sitecustomize.py
    import generators
    import imports
    import watched
    from namespaces import OPT_ML

# packages that hold threads, devices or connections which no fork survives
FORK_UNSAFE = frozenset({"cupy", "grpc", "horovod", "jax", "jaxlib", "mpi4py", "pyspark", "ray", "tensorflow"})
_INSPECTED = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM)


class RefusedError(Exception):
    """No job may be forked from here; the message says why."""


class UnfitError(Exception):
    """A package cannot be imported ahead, and has left its traces: (its name, why)."""


class _Guard:
    """Finds the packages that are left out: whatever imports one cannot be imported ahead either."""

    def __init__(self, left_out: Collection[str]) -> None:
        self._left_out = left_out
        self.wanted = ""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        package = name.partition(".")[0]
        if package in self._left_out and PathFinder.find_spec(package) is not None:
            self.wanted = name
            raise ImportError(f"{name} is not imported ahead")


class _Surroundings:
    """What importing a package is not to change."""

    def __init__(self) -> None:
        self._filters, self._handlers, self._streams = list(warnings.filters), _handlers(), (sys.stdout, sys.stderr)
        self._path, self._where, self._environ = list(sys.path), Path.cwd(), list(os.environb)
        self._printed = _waiting(1)
        self.files = _descriptors()

    @property
    def added(self) -> list[Any]:
        """The filters of warnings that have come."""
        return list(warnings.filters[: len(warnings.filters) - len(self._filters)])

    def changed(self) -> str:
        """What has changed, in words; empty when nothing has."""
        wrong = {
            "print": _waiting(1) != self._printed,
            "start threads": threading.active_count() > 1,
            "handle signals": _handlers() != self._handlers,
            "replace the output": (sys.stdout, sys.stderr) != self._streams,
            "leave files open": _descriptors() != self.files,
            "change the folder": Path.cwd() != self._where,
            "change the search path": sys.path != self._path,
            "unset variables": any(name not in os.environb for name in self._environ),
            "change the warnings": list(warnings.filters) != [*self.added, *self._filters],
        }
        return next((f"its imports {what}" for what, found in wrong.items() if found), "")


class Preloaded:
    """The packages, imported and put out of sight, and what importing them has changed.

    Raises UnfitError for a package that has to be left out, in another process; RefusedError where that does not help.
    """

    def __init__(self, notes: dict[str, Any], left_out: Collection[str]) -> None:
        if sys.path != notes["path"]:
            raise RefusedError("it looks for modules elsewhere than the job did")
        self.start = dict(os.environ)
        self.called: list[str] = notes["called"]
        self.path = list(sys.path)
        self.before = imports.lasting(notes["environ"])
        self._set(self.before)
        lasting = [entry for entry in sys.path if not _is_jobs(entry)]
        sys.path[:] = lasting
        own = set(sys.modules)
        unsafe = FORK_UNSAFE | set(left_out)
        names = [name for name in notes["modules"] if name.partition(".")[0] not in unsafe]
        of_job = {name: value for name, value in notes["environ"].items() if imports.per_job(name)}
        twin, seeds = generators.Twin(lambda: _import(names, unsafe, of_job, None)), generators.Seeds()
        try:
            around = _Surroundings()
            self.missed = _import(names, unsafe, of_job, around)
            self.generators = generators.by_system(seeds, twin)
        except ValueError as error:
            raise RefusedError("its imports hold random generators that cannot be compared") from error
        finally:
            seeds.end()
            twin.end()
        if _threads_after_fork() > 1:
            raise RefusedError("its imports start threads")
        if _has_children():
            raise RefusedError("its imports start processes")
        self.changed = {k: v for k, v in os.environ.items() if self.before.get(k) != v}
        self.added, self.filters = around.added, warnings.filters[len(around.added) :]
        self.hidden = {n: sys.modules.pop(n) for n in list(sys.modules) if n not in own and not _is_standard(n)}
        self.places = {name: _place(name) for name in self.hidden if "." not in name}
        self.stats = _stats([sys.executable, *lasting, *_files(self.hidden)])
        gc.collect()
        gc.freeze()  # the forks share this memory as long as no garbage collection counts it

    def _set(self, environ: dict[str, str]) -> None:
        os.environ.clear()
        os.environ.update(environ)

    # ------------------------------------------------------------------ in the script's process

    def begin(self, argv: list[str], environ: dict[str, str], folder: str) -> None:
        """Be the script's interpreter as if it had just started, or become one that has."""
        self.argv, self.environ, self.folder, self.cwd = argv, environ, folder, str(Path.cwd())
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        gc.collect()  # frames and handlers of the engine are gone: what they had open is closed by its owners
        os.closerange(3, 65536)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT})
        self._set(self.environ)
        sys.argv[:], sys.orig_argv[:] = self.argv[len(self.called) - 1 :], self.argv
        sys.path[:] = self.path
        for entry in filter(_is_jobs, list(sys.path_importer_cache)):  # there was no such folder until now
            del sys.path_importer_cache[entry]
        warnings.filters[:] = self.filters  # type: ignore[index]
        _renew_main()
        if why := self._unlike_start():
            self.cold(why)
        sys.meta_path.insert(0, self)
        _reseed(self.hidden)
        generators.renew(self.generators)

    def _unlike_start(self) -> str:
        """What differs from the job that these imports were learnt from; empty when nothing does."""
        if imports.lasting(self.environ) != imports.lasting(self.start):
            return f"its environment differs in {_difference(self.environ, self.start)}"
        if _stats(self.stats) != self.stats:
            return "its packages have changed"
        own = {Path.cwd(), Path(sys.argv[0]).absolute().parent}
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
        with contextlib.suppress(ValueError):  # two threads may import at once
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
        if new := sorted(self.missed & os.environ.keys()):
            return f"its packages look for {', '.join(new)}, which no job had before"
        moved = [name for name, place in self.places.items() if _place(name) != place]
        return f"it finds {', '.join(moved)} elsewhere" if moved else ""

    def cold(self, why: str) -> NoReturn:
        """Become a fresh interpreter; the engine finds out why."""
        with contextlib.suppress(OSError):  # where the job's folder is out of sight
            (Path(self.folder) / imports.COLD).write_text(why, encoding="utf-8")
        sys.stdout.flush()
        os.chdir(self.cwd)
        os.execve(sys.executable, self.argv, self.environ)


def _import(
    names: Sequence[str], left_out: Collection[str], of_job: dict[str, str], around: _Surroundings | None
) -> frozenset[str]:
    """Import these one by one; raises UnfitError for one that may not be, which only shows in `around`.

    Returns the variables of single jobs that were looked for and are not there.
    """
    watch, guard = watched.Watch(of_job), _Guard(left_out)
    sys.meta_path.insert(0, guard)
    try:
        for name in names:
            if name in sys.modules:
                continue
            watch.importing = package = name.partition(".")[0]
            why = ""
            try:
                importlib.import_module(name)
            except Exception as error:  # noqa: BLE001 - whatever it is, a job would meet it too
                why = f"{name} cannot be imported ahead: {type(error).__name__}: {error}"
            if guard.wanted:
                why = f"its imports need {guard.wanted}"
            elif used := watch.used():
                why = f"its imports read {', '.join(used)}"
            if around and (why := why or around.changed()):
                raise UnfitError(package, why)
        for package, variable in watch.kept().items():
            raise UnfitError(package, f"its imports keep {variable}")
        return watch.missed
    finally:
        sys.meta_path.remove(guard)
        watch.end()


def _is_jobs(entry: str) -> bool:
    return entry == OPT_ML or entry.startswith(OPT_ML + "/")


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


def _renew_main() -> None:
    """The script's own module must not be among what is never collected: what it leaves open is closed at its end."""
    fresh = ModuleType("__main__")
    fresh.__dict__.update(sys.modules["__main__"].__dict__)
    sys.modules["__main__"] = fresh


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
