"""Files that are written whole or not at all, and folders that only their owner enters."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TextIO


def write_atomically(path: Path, text: str) -> None:
    """Write a file that only its owner reads, by renaming: a reader sees the old one or the new one. Raises OSError."""
    with replacing(path) as file:
        file.write(text)


def private_folder(path: Path) -> Path:
    """A folder, made with its missing parents for its owner alone. One that exists keeps its rights. Raises OSError."""
    if not path.parent.exists():
        private_folder(path.parent)
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def unversioned(path: Path) -> Path:
    """A private folder that no repository keeps: it tells git so, unless it has words of its own. Raises OSError."""
    ignored = private_folder(path) / ".gitignore"
    if not ignored.exists():
        write_atomically(ignored, "*\n")
    return path


@contextmanager
def replacing(path: Path) -> Iterator[TextIO]:
    """A file to write, which takes the place of the one at this path once it is whole. Raises OSError.

    What is no text in UTF-8 (half a character in a log) is written as an escape.
    """
    with (
        _aside(path) as handle,
        os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace", newline="") as file,
    ):
        yield file


@contextmanager
def replacing_bytes(path: Path) -> Iterator[IO[bytes]]:
    """As `replacing`, for what is no text. Raises OSError."""
    with _aside(path) as handle, os.fdopen(handle, "wb") as file:
        yield file


@contextmanager
def _aside(path: Path) -> Iterator[int]:
    """A new file, open to write, that is renamed to this path at the end: to be closed before that."""
    private_folder(path.parent)
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        yield handle
        Path(aside).replace(path)
    except BaseException as error:
        Path(aside).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None and error.errno:
            raise OSError(error.errno, error.strerror, str(path)) from error  # a full disk does not say which file
        raise
