"""Python imports this before a training script when the engine has put its folder on PYTHONPATH.

In a script's process it notes what is imported; in a pool's hot interpreter it waits for jobs, and returns in each as
that job's script. Either way it takes itself away first: no script sees it.
"""

from __future__ import annotations

import os
import sys

_FOLDER = os.path.dirname(__file__)


def _engine(name: str) -> object:
    """A module of the engine, not known to sys.modules: its name might be one of the user's."""
    from importlib.machinery import SourceFileLoader

    path = os.path.join(os.path.dirname(_FOLDER), f"{name}.py")
    module = type(sys)(name)
    module.__file__ = path
    SourceFileLoader(name, path).exec_module(module)
    return module


def _withdraw() -> None:
    """Put PYTHONPATH back."""
    rest = [entry for entry in os.environ["PYTHONPATH"].split(os.pathsep) if entry != _FOLDER]
    if rest:
        os.environ["PYTHONPATH"] = os.pathsep.join(rest)
    else:
        del os.environ["PYTHONPATH"]


def _is_script() -> bool:
    """The driver is started by its full path, pip by -m."""
    return len(sys.orig_argv) > 1 and not sys.orig_argv[1].startswith(("-", "/"))


sys.path.remove(_FOLDER)
_this = sys.modules.pop("sitecustomize")
try:
    import sitecustomize  # type: ignore[import-not-found]  # noqa: F401 - the one that this one hides
except ImportError:
    sys.modules["sitecustomize"] = _this
if "SWEEPER_ENGINE_ZYGOTE" in os.environ:
    _descriptor, _, _notes = os.environ.pop("SWEEPER_ENGINE_ZYGOTE").partition(":")
    _withdraw()
    _engine("zygote").wait(int(_descriptor), _notes)  # type: ignore[attr-defined]
elif "SWEEPER_ENGINE_NOTES" in os.environ and _is_script():
    _path = os.environ.pop("SWEEPER_ENGINE_NOTES")
    _withdraw()
    _engine("imports").Notes(_path).begin()  # type: ignore[attr-defined]
