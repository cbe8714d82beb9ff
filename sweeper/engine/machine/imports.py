"""What a training script imports, noted in a job that starts cold so that its pool's hot interpreter has it ready.

Standard library only: it runs inside the script's own process, before the script.
"""

from __future__ import annotations

import atexit
import os
import sys
from importlib.machinery import PathFinder

TYPE_CHECKING = False  # a script must not find more imported than it needs
if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.machinery import ModuleSpec

COLD = "cold"  # the file in a job's folder that says why it started cold after all
_PER_JOB = frozenset({"TRAINING_JOB_NAME", "TRAINING_JOB_ARN", "SWEEPER_FINGERPRINT"})


def per_job(variable: str) -> bool:
    """Does this variable tell one job of a sweep from another?"""
    return variable.startswith("SM_") or variable in _PER_JOB


def lasting(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that are the same for every job of a sweep, unless its experiment varies them."""
    return {name: value for name, value in environ.items() if not per_job(name)}


def installed(spec: ModuleSpec | None) -> bool:
    """Is this a module of an installed package? Others are the user's own, and are never run ahead of a job."""
    folders = tuple(p + os.sep for p in sys.path if p.endswith(("site-packages", "dist-packages")))
    return spec is not None and spec.origin is not None and spec.origin.startswith(folders)


def standard(name: str, spec: ModuleSpec | None) -> bool:
    """Is this a module of the standard library, and not a file of the user's that bears its name?"""
    if spec is None or name.partition(".")[0] not in sys.stdlib_module_names:
        return False
    return not spec.has_location or str(spec.origin).startswith(os.path.dirname(os.__file__) + os.sep)


class Notes:
    """Notes the environment at the first import of an installed package, and at the end every module."""

    def __init__(self, path: str) -> None:
        self._path, self._pid = path, os.getpid()
        self._start, self._sys_path = dict(os.environ), list(sys.path)
        self._environ: dict[str, str] | None = None

    def begin(self) -> None:
        """From here on."""
        sys.meta_path.insert(0, self)
        atexit.register(self._write)

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Finds nothing; it is only asked first."""
        if path is None and name not in sys.stdlib_module_names and installed(PathFinder.find_spec(name)):
            self._environ = dict(os.environ)
            sys.meta_path.remove(self)
        return None

    def _write(self) -> None:
        if os.getpid() != self._pid:
            return  # a fork that ends as if it were the script
        specs = [(name, getattr(module, "__spec__", None)) for name, module in list(sys.modules.items())]
        found = {
            "executable": sys.executable,
            "path": self._sys_path,
            "start": self._start,
            "environ": self._start if self._environ is None else self._environ,
            "modules": [n for n, s in specs if s is not None and s.name == n and (installed(s) or standard(n, s))],
        }
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError:
            return
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(ascii(found))
