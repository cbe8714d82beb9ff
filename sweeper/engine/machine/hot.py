"""Hot starts: a pool keeps an interpreter that has imported what its first job imported, and later jobs are its forks.

As a warm pool keeps its machine. It is made while that first job trains, and no job ever waits for it. Only what
sweeper's own driver or the toolkit starts can be hot: what is Python in the end, without requirements, under a private
/opt/ml. Any surprise is a cold start, and one line in the engine's log.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sweeper import driver
from sweeper.driver import CHANNEL, START_DRIVER
from sweeper.engine.machine import toolkit
from sweeper.engine.machine.folders import FIRST, JobFolder, JobView
from sweeper.engine.machine.imports import COLD, lasting, read
from sweeper.engine.machine.namespaces import Isolation

_LOG = logging.getLogger(__name__)
_HOOK = str(Path(__file__).with_name("hook"))
_NOTES = "imports"
SETTLED_S = 0.4  # so long a script imports nothing: it has begun to work
_ANSWER_S = 5.0
_AT_ONCE_S = 0.001
_WORTH = 0.1  # of the modules that a script imports; who lacks fewer of them need not be made anew
_SURPRISES_MAX = 2  # after so many a pool's jobs start cold


class ColdError(Exception):
    """This job cannot start hot; the message says why."""


class LateError(ColdError):
    """It cannot yet: the imports have not come to their end."""


class HopelessError(ColdError):
    """No job with these imports can."""


class Zygote:
    """The process that has imported a job's packages; it ends when this end of its socket is closed."""

    def __init__(self, key: str, notes: Path) -> None:
        self.key = key
        self.left_out = ""
        """The packages that it does not import ahead, and why."""
        self.ready = False
        text = notes.read_text(encoding="utf-8")
        known = read(text)
        self.modules = frozenset(known["modules"])
        """What it is to import ahead."""
        descriptor, copy = tempfile.mkstemp(prefix=f"{notes.name}.", dir=notes.parent)  # the script's own may grow
        self._notes = Path(copy)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        environ = lasting(known["start"])
        environ["PYTHONPATH"] = os.pathsep.join(filter(None, [_HOOK, environ.get("PYTHONPATH")]))
        environ["SWEEPER_ENGINE_ZYGOTE"] = json.dumps([theirs.fileno(), str(self._notes), {}])
        with theirs:
            self._process = subprocess.Popen(
                # Python notes the script's full name as it starts, so it is told the one that it has in a job
                [known["executable"], *known["called"][1:-1], known["script"]],
                cwd="/",
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def look(self) -> None:
        """Has it imported everything? Raises ColdError when it cannot, LateError when it has not yet."""
        if self.ready:
            if self._process.poll() is not None:
                raise ColdError(f"its interpreter has ended{self._last_words()}")
            return
        try:
            answer = self._answer(_AT_ONCE_S)
        except LateError as error:
            raise LateError("its interpreter still imports") from error
        if not answer.startswith("+"):
            raise HopelessError(f"{answer[1:]}{self._last_words()}")
        self.ready, self.left_out = True, answer[1:]

    def fork(self, folder: Path, *descriptors: int) -> int:
        """The process id of a new supervisor of this job; raises ColdError when there is none."""
        held, go = os.pipe()  # a supervisor that is not known here must not run: there would be a second one
        try:
            socket.send_fds(self._socket, [os.fsencode(folder)], [*descriptors, held])
            pid = int(self._answer(_ANSWER_S))
            os.write(go, b"!")
        except OSError as error:
            raise ColdError(f"its interpreter is gone: {error.strerror}") from error
        finally:
            os.close(held)
            os.close(go)
        return pid

    def _answer(self, timeout_s: float) -> str:
        try:
            self._socket.settimeout(timeout_s)
            answer = self._socket.recv(65536).decode()
        except TimeoutError as error:
            raise LateError(f"its interpreter has not answered within {timeout_s:g} s") from error
        except OSError as error:
            raise ColdError(f"its interpreter is gone: {error.strerror}") from error
        if not answer:
            raise ColdError(f"its interpreter has ended{self._last_words()}")
        return answer

    def _last_words(self) -> str:
        assert self._process.stdout is not None
        os.set_blocking(self._process.stdout.fileno(), False)
        lines = (self._process.stdout.read(4096) or b"").decode("utf-8", "replace").split("\n")
        said = [line.strip() for line in lines if line.strip()]
        return f": {said[-1]}" if said else ""

    def end(self) -> None:
        """Its jobs are not its own, and go on."""
        self._socket.close()
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._notes.unlink(missing_ok=True)


@dataclass
class _Pool:
    zygote: Zygote | None = None
    making: threading.Lock = field(default_factory=threading.Lock)
    surprises: int = 0
    hopeless: str = ""  # the key of jobs that are not tried again


class HotStarts:
    """The hot interpreters of a machine's pools."""

    def __init__(self, enabled: bool) -> None:
        self._enabled = enabled
        self._lock = threading.Lock()
        self._pools: dict[str, _Pool] = {}

    def prepare(self, view: JobView, folder: JobFolder, spec: dict[str, Any]) -> Zygote | None:
        """The interpreter for this job; without one it may be made to tell what it imports, which changes its spec."""
        for name in (_NOTES, COLD):
            (folder.path / name).unlink(missing_ok=True)
        told = _STARTERS.get(tuple(spec["argv"][:3])) or _STARTERS.get(tuple(spec["argv"][:2]))
        if not self._enabled or not view.keeps_pool or told is None:
            return None
        try:
            key = _key(told(folder, spec), spec)
        except ColdError as error:
            _LOG.info("job %s starts cold: %s", view.name, error)
            return None
        pool = self._pool(view.pool_id)
        if pool.zygote is not None and pool.zygote.key != key:
            self._surprised(view, "its source or its environment is not what the pool's interpreter was made for")
        if pool.zygote is not None:
            known = pool.zygote.ready
            try:
                pool.zygote.look()
                if pool.zygote.left_out and not known:
                    _LOG.info("the interpreter for jobs like %s leaves out %s", view.name, pool.zygote.left_out)
                return pool.zygote
            except LateError as error:
                _LOG.info("job %s starts cold: %s", view.name, error)
                return None
            except HopelessError as error:
                pool.hopeless = key
                self._surprised(view, f"{error}; so do the later ones like it")
            except ColdError as error:
                self._surprised(view, str(error))
        if folder.host == FIRST and pool.surprises <= _SURPRISES_MAX and key != pool.hopeless:
            _tells(spec, key, folder)
        return None

    def fork(self, view: JobView, zygote: Zygote, folder: JobFolder, *descriptors: int) -> int | None:
        """The process id of a hot supervisor, to which these are handed: the lock, where to tell, where to complain.

        None when the interpreter has ended meanwhile: the job starts cold, and tells what it imports for the next one.
        """
        try:
            return zygote.fork(folder.path, *descriptors)
        except ColdError as error:
            self._surprised(view, str(error))
        spec = folder.read_json("spec.json")
        if spec is not None and folder.host == FIRST and self._pool(view.pool_id).surprises <= _SURPRISES_MAX:
            _tells(spec, zygote.key, folder)
            folder.write_spec(spec)
        return None

    def begun(self, view: JobView, folder: JobFolder) -> None:
        """A job's container has begun: while it trains, make the pool's interpreter of what it tells."""
        if folder.host == FIRST and "imports_key" in (folder.read_json("spec.json") or {}):
            pool = self._pool(view.pool_id)
            threading.Thread(target=self._learn, args=(view, folder, pool), name="imports", daemon=True).start()

    def _learn(self, view: JobView, folder: JobFolder, pool: _Pool) -> None:
        """Look at what a job tells until it has ended; what has not grown since the last look has settled."""
        before = used = 0
        while folder.spec.exists():
            time.sleep(SETTLED_S)
            with contextlib.suppress(FileNotFoundError):
                size = (folder.path / _NOTES).stat().st_size
                if size == before and size != used:
                    used = size
                    self._make(view, folder, pool)
                before = size

    def ended(self, view: JobView, folder: JobFolder) -> None:
        """A job's container has ended: it has told everything."""
        with contextlib.suppress(OSError):
            self._surprised(view, (folder.path / COLD).read_text(encoding="utf-8"))
        pool, told = self._pool(view.pool_id), folder.read_json("spec.json") or {}
        self._make(view, folder, pool)
        through = (folder.read_json("exit.json") or {}).get("exit_code") == 0
        if through and "imports_key" in told and not (folder.path / _NOTES).exists():
            pool.hopeless = told["imports_key"]  # it is no Python
        (folder.path / _NOTES).unlink(missing_ok=True)  # it holds the job's environment

    def _make(self, view: JobView, folder: JobFolder, pool: _Pool) -> None:
        """Make the pool's interpreter of what a job has told so far, unless the one that it has is as good."""
        notes, key = folder.path / _NOTES, (folder.read_json("spec.json") or {}).get("imports_key")
        if key is None or not notes.exists():
            return
        try:
            with pool.making:
                told = read(notes.read_text(encoding="utf-8"))["modules"]
                if pool.zygote is not None and not _lacks(pool.zygote.modules, told):
                    return
                self._take(view, pool, Zygote(key, notes))
        except (OSError, SyntaxError, ValueError, KeyError) as error:
            self._surprised(view, f"{type(error).__name__}: {error}")

    def _take(self, view: JobView, pool: _Pool, zygote: Zygote) -> None:
        """Let this be the interpreter of a pool, if that is still there."""
        with self._lock:
            there = self._pools.get(view.pool_id) is pool
            last, pool.zygote = (pool.zygote, zygote) if there else (zygote, pool.zygote)
        if last is not None:
            last.end()

    def drop(self, pool_id: str) -> None:
        """The pool has ended, and its interpreter with it."""
        with self._lock:
            pool = self._pools.pop(pool_id, None)
        if pool is not None and pool.zygote is not None:
            pool.zygote.end()

    def _pool(self, pool_id: str) -> _Pool:
        with self._lock:
            return self._pools.setdefault(pool_id, _Pool())

    def _surprised(self, view: JobView, why: str) -> None:
        pool = self._pool(view.pool_id)
        pool.surprises += 1
        ever = "" if pool.surprises <= _SURPRISES_MAX else "; so do the later ones of its pool"
        _LOG.warning("job %s starts cold: %s%s", view.name, why, ever)
        if pool.zygote is not None:
            pool.zygote.end()
            pool.zygote = None


def _tells(spec: dict[str, Any], key: str, folder: JobFolder) -> None:
    """Make the job of this spec tell what it imports, for the jobs with the same key."""
    spec["imports_key"] = key
    told = {
        "PYTHONPATH": os.pathsep.join(filter(None, [_HOOK, spec["env"].get("PYTHONPATH")])),
        toolkit.NOTES: str(folder.path / _NOTES),
    }
    spec["env"] = {**spec["env"], **told}


def _lacks(ready: Collection[str], told: Collection[str]) -> bool:
    """Is so much of what a script imports not ready that a new interpreter is worth its while?"""
    missing = {name for name in told if name.partition(".")[0] not in sys.stdlib_module_names} - set(ready)
    others = {name.partition(".")[0] for name in missing} - {name.partition(".")[0] for name in ready}
    return bool(others) or len(missing) > _WORTH * len(told)


def _key(told: Sequence[bytes], spec: Mapping[str, Any]) -> str:
    """The same for two jobs when one's imports serve the other; `told`: what decides on its script."""
    if spec["isolation"] == Isolation.NONE.value:
        raise ColdError("this machine gives it no private /opt/ml")
    around = json.dumps([spec["argv"][:2], spec["cwd"], spec["isolation"], sorted(lasting(spec["env"]).items())])
    return hashlib.sha256(b"".join(hashlib.sha256(data).digest() for data in [*told, around.encode()])).hexdigest()


def _driven(folder: JobFolder, _: Mapping[str, Any]) -> list[bytes]:
    """What decides on the script that sweeper's driver starts; raises ColdError where it can never be hot."""
    staged = folder.ml / "input/data" / CHANNEL
    try:
        files = [(staged / name).read_bytes() for name in (*driver.FILES, "launch.json", "source.tar.gz")]
        launch = json.loads(files[-2])
        entry, requirements = str(launch["entry_script"]), launch.get("requirements")
    except (OSError, ValueError, KeyError) as error:
        raise ColdError(f"its source cannot be read: {error}") from error
    if files[: len(driver.FILES)] != [Path(driver.__file__).with_name(name).read_bytes() for name in driver.FILES]:
        raise ColdError("its driver is of another version")
    if requirements:
        raise ColdError("it has requirements")
    if launch.get("launcher"):
        raise ColdError("its script is several processes")
    if entry.startswith(("-", "/")):
        raise ColdError(f"{entry} is no file of its source")
    return files


def _by_toolkit(folder: JobFolder, spec: Mapping[str, Any]) -> list[bytes]:
    """What decides on the script that the toolkit starts; raises ColdError where it can never be hot."""
    try:
        values = json.loads((folder.ml / "input/config/hyperparameters.json").read_text(encoding="utf-8"))
        source = _content(spec["argv"][3])
    except (OSError, ValueError, tarfile.TarError) as error:
        raise ColdError(f"its source cannot be read: {error}") from error
    if "requirements.txt" in source:
        raise ColdError("it has requirements")
    own = {name: values[name] for name in sorted(values) if name.startswith("sagemaker_") and name not in _OF_JOB}
    return [repr(sorted(source.items())).encode(), json.dumps(own).encode()]


def _content(archive: str) -> dict[str, object]:
    """Every file by its name: the archive itself has the time it was made."""
    with tarfile.open(archive) as tar:
        found: dict[str, object] = {}
        for member in tar:
            file = tar.extractfile(member) if member.isfile() else None
            digest = hashlib.sha256(file.read()).digest() if file else b""
            found[member.name.removeprefix("./")] = member.type, member.mode, member.linkname, digest
    return found


_OF_JOB = frozenset({"sagemaker_job_name", "sagemaker_submit_directory"})
_STARTERS: dict[tuple[str, ...], Callable[[JobFolder, Mapping[str, Any]], list[bytes]]] = {
    ("/bin/sh", "-c", START_DRIVER): _driven,
    (sys.executable, toolkit.__file__): _by_toolkit,
}
