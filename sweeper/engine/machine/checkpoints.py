"""Checkpoints between a job's folder and S3: the whole prefix before the start, then whatever changes."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sweeper.engine.around.s3 import NoSuchBucketError, ObjectStore, parse_uri
from sweeper.engine.machine.folders import OPT_ML, InputError, JobFolder, JobView, inside, link_in
from sweeper.engine.machine.listener import Listener

_DEFAULT = f"{OPT_ML}/checkpoints"
_EVERY_S = 1.0


class Checkpoints:
    """The checkpoints of one job; without a CheckpointConfig it does nothing."""

    def __init__(self, request: Mapping[str, Any], ml: Path, objects: ObjectStore) -> None:
        config = request.get("CheckpointConfig")
        self._objects = objects
        self._wanted = config is not None
        self._ended = threading.Event()
        self._seen: dict[Path, tuple[int, int]] = {}
        if config is None:
            return
        self._bucket, prefix = parse_uri(config["S3Uri"])
        self._prefix = prefix.rstrip("/") + "/" if prefix.rstrip("/") else ""
        local = config.get("LocalPath", _DEFAULT).rstrip("/")
        if not local.startswith(f"{OPT_ML}/"):
            raise InputError(
                f"CheckpointConfig.LocalPath {local} is not below {OPT_ML}, and the local engine has no other"
            )
        self._ml, self._local = ml, local[len(OPT_ML) + 1 :]
        self._folder = inside(ml, self._local)

    def restore(self) -> None:
        """Everything under the prefix, before the job starts."""
        if not self._wanted:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            keys = self._objects.keys(self._bucket, self._prefix)
        except NoSuchBucketError as error:
            raise InputError(f"the bucket {self._bucket} of CheckpointConfig does not exist") from error
        for key in keys:
            relative = key[len(self._prefix) :]
            if relative and not key.endswith("/"):
                place = inside(self._folder, relative)
                place.parent.mkdir(parents=True, exist_ok=True)
                self._objects.copy_to(self._bucket, key, place)
                self._seen[place] = _mark(place)

    def follow(self) -> None:
        """Upload what changes until `finish`."""
        if self._wanted:
            threading.Thread(target=self._follow, name="checkpoints", daemon=True).start()

    def finish(self) -> None:
        """Upload what is left."""
        self._ended.set()
        if self._wanted:
            self._sync()

    def _follow(self) -> None:
        while not self._ended.wait(_EVERY_S):
            self._sync()

    def _sync(self) -> None:
        if link_in(self._ml, self._local) is not None:
            return  # what it leads to is not the job's
        # os.walk does not mind folders that vanish on the way
        for file in [Path(path, name) for path, _, names in os.walk(self._folder) for name in sorted(names)]:
            try:
                if file.is_symlink() or not file.is_file():
                    continue
                mark = _mark(file)
                if self._seen.get(file) != mark:
                    self._objects.put(self._bucket, f"{self._prefix}{file.relative_to(self._folder)}", file)
                    self._seen[file] = mark
            except FileNotFoundError:
                continue  # the script replaced it meanwhile


class CheckpointsOfJobs:
    """The checkpoints of every host of a job that has a folder here."""

    def __init__(self, objects: ObjectStore, listener: Listener) -> None:
        self._objects, self._listener = objects, listener
        self._lock = threading.Lock()
        self._known: dict[Path, Checkpoints] = {}

    def begin(self, view: JobView, folder: JobFolder) -> Checkpoints:
        """Those of a job that starts, with what S3 has of them; raises InputError."""
        made = Checkpoints(view.request, folder.ml, self._objects)
        made.restore()
        with self._lock:
            self._known[folder.path] = made
        return made

    def of(self, name: str, folder: JobFolder) -> Checkpoints:
        """Those of a job, which an earlier engine may have started."""
        with self._lock:
            if folder.path in self._known:
                return self._known[folder.path]
        view = self._listener.view(name)
        made = Checkpoints(view.request if view else {}, folder.ml, self._objects)
        with self._lock:
            return self._known.setdefault(folder.path, made)

    def forget(self, folder: JobFolder) -> None:
        """The host has no container any more."""
        with self._lock:
            self._known.pop(folder.path, None)


def _mark(file: Path) -> tuple[int, int]:
    facts = file.stat()
    return facts.st_mtime_ns, facts.st_size
