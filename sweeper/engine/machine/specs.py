"""What a job's container is to run, where, and with which variables."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sweeper.engine.around.s3 import ObjectStore
from sweeper.engine.machine import dialects, folders, toolkit
from sweeper.engine.machine.dialects import Dialect, dialect_of
from sweeper.engine.machine.folders import InputError, JobFolder, JobView, hosts_of
from sweeper.engine.machine.namespaces import Isolation
from sweeper.engine.machine.probe import Probe


class Specs:
    """Makes the specifications of containers.

    `shims`: a folder for interpreters of the engine's; `reached`: the variables by which a job reaches this engine.
    """

    def __init__(
        self, shims: Path, objects: ObjectStore, reached: Mapping[str, str], options: Mapping[str, Any], probe: Probe
    ) -> None:
        self._shims, self._objects, self._reached = shims, objects, reached
        self._options, self._probe = options, probe

    def of(self, view: JobView, folder: JobFolder) -> dict[str, Any]:
        """That of a job whose folder is laid out, for container.py, but for its channels; raises InputError."""
        private = self._probe.isolation is not Isolation.NONE
        root = folders.OPT_ML if private else folders.plain_root(folder.ml)
        argv = self._command(view, folder, root)
        variables = folders.environment(view, folder, root, self._reached, self._shims)
        stopping = view.request.get("StoppingCondition", {})
        isolated = bool(view.request.get("EnableNetworkIsolation"))
        if isolated and not private:
            folder.say("EnableNetworkIsolation is not applied: this machine gives a job no network of its own")
        if len(hosts := hosts_of(view.request)) > 1 and (isolated or not private):
            why = "each is on a network of its own" if private else "this machine gives no job names of hosts"
            folder.say(f"{', '.join(hosts[:3])}{' ...' if len(hosts) > 3 else ''} do not find each other here: {why}")
        return {
            "argv": argv,
            "env": {k: folders.rewritten(v, root) for k, v in variables.items()},
            "cwd": root,
            "host": folder.host,
            "isolation": self._probe.isolation.value,
            "no_network": private and isolated,
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
