"""What the folder of a sweep tells, and takes; works while another process runs it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sweeper.api.rows import Best, Rows, best_told
from sweeper.commands import logs
from sweeper.commands import status as statuses
from sweeper.core.as_json import plain
from sweeper.core.chain import Chain
from sweeper.core.model import Sweep
from sweeper.core.results import results
from sweeper.errors import UsageError
from sweeper.record.journal import ask
from sweeper.record.stored import StoredSweep
from sweeper.run.clock import SystemClock
from sweeper.show.summary import best_trial


def _of(folder: Path) -> StoredSweep | None:
    return StoredSweep(folder) if (folder / "journal.db").exists() else None


def _begun(folder: Path) -> StoredSweep:
    """Raises UsageError where nothing has run."""
    found = _of(folder)
    if found is None:
        raise UsageError(f"{folder.name}: it has never run; run it first")
    return found


def rows(folder: Path, sweep: Sweep) -> Rows:
    """Every trial; as it is declared where nothing has run yet."""
    found = _of(folder)
    if found is None:
        return Rows(results(sweep, Chain()), sweep.trials.keys)
    best = found.best
    return Rows(found.table, found.declared.trials.keys, best["trial"] if best else None)


def best(folder: Path) -> Best | None:
    """The best trial; None where there is none."""
    found = _of(folder)
    told = best_trial(found.table, found.objective) if found else None
    return best_told(plain(told)) if told else None


def status(folder: Path) -> Mapping[str, Any]:
    """What `sweeper status --json` prints."""
    return plain(statuses.as_json(_begun(folder)))


def stop(folder: Path, *, now: bool) -> bool:
    """Leave the request in the journal, where anybody runs the sweep."""
    found = _of(folder)
    if found is None or not found.runner:
        return False
    ask(found.journal, SystemClock().now(), "stop", now=now)
    return True


def log(folder: Path, trial: str | None) -> str:
    """The log of the trial's last job."""
    _, lines = logs.log_of(_begun(folder), trial)
    return "".join(f"{line}\n" for line in lines)
