"""Where things lie: the user's project, and the configuration that comes with the package."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

VARIABLE = "SWEEPER_PROJECT"
EXPERIMENTS = "experiments"
SUITE = "suite"
"""The key of a file of experiments/ that lists several of them."""
BUILT = Path(".sweeper", "built")
"""Where it lies in a project what the function of a `builder` would upload, by its content."""


def find(environ: Mapping[str, str], start: Path) -> Path:
    """The folder that holds `experiments/`: SWEEPER_PROJECT, else the nearest parent with one, else `start`."""
    if environ.get(VARIABLE):
        return Path(environ[VARIABLE]).resolve()
    start = start.resolve()
    return next((folder for folder in (start, *start.parents) if (folder / EXPERIMENTS).is_dir()), start)


_chosen: ContextVar[Path | None] = ContextVar("chosen", default=None)
"""The project that is worked in whatever the working directory is."""


@contextmanager
def within(project: Path) -> Iterator[None]:
    """While it lasts this is the project."""
    token = _chosen.set(project)
    try:
        yield
    finally:
        _chosen.reset(token)


def here() -> Path:
    """The project that was chosen, else the one that the working directory lies in."""
    return _chosen.get() or find(os.environ, Path.cwd())


def packaged_conf() -> Path:
    """Our own `conf/`: inside the package in a wheel, beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    return next(folder for folder in (package / "conf", package.parent / "conf") if (folder / "config.yaml").is_file())


def is_dir(path: Path) -> bool:
    """True for a folder; a name that no file system knows, or that may not be looked at, is none."""
    return _is(path.is_dir)


def is_file(path: Path) -> bool:
    """True for a regular file; a name that no file system knows, or that may not be looked at, is none."""
    return _is(path.is_file)


def _is(asked: Callable[[], bool]) -> bool:
    try:
        return asked()
    except (OSError, ValueError):  # a name that is too long, a folder that is closed to us
        return False
