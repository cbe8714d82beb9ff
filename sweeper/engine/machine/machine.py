"""Carries out what the service asks for: lays out folders, runs supervisors, uploads artifacts, and reports back."""

from __future__ import annotations

import contextlib
import logging
import queue
import shutil
import threading
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from sweeper.engine.around.s3 import NoSuchBucketError, ObjectStore
from sweeper.engine.machine import artifacts
from sweeper.engine.machine.channels import Channels
from sweeper.engine.machine.checkpoints import Checkpoints, CheckpointsOfJobs
from sweeper.engine.machine.cluster import Cluster
from sweeper.engine.machine.containers import Containers, Exit
from sweeper.engine.machine.folders import FIRST, InputError, JobFolder, JobView, hosts_of
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
        self._containers = Containers(listener, self._hot)
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
        if isinstance(effect, StartContainer | AdoptContainer):
            self._thread(effect.name, self._run)
        elif isinstance(effect, UploadArtifacts):
            self._thread(effect.name, self._upload)
        elif isinstance(effect, Vacate):
            self._thread(effect.name, self._vacate)
        elif isinstance(effect, SignalContainer):
            for folder in self._folders(effect.name):
                self._containers.signal(folder, effect.signal)
        elif isinstance(effect, DropPool):
            self._hot.drop(effect.pool_id)
            shutil.rmtree(self._state / "pools" / effect.pool_id, ignore_errors=True)
        elif isinstance(effect, ForgetJob):
            folder = JobFolder.of(self._state, effect.name)
            self._containers.forget(folder)  # of a job that ended before it had one
            shutil.rmtree(folder.path, ignore_errors=True)

    def _thread(self, name: str, work: Callable[[str], None]) -> None:
        def guarded() -> None:
            try:
                work(name)
            except Exception as error:  # noqa: BLE001 - a bug of ours must end this job, not leave it running for ever
                _LOG.exception("job %s", name)
                self._listener.failed(name, f"InternalServerError: {type(error).__name__}: {error}")

        threading.Thread(target=guarded, name=f"job {name}", daemon=True).start()

    def _folders(self, name: str) -> list[JobFolder]:
        """Those of a job's hosts; none when the job is gone."""
        view = self._listener.view(name)
        return [] if view is None else [JobFolder.of(self._state, name, host) for host in hosts_of(view.request)]

    def _cache(self, pool_id: str, host: str) -> Path:
        return self._state / "pools" / pool_id / ("cache" if host == FIRST else host)

    # ------------------------------------------------------------------ what takes its time

    def _run(self, name: str) -> None:
        """Every host of a job: its container is started, or found again where the engine was away."""
        view = self._listener.view(name)
        if view is None:
            return
        try:
            hosts = [(folder, self._host(view, folder)) for folder in self._folders(name)]
        except InputError as error:
            self._listener.failed(name, f"ClientError: {error}")
            return
        Cluster(name, hosts, self._containers, self._listener).run()

    def _host(self, view: JobView, folder: JobFolder) -> Callable[[], Exit | None]:
        """What runs the container of a host; raises InputError."""
        if folder.lock.exists():  # it was started
            checkpoints = self._checkpoints.of(view.name, folder)
            return partial(self._containers.adopt, view.name, folder, checkpoints.follow)
        checkpoints, zygote = self._prepare(view, folder)
        return partial(self._containers.run, view, folder, zygote, checkpoints.follow)

    def _prepare(self, view: JobView, folder: JobFolder) -> tuple[Checkpoints, Zygote | None]:
        """Lay everything out that the container needs; raises InputError."""
        folder.lay_out(view, self._cache(view.pool_id, folder.host) if view.keeps_pool else None)
        channels = self._channels.lay_out(view, folder, private=self.isolation is not Isolation.NONE)
        checkpoints = self._checkpoints.begin(view, folder)
        spec = {**self._specs.of(view, folder), **channels}
        zygote = self._hot.prepare(view, folder, spec)
        folder.write_spec(spec)
        return checkpoints, zygote

    def _vacate(self, name: str) -> None:
        """The machine is taken away: only what is in S3 is there again for the next attempt."""
        for folder in self._folders(name):
            with contextlib.suppress(NoSuchBucketError):  # then nothing was ever kept, and the next attempt says so
                self._checkpoints.of(name, folder).finish()
            self._checkpoints.forget(folder)
            folder.vacate()
        self._containers.forget(JobFolder.of(self._state, name))
        self._listener.vacated(name)

    def _upload(self, name: str) -> None:
        view = self._listener.view(name)
        if view is None:
            return
        folders, problem = self._folders(name), None
        self._containers.forget(JobFolder.of(self._state, name))
        try:
            for folder in folders:
                self._checkpoints.of(name, folder).finish()
            artifacts.upload(view, folders, self._objects, with_model=self._listener.uploads_model(name))
        except NoSuchBucketError as error:
            problem = f"ClientError: Artifact upload failed: the bucket {error} does not exist"
        for folder in folders:
            artifacts.clear(folder)
            self._checkpoints.forget(folder)
        self._listener.uploaded(name, problem)
