"""Reports of what the world did: containers that started and ended, uploads, lost machines. Pure."""

from __future__ import annotations

import random
from collections.abc import Mapping

from sweeper.engine.training import states
from sweeper.engine.training.effects import UploadArtifacts, Vacate
from sweeper.engine.training.jobs import Jobs
from sweeper.engine.training.ledger import TrainingLedger
from sweeper.engine.training.pools import Pools
from sweeper.engine.training.settings import ServiceSettings
from sweeper.engine.training.spot import next_interruption, vacate
from sweeper.engine.training.states import Secondary
from sweeper.engine.training.timers import Timer, Timers

FAILURE_REASON_MAX = 1024
_INTERNAL = "InternalServerError"


def algorithm_error(text: str, exit_code: int) -> str:
    """FailureReason as SageMaker composes it, never longer than it may be."""
    head, tail = "AlgorithmError: ", f", exit code: {exit_code}"
    return head + text[: FAILURE_REASON_MAX - len(head) - len(tail)] + tail


class Reports:
    """Takes reports about jobs by name. Whatever was due before has happened first; one of an ended job is ignored."""

    def __init__(
        self,
        settings: ServiceSettings,
        rng: random.Random,
        ledger: TrainingLedger,
        timers: Timers,
        jobs: Jobs,
        pools: Pools,
    ) -> None:
        self._settings, self._rng = settings, rng
        self._ledger, self._timers, self._jobs, self._pools = ledger, timers, jobs, pools

    def container_started(self, name: str, now: float) -> None:
        """The entrypoint runs."""
        self._jobs.tick(now)
        job = self._ledger.open(name)
        if job is None or job.stop_why is not None or job.secondary is Secondary.TRAINING:
            return
        job.enter(Secondary.TRAINING, states.TRAINING, now)
        after = next_interruption(job, self._settings, self._rng)
        if after is not None:
            self._timers.set(job, Timer.INTERRUPT, now + after)

    def container_exited(
        self, name: str, exit_code: int, failure_text: str, now: float, ended_at: float | None = None
    ) -> None:
        """The entrypoint ended, at `ended_at` if that is known only now: nobody may have been there to see it.

        A failure text is what it left in /opt/ml/output/failure.
        """
        self._jobs.tick(now)
        job = self._ledger.open(name)
        if job is None or job.exited:
            return
        job.exited = True
        self._timers.cancel(job, Timer.MAX_RUNTIME, Timer.KILL, Timer.INTERRUPT)
        if job.interrupting and job.stop_why is None:
            self._ledger.ask(Vacate(name))
            return
        self._timers.cancel(job, Timer.MAX_WAIT)
        job.unseen_s = now - max(job.transitions[-1]["StartTime"], min(now, ended_at or now))
        if job.stop_why is None:
            if exit_code != 0:
                job.failure = algorithm_error(failure_text, exit_code)
            job.enter(Secondary.UPLOADING, states.UPLOADING, now - job.unseen_s)
        self._ledger.ask(UploadArtifacts(name))

    def container_left(self, name: str, at: float) -> None:
        """It has ended at that time, though what it left is not read yet: no limit of time counts from there on."""
        self._jobs.tick(at)
        job = self._ledger.open(name)
        if job is not None:
            self._timers.cancel(job, Timer.MAX_RUNTIME, Timer.KILL, Timer.INTERRUPT, Timer.MAX_WAIT)

    def vacated(self, name: str, now: float) -> None:
        """The checkpoints of an interrupted job are in S3, and its machine is gone: it waits for another.

        So does one that the service tries again.
        """
        self._jobs.tick(now)
        job = self._ledger.open(name)
        if job is None or not (job.interrupting or job.retrying):
            return
        if job.stop_why is not None:
            self._jobs.end(job, now)
            return
        pool = self._pools.held_by(job)
        if pool is not None:
            self._pools.drop(pool, now)
        if job.retrying:
            job.retries += 1
            job.lose_machine(now)
            self._timers.set(job, Timer.REQUEUE, now)
            return
        vacate(job, now)
        self._timers.set(job, Timer.REQUEUE, now + self._settings.spot_wait_s)

    def artifacts_uploaded(self, name: str, now: float, problem: str | None = None) -> None:
        """Everything it left is in S3, or a problem says why not; the job ends."""
        self._jobs.tick(now)
        job = self._ledger.open(name)
        if job is None:
            return
        if problem is not None and job.failure is None and job.stop_why is None:
            job.failure = problem[:FAILURE_REASON_MAX]
        if job.stop_why is None or self._settings.stopping_s <= 0:
            self._jobs.end(job, now)
        else:
            self._timers.set(job, Timer.END, now + self._settings.stopping_s)

    def platform_failed(self, name: str, reason: str, now: float) -> None:
        """The job cannot go on for a reason that is not its algorithm's: bad input, lost machine, no capacity.

        One that is being stopped was not to go on: it ends as stopped. One that may be tried again goes back to its
        beginning, on another machine, when it was the service's own error.
        """
        self._jobs.tick(now)
        job = self._ledger.open(name)
        if job is None:
            return
        if reason.startswith(_INTERNAL) and job.may_retry and job.stop_why is None:
            self._timers.cancel(job, Timer.MAX_RUNTIME, Timer.KILL, Timer.INTERRUPT)
            job.exited = job.retrying = True
            self._ledger.ask(Vacate(name))
            return
        if job.stop_why is None:
            job.failure = reason[:FAILURE_REASON_MAX]
        self._jobs.end(job, now)

    def metrics_seen(self, name: str, metrics: Mapping[str, tuple[float, float]]) -> None:
        """The last value and time of each metric found in the log so far."""
        job = self._ledger.jobs.get(name)
        if job is not None and any(job.metrics.get(k) != v for k, v in metrics.items()):
            job.metrics.update(metrics)
            self._ledger.mark(job)
