"""What every command says to a person on stderr, and how. Cheap to import."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sweeper.release import Unreleased

BILLING = 3
READER_GONE = (errno.EPIPE, errno.EIO)
"""What writing to a pipe without a reader, and to a terminal that was closed, ends with."""


def complain(text: str) -> None:
    """Tell a person what is wrong, on stderr; without a reader there nobody can be told."""
    with suppress(OSError):
        for line in text.splitlines():
            print(f"sweeper: {line}", file=sys.stderr)


def warn_unreleased(unreleased: Sequence[Unreleased]) -> int:
    """Say last, and clearly, what may still cost money; returns exit code 3 then, else 0."""
    for pool in unreleased:
        complain(f"THE POOL OF {pool.name} MAY STILL BILL: {pool.why}")
        complain(f"release it with: {pool.command}")
    return BILLING if unreleased else 0


def forget_stdout() -> None:
    """The reader (head) has gone: nothing more is told, and Python does not complain once more at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def relative(path: Path) -> Path:
    """A path as a person here would type it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def package_version(package: str) -> str:
    """The installed version of a package."""
    from importlib.metadata import PackageNotFoundError, version  # some 10 ms that most commands need not pay

    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
