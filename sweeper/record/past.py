"""What the jobs of a project's past sweeps in an account have shown: for estimates. Nothing is asked or changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sweeper.core import events as ev
from sweeper.core.machines import types
from sweeper.core.paces import Seen
from sweeper.core.scope import Scope
from sweeper.errors import JournalError
from sweeper.record.stored import StoredSweep, folders

MOST = 30
"""Sweeps that are looked at, the newest: machines of last year say little about today's."""


def seen(project: Path, scope: Scope, name: str) -> Iterator[Seen]:
    """The jobs of the newest sweeps in an account; `scope` and `name` are those of the sweep that is planned.

    Of one that is to run in an account its own Region's count: every Region has machines of its own.
    """
    for folder in sorted(folders(project), key=_changed, reverse=True)[:MOST]:
        _, where = Scope.of(folder.name)
        if not where.engine.on_aws or (scope.engine.on_aws and where.region != scope.region):
            continue
        try:
            stored = StoredSweep(folder)
        except JournalError:
            continue
        sent = {event.name: at for at, event in stored.events if isinstance(event, ev.Created)}
        yield Seen(
            stored.chain,
            types(stored.config.get("locked") or {}),
            interrupts=stored.declared.saves,
            sent_at=sent if stored.said.queue else {},
            own=folder.name == scope.folder(name),
        )


def _changed(folder: Path) -> float:
    return (folder / "journal.db").stat().st_mtime
