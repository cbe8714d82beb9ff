"""A sweep as its folder tells it: the journal for what happened, the result files for what was declared.

Nothing here composes a configuration, asks a service or changes a file: it works while another process runs the sweep.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sweeper.backends import DEFAULT, interrupts, made
from sweeper.core import events as ev
from sweeper.core import measured, stop
from sweeper.core.asked import foreseen, unmade
from sweeper.core.chain import Chain, Job, apply, fold
from sweeper.core.costs import Rate, rate
from sweeper.core.declared import added, undeclared
from sweeper.core.model import MetricDefinition, Objective, Trial, machines, number_of
from sweeper.core.options import from_section
from sweeper.core.ports import StopRule
from sweeper.core.results import FIRST, LAST, MACHINE, SPOT, Results, Row, best, results, value_at
from sweeper.core.scope import Scope
from sweeper.core.space.declared import seed_key
from sweeper.errors import UsageError
from sweeper.record.journal import pending, read
from sweeper.record.locks import Holder, holder
from sweeper.record.log_tail import ENOUGH, LogTail
from sweeper.record.remarks import Remark, tags_of
from sweeper.record.remarks import read as read_remarks

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


class StoredSweep:
    """One folder below `runs/`, read once. Raises JournalError when its journal cannot be read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        asked = pending(folder / "journal.db")  # first: what a runner takes meanwhile is among the events
        self.events: Sequence[tuple[float, ev.Event]] = read(folder / "journal.db")
        self.chain: Chain = fold(event for _, event in self.events)
        for event in foreseen(asked, unmade):
            apply(self.chain, event)

    @property
    def name(self) -> str:
        """The folder's name: NAME, or NAME@ACCOUNT.REGION."""
        return self.folder.name

    @property
    def on_aws(self) -> bool:
        """True when its jobs run in an account: what they cost is paid."""
        _, scope = Scope.of(self.name)
        return scope.engine.on_aws

    @property
    def journal(self) -> Path:
        """The journal's file."""
        return self.folder / "journal.db"

    @cached_property
    def runner(self) -> Holder | None:
        """The process that runs this sweep now."""
        return holder(self.folder / ".lock")

    @property
    def changed_at(self) -> float:
        """UTC seconds since the epoch of the newest event, 0 when there is none."""
        return self.events[-1][0] if self.events else 0.0

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """The composed configuration of the newest invocation, secrets masked; empty when it cannot be read."""
        return _mapping(self.folder / "config.yaml")

    @cached_property
    def remarks(self) -> Sequence[Remark]:
        """What people have written down about it, oldest first."""
        return read_remarks(self.folder)

    @property
    def notes(self) -> list[Remark]:
        """The remarks that say something."""
        return [remark for remark in self.remarks if remark.text]

    @property
    def tags(self) -> list[str]:
        """Its tags: those of its experiment, and what people have changed since."""
        declared = self.config.get("tags")
        return tags_of(map(str, declared) if isinstance(declared, list) else (), self.remarks)

    @property
    def queue(self) -> str | None:
        """The AWS Batch queue that its jobs went through."""
        try:
            through = made(self.config["backend"]).through
        except (KeyError, TypeError, UsageError):  # a configuration that cannot be read, or a kind that is gone
            return None
        return through.queue if through else None

    def config_of(self, trial: str) -> Mapping[str, Any]:
        """The configuration that the last attempt at this trial ran with, secrets masked; empty when there is none."""
        return _mapping(self.folder / "trials" / trial / "config.yaml")

    @property
    def objective(self) -> Objective | None:
        """The metric that the sweep is after."""
        declared = self.config.get("objective")
        return from_section(Objective, declared) if declared else None

    @cached_property
    def declared(self) -> Remembered:
        """The declaration of the newest invocation."""
        rows = _rows(self.folder / "results.jsonl")
        columns = _header(self.folder / "results.csv")
        keys = [c for c in columns if c not in {*FIRST, *LAST, *SPOT, MACHINE} and not c.startswith(METRIC)]
        metrics = [c.removeprefix(METRIC) for c in columns if c.startswith(METRIC)]
        if not columns:  # killed before the first file was written
            keys = list(dict.fromkeys(key for job in self.chain.jobs.values() for key in job.intent.values))
            metrics = [str(metric["name"]) for metric in (self.config.get("job") or {}).get("metrics") or []]
        takes_over = any(job.intent.taken for job in self.chain.jobs.values())
        by_id = {str(row["trial"]): _trial(row, keys) for row in rows if row.get("declared", True)}
        return Remembered(
            StoredTrials(keys, [*by_id.values(), *(t for t in self._begun() if t.id not in by_id)]),
            tuple(MetricDefinition(name, "") for name in metrics),
            interrupts(str((self.config.get("backend") or {}).get("kind") or DEFAULT)),
            "" if takes_over else seed_key(self.config.get("sweep")),
        )

    def _begun(self) -> Iterator[Trial]:
        """The trials that the newest invocation has begun: it declared them, whatever the files say.

        One that runs a single trial again declares nothing.
        """
        begun: dict[str, Trial] = {}
        only = ""
        for _, event in self.events:
            if isinstance(event, ev.Opened):
                only = event.only
                begun = begun if only else {}
            elif isinstance(event, ev.Intent) and event.trial != only:
                begun[event.trial] = Trial(event.index, event.trial, event.label, event.values)
        yield from begun.values()

    @cached_property
    def trials(self) -> list[Trial]:
        """Every trial that can be named: declared, queued, and (at index -1) those not declared any more."""
        declared, chain = self.declared.trials, self.chain
        gone = (history.last.intent for history in undeclared(declared, chain))
        return [*declared, *added(declared, chain), *(Trial(-1, i.trial, i.label, i.values) for i in gone)]

    @cached_property
    def table(self) -> Results:
        """The rows of results.csv as they are now."""
        return results(self.declared, self.chain, lambda trial, history, key: value_at(self.config, key), self.rate)

    @property
    def rate(self) -> Rate | None:
        """What a second of a job costs; None when the price is unknown."""
        _, scope = Scope.of(self.folder.name)
        region = scope.region if scope.engine.on_aws else None
        return rate(self.config.get("prices"), self.config.get("locked") or {}, region)

    def shown_by(self, job: Job) -> dict[str, float]:
        """The last value of each metric that a running job has printed, as far as its runner has read its log."""
        return measured.last_values(self.tail(job).new().points)

    def tail(self, job: Job, most: int = ENOUGH) -> LogTail:
        """The log of a running job, as far as its runner reads it; of what there is the last `most` bytes."""
        begun = max(at for at, event in self.events if isinstance(event, ev.Intent) and event.name == job.name)
        folder = self.folder / "trials" / job.intent.trial
        hosts = machines(self.config.get("locked") or {})
        return LogTail(folder, begun, measured.reading(self._definitions), hosts, most)

    @property
    def _definitions(self) -> list[MetricDefinition]:
        metrics = (self.config.get("job") or {}).get("metrics") or []
        return [MetricDefinition(str(metric["name"]), str(metric["regex"])) for metric in metrics]

    @cached_property
    def rules(self) -> tuple[StopRule, ...]:
        """The stop rules of the newest invocation; those of a user's own may not be installed here."""
        try:
            return tuple(stop.rules(self.config.get("stop")))
        except UsageError:
            return ()

    @property
    def most_trials(self) -> int | None:
        """How many trials finish at most by its rules; None: they do not say."""
        return min((rule.most_trials for rule in self.rules if rule.most_trials is not None), default=None)

    @property
    def cost_usd(self) -> float | None:
        """USD of every job that has ended, declared still or not; None where no price is known."""
        costs = [row["cost_usd"] for row in self.table.rows if row["cost_usd"] is not None]
        return sum(costs) if costs else None

    @property
    def best(self) -> Row | None:
        """The best trial so far."""
        return best(self.table, self.objective)

    @property
    def state(self) -> str:
        """The sweep in one word: running, finished, open (a pool was not seen closed) or interrupted."""
        if self.runner:
            return "running"
        if self.chain.debts:
            return "open"
        return "finished" if self.chain.finished and not self.chain.stopping else "interrupted"


def folders(project: Path) -> list[Path]:
    """Every sweep of a project, by name."""
    return sorted(path.parent for path in (project / "runs").glob("*/journal.db"))


def _trial(row: Row, keys: Sequence[str]) -> Trial:
    index = int(row["index"]) - (number_of(0) if NUMBERED in row else 0)
    return Trial(index, str(row["trial"]), str(row["name"]), {k: row.get(k) for k in keys})


def _mapping(path: Path) -> Mapping[str, Any]:
    import yaml

    # ten times as fast where PyYAML was built with libyaml
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        loaded = yaml.load(path.read_text(encoding="utf-8"), loader)
    except (OSError, ValueError, yaml.YAMLError):  # it tells less then, and stops nobody
        return {}
    return loaded if isinstance(loaded, dict) else {}


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


def bytes_of(folder: Path) -> int:
    """How much room the files below a folder take; links are not followed."""
    total = 0
    for at, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(Path(at) / name).st_size
            except OSError:
                continue  # gone meanwhile
    return total
