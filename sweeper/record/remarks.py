"""What people write down about a sweep, with the time: notes, and tags by which sweeps are found again.

They lie beside the journal: they decide nothing, may be written while the sweep runs, and no version of sweeper trips
over them. A line each, appended whole.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

FILE = "notes.jsonl"


@dataclass(frozen=True)
class Remark:
    """One time that somebody wrote. `at`: UTC seconds since the epoch."""

    at: float
    text: str = ""
    tags: Sequence[str] = ()
    untag: Sequence[str] = ()
    """Tags that are taken away."""


def write(folder: Path, remark: Remark) -> None:
    """Append it, durably. Raises OSError."""
    path = folder / FILE
    line = json.dumps(asdict(remark), ensure_ascii=False) + "\n"
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        torn = os.fstat(handle).st_size and os.pread(handle, 1, os.fstat(handle).st_size - 1) != b"\n"
        os.write(handle, (("\n" if torn else "") + line).encode("utf-8", "backslashreplace"))
        os.fsync(handle)
    finally:
        os.close(handle)


def read(folder: Path) -> list[Remark]:
    """Everything that was written, oldest first; a line that cannot be read is passed over."""
    try:
        lines = (folder / FILE).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    return [remark for line in lines if (remark := _remark(line))]


def notes_of(remarks: Iterable[Remark]) -> list[Remark]:
    """Those that say something."""
    return [remark for remark in remarks if remark.text]


def tags_of(declared: Iterable[str], remarks: Iterable[Remark]) -> list[str]:
    """The tags that a sweep has: those of its experiment, and what people have changed since."""
    found = dict.fromkeys(declared)
    for remark in remarks:
        found.update(dict.fromkeys(remark.tags))
        for tag in remark.untag:
            found.pop(tag, None)
    return list(found)


def _remark(line: str) -> Remark | None:
    try:
        told: Any = json.loads(line)
        words = [tuple(map(str, told.get(name) or ())) for name in ("tags", "untag")]
        return Remark(float(told["at"]), str(told.get("text") or ""), *words)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
