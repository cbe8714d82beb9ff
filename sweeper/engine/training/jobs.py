"""The life of jobs: waiting, launched, stopped, interrupted, ended, by what time brings. Pure; time is an argument."""

from __future__ import annotations

from sweeper.engine.training import states
from sweeper.engine.training.effects import AdoptContainer, SignalContainer, StartContainer, UploadArtifacts, Vacate
from sweeper.engine.training.job import Job, milliseconds
from sweeper.engine.training.ledger import TrainingLedger
from sweeper.engine.training.machines import choose
from sweeper.engine.training.plans import MOST_PENDING_S, Plans
from sweeper.engine.training.pool import CloseReason, Pool
from sweeper.engine.training.pools import Pools
from sweeper.engine.training.quota import check_training_quota
from sweeper.engine.training.settings import ServiceSettings
from sweeper.engine.training.states import JobStatus, Secondary, Signal
from sweeper.engine.training.timers import Timer, Timers

_STOP_MESSAGES = {
    Secondary.MAX_RUNTIME_EXCEEDED: states.MAX_RUNTIME,
    Secondary.MAX_WAIT_TIME_EXCEEDED: states.MAX_WAIT,
}


class Jobs:
    """The jobs of a ledger, which time passes for."""

    def __init__(
        self, settings: ServiceSettings, ledger: TrainingLedger, timers: Timers, pools: Pools, plans: Plans
    ) -> None:
        self._settings, self._ledger, self._timers, self._pools, self._plans = settings, ledger, timers, pools, plans

    def take_up(self) -> None:
        """Ask for every container again that an earlier process left."""
        for job in self._ledger.running:
            if job.exited:
                taken = (job.interrupting or job.retrying) and job.stop_why is None
                self._ledger.ask(Vacate(job.name) if taken else UploadArtifacts(job.name))
            elif job.container:
                self._ledger.ask(AdoptContainer(job.name))

    def tick(self, now: float) -> None:
        """Let everything happen that is due, in the order of time."""
        while (due := self._timers.pop_due(now)) is not None:
            at, kind, subject = due
            self._ledger.mark(subject)
            if isinstance(subject, Pool):
                self._pools.close(subject, CloseReason.EXPIRED if kind is Timer.EXPIRE else CloseReason.PATCHED, at)
            else:
                self._fire(at, kind, subject)

    def begin(self, job: Job, now: float) -> None:
        """A new job starts on a pool that fits, or waits for a machine; raises ServiceError when the quota is used."""
        pool = self._pools.matching(job, now)
        if job.plan:
            self._plans.check(job)
        elif pool is None:
            check_training_quota(job.request, self._ledger, self._settings)
        if job.spot:
            job.discount = self._settings.spot_discount
            self._timers.set(job, Timer.MAX_WAIT, now + job.max_wait_s)
        self._ledger.add(job)
        job.enter(Secondary.STARTING, states.STARTING, now)
        if pool is not None:
            self._pools.hand_over(pool, job, now)
            self._timers.set(job, Timer.LAUNCH, now + self._settings.warm_start_s)
        else:
            self._await_machine(job, now)

    def stop(self, job: Job, why: Secondary, now: float) -> None:
        """Begin to stop it; one that is stopped already, or has ended, stays so."""
        if job.status is not JobStatus.IN_PROGRESS:
            return
        waiting = (Timer.PREPARE, Timer.LAUNCH, Timer.REQUEUE, Timer.ADMIT, Timer.PLAN_WAIT, Timer.MAX_PENDING)
        self._timers.cancel(job, Timer.MAX_RUNTIME, Timer.MAX_WAIT, Timer.INTERRUPT, *waiting)
        job.status, job.stop_why = JobStatus.STOPPING, why
        job.enter(Secondary.STOPPING, states.STOPPING, now)
        if not job.container:
            self.end(job, now)
        elif not job.exited and not job.interrupting:  # else it has its notice already
            self._give_notice(job, now)

    def end(self, job: Job, now: float) -> None:
        """The job is terminal; its instances are retained or not."""
        now -= job.unseen_s
        self._timers.cancel(job, *map(Timer, list(job.timers)))
        self._ledger.close(job)
        job.ended = now
        job.pause(now)
        if job.failure is not None:
            job.status = JobStatus.FAILED
            job.enter(Secondary.FAILED, states.FAILED, now)
        elif job.stop_why is not None:
            job.status = JobStatus.STOPPED
            job.enter(job.stop_why, _STOP_MESSAGES.get(job.stop_why, states.STOPPED), now)
        else:
            job.status = JobStatus.COMPLETED
            job.enter(Secondary.COMPLETED, states.COMPLETED, now)
        job.transitions[-1]["EndTime"] = milliseconds(now)
        self._pools.settle(job, now)
        self._plans.freed(job.plan, now)

    def _fire(self, now: float, kind: Timer, job: Job) -> None:
        if kind is Timer.PREPARE:
            job.enter(Secondary.PENDING, states.PREPARING, now)
            self._timers.set(job, Timer.LAUNCH, now + self._settings.cold_start_s)
        elif kind is Timer.LAUNCH:
            self._launch(job, now)
        elif kind is Timer.MAX_RUNTIME:
            self.stop(job, Secondary.MAX_RUNTIME_EXCEEDED, now)
        elif kind is Timer.MAX_PENDING:
            self.stop(job, Secondary.STOPPED, now)
        elif kind is Timer.MAX_WAIT:
            self.stop(job, Secondary.MAX_WAIT_TIME_EXCEEDED, now)
        elif kind is Timer.INTERRUPT:
            job.interrupting = True  # the spot machine is wanted back
            self._give_notice(job, now)
        elif kind is Timer.REQUEUE:
            job.enter(Secondary.STARTING, states.STARTING, now)
            self._await_machine(job, now)
        elif kind is Timer.ADMIT:
            if self._plans.has_room(job):
                self._timers.set(job, Timer.PREPARE, now)
        elif kind is Timer.PLAN_WAIT:
            job.failure = states.NO_PLAN_CAPACITY
            self.end(job, now)
        elif kind is Timer.KILL:
            self._ledger.ask(SignalContainer(job.name, Signal.KILL))
        elif kind is Timer.END:
            self.end(job, now)

    def _await_machine(self, job: Job, now: float) -> None:
        """A new machine is asked for. Where there is no capacity the job is Pending; it trains, and bills, later."""
        if job.max_pending_s is not None:
            self._timers.set(job, Timer.MAX_PENDING, now + job.max_pending_s)
        if job.plan and not self._plans.has_room(job):
            job.enter(Secondary.PENDING, states.WAITING, now)
            self._timers.set(job, Timer.PLAN_WAIT, now + MOST_PENDING_S)
            return
        if self._settings.pending_s <= 0 or job.plan:  # what is reserved is there
            self._timers.set(job, Timer.LAUNCH, now + self._settings.cold_start_s)
            return
        job.enter(Secondary.PENDING, states.WAITING, now)
        self._timers.set(job, Timer.PREPARE, now + self._settings.pending_s)

    def _launch(self, job: Job, now: float) -> None:
        """The cluster is there: hand the job to its container."""
        if job.secondary is Secondary.STARTING and not job.warm:
            job.say(states.PREPARING, now)  # its last words while it had no machine
        if job.pool_id is None:
            without = () if job.plan else self._settings.no_capacity
            if not choose(job.request["ResourceConfig"], without):
                job.failure = states.CAPACITY
                self.end(job, now)
                return
            self._pools.found_for(job, now)
        self._timers.cancel(job, Timer.MAX_PENDING, Timer.PLAN_WAIT)
        job.launched = job.container = True
        job.attempt_from = now
        if job.training_from is None:
            job.training_from = now
        if job.stop_why is None:
            job.enter(Secondary.DOWNLOADING, states.DOWNLOADING, now)
        left = max(0.0, job.max_runtime_s - job.trained_s)
        self._timers.set(job, Timer.MAX_RUNTIME, now + left + self._settings.max_runtime_late_s)
        self._ledger.ask(StartContainer(job.name))

    def _give_notice(self, job: Job, now: float) -> None:
        """Its container is to end, and has the grace to save a checkpoint."""
        self._ledger.ask(SignalContainer(job.name, Signal.TERM))
        self._timers.set(job, Timer.KILL, now + self._settings.stop_grace_s)
