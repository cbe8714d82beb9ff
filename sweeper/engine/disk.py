"""Bounds what the engine keeps on disk: above the cap the oldest ended jobs lose their folders and their outputs."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from sweeper.engine.s3 import ObjectStore, parse_uri

_LOG = logging.getLogger(__name__)


def used(folder: Path) -> int:
    """Bytes of every file below."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(path, name)).st_size  # noqa: PTH118 - a large tree, walked often
            except FileNotFoundError:
                continue
    return total


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
