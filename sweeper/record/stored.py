"""A sweep as its folder tells it: the journal for what happened, the result files for what was declared.

Nothing here composes a configuration, asks a service or changes a file: it works while another process runs the sweep.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from sweeper.core import events as ev
from sweeper.core import measured
from sweeper.core.asked import foreseen, unmade
from sweeper.core.chain import Chain, Job, apply, fold
from sweeper.core.costs import Rate
from sweeper.core.declared import added, undeclared
from sweeper.core.model import Objective, Trial
from sweeper.core.results import Results, Row, best, results, value_at
from sweeper.core.scope import Scope
from sweeper.record.composed import Composed
from sweeper.record.journal import pending, read
from sweeper.record.locks import Holder, holder, named
from sweeper.record.log_tail import ENOUGH, LogTail
from sweeper.record.remarks import Remark, tags_of
from sweeper.record.remarks import read as read_remarks
from sweeper.record.remembered import Remembered, remembered


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

    @cached_property
    def last_runner(self) -> Holder | None:
        """That process, or one that has died while it ran this sweep."""
        return named(self.folder / ".lock")

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
    def tags(self) -> list[str]:
        """Its tags: those of its experiment, and what people have changed since."""
        declared = self.config.get("tags")
        return tags_of(map(str, declared) if isinstance(declared, list) else (), self.remarks)

    @cached_property
    def said(self) -> Composed:
        """What that configuration says."""
        return Composed(self.config)

    def config_of(self, trial: str) -> Mapping[str, Any]:
        """The configuration that the last attempt at this trial ran with, secrets masked; empty when there is none."""
        return _mapping(self.folder / "trials" / trial / "config.yaml")

    @property
    def objective(self) -> Objective | None:
        """The metric that the sweep is after."""
        return self.said.objective

    @cached_property
    def declared(self) -> Remembered:
        """The declaration of the newest invocation."""
        return remembered(self.folder, self.said, self.chain, self.events)

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
        return self.said.rate(scope.region if scope.engine.on_aws else None)

    def tail(self, job: Job, most: int = ENOUGH) -> LogTail:
        """The log of a running job, as far as its runner reads it; of what there is the last `most` bytes."""
        begun = max(at for at, event in self.events if isinstance(event, ev.Intent) and event.name == job.name)
        folder = self.folder / "trials" / job.intent.trial
        return LogTail(folder, begun, measured.reading(self.said.metrics), self.said.hosts, most)

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
    def state(self) -> Literal["running", "finished", "open", "interrupted"]:
        """The sweep in one word: running, finished, open (a pool was not seen closed) or interrupted."""
        if self.runner:
            return "running"
        if self.chain.debts:
            return "open"
        return "finished" if self.chain.finished and not self.chain.stopping else "interrupted"


def folders(project: Path) -> list[Path]:
    """Every sweep of a project, by name."""
    return sorted(path.parent for path in (project / "runs").glob("*/journal.db"))


def _mapping(path: Path) -> Mapping[str, Any]:
    import yaml

    # ten times as fast where PyYAML was built with libyaml
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        loaded = yaml.load(path.read_text(encoding="utf-8"), loader)
    except (OSError, ValueError, yaml.YAMLError):  # it tells less then, and stops nobody
        return {}
    return loaded if isinstance(loaded, dict) else {}


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
