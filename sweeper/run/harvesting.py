"""The result of a job that has ended: what the service computed, and what only its log tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sweeper.core import events as ev
from sweeper.core.chain import Job
from sweeper.core.events import JobStatus
from sweeper.core.failures import is_vague
from sweeper.core.measured import Readings
from sweeper.core.model import Sweep
from sweeper.core.outcome import final_metrics, outcome, told_by
from sweeper.core.stop import every
from sweeper.errors import ApiError
from sweeper.run.notes import Notes

LOG_S = 300.0
"""Seconds for which a log that holds a needed metric is asked for again."""


class Harvesting:
    """Makes the outcome of an ended job."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._required = _required_metrics(notes.sweep)

    def harvest(
        self, job: Job, description: Mapping[str, Any], *, patient: bool, age_s: float = 0.0
    ) -> ev.Outcome | None:
        """The outcome of an ended job; None while `patient` and a metric that is needed may still arrive.

        `age_s`: for how many seconds the description was on its way: what it does not show may have come since.
        """
        metrics, source, odd = final_metrics(description), "FinalMetricDataList", dict[str, str]()
        missing = [name for name in self._required if name not in metrics]
        status = JobStatus.of(description.get("TrainingJobStatus"))
        if judged := told_by(job, status):
            metrics, source = {**judged.metrics, **metrics}, source if set(judged.metrics) <= set(metrics) else "log"
        if missing and status is JobStatus.COMPLETED:
            if patient and self._notes.lasting(job.name, "metrics") - age_s < self._notes.settings.metrics_wait_s:
                return None
            read = self._from_log(job, patient=patient)
            if read is None:
                return None
            metrics, source, odd = {**read.last, **metrics}, "log", dict(read.odd)
        vague = status is JobStatus.FAILED and is_vague(str(description.get("FailureReason") or ""))
        tail = self._tail_of(job) if vague else ""
        return outcome(job, description, metrics, source, self._required, tail, odd)

    def _tail_of(self, job: Job) -> str:
        """The end of a job's log, empty when it cannot be had: it only makes a reason clearer."""
        try:
            return self._notes.world.logs.tail(job)
        except ApiError:
            return ""

    def _from_log(self, job: Job, *, patient: bool) -> Readings | None:
        """The metrics in a job's log, none when it cannot be read; None while `patient` and that may pass."""
        notes = self._notes
        try:
            return notes.world.logs.metrics(job)
        except ApiError as error:
            notes.say_once(job.name, f"the log of {job.name} cannot be read: {error.message}")
            waits = patient and error.kind.passing and notes.lasting(job.name, "log") < LOG_S
            return None if waits else Readings({})


def _required_metrics(sweep: Sweep) -> tuple[str, ...]:
    """The metrics that something is decided by."""
    wanted = [metric for rule in every(sweep.stop) for metric in rule.asks]
    if sweep.objective:
        wanted.append(sweep.objective.metric)
    return tuple(dict.fromkeys(wanted))
