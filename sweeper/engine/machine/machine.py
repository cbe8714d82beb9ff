"""Carries out what the service asks for: lays out folders, runs supervisors, uploads artifacts, and reports back."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import queue
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import IO, Any, Protocol

from sweeper.engine.around.metrics import Scanner
from sweeper.engine.around.s3 import NoSuchBucketError, ObjectStore, parse_uri
from sweeper.engine.around.series import lines
from sweeper.engine.machine import container, dialects, folders, namespaces, toolkit
from sweeper.engine.machine.checkpoints import Checkpoints
from sweeper.engine.machine.dialects import Dialect, dialect_of
from sweeper.engine.machine.folders import InputError, JobFolder, JobView, link_in
from sweeper.engine.machine.hot import HotStarts, Zygote
from sweeper.engine.machine.namespaces import Isolation
from sweeper.engine.training.effects import (
    AdoptContainer,
    DropPool,
    Effect,
    ForgetJob,
    SignalContainer,
    StartContainer,
    UploadArtifacts,
    Vacate,
)
from sweeper.engine.training.states import Signal

_LOG = logging.getLogger(__name__)
LOST = "InternalServerError: the local engine found neither the container of this job nor its exit."
_LOOK_S = 0.01
_SIGNALS = {Signal.TERM: signal.SIGTERM, Signal.KILL: signal.SIGUSR1}


class Reports(Protocol):
    """Whom the machine tells what happened."""

    def view(self, name: str) -> JobView | None:
        """What is to be run; None when the job is gone."""

    def uploads_model(self, name: str) -> bool:
        """Did the job end in a way that keeps its model?"""

    def note_container(self, name: str, facts: Mapping[str, Any]) -> None:
        """The process of a job, for the engine's own record."""

    def started(self, name: str) -> None:
        """The entrypoint runs."""

    def exited(self, name: str, exit_code: int, failure_text: str, ended_at: float | None = None) -> None:
        """The entrypoint ended, then or just now."""

    def vacated(self, name: str) -> None:
        """An interrupted job's checkpoints are in S3, and its folder is as before its start."""

    def uploaded(self, name: str, problem: str | None) -> None:
        """The artifacts are in S3, or a problem says why not."""

    def failed(self, name: str, reason: str) -> None:
        """The platform gives up on the job."""


def _probe() -> subprocess.Popen[bytes]:
    """Ask in a process of one thread: only there may it be tried."""
    return subprocess.Popen(
        [sys.executable, "-I", "-S", namespaces.__file__], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )


@contextlib.contextmanager
def _blocked(signals: Iterable[signal.Signals]) -> Iterator[None]:
    """A process that this thread starts meanwhile begins with these signals blocked."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Machine:
    """Threads and processes. Effects are taken one by one in order; what is slow gets a thread of its own."""

    def __init__(
        self,
        state: Path,
        objects: ObjectStore,
        reports: Reports,
        reached: Mapping[str, str],
        options: Mapping[str, Any],
    ) -> None:
        self._state, self._objects, self._reports = state, objects, reports
        self._reached, self._options = reached, options
        self._effects: queue.SimpleQueue[Effect] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._scanning = threading.Lock()
        self._supervisors: dict[str, int] = {}  # job name -> process id
        self._wanted: dict[str, Signal] = {}  # signals for containers that are still being prepared
        self._checkpoints: dict[str, Checkpoints] = {}
        self._scanners: dict[str, tuple[Scanner, int]] = {}
        self._hot = HotStarts(options["hot"])
        self._probe = _probe() if options["private_opt_ml"] else None
        threading.Thread(target=self._work, name="machine", daemon=True).start()

    @cached_property
    def isolation(self) -> Isolation:
        """How a job gets its /opt/ml on this machine."""
        if self._probe is None:
            return Isolation.NONE
        found, _ = self._probe.communicate()
        try:
            return Isolation(found.decode())
        except ValueError:
            return Isolation.NONE

    def do(self, effect: Effect) -> None:
        """Carry out an effect, some time soon."""
        self._effects.put(effect)

    def kill_all(self) -> None:
        """End every container at once: there is nobody left to report to."""
        with self._lock:
            for pid in self._supervisors.values():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGUSR1)

    def folder(self, name: str) -> JobFolder:
        """Where a job lives."""
        return JobFolder(self._state / "jobs" / name)

    def metrics(self, name: str, definitions: list[Mapping[str, Any]]) -> dict[str, tuple[float, float]]:
        """The last value of each metric in the log as it is now; only what is new is read."""
        with self._scanning:  # a long log must not hold up a signal
            scanner, offset = self._scanners.get(name) or (Scanner(definitions), 0)
            for at, line, end in lines(self.folder(name).log, offset):
                scanner.feed(line, at)
                offset = end
            self._scanners[name] = (scanner, offset)
            return dict(scanner.last)

    # ------------------------------------------------------------------ effects

    def _work(self) -> None:
        while True:
            effect = self._effects.get()
            try:
                self._one(effect)
            except OSError:
                _LOG.exception("cannot carry out %s", effect)

    def _one(self, effect: Effect) -> None:
        if isinstance(effect, StartContainer):
            self._thread(effect.name, self._run)
        elif isinstance(effect, AdoptContainer):
            self._thread(effect.name, self._adopt)
        elif isinstance(effect, UploadArtifacts):
            self._thread(effect.name, self._upload)
        elif isinstance(effect, Vacate):
            self._thread(effect.name, self._vacate)
        elif isinstance(effect, SignalContainer):
            self._signal(effect.name, effect.signal)
        elif isinstance(effect, DropPool):
            self._hot.drop(effect.pool_id)
            shutil.rmtree(self._cache(effect.pool_id).parent, ignore_errors=True)
        elif isinstance(effect, ForgetJob):
            with self._lock:
                self._wanted.pop(effect.name, None)  # of a job that ended before it had a container
            shutil.rmtree(self.folder(effect.name).path, ignore_errors=True)

    def _thread(self, name: str, work: Callable[[str], None]) -> None:
        def guarded() -> None:
            try:
                work(name)
            except Exception as error:  # noqa: BLE001 - a bug of ours must end this job, not leave it running for ever
                _LOG.exception("job %s", name)
                self._reports.failed(name, f"InternalServerError: {type(error).__name__}: {error}")

        threading.Thread(target=guarded, name=f"job {name}", daemon=True).start()

    def _cache(self, pool_id: str) -> Path:
        return self._state / "pools" / pool_id / "cache"

    # ------------------------------------------------------------------ containers

    def _run(self, name: str) -> None:
        view = self._reports.view(name)
        if view is None:
            return
        folder = self.folder(name)
        try:
            checkpoints, zygote = self._prepare(view, folder)
        except InputError as error:
            self._reports.failed(name, f"ClientError: {error}")
            return
        with self._lock:
            if name in self._wanted:
                del self._wanted[name]
                stopped = True
            else:
                pid, told, process = self._spawn(view, folder, zygote)
                self._supervisors[name] = pid
                stopped = False
        if stopped:  # before there was anything to stop
            self._reports.exited(name, 128 + signal.SIGTERM, "")
            return
        with told as pipe:
            line = pipe.readline()
        if line:
            self._reports.note_container(name, json.loads(line))
            self._reports.started(name)
        checkpoints.follow()
        self._await_exit(name, folder)
        if process is not None:
            process.wait()

    def _prepare(self, view: JobView, folder: JobFolder) -> tuple[Checkpoints, Zygote | None]:
        """Lay everything out that the container needs; raises InputError."""
        folder.lay_out(view, self._cache(view.pool_id) if view.keeps_pool else None)
        folder.copy_inputs(view, self._objects)
        checkpoints = Checkpoints(view.request, folder.ml, self._objects)
        checkpoints.restore()
        with self._lock:
            self._checkpoints[view.name] = checkpoints
        spec = self._spec(view, folder)
        zygote = self._hot.prepare(view, folder, spec)
        folder.write_spec(spec)
        return checkpoints, zygote

    def _spec(self, view: JobView, folder: JobFolder) -> dict[str, Any]:
        private = self.isolation is not Isolation.NONE
        root = folders.OPT_ML if private else folders.plain_root(folder.ml)
        argv = self._command(view, folder, root)
        variables = folders.environment(view, folder, root, self._reached, self._state / "bin")
        stopping = view.request.get("StoppingCondition", {})
        if view.request.get("EnableNetworkIsolation") and not private:
            folder.say("EnableNetworkIsolation is not applied: this machine gives a job no network of its own")
        return {
            "argv": argv,
            "env": {k: folders.rewritten(v, root) for k, v in variables.items()},
            "cwd": root,
            "isolation": self.isolation.value,
            "read_only": [f"input/data/{name}" for name in folders.fast_file_channels(view.request)],
            "no_network": private and bool(view.request.get("EnableNetworkIsolation")),
            "stop_grace_s": self._options["stop_grace_s"],
            # the engine stops a job that runs too long; this is for the time it is away
            "max_runtime_s": stopping.get("MaxRuntimeInSeconds", 86400) + self._options["max_runtime_late_s"] + 5,
        }

    def _command(self, view: JobView, folder: JobFolder, root: str) -> list[str]:
        """What the container runs, by the dialect of the request."""
        request, dialect = view.request, dialect_of(view.request)
        if dialect is Dialect.TOOLKIT:
            isolated = bool(request.get("EnableNetworkIsolation"))
            submitted = dialects.submit_directory(request)
            source = folder.fetch_source(submitted, self._objects, root, isolated=isolated)
            return [sys.executable, toolkit.__file__, root, source, str(int(dialects.captures_errors(request)))]
        if dialect is Dialect.DRIVER_V3 and root != folders.OPT_ML:
            folder.rewrite(f"input/data/{dialects.V3_DRIVERS}", root)
        elif root != folders.OPT_ML:
            folder.warn_of_literal_paths()
        argv = dialects.own_command(request, self._options["images"])
        if not argv:
            algorithm = request["AlgorithmSpecification"]
            raise InputError(
                "the request has no ContainerEntrypoint, and the local engine does not run images: "
                f"{algorithm.get('TrainingImage') or algorithm.get('AlgorithmName')}"
            )
        return [folders.rewritten(word, root) for word in argv]

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

    def _adopt(self, name: str) -> None:
        """The engine was away. The container still runs, has ended, or is lost."""
        folder = self.folder(name)
        if not folder.lock.exists():
            self._run(name)  # it was never started
            return
        started = self._told(name) or {}
        with self._lock:
            if started:
                self._supervisors[name] = started["supervisor_pid"]
            wanted = self._wanted.pop(name, None)
        if wanted is not None:
            self._signal(name, wanted)
        if started:
            self._reports.note_container(name, started)
            self._reports.started(name)
        self._checkpoints_of(name, folder).follow()
        self._await_exit(name, folder)

    def _told(self, name: str) -> dict[str, Any] | None:
        """What a supervisor tells as it begins: while it lives it is about to; None when it ended before."""
        while (started := self.folder(name).read_json("started.json")) is None and self._alive(name):
            time.sleep(_LOOK_S)
        return started

    def _await_exit(self, name: str, folder: JobFolder) -> None:
        """Wait until the supervisor lets go of the lock, and report what it left."""
        with folder.lock.open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
        with self._lock:
            self._supervisors.pop(name, None)
        ended = folder.read_json("exit.json")
        if ended is not None and (view := self._reports.view(name)) is not None:
            self._hot.ended(view, folder)
        folder.forget_spec()
        if ended is None:
            self._reports.failed(name, LOST)
            return
        self._reports.note_container(name, ended)
        self._reports.exited(name, ended["exit_code"], folder.failure_text(), ended["ended_at"])

    def _signal(self, name: str, wanted: Signal) -> None:
        with self._lock:
            pid = self._supervisors.get(name)
            if pid is None:
                self._wanted[name] = wanted
            elif self._alive(name):
                os.kill(pid, _SIGNALS[wanted])

    def _alive(self, name: str) -> bool:
        """A process id may have been given to someone else; the lock tells."""
        with self.folder(name).lock.open("rb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    # ------------------------------------------------------------------ artifacts

    def _vacate(self, name: str) -> None:
        """The machine is taken away: only what is in S3 is there again for the next attempt."""
        folder = self.folder(name)
        with contextlib.suppress(NoSuchBucketError):  # then nothing was ever kept, and the next attempt says so
            self._checkpoints_of(name, folder).finish()
        with self._lock:
            self._wanted.pop(name, None)
            self._checkpoints.pop(name, None)
        folder.vacate()
        self._reports.vacated(name)

    def _upload(self, name: str) -> None:
        view = self._reports.view(name)
        if view is None:
            return
        folder = self.folder(name)
        with self._lock:
            self._wanted.pop(name, None)
        try:
            self._checkpoints_of(name, folder).finish()
            problem = self._upload_artifacts(view, folder)
        except NoSuchBucketError as error:
            problem = f"ClientError: Artifact upload failed: the bucket {error} does not exist"
        self._clean(folder)
        with self._scanning:
            self._scanners.pop(name, None)
        with self._lock:
            self._checkpoints.pop(name, None)
        self._reports.uploaded(name, problem)

    def _checkpoints_of(self, name: str, folder: JobFolder) -> Checkpoints:
        with self._lock:
            if name in self._checkpoints:
                return self._checkpoints[name]
        view = self._reports.view(name)
        found = Checkpoints(view.request if view else {}, folder.ml, self._objects)
        with self._lock:
            return self._checkpoints.setdefault(name, found)

    def _upload_artifacts(self, view: JobView, folder: JobFolder) -> str | None:
        output = view.request["OutputDataConfig"]
        bucket, prefix = parse_uri(output["S3OutputPath"])
        base = "/".join(part for part in (prefix.strip("/"), view.name, "output") if part)
        wanted = [("output/data", "output")]
        if self._reports.uploads_model(view.name):
            wanted.append(("model", "model"))
        for source, artifact in wanted:
            path = folder.ml / source
            if link_in(folder.ml, source) is not None:
                folder.say(f"{source} is a link, or lies behind one: it is not followed, and nothing of it is uploaded")
                continue
            if not path.is_dir() or not any(path.iterdir()):
                continue
            if output.get("CompressionType") == "NONE":
                for file in sorted(p for p in path.rglob("*") if p.is_file() and not p.is_symlink()):
                    self._objects.put(bucket, f"{base}/{artifact}/{file.relative_to(path)}", file)
                continue
            with tempfile.NamedTemporaryFile(dir=folder.path, suffix=".tar.gz") as packed:
                with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=6) as tar:
                    for item in sorted(path.iterdir()):
                        tar.add(item, item.name)
                packed.flush()
                self._objects.put(bucket, f"{base}/{artifact}.tar.gz", Path(packed.name))
        return None

    @staticmethod
    def _clean(folder: JobFolder) -> None:
        """What is in S3 now, or was copied from there, is not kept twice."""
        folder.clear("input/data", "model", "output/data", "checkpoints", "code", "environment", folders.CACHE)
        shutil.rmtree(folder.path / "home", ignore_errors=True)
