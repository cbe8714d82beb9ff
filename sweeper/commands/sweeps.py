"""Finding the sweep that a person names: a folder below `runs/`, or the beginning of one."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from sweeper.config import project
from sweeper.core.events import TrialStatus
from sweeper.core.model import Trial
from sweeper.errors import UsageError
from sweeper.stored import StoredSweep, folders


def here() -> Path:
    """The project's folder."""
    return project.find(os.environ, Path.cwd())


def find(name: str) -> StoredSweep:
    """The sweep of this name or unambiguous beginning. Raises UsageError, JournalError."""
    known = {folder.name: folder for folder in folders(here())}
    if name in known:
        return StoredSweep(known[name])
    near = [folder for folder in known if folder.startswith(name)]
    if len(near) == 1:
        return StoredSweep(known[near[0]])
    if near:
        raise UsageError(f"{name}: more than one sweep begins so: {', '.join(near)}")
    raise UsageError(f"{name}: there is no such sweep{_hint(name, list(known))}")


def newest() -> StoredSweep:
    """The sweep that runs, else the one that changed last. Raises UsageError when there is none."""
    found = [StoredSweep(folder) for folder in folders(here())]
    if not found:
        raise UsageError(f"there is no sweep below {here() / 'runs'}")
    return max(found, key=lambda sweep: (sweep.runner is not None, sweep.changed_at))


def find_trial(sweep: StoredSweep, word: str) -> Trial:
    """The trial of this id (or the beginning of one), name or index. Raises UsageError."""
    trials = list(sweep.declared.trials)
    exact = [t for t in trials if word in (t.id, t.name, str(t.index))]
    near = exact or [t for t in trials if len(word) >= 4 and t.id.startswith(word)]
    if len(near) == 1:
        return near[0]
    if near:
        raise UsageError(f"{word}: more than one trial of {sweep.name}: {', '.join(t.id for t in near[:5])}")
    raise UsageError(f"{word}: {sweep.name} has no such trial{_hint(word, [t.name for t in trials])}")


def running_trial(sweep: StoredSweep) -> Trial | None:
    """The trial that runs now, else the one that ran last."""
    jobs = list(sweep.chain.unfinished.values()) or list(sweep.chain.jobs.values())
    if not jobs:
        return None
    intent = jobs[-1].intent
    return Trial(intent.index, intent.trial, intent.label, intent.values)


def progress_of(sweep: StoredSweep) -> tuple[int, int]:
    """(finished, declared) trials of the newest invocation."""
    rows = sweep.table.rows
    return sum(TrialStatus(row["status"]).finished for row in rows), len(rows)


def _hint(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word, known, 1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; there is {', '.join(known[:8])}{', ...' if len(known) > 8 else ''}" if known else ""
