"""Closing pools: the one place, with the watchdog, that does. Level-triggered: it acts on what Describe shows.

`InProgress -> Stop; Stopping -> wait; Terminated | Reused -> done; absent -> wait; Available -> Update(0); any Update
error -> Describe again; repeat` (R7). Closed means observed (R8). There is no deadline while a pool may bill, only a
bound past which the keep-alive itself has ended it (R9).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sweeper.core import events as ev
from sweeper.core.chain import Job
from sweeper.core.events import Closed, JobStatus, PoolStatus
from sweeper.core.model import EngineSettings
from sweeper.core.outcome import fingerprint_of, observation, retained_seconds
from sweeper.errors import ApiError, ApiErrorKind
from sweeper.ports import Clock, TrainingApi

GRACE_S = 120.0
"""Seconds past the end of the keep-alive after which a pool cannot live any more."""
DENIED_S = 300.0
"""Seconds for which AccessDenied right after a Create may be mere propagation (SDK, PR 4600)."""
NAG_S = 30.0


@dataclass(frozen=True)
class Unreleased:
    """A pool that may still bill: exit code 3, and the command that releases it."""

    name: str
    why: str

    @property
    def command(self) -> str:
        """What to type."""
        return (
            f"aws sagemaker update-training-job --training-job-name {self.name} "
            "--resource-config KeepAlivePeriodInSeconds=0"
        )


@dataclass
class Releaser:
    """Closes jobs one by one. `note` journals an event, `say` tells a person, `impatient` is true after a second
    signal, `harvest` makes the outcome of a job that is found ended without one.
    """

    api: TrainingApi
    clock: Clock
    settings: EngineSettings
    note: Callable[[ev.Event], None]
    say: Callable[[str], None]
    harvest: Callable[[Job, Mapping[str, Any]], ev.Outcome]
    is_own: Callable[[str], bool]
    impatient: Callable[[], bool] = lambda: False
    stop_running: bool = True
    """False: a running job is left to finish before its pool is closed (the watchdog's way)."""

    def close(self, job: Job) -> Unreleased | None:
        """Close this job and its pool as observed; None when closed, else why it may still bill."""
        return _Closing(self, job).run()


class _Closing:
    def __init__(self, releaser: Releaser, job: Job) -> None:
        self.r, self.job = releaser, job
        self.begun = releaser.clock.monotonic()
        self.ended_at: float | None = None
        self.missing_since: float | None = None
        self.next_nag = self.begun + NAG_S
        self.last_problem = ""

    @property
    def now(self) -> float:
        return self.r.clock.monotonic()

    def run(self) -> Unreleased | None:
        while self.job.closed is None:
            try:
                description = self.r.api.describe_training_job(self.job.name)
            except ApiError as error:
                given_up = self._no_answer(error)
            else:
                self.missing_since = None
                given_up = self._step(description)
            if given_up or self.job.closed:
                return given_up
            self._nag()
            self.r.clock.sleep(min(self.r.settings.poll_s, 2.0))
        return None

    def _step(self, description: Mapping[str, Any]) -> Unreleased | None:
        look = observation(self.job.name, description)
        if fingerprint_of(description) != self.job.intent.fingerprint:
            # Someone else's job under our name: ours never came to be, and theirs is not touched.
            return self._closed(Closed.NEVER_HAD_POOL)
        status, pool = JobStatus.of(look.status), PoolStatus.of(look.pool)
        if not status.terminal:
            return self._stop() if status is JobStatus.IN_PROGRESS and self.r.stop_running else None
        self.ended_at = self.now if self.ended_at is None else self.ended_at
        if not self.job.ended:
            self.r.note(self.r.harvest(self.job, description))
        if pool is PoolStatus.TERMINATED:
            return self._closed(Closed.TERMINATED, description)
        if pool is PoolStatus.REUSED:
            own = self.r.is_own(look.reused_by)
            how = Closed.REUSED_BY_OWN if own else Closed.REUSED_BY_FOREIGN
            if not own:
                self.r.say(f"warning: the pool of {self.job.name} was taken by {look.reused_by}, which is not ours")
            return self._closed(how, description, by=look.reused_by)
        if not self.job.intent.keep_alive_s:
            return self._closed(Closed.NEVER_HAD_POOL)
        return self._update() if pool is PoolStatus.AVAILABLE else self._absent(description)

    def _stop(self) -> Unreleased | None:
        try:
            if not self.job.stop_reason:
                self.r.note(ev.StopSent(self.job.name, "the sweep ended"))
            self.r.api.stop_training_job(self.job.name)
        except ApiError as error:
            self.last_problem = str(error)
            if error.kind is ApiErrorKind.DENIED:
                return Unreleased(self.job.name, f"stopping it was denied: {error.message}")
        return None

    def _update(self) -> Unreleased | None:
        try:
            self.r.api.update_training_job(self.job.name, 0)
        except ApiError as error:
            self.last_problem = str(error)  # Describe decides what it means
            if error.kind is ApiErrorKind.DENIED:
                return Unreleased(self.job.name, f"releasing it was denied: {error.message}")
        return None

    def _absent(self, description: Mapping[str, Any]) -> Unreleased | None:
        """Ended, kept alive, and Describe shows no pool (yet): wait, but not for ever."""
        assert self.ended_at is not None
        waited = self.now - self.ended_at
        if waited > self.r.settings.settle_s and self._never_launched(description):
            return self._closed(Closed.NEVER_HAD_POOL)
        if waited > self.job.intent.keep_alive_s + GRACE_S:
            self.r.say(f"warning: {self.job.name} never showed a pool; its keep-alive has ended by now")
            return self._closed(Closed.EXPIRED_BY_BOUND, description)
        return None

    def _never_launched(self, description: Mapping[str, Any]) -> bool:
        return (
            description.get("TrainingJobStatus") == JobStatus.STOPPED.value
            and description.get("TrainingStartTime") is None
            and not self.job.reused_pool
        )

    def _no_answer(self, error: ApiError) -> Unreleased | None:
        self.last_problem = str(error)
        if error.kind is ApiErrorKind.NOT_FOUND:
            return self._not_found()
        if error.kind is ApiErrorKind.DENIED and self.now - self.begun > DENIED_S:
            return Unreleased(self.job.name, f"looking at it was denied: {error.message}")
        if self.now - self.begun > self._bound_s() or self.r.impatient():
            return Unreleased(self.job.name, f"the service could not be asked: {error.message}")
        return None

    def _not_found(self) -> Unreleased | None:
        self.missing_since = self.now if self.missing_since is None else self.missing_since
        missing = self.now - self.missing_since
        if not self.job.acknowledged and missing > self.r.settings.not_found_s:
            return self._closed(Closed.NEVER_HAD_POOL)
        if missing > self.job.intent.keep_alive_s + GRACE_S:
            return self._closed(Closed.EXPIRED_BY_BOUND)  # deleted by someone; the keep-alive has ended by now
        return None

    def _bound_s(self) -> float:
        """Seconds after which nothing of this job can bill: counted from the end when it is known."""
        run = 0.0 if self.job.ended else self.job.intent.max_runtime_s + GRACE_S
        return run + self.job.intent.keep_alive_s + GRACE_S

    def _closed(self, how: Closed, description: Mapping[str, Any] | None = None, by: str = "") -> Unreleased | None:
        retained = retained_seconds(description) if description else None
        self.r.note(ev.PoolClosed(self.job.name, how.value, by, retained))
        return None

    def _nag(self) -> None:
        if self.now >= self.next_nag:
            self.next_nag = self.now + NAG_S
            problem = f" ({self.last_problem})" if self.last_problem else ""
            self.r.say(f"still releasing the pool of {self.job.name}, {self.now - self.begun:.0f} s{problem}")
