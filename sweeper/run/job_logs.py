"""The logs of a sweep's jobs: read for whoever decides by them, and stored below trials/ID when a job has ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweeper.aws import logs
from sweeper.core import measured
from sweeper.core.chain import Job
from sweeper.core.model import Sweep, Trial
from sweeper.core.outcome import environment_of
from sweeper.core.ports import TrainingApi
from sweeper.core.remedies import config_of
from sweeper.core.secrets import Redactor, masked
from sweeper.errors import SweeperError
from sweeper.record.atomic import write_atomically
from sweeper.run.connect import Connection
from sweeper.run.trial_log import store

if TYPE_CHECKING:
    from sweeper.aws.reader import LogReader
    from sweeper.core.watch import Readings
    from sweeper.driver.matches import Metrics


@dataclass
class JobLogs:
    """What the jobs of one invocation have printed."""

    sweep: Sweep
    folder: Path
    connection: Connection
    api: TrainingApi
    redact: Redactor
    learn_credentials: Callable[[], None]
    as_yaml: Callable[[Mapping[str, Any]], str]
    say: Callable[[str], None]

    @cached_property
    def matches(self) -> Metrics:
        """What finds the metrics in a line."""
        return measured.reading(self.sweep.metrics)

    @cached_property
    def cut_numbers(self) -> measured.CutNumbers:
        """Tells of a number that an expression cuts in two, once."""
        return measured.CutNumbers(self.say)

    @cached_property
    def reader(self) -> LogReader:
        """Reads on from where a log was left."""
        from sweeper.aws.reader import LogReader

        return LogReader(self.hurried, self.matches, self.folder)

    def hurried(self) -> Any:
        """A CloudWatch Logs client that gives up soon: a log is never in the way of the chain."""
        return self.connection.clients().client("logs", attempts=1, patience_s=5)

    def metrics(self, name: str) -> Readings:
        """The metrics in a job's log. Raises ApiError."""
        return measured.readings(self._log_of(name).new(), self.matches)

    def kept(self, job: Job) -> bool:
        """Is the log of this ended job stored?"""
        return (self.folder / "trials" / job.intent.trial / measured.POINTS).exists()

    def keep(self, job: Job) -> Iterator[None]:
        """Store a job's configuration, log and metric points below trials/ID; a log that cannot be had is said."""
        folder = self.folder / "trials" / job.intent.trial
        intent = job.intent
        declared = self.sweep.trials.find(intent.trial, intent.index)
        trial = declared or Trial(intent.index, intent.trial, intent.label, intent.values)
        try:
            config = config_of(self.sweep, trial, intent.patches, intent.taken)
            self.redact.learn(config["environment"])
            with suppress(SweeperError):  # an earlier invocation may have sent it, with other secrets
                self.redact.learn(environment_of(self.api.describe_training_job(job.name)))
            self.learn_credentials()
            swept = {**trial.values, **intent.patches}
            write_atomically(folder / "config.yaml", self.as_yaml(masked(config, self.redact, swept)))
            yield from self._store(job.name, folder)
        except (SweeperError, OSError) as error:
            self.say(f"warning: the log of {job.intent.label} was not stored: {error}")

    def _log_of(self, name: str) -> logs.Tail:
        return logs.Tail(self.connection.clients().client("logs"), name)

    def _store(self, name: str, folder: Path) -> Iterator[None]:
        """Store a log; when it breaks off, once more from its beginning. Raises OSError, SweeperError."""
        for again in (False, True):
            try:
                pages = self._log_of(name).pages()
                yield from store(folder, pages, self.matches, self.redact.log, self.cut_numbers)
            except (SweeperError, OSError):
                if again:
                    raise
            else:
                return
