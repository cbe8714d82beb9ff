"""Whether a sweep's folder tells something new: by its files' times and sizes, without reading them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sweeper.core.measured import LOG
from sweeper.record.locks import holder

LOCK = ".lock"
_FILES = ("journal.db", LOCK, "results.jsonl", "config.yaml")
Marks = tuple[object, ...]


def marks(folder: Path, logs_of: Iterable[str] = ()) -> Marks:
    """What tells one state of the folder from the next; of these trials the logs too."""
    paths = [*(folder / name for name in _FILES), *(folder / "trials" / trial / LOG for trial in logs_of)]
    return (is_running(folder), *map(_mark, paths))


def is_running(folder: Path) -> bool:
    """Does a process run this sweep now?"""
    return holder(folder / LOCK) is not None


def _mark(path: Path) -> tuple[int, int] | None:
    """When a file was written, and its size; None where there is none."""
    try:
        told = path.stat()
    except OSError:
        return None
    return told.st_mtime_ns, told.st_size
