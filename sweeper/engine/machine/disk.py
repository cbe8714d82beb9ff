"""Bounds what the engine keeps on disk: above the cap the oldest ended jobs lose their folders and their outputs."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from sweeper.engine.around.s3 import ObjectStore, parse_uri

_LOG = logging.getLogger(__name__)


_BLOCK = 512  # what st_blocks counts


def used(folder: Path) -> int:
    """Bytes that everything below takes on the disk, as `du` tells them: whole blocks, those of folders too."""
    total = _taken(str(folder))
    for path, folders, names in os.walk(folder):
        total += sum(_taken(f"{path}/{name}") for name in (*folders, *names))  # a large tree, walked often
    return total


def _taken(path: str) -> int:
    try:
        return os.lstat(path).st_blocks * _BLOCK
    except FileNotFoundError:
        return 0


def trim(state: Path, objects: ObjectStore, ended: Iterable[tuple[str, str]], cap: int) -> list[str]:
    """Bring the state folder under the cap; returns the jobs that lost what they had. Records are always kept."""
    excess = used(state) - cap
    trimmed = []
    for name, output in ended:
        if excess <= 0:
            break
        before = objects.size()
        folder = state / "jobs" / name
        freed = used(folder)
        shutil.rmtree(folder, ignore_errors=True)
        bucket, prefix = parse_uri(output)
        objects.remove(bucket, "/".join(part for part in (prefix.strip("/"), name, "") if part) + "/")
        freed += before - objects.size()
        if freed:
            excess -= freed
            trimmed.append(name)
    if trimmed:
        _LOG.info("over %d bytes on disk: removed logs and outputs of %s", cap, ", ".join(trimmed))
    return trimmed
