"""How a job gets its /opt/ml on this machine, found out once."""

from __future__ import annotations

import subprocess
import sys
from functools import cached_property

from sweeper.engine.machine import namespaces
from sweeper.engine.machine.namespaces import Isolation


class Probe:
    """Tries namespaces in a process of one thread, for only there it may be tried; unless they are not `wanted`."""

    def __init__(self, wanted: bool) -> None:
        command = [sys.executable, "-I", "-S", namespaces.__file__]
        self._trial = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) if wanted else None

    @cached_property
    def isolation(self) -> Isolation:
        """What was found; waits for the trial."""
        if self._trial is None:
            return Isolation.NONE
        found, _ = self._trial.communicate()
        try:
            return Isolation(found.decode())
        except ValueError:
            return Isolation.NONE
