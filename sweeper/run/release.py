"""Closing pools: the one place, with the watchdog, that does. Level-triggered: it acts on what Describe shows.

`InProgress -> Stop; Stopping -> wait; Terminated | Reused -> done; absent -> wait; Available -> Update(0); any Update
error -> Describe again; repeat` (R7). Closed means observed (R8). There is no deadline while a pool may bill, only a
bound past which the keep-alive itself has ended it (R9).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar

from sweeper.core import events as ev
from sweeper.core.chain import Job
from sweeper.core.events import Closed, JobStatus
from sweeper.core.fate import GRACE_S, Look, Pool, Unseen, longest_life_s, look, warning
from sweeper.core.keepalive import ends_by_itself
from sweeper.core.looks import GAP_S
from sweeper.core.outcome import retained_seconds
from sweeper.core.ports import Clock, TrainingApi
from sweeper.core.request import is_queued_name
from sweeper.core.waits import Waits
from sweeper.core.words import utc
from sweeper.errors import ApiError, ApiErrorKind

NAG_S = 30.0


class Running(Enum):
    """What becomes of a job that still runs when its pool is to be closed."""

    STOP = "it is stopped: the sweep ends"
    AWAIT = "it is let finish, and its pool closed then: the watchdog's way"
    LEAVE = "it goes on and is named; what does not answer soon is named too: of whoever cannot stay with it"


@dataclass(frozen=True)
class Unreleased:
    """A pool that may still bill: exit code 3, and the command that releases it."""

    name: str
    why: str
    flags: str = ""
    """How the AWS CLI is told where it is: region and profile; empty for the local engine."""
    nameless: bool = False
    """Nothing tells the job's name any more: `name` says which sweep it is of."""
    ended: bool = True
    """Its job was seen to have ended; else it may train, and AWS's own command takes no pool from a job that does."""

    @property
    def command(self) -> str:
        """What to type."""
        if self.nameless:
            return "sweeper pools release"
        if not self.flags or is_queued_name(self.name):
            return f"sweeper pools release {self.name}"
        if not self.ended:
            return f"sweeper pools release {self.name} --engine aws {self.flags}"
        return (
            f"aws sagemaker update-training-job {self.flags} --training-job-name {self.name} "
            "--resource-config KeepAlivePeriodInSeconds=0"
        )


@dataclass
class Releaser:
    """Closes jobs. `note` journals an event, `say` tells a person, `impatient` is true after a second
    signal, `harvest` makes the outcome of a job that is found ended without one: None while its metrics may still come.
    It is told for how many seconds the description was on its way.
    """

    api: TrainingApi
    clock: Clock
    settings: Waits
    note: Callable[[ev.Event], None]
    say: Callable[[str], None]
    harvest: Callable[[Job, Mapping[str, Any], float], ev.Outcome | None]
    is_own: Callable[[str], bool]
    flags: str = ""
    """Region and profile for the commands that are told; empty for the local engine."""
    impatient: Callable[[], bool] = lambda: False
    silent_since: Callable[[str], float | None] = lambda name: None
    """Since when a job has not been seen by whoever looked at it before, by the monotonic clock."""
    arriving_s: Callable[[str], float] | None = None
    """For how many more seconds a Create of this name may still reach the service; None: for a request's whole life."""
    gone: Callable[[], bool] = lambda: False
    """Whether the state of the local engine was removed, and with it every job and pool that it had."""
    running: Running = Running.STOP
    turn: Callable[[], AbstractContextManager[None]] = nullcontext
    """What each round happens under: the lock, for who is not the runner and gives way to one that comes back."""
    hurried: bool = field(default=False, init=False)
    """What does not answer soon is named instead of waited for."""
    closing: ClassVar[type[Closing]]

    def close_all(self, jobs: Sequence[Job]) -> list[Unreleased]:
        """Close these jobs and their pools as observed, in this order; returns those that may still bill, and why.

        Every round takes one step with each: a pool that idles is not left to bill while another job still stops.
        """
        open_ = [self.closing(self, job) for job in jobs]
        failed: list[Unreleased] = []
        while True:
            self.hurried = self.impatient() or self.running is Running.LEAVE
            with self.turn():
                for closing in open_:
                    closing.step()
            failed += [closing.given_up for closing in open_ if closing.given_up]
            open_ = [closing for closing in open_ if not closing.given_up and closing.job.in_debt]
            if not open_:
                return failed
            busy = any(not closing.waits_for_its_end for closing in open_)
            pause_s = min(self.settings.usual_s, 2.0) if busy else self.settings.usual_s
            self.clock.sleep(max(pause_s, GAP_S * len(open_) if self.flags else 0.0))


class Closing:
    """One job on its way to being closed."""

    def __init__(self, releaser: Releaser, job: Job) -> None:
        self.r, self.job = releaser, job
        self.given_up: Unreleased | None = None
        self.waits_for_its_end = False
        """It runs and is left to finish: nothing is in a hurry."""
        self._begun = releaser.clock.monotonic()
        self._ended_at: float | None = None
        self._missing_since: float | None = None
        self._arrives_until = 0.0
        self._denied_since: float | None = None
        self._silent_since = releaser.silent_since(job.name)
        self._next_nag = self._begun + NAG_S
        self._last_problem = ""
        self._asked_for_credentials = False

    @property
    def _now(self) -> float:
        return self.r.clock.monotonic()

    def step(self) -> None:
        """Look once, and act on what is seen."""
        if not self.job.in_debt:
            return
        asked = self._now
        try:
            description = self.r.api.describe_training_job(self.job.name)
        except ApiError as error:
            self._no_answer(error)
        else:
            self._missing_since = self._silent_since = self._denied_since = None
            self._seen(look(self.job, description), self._now - asked)
        self._nag()

    def _seen(self, shown: Look, age_s: float) -> None:
        status = shown.status
        self.waits_for_its_end = not status.terminal and self.r.running is Running.AWAIT
        if not shown.ours:
            self._closed(Closed.NEVER_HAD_POOL)
        elif status.terminal:
            self._ended(shown, age_s)
        elif self.r.running is Running.LEAVE and status is not JobStatus.STOPPING:
            self._give_up("its job still trains, and no runner looks after it; run its sweep again")
        elif status is JobStatus.IN_PROGRESS and self.r.running is Running.STOP:
            self._stop()

    def _ended(self, shown: Look, age_s: float) -> None:
        self._ended_at = self._now if self._ended_at is None else self._ended_at
        waits = not self.job.ended and not self._harvested(shown, age_s)
        if shown.pool is Pool.IDLES:
            self._update()
        elif waits:
            return  # nothing of it bills any more; what it has come to is not lost for that
        elif closed := shown.closed(self.r.is_own):
            if text := warning(closed):
                self.r.say(text)
            self.r.note(closed)
        else:
            self._absent(shown)

    def _harvested(self, shown: Look, age_s: float) -> bool:
        """Note what an ended job has come to; false while that may still be on its way."""
        made = self.r.harvest(self.job, shown.description, age_s)
        if made is None:
            return False
        self.r.note(made)
        return True

    def _stop(self) -> None:
        if not self.job.stop_reason:
            self.r.note(ev.StopSent(self.job.name, "the sweep ended"))
        self._send(lambda: self.r.api.stop_training_job(self.job.name), "stopping it")

    def _update(self) -> None:
        self._send(lambda: self.r.api.update_training_job(self.job.name, 0), "releasing it")

    def _send(self, mutation: Callable[[], None], doing: str) -> None:
        """Ask; whether it happened is for Describe to say."""
        try:
            mutation()
        except ApiError as error:
            self._last_problem = str(error)
            if error.kind is ApiErrorKind.DENIED:
                self._give_up(f"{doing} was denied: {error.message}")

    def _absent(self, shown: Look) -> None:
        """Ended, kept alive, and Describe shows no pool (yet): wait, but not for ever."""
        assert self._ended_at is not None
        waited = self._now - self._ended_at
        if waited > shown.kept_s + GRACE_S:
            self.r.say(f"warning: {self.job.name} never showed a pool; its keep-alive has ended by now")
            self._closed(Closed.EXPIRED_BY_BOUND, retained_seconds(shown.description))
        elif waited > self.r.settings.settle_s and shown.never_launched:
            self._closed(Closed.NEVER_HAD_POOL)

    def _no_answer(self, error: ApiError) -> None:
        self._last_problem = str(error)
        if error.kind.wants_credentials and not self._asked_for_credentials:
            self._asked_for_credentials = True
            self.r.say(f"waiting for new credentials to close the pool of {self.job.name}: {error.message}")
        unseen = self._unseen(error.kind)
        if unseen.missing and self.r.gone():
            self._closed(Closed.ENGINE_GONE)
        elif how := unseen.closed(self.r.settings.not_found_s):
            self._closed(how)
        elif why := unseen.hopeless(hurried=self.r.hurried):
            # AWS's own command could not do anything about a job that is not there.
            flags = "" if unseen.missing else self.r.flags
            why = why if unseen.missing else f"{why}: {error.message}{self._until()}"
            self.given_up = Unreleased(self.job.name, why, flags, ended=self.job.ended)

    def _unseen(self, kind: ApiErrorKind) -> Unseen:
        """Since when it has been so: a job may run, or wait in a queue, for long before it falls silent."""
        now = self._now
        missing, denied = kind is ApiErrorKind.NOT_FOUND, kind is ApiErrorKind.DENIED
        if missing and self._missing_since is None:
            self._missing_since = now
            self._arrives_until = now + (0.0 if self.job.acknowledged else self._arriving_s())
        self._silent_since = None if missing else _first(self._silent_since, now)
        self._denied_since = _first(self._denied_since, now) if denied else None  # two separate troubles are two
        return Unseen(
            self.job,
            kind,
            missing_s=now - _first(self._missing_since, now),
            silent_s=now - _first(self._silent_since, now),
            denied_s=now - _first(self._denied_since, now),
            arriving_s=self._arrives_until - now,
        )

    def _arriving_s(self) -> float:
        return self.r.arriving_s(self.job.name) if self.r.arriving_s else self.r.settings.request_life_s

    def _closed(self, how: Closed, retained_s: float | None = None) -> None:
        self.r.note(ev.PoolClosed(self.job.name, how.value, retained_s=retained_s))

    def _give_up(self, why: str) -> None:
        self.given_up = Unreleased(self.job.name, why + self._until(), self.r.flags, ended=self.job.ended)

    def _until(self) -> str:
        until = ends_by_itself(self.job) or self._lives_until()
        return f"; nobody pays for it after {until}" if until else ""

    def _lives_until(self) -> str:
        """The latest moment at which a job that trained when it was last seen holds a machine; empty: nobody knows."""
        trains = self.job.status is JobStatus.IN_PROGRESS and self.job.secondary not in ev.WAITS_LONG
        if self.job.ended or not trains or self.job.intent.restarts:
            return ""
        silent_s = self._now - _first(self._silent_since, self._now)
        return f"{utc(self.r.clock.now() - silent_s + longest_life_s(self.job))}"

    def _nag(self) -> None:
        if self._now >= self._next_nag and self.job.in_debt:
            self._next_nag = self._now + NAG_S
            problem = f" ({self._last_problem})" if self._last_problem else ""
            self.r.say(f"still releasing the pool of {self.job.name}, {self._now - self._begun:.0f} s{problem}")


def _first(since: float | None, now: float) -> float:
    return now if since is None else since


Releaser.closing = Closing
