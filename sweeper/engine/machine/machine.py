"""Carries out what the service asks for: lays out folders, runs supervisors, uploads artifacts, and reports back."""

from __future__ import annotations

import contextlib
import logging
import queue
import shutil
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sweeper.engine.around.s3 import NoSuchBucketError, ObjectStore
from sweeper.engine.machine import artifacts
from sweeper.engine.machine.channels import Channels
from sweeper.engine.machine.checkpoints import Checkpoints, CheckpointsOfJobs
from sweeper.engine.machine.containers import Containers
from sweeper.engine.machine.folders import InputError, JobFolder, JobView
from sweeper.engine.machine.hot import HotStarts, Zygote
from sweeper.engine.machine.listener import Listener
from sweeper.engine.machine.namespaces import Isolation
from sweeper.engine.machine.probe import Probe
from sweeper.engine.machine.specs import Specs
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

_LOG = logging.getLogger(__name__)


class Machine:
    """Threads and processes. Effects are taken one by one in order; what is slow gets a thread of its own."""

    def __init__(
        self,
        state: Path,
        objects: ObjectStore,
        listener: Listener,
        reached: Mapping[str, str],
        options: Mapping[str, Any],
    ) -> None:
        self._state, self._objects, self._listener = state, objects, listener
        self._effects: queue.SimpleQueue[Effect] = queue.SimpleQueue()
        self._probe = Probe(options["private_opt_ml"])
        self._hot = HotStarts(options["hot"])
        self._channels = Channels(objects, options["file_systems"])
        self._specs = Specs(state / "bin", objects, reached, options, self._probe)
        self._containers = Containers(listener, self._hot, self._folder)
        self._checkpoints = CheckpointsOfJobs(objects, listener)
        threading.Thread(target=self._work, name="machine", daemon=True).start()

    @property
    def isolation(self) -> Isolation:
        """How a job gets its /opt/ml on this machine."""
        return self._probe.isolation

    def do(self, effect: Effect) -> None:
        """Carry out an effect, some time soon."""
        self._effects.put(effect)

    def kill_all(self) -> None:
        """End every container at once: there is nobody left to report to."""
        self._containers.kill_all()

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
            self._containers.signal(effect.name, effect.signal)
        elif isinstance(effect, DropPool):
            self._hot.drop(effect.pool_id)
            shutil.rmtree(self._cache(effect.pool_id).parent, ignore_errors=True)
        elif isinstance(effect, ForgetJob):
            self._containers.forget(effect.name)  # of a job that ended before it had one
            shutil.rmtree(self._folder(effect.name).path, ignore_errors=True)

    def _thread(self, name: str, work: Callable[[str], None]) -> None:
        def guarded() -> None:
            try:
                work(name)
            except Exception as error:  # noqa: BLE001 - a bug of ours must end this job, not leave it running for ever
                _LOG.exception("job %s", name)
                self._listener.failed(name, f"InternalServerError: {type(error).__name__}: {error}")

        threading.Thread(target=guarded, name=f"job {name}", daemon=True).start()

    def _folder(self, name: str) -> JobFolder:
        return JobFolder.of(self._state, name)

    def _cache(self, pool_id: str) -> Path:
        return self._state / "pools" / pool_id / "cache"

    # ------------------------------------------------------------------ what takes its time

    def _run(self, name: str) -> None:
        view = self._listener.view(name)
        if view is None:
            return
        folder = self._folder(name)
        try:
            checkpoints, zygote = self._prepare(view, folder)
        except InputError as error:
            self._listener.failed(name, f"ClientError: {error}")
            return
        self._containers.run(view, folder, zygote, checkpoints.follow)

    def _prepare(self, view: JobView, folder: JobFolder) -> tuple[Checkpoints, Zygote | None]:
        """Lay everything out that the container needs; raises InputError."""
        folder.lay_out(view, self._cache(view.pool_id) if view.keeps_pool else None)
        channels = self._channels.lay_out(view, folder, private=self.isolation is not Isolation.NONE)
        checkpoints = self._checkpoints.begin(view, folder)
        spec = {**self._specs.of(view, folder), **channels}
        zygote = self._hot.prepare(view, folder, spec)
        folder.write_spec(spec)
        return checkpoints, zygote

    def _adopt(self, name: str) -> None:
        folder = self._folder(name)
        if folder.lock.exists():
            self._containers.adopt(name, folder, lambda: self._checkpoints.of(name, folder).follow())
        else:
            self._run(name)  # it was never started

    def _vacate(self, name: str) -> None:
        """The machine is taken away: only what is in S3 is there again for the next attempt."""
        folder = self._folder(name)
        with contextlib.suppress(NoSuchBucketError):  # then nothing was ever kept, and the next attempt says so
            self._checkpoints.of(name, folder).finish()
        self._containers.forget(name)
        self._checkpoints.forget(name)
        folder.vacate()
        self._listener.vacated(name)

    def _upload(self, name: str) -> None:
        view = self._listener.view(name)
        if view is None:
            return
        folder = self._folder(name)
        self._containers.forget(name)
        problem = None
        try:
            self._checkpoints.of(name, folder).finish()
            artifacts.upload(view, folder, self._objects, with_model=self._listener.uploads_model(name))
        except NoSuchBucketError as error:
            problem = f"ClientError: Artifact upload failed: the bucket {error} does not exist"
        artifacts.clear(folder)
        self._checkpoints.forget(name)
        self._listener.uploaded(name, problem)
