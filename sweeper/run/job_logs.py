"""The logs of a sweep's jobs: read for whoever decides by them, and stored below trials/ID when a job has ended."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweeper.aws.logs import Tail
from sweeper.core import measured
from sweeper.core.chain import Job
from sweeper.core.model import Sweep, Trial, machines
from sweeper.core.outcome import environment_of
from sweeper.core.ports import TrainingApi
from sweeper.core.remedies import config_of
from sweeper.core.secrets import Redactor, masked
from sweeper.core.shown import looks
from sweeper.errors import ApiError, SweeperError
from sweeper.record.atomic import write_atomically
from sweeper.run.connect import Connection
from sweeper.run.following import Following
from sweeper.run.trial_log import TrialLog

if TYPE_CHECKING:
    from sweeper.driver.matches import Metrics

REASON_LINES = 60
"""Lines at the end of a log that tell why its job failed."""
METRIC_LINES = 1000
"""Lines at the end of a log in which the metrics are looked for first: the next job waits for them."""


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
    monotonic: Callable[[], float]

    @cached_property
    def matches(self) -> Metrics:
        """What finds the metrics in a line."""
        return measured.reading(self.sweep.metrics)

    @cached_property
    def following(self) -> Following:
        """The logs of the running jobs."""
        following = Following(
            self._hurried,
            self._files,
            self.matches,
            self.monotonic,
            max(1.0, self.sweep.waits.usual_s),
            deciding=looks(self.sweep),
        )
        following.listeners.append(lambda job, come: self._cut_numbers(come))
        return following

    def metrics(self, job: Job) -> measured.Readings:
        """The metrics in an ended job's log: from its end where all are there, else read on to it. Raises ApiError."""
        patient = self._patient(job)
        end = measured.Last()
        end.take(measured.part(patient.last(METRIC_LINES), self.matches))
        if {metric.name for metric in self.sweep.metrics} <= {*end.readings.last, *self.matches.refused}:
            return end.readings
        followed = self.following.of(job)
        self.following.read(followed, followed.tail.through(self._client))
        return followed.last.readings

    def tail(self, job: Job) -> str:
        """The last lines of a job's log. Raises ApiError."""
        return "\n".join(line.text for line in self._hurried(job).last(REASON_LINES))

    def curve(self, job: Job) -> list[tuple[str, float]]:
        """The metrics of an ended job as they are stored below trials/ID, else those in its log."""
        try:
            with (self._place(job) / measured.POINTS).open(newline="", encoding="utf-8") as file:
                return [(row["metric"], float(row["value"])) for row in csv.DictReader(file)]
        except (OSError, KeyError, ValueError):
            found: list[tuple[str, float]] = []
            with suppress(ApiError):
                for come in self._parts(self._hurried(job)):
                    found += ((metric, value) for _, metric, value in come.points)
            return found

    def kept(self, job: Job) -> bool:
        """Is the log of this ended job stored?"""
        return (self._place(job) / measured.POINTS).exists()

    def keep(self, job: Job) -> Iterator[None]:
        """Store a job's configuration, log and metric points below trials/ID; a log that cannot be had is said.

        Where a later attempt has begun to write, its own are stored in their place.
        """
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
            write_atomically(self._place(job) / "config.yaml", self.as_yaml(masked(config, self.redact, swept)))
            yield from self._store(job)
        except (SweeperError, OSError) as error:
            self.say(f"warning: the log of {job.intent.label} was not stored: {error}")

    def _store(self, job: Job) -> Iterator[None]:
        """Store a log, on from where it was followed to; when that breaks off, once more from its beginning.

        Raises OSError, SweeperError.
        """
        followed = self.following.leave(job)
        log, tail = self._files(job), self._patient(job)
        if followed and followed.log.sound:
            log, tail = followed.log, followed.tail.through(self._client)
        with closing(log):
            if self.following.overtaken(job):
                return
            try:
                yield from log.whole(self._parts(tail))
            except (SweeperError, OSError):
                yield from self._files(job).whole(self._parts(self._patient(job)))

    def _parts(self, tail: Tail) -> Iterator[measured.Part]:
        for page in tail.pages():
            come = measured.part(page, self.matches)
            self._cut_numbers(come)
            yield come

    @cached_property
    def _cut_numbers(self) -> measured.CutNumbers:
        return measured.CutNumbers(self.say)

    def _place(self, job: Job) -> Path:
        return self.folder / "trials" / job.intent.trial

    def _files(self, job: Job) -> TrialLog:
        return TrialLog(self._place(job), self.redact.log)

    @property
    def _client(self) -> Any:
        return self.connection.clients().client("logs")

    def _patient(self, job: Job) -> Tail:
        return Tail(self._client, job.name, self._hosts)

    def _hurried(self, job: Job) -> Tail:
        """One whose client gives up soon: a log is never in the way of the chain."""
        client = self.connection.clients().client("logs", attempts=1, patience_s=5)
        return Tail(client, job.name, self._hosts)

    @property
    def _hosts(self) -> int:
        return machines(self.sweep.locked)
