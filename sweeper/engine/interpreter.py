"""A module of sweeper as a program of its own, which imports nothing from the folder that it is started in."""

from __future__ import annotations

import sys
from pathlib import Path

_ROOT = str(Path(__file__).resolve().parents[2])
# `python -m` and `python -c` look into the current folder first, where a user may have a queue.py. Only this package is
# taken from where it is here, installed or not; everything else from the interpreter's own path. (-P is not in 3.10.)
_START = (
    "import sys; sys.path = [entry for entry in sys.path if entry]; root, module = sys.argv[1:3]; del sys.argv[1:3]; "
    "sys.path.insert(0, root); import sweeper; sys.path.remove(root); "
    "import runpy; runpy.run_module(module, run_name='__main__', alter_sys=True)"
)


def module_command(module: str, *arguments: str) -> list[str]:
    """What to execute to run this module of sweeper with these arguments."""
    return [sys.executable, "-c", _START, _ROOT, module, *arguments]
