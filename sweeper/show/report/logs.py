"""Which trials have a log below trials/, and the last lines of those that did not complete."""

from __future__ import annotations

from pathlib import Path

from sweeper.core.events import TrialStatus
from sweeper.core.measured import LOG
from sweeper.core.results import Results
from sweeper.core.text import harmless

LAST_LINES = 12
LAST_BYTES = 1 << 14
LONGEST = 400
"""Characters of a line that are shown."""
MOST_TAILS = 100
_BAD = {TrialStatus.FAILED.value, TrialStatus.METRIC_MISSING.value, TrialStatus.STOPPED.value, TrialStatus.PRUNED.value}


def stored(trials: Path) -> frozenset[str]:
    """The trials that have a log."""
    return frozenset(path.parent.name for path in trials.glob(f"*/{LOG}"))


def tails(trials: Path, table: Results, having: frozenset[str]) -> dict[str, list[str]]:
    """The last lines of what the trials that did not complete have printed, by trial; the first hundred of them."""
    wanted = [row["trial"] for row in table.declared if row["status"] in _BAD and row["trial"] in having]
    return {trial: _tail(trials / trial / LOG) for trial in wanted[:MOST_TAILS]}


def _tail(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - LAST_BYTES))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return []
    whole = lines[1:] if size > LAST_BYTES else lines
    return [harmless(line)[:LONGEST] for line in whole[-LAST_LINES:]]
