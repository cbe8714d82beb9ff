"""The folders of a project that are ours to make."""

from __future__ import annotations

from pathlib import Path

from sweeper.config.project import packaged_conf
from sweeper.record.atomic import unversioned, write_atomically

SCHEMA = "experiment.json"
"""What checks and completes experiments in an editor; in a project it lies in `.sweeper/`."""


def own_folders(project: Path) -> None:
    """The folders that runs write, which git leaves alone, and the schema where an editor finds it. Raises OSError."""
    unversioned(project / "runs")
    schema = (packaged_conf() / "schema" / SCHEMA).read_text(encoding="utf-8")
    copy = unversioned(project / ".sweeper") / SCHEMA
    if not copy.exists() or copy.read_text(encoding="utf-8") != schema:
        write_atomically(copy, schema)
