"""What a sweep has declared, known without composing: by its result files, and by the trials that have begun."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sweeper.core import events as ev
from sweeper.core.chain import Chain
from sweeper.core.model import MetricDefinition, Trial, number_of
from sweeper.core.results import FIRST, LAST, MACHINE, SPOT, Row
from sweeper.record.composed import Composed

METRIC = "metric."
NUMBERED = "model"
"""A column of the rows whose numbers begin at 1; those of before it was there began at 0."""


class StoredTrials:
    """The declared trials that are known without composing: those of results.jsonl and those that have begun."""

    def __init__(self, keys: Sequence[str], trials: Sequence[Trial]) -> None:
        self.keys = tuple(keys)
        self._trials = sorted(trials, key=lambda trial: trial.index)
        self._by_id = {trial.id: trial for trial in trials}

    def __len__(self) -> int:
        return len(self._trials)

    def __getitem__(self, index: int) -> Trial:
        return self._trials[index]

    def __iter__(self) -> Iterator[Trial]:
        return iter(self._trials)

    def find(self, id: str, index: int) -> Trial | None:  # noqa: A002
        """The trial with this id, None when it is not declared."""
        return self._by_id.get(id)


@dataclass(frozen=True)
class Remembered:
    """What a table needs of a declaration."""

    trials: StoredTrials
    metrics: tuple[MetricDefinition, ...]
    saves: bool = False
    seed: str = ""


def remembered(folder: Path, said: Composed, chain: Chain, events: Sequence[tuple[float, ev.Event]]) -> Remembered:
    """The declaration of the newest invocation, of which these are the folder, the configuration and the journal."""
    columns = _header(folder / "results.csv")
    keys = [c for c in columns if c not in {*FIRST, *LAST, *SPOT, MACHINE} and not c.startswith(METRIC)]
    metrics = [c.removeprefix(METRIC) for c in columns if c.startswith(METRIC)]
    if not columns:  # killed before the first file was written
        keys = list(dict.fromkeys(key for job in chain.jobs.values() for key in job.intent.values))
        metrics = [metric.name for metric in said.metrics]
    takes_over = any(job.intent.taken for job in chain.jobs.values())
    rows = (row for row in _rows(folder / "results.jsonl") if row.get("declared", True))
    by_id = {str(row["trial"]): _trial(row, keys) for row in rows}
    return Remembered(
        StoredTrials(keys, [*by_id.values(), *(t for t in _begun(events) if t.id not in by_id)]),
        tuple(MetricDefinition(name, "") for name in metrics),
        said.interrupts,
        "" if takes_over else said.seed,
    )


def _begun(events: Sequence[tuple[float, ev.Event]]) -> Iterator[Trial]:
    """The trials that the newest invocation has begun: it declared them, whatever the files say.

    One that runs a single trial again declares nothing.
    """
    begun: dict[str, Trial] = {}
    only = ""
    for _, event in events:
        if isinstance(event, ev.Opened):
            only = event.only
            begun = begun if only else {}
        elif isinstance(event, ev.Intent) and event.trial != only:
            begun[event.trial] = Trial(event.index, event.trial, event.label, event.values)
    yield from begun.values()


def _trial(row: Row, keys: Sequence[str]) -> Trial:
    index = int(row["index"]) - (number_of(0) if NUMBERED in row else 0)
    return Trial(index, str(row["trial"]), str(row["name"]), {k: row.get(k) for k in keys})


def _rows(path: Path) -> list[Row]:
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError):
        return []
    return [row for row in rows if isinstance(row, dict) and {"index", "trial", "name"} <= row.keys()]


def _header(path: Path) -> list[str]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return next(csv.reader(file), [])
    except (OSError, ValueError, csv.Error):
        return []
