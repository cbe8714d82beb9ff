"""Python imports this before a training script when the engine has put its folder on PYTHONPATH.

In a script's process it notes what is imported; in a pool's hot interpreter it waits for jobs, and returns in each as
that job's script. Either way it takes itself away first: no script sees it.
"""

from __future__ import annotations

import os
import sys

_FOLDER = os.path.dirname(__file__)


def _machine(name: str) -> object:
    """A module of the machine by its file. sys.modules forgets it: its name might be one of the user's."""
    machine = os.path.dirname(_FOLDER)
    folders = [machine, os.path.join(os.path.dirname(os.path.dirname(machine)), "driver")]
    known = set(sys.modules)
    sys.path[:0] = folders
    try:
        return __import__(name)
    finally:
        del sys.path[: len(folders)]
        for new in set(sys.modules) - known:
            if os.path.dirname(getattr(sys.modules[new], "__file__", None) or "") in folders:
                del sys.modules[new]


def _withdraw() -> None:
    """Put PYTHONPATH back."""
    rest = [entry for entry in os.environ["PYTHONPATH"].split(os.pathsep) if entry != _FOLDER]
    if rest:
        os.environ["PYTHONPATH"] = os.pathsep.join(rest)
    else:
        del os.environ["PYTHONPATH"]


def _is_script() -> bool:
    """Is it what was started, of the job's source? It may have been a shell; what that starts is not it.

    The driver gives it a session of its own, the toolkit tells whose child it is.
    """
    file = os.path.join(os.getcwd(), sys.argv[0])
    started = os.getpid() == os.getsid(0) or os.environ.get("SWEEPER_ENGINE_STARTER") == str(os.getppid())
    return started and file.startswith("/opt/ml/code/") and os.path.isfile(file)


def _hidden() -> None:
    """Import the module of this name that this one hides."""
    sys.path.remove(_FOLDER)
    this = sys.modules.pop("sitecustomize")
    try:
        import sitecustomize  # type: ignore[import-not-found]  # noqa: F401
    except ImportError:
        sys.modules["sitecustomize"] = this


def _wait() -> None:
    """Be a pool's interpreter; whatever goes wrong, it must not run a script outside of a job."""
    try:
        told = os.environ.pop("SWEEPER_ENGINE_ZYGOTE")
        _withdraw()
        _hidden()
        _machine("zygote").wait(told)  # type: ignore[attr-defined]
    except BaseException:  # noqa: BLE001
        sys.excepthook(*sys.exc_info())
        os._exit(1)


if "SWEEPER_ENGINE_ZYGOTE" in os.environ:
    _wait()
elif "SWEEPER_ENGINE_NOTES" in os.environ and _is_script():
    _path = os.environ.pop("SWEEPER_ENGINE_NOTES")
    os.environ.pop("SWEEPER_ENGINE_STARTER", None)
    _withdraw()
    _hidden()
    _machine("imports").Notes(_path).begin()  # type: ignore[attr-defined]
else:
    _hidden()
