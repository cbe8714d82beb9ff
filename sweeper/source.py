"""Which files of a folder count: the same for a trial's identity and for what is staged; and their digest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

IGNORED = {"__pycache__", ".git", ".venv", ".ipynb_checkpoints", ".mypy_cache", ".ruff_cache", ".pytest_cache"}
IGNORED_SUFFIXES = {".pyc", ".pyo"}
SECRETS = ".env"
"""Where people keep secrets, `.env.local` and the like included: never staged."""


class SourceError(ValueError):
    """The folder holds something that cannot be staged."""


def files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Every file that belongs to the source: its relative name with `/`, and where it lies; sorted by name."""
    yield from sorted(_walk(folder, folder.resolve(), ""))


def ignored(name: str) -> bool:
    """True for what is neither staged nor part of an identity: caches, and files with secrets."""
    secret = name == SECRETS or name.startswith(SECRETS + ".")
    return secret or name in IGNORED or Path(name).suffix in IGNORED_SUFFIXES


def _walk(folder: Path, root: Path, prefix: str) -> Iterator[tuple[str, Path]]:
    for entry in folder.iterdir():
        if ignored(entry.name):
            continue
        name = prefix + entry.name
        if entry.is_symlink() and root not in entry.resolve().parents:
            raise SourceError(f"{name} is a link out of the folder: copy the file in")
        if entry.is_dir():
            if entry.is_symlink():
                raise SourceError(f"{name} is a link to a folder: copy it in")
            yield from _walk(entry, root, name + "/")
        elif entry.is_file():
            yield name, entry


def digest(folder: Path) -> str:
    """sha256 over names and contents. Permissions and times do not count."""
    found = hashlib.sha256()
    for name, path in files(folder):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        found.update(f"{len(name)}:{name}:{content}\n".encode())
    return found.hexdigest()
