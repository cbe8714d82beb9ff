"""What a training script imports, noted in a job that starts cold so that its pool's hot interpreter has it ready.

Noted as it goes, so that the interpreter can be made while the job still trains. Standard library only: it runs inside
the script's own process, before the script.
"""

from __future__ import annotations

import atexit
import os
import sys
from importlib.machinery import PathFinder

TYPE_CHECKING = False  # a script must not find more imported than it needs
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from importlib.machinery import ModuleSpec
    from typing import Any

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
    """Notes the environment at the first import of an installed package, and the modules: each when it is imported.

    A line for the interpreter, then one for each module. What is still being imported is noted by the next import, and
    what no import follows at the end.
    """

    def __init__(self, path: str) -> None:
        self._path, self._pid = path, os.getpid()
        self._told: dict[str, Any] = {
            "executable": sys.executable,
            "called": sys.orig_argv[: len(sys.orig_argv) - len(sys.argv) + 1],
            "script": os.path.join(os.getcwd(), sys.argv[0]),
            "path": list(sys.path),
            "start": dict(os.environ),
        }
        self._begun = False
        self._sought: list[str] = []  # what may be imported by now
        self._noted: set[str] = set()

    def begin(self) -> None:
        """From here on."""
        sys.meta_path.insert(0, self)
        atexit.register(self._end)

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Finds nothing; it is only asked first."""
        if os.getpid() != self._pid:
            return None  # a fork that imports for itself
        if not self._begun and path is None and name not in sys.stdlib_module_names:
            if not installed(PathFinder.find_spec(name)):
                return None
            self._begin(dict(os.environ))
        if self._begun:
            found = [(one, sys.modules.get(one)) for one in self._sought]
            going = [one for one, module in found if _goes_on(module)]
            self._note(one for one, module in found if module is not None and one not in going)
            self._sought = [*going, name]
        return None

    def _begin(self, environ: dict[str, str]) -> None:
        self._begun = True
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError:
            self._pid = 0  # where nobody can be told, nothing is noted
            return
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(f"{ {**self._told, 'environ': environ}!a}\n")
        self._note(list(sys.modules))

    def _note(self, names: Iterable[str]) -> None:
        if os.getpid() != self._pid:
            return
        specs = [(name, getattr(sys.modules.get(name), "__spec__", None)) for name in names if name not in self._noted]
        new = [n for n, s in specs if s is not None and s.name == n and (installed(s) or standard(n, s))]
        self._noted.update(new)
        if new:
            with open(self._path, "a", encoding="utf-8") as file:
                file.write("".join(f"{name}\n" for name in new))

    def _end(self) -> None:
        if os.getpid() != self._pid:
            return  # a fork that ends as if it were the script
        if not self._begun:
            self._begin(self._told["start"])
        self._note(list(sys.modules))


def _goes_on(module: object) -> bool:
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))


def read(text: str) -> dict[str, Any]:
    """What was noted so far. Raises ValueError or SyntaxError where that is nothing."""
    import ast  # scripts do without

    first, *names = text.split("\n")
    told: dict[str, Any] = ast.literal_eval(first)
    return {**told, "modules": names[:-1]}  # the last line has its end
