"""The hosts of one job as one: they begin together, the first that fails ends the others, and one end is told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from sweeper.engine.machine.containers import Containers, Exit
from sweeper.engine.machine.folders import JobFolder
from sweeper.engine.machine.listener import Listener
from sweeper.engine.training.states import Signal

_LOST = "InternalServerError: the local engine found neither the container of this job nor its exit."
Host = tuple[JobFolder, Callable[[], Exit | None]]
"""A host's folder, and what runs its container to the end; None when that is lost."""


class Cluster:
    """Runs the containers of a job's hosts, each in a thread of its own but the first."""

    def __init__(self, name: str, hosts: Sequence[Host], containers: Containers, listener: Listener) -> None:
        self._name, self._hosts, self._containers, self._listener = name, hosts, containers, listener
        self._lock = threading.Lock()
        self._ended: dict[JobFolder, Exit | None] = {}
        self._broken: list[Exception] = []

    def run(self) -> None:
        """Until every container has ended; tells how, once."""
        first, *others = self._hosts
        threads = [threading.Thread(target=self._one, args=host, name=f"host {host[0].path}") for host in others]
        for thread in threads:
            thread.daemon = True
            thread.start()
        self._one(*first)
        for thread in threads:
            thread.join()
        if self._broken:
            raise self._broken[0]
        exits = [ended for ended in self._ended.values() if ended is not None]
        if len(exits) < len(self._hosts):
            self._listener.failed(self._name, _LOST)
            return
        told = verdict(exits)
        if told.torn:
            self._listener.failed(self._name, f"ClientError: Data download failed: {told.torn}")
        else:
            self._listener.exited(self._name, told.code, told.failure, told.ended_at)

    def _one(self, folder: JobFolder, runs: Callable[[], Exit | None]) -> None:
        ended = None
        try:
            ended = runs()
        except Exception as error:  # noqa: BLE001 - a bug of ours ends the job, and is told where the job is run
            self._broken.append(error)
        finally:
            with self._lock:
                self._ended[folder] = ended
                left = [other for other, _ in self._hosts if other not in self._ended]
            if ended is None or ended.failed:
                for other in left:
                    self._containers.signal(other, Signal.TERM)


def verdict(exits: Sequence[Exit]) -> Exit:
    """How a job has ended whose containers ended like this: as the first that failed, when the last was through.

    Its reason is what that one wrote of it; else what the next one did, which it took with it.
    """
    in_order = sorted(exits, key=lambda one: one.ended_at)
    failed = [one for one in in_order if one.failed]
    why = next((one.failure for one in failed if one.failure), "")
    torn = next((one.torn for one in failed if one.torn), "")
    return Exit(failed[0].code if failed else 0, in_order[-1].ended_at, why, torn)
