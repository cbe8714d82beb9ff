"""The loop: journal -> decide -> do -> note. A `match` over decisions with no policy of its own."""

from __future__ import annotations

import math
import signal as signals
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice, takewhile
from typing import Any

from sweeper.core import events as ev
from sweeper.core import handover
from sweeper.core.asked import REOPENING, VALUES, Asked, reopening
from sweeper.core.chain import Chain, Job, apply, fold
from sweeper.core.decide import Decide, Extend, Finish, Release, StopJob, Submit, Wait, decide, time_is_up
from sweeper.core.declared import count, ended, find, withdrawn
from sweeper.core.events import Closed, JobStatus, PoolStatus
from sweeper.core.failures import Failure, is_vague, will_fit
from sweeper.core.identity import canonical
from sweeper.core.keepalive import keep_alive_s
from sweeper.core.model import EngineKind, Scope, Sweep
from sweeper.core.outcome import (
    created_with,
    environment_of,
    final_metrics,
    fingerprint_of,
    lost,
    observation,
    outcome,
    refused,
    retained_seconds,
    told_by,
)
from sweeper.core.ports import Clock, Description, Journal, Progress, Request, TrainingApi
from sweeper.core.remedies import config_of
from sweeper.core.request import PoolKey, Staged, about_locked, build, digest, fingerprint, job_name, locked_key
from sweeper.core.resume import resume
from sweeper.core.search import search_for
from sweeper.core.secrets import MASK, Redactor
from sweeper.core.stop import Until, every
from sweeper.core.watch import Readings, ReadLog, Watch
from sweeper.errors import (
    ApiError,
    ApiErrorKind,
    ForeignNameError,
    JournalError,
    LockedChangedError,
    SweeperError,
    assert_never,
)
from sweeper.run.release import DENIED_S, IMPATIENT_S, NAG_S, Releaser, Unreleased, longest_life_s

PROPAGATION_S = 120.0
"""Seconds for which a new role, bucket or repository may not be visible yet (Terraform retries as long)."""
LOG_S = 300.0
"""Seconds for which a log that holds a needed metric is asked for again."""
LIMIT_FIRST_S, LIMIT_MOST_S = 30.0, 600.0
BACKOFF_MOST_S = 60.0
UNKEPT_MOST = 3
"""Jobs at the end of a chain whose logs a killed invocation may have left."""
LONG_S = 3.0
"""Seconds after which the storing of logs at the end is told of."""
_DONE = object()
ATTENTION_S = 30.0
"""Seconds after which a longer wait looks up: half a heartbeat of the lease."""
RARE_NAG_S = 600.0
"""Seconds between two lines about a job that cannot be looked at, while the sweep only waits to go on."""


@dataclass
class Ending:
    """How an invocation ended."""

    why: str
    chain: Chain
    signal: int = 0
    unreleased: list[Unreleased] = field(default_factory=list)


@dataclass
class World:
    """Everything outside that the runner touches."""

    api: TrainingApi
    journal: Journal
    clock: Clock
    progress: Progress
    stage: Callable[[Mapping[str, Any]], Staged]
    """Makes sure that the code and data of a resolved trial are where the job will read them."""
    arm: Callable[[], None] = lambda: None
    """Called before a job can exist: starts the watchdog."""
    lease_held: Callable[[], bool] = lambda: True
    """Keeps the lease on the pool alive; false once it is someone else's."""
    caught: Sequence[int] = ()
    """The signals that have arrived, oldest first (a live list)."""
    log_metrics: Callable[[str], Readings] = lambda name: Readings({})
    """The metrics in a job's log: the fallback when the service computed none."""
    read_log: ReadLog = lambda name: None
    """What has come in a running job's log since it was last read; None when it cannot be read."""
    log_tail: Callable[[str], str] = lambda name: ""
    """The last lines of a job's log."""
    curve: Callable[[Job], Sequence[tuple[str, float]]] = lambda job: ()
    """The metrics of an ended job, in the order in which they came."""
    keep: Callable[[Job], Iterator[None]] = lambda job: iter(())
    """Stores the log of a job whose pool is closed, a little at each step; what comes of it never fails a job."""
    kept: Callable[[Job], bool] = lambda job: True
    """Is the log of this ended job stored?"""
    versions: Mapping[str, str] = field(default_factory=dict)
    service: Callable[[], str] = lambda: ""
    """Which engine state answers now; empty for AWS, which is never another one."""
    renew: Callable[[], None] = lambda: None
    """Called when another state answers: what jobs need there is to be put there again."""
    redact: Redactor = field(default_factory=Redactor)
    """Masks the environments of the jobs in what is told; it learns them here, as they are resolved."""
    requests: Callable[[], Sequence[Asked]] = lambda: ()
    """What other commands have asked of this chain and nobody has answered yet."""
    answered: Callable[[Asked], None] = lambda asked: None
    """Called once a request's effect is durable."""


class Runner:
    """One invocation of one sweep."""

    decide = staticmethod(decide)
    releaser: type[Releaser] = Releaser

    def __init__(self, sweep: Sweep, scope: Scope, owner: str, world: World) -> None:
        self.sweep, self.scope, self.owner, self.world = sweep, scope, owner, world
        self.settings = sweep.engine_settings
        self.chain = fold(world.journal.events())
        self.search = search_for(sweep, self.chain)
        self.unreleased: dict[str, Unreleased] = {}
        self._key = locked_key(sweep.locked, sweep.backend)
        self._required = _required_metrics(sweep)
        self._watch = Watch(sweep, world.read_log, world.curve)
        self._buffer: list[ev.Event] = []
        self._since: dict[tuple[str, str], float] = {}
        self._closing = self._gave_up = False
        self._state = world.service()
        """Which engine state this invocation works with."""
        self._begun = world.clock.monotonic()
        self._unanswered: dict[str, float] = {}
        """When a Create of this name was last sent that got no answer; of those that this invocation intended."""
        self._unkept: deque[Job] = deque()
        """Ended jobs whose logs are to be stored, oldest first: never in the way of the next job."""
        self._keeping: Iterator[None] = iter(())

    # -- the loop ------------------------------------------------------------------------------------------------

    def run(self) -> Ending:
        """Run until there is nothing more to do and every pool is closed, or may not be closable."""
        opened = ev.Opened(
            digest=self.sweep.digest,
            source_digest=self.sweep.source_digest,
            locked_digest=self.sweep.locked_digest,
            scope=self.scope.folder(self.sweep.name),
            owner=self.owner,
            versions=self.world.versions,
            service=self._state,
            only=self.sweep.only,
            at=self.world.clock.now(),
        )
        try:
            self._begin(opened)
            why = self._loop()
        except BaseException as error:
            self._close_after(error)
            error.unreleased = list(self.unreleased.values())  # type: ignore[attr-defined]
            raise
        caught = self.chain.stopping.signal if self.chain.stopping else 0
        return Ending(why, self.chain, caught, list(self.unreleased.values()))

    def _begin(self, opened: ev.Opened) -> None:
        before = self.chain.opened
        for job in self.chain.debts.values():
            self._learn_secrets(job)
        self.note(opened)
        self._pass_over_masked()
        for queued in () if self.sweep.only else withdrawn(self.sweep, self.chain):
            self.note(ev.Withdrawn(queued.trial, queued.label))
        self._take_requests()
        if self.sweep.only and self.chain.is_finished(self.sweep.only):
            self.note(ev.Reopened(self.sweep.only))
        self._find_unkept()
        self._tell_resume()
        if not len(self.sweep.trials):
            self.world.progress.say("nothing to do: every trial is excluded")
        if before and before.service != opened.service:
            self._service_gone()

    def _loop(self) -> str:
        while True:
            self._take_signal()
            self._take_requests()
            self._keep_lease()
            self._keep_state()
            decision = self.decide(
                self.sweep, self.search, self.chain, self.world.clock.now(), self.sweep.backend.capacity
            )
            match decision:
                case Submit():
                    self._submit(decision)
                case StopJob():
                    self._stop(decision)
                case Wait():
                    self._wait(decision.names)
                case Release():
                    self._release(decision.names)
                    self._gave_up = bool(self.unreleased)
                case Extend():
                    self._extend(decision)
                case Decide():
                    self.note(ev.Decided(decision.rule, decision.why, decision.now))
                case Finish():
                    self._keep_logs()
                    self.note(ev.Finished(decision.why))
                    return decision.why
                case _:
                    assert_never(decision)
            if self._gave_up:
                return self._give_up()

    def _tell_resume(self) -> None:
        if self.sweep.only:  # nothing becomes of the others
            return
        found = resume(self.sweep, self.chain)
        if self.chain.jobs and not found.nothing_to_do:
            self.world.progress.say(f"continuing {self.sweep.name}:")
            for line in found.lines():
                self.world.progress.say(line)

    def _keep_state(self) -> None:
        """Somebody may remove the local engine's state under a running sweep: the chain goes on with another one."""
        if (state := self.world.service()) == self._state:
            return
        self._state = state
        self._service_gone()
        assert self.chain.opened is not None
        if not self.chain.stopping:  # which another beginning would forget
            self.note(replace(self.chain.opened, service=state))
            self.world.renew()

    def _service_gone(self) -> None:
        """The local engine's state was removed, and with it every job and pool it had."""
        for job in self.chain.debts_newest_first:
            if not self._is_there(job):
                self.world.progress.say(f"{job.name} is gone with the local engine's state")
                self.note(ev.PoolClosed(job.name, Closed.ENGINE_GONE.value))

    def _is_there(self, job: Job) -> bool:
        """Whether the new state has it: it may have been created there before the old one was missed."""
        try:
            return fingerprint_of(self.world.api.describe_training_job(job.name)) == job.intent.fingerprint
        except ApiError:
            return False

    def _give_up(self) -> str:
        """One pool could not be closed: the others are, and no job is left to run that nobody would look after."""
        rest = [job.name for job in self.chain.debts_newest_first if job.name not in self.unreleased]
        self._release(tuple(rest))
        self._flush()
        return "a pool may still bill"

    def note(self, event: ev.Event) -> None:
        """Make an event durable, then true. A mere observation waits for the next event that matters.

        Its secrets are masked before either, so that a resumed chain is the one that was live.
        A phase that may last for hours matters, and every phase of a spot job: `sweeper status` tells it from the
        journal.
        """
        event = ev.without_secrets(event, self.world.redact.cut)
        self._buffer.append(event)
        if not isinstance(event, ev.Observed) or self._may_last(event):
            self._flush()
        apply(self.chain, event)
        if isinstance(event, ev.PoolClosed) and self.chain.jobs[event.name].ended:
            self._unkept.append(self.chain.jobs[event.name])
        self.world.progress.event(event, self.chain)

    def _may_last(self, seen: ev.Observed) -> bool:
        """Whether a job has come into a phase that may last, or out of one."""
        phases = {self.chain.jobs[seen.name].secondary, seen.secondary}
        return self.sweep.backend.interrupts or not phases.isdisjoint(ev.WAITS_LONG)

    def _learn_secrets(self, job: Job) -> None:
        """An earlier invocation sent it; what it and the service say of it is told by this one."""
        trial = find(self.sweep, self.chain, job.intent.trial, job.intent.index)
        with suppress(SweeperError):  # a trial that cannot be made any more has nothing to hide
            if trial:
                config = config_of(self.sweep, trial, job.intent.patches, job.intent.taken)
                self.world.redact.learn(config["environment"])

    def _pass_over_masked(self) -> None:
        """Journals of earlier versions hold values of added trials that were masked: nobody knows them any more."""
        for added in [a for a in self.chain.added.values() if not self.chain.is_finished(a.trial)]:
            if MASK in canonical(added.values):
                self.world.progress.say(f"trial {added.label}: a value was masked by an earlier version; add it again")
                self.note(ev.Skipped(added.trial))

    def _flush(self) -> None:
        buffered, self._buffer = self._buffer, []
        if not buffered:
            return
        try:
            self.world.journal.append(*buffered)
        except JournalError as error:
            if not self._closing:
                raise
            # The pool comes first: a full disk must not keep it alive.
            self.world.progress.say(f"warning: {error}")

    def _take_signal(self) -> None:
        caught = self.world.caught
        self._impatient()
        if caught and not (self.chain.stopping and self.chain.stopping.signal):
            name = signals.Signals(caught[0]).name
            self.note(ev.Stopping(reason=f"stopped by {name}", now=True, signal=caught[0]))

    def _take_requests(self) -> None:
        """What other commands left in the journal: each is made an event, then answered."""
        for asked in self.world.requests():
            if self.sweep.only and (asked.kind == "add" or VALUES in asked.data):
                continue  # of the next run: this one makes no trials
            if asked.kind == "stop":
                self._asked_to_stop(now=bool(asked.data.get("now")))
            elif asked.kind == "add":
                self._asked_to_add(asked.data["values"])
            elif asked.kind in REOPENING:
                for event in reopening(asked.kind, asked.data, self.sweep.make):
                    self.note(event)
            else:
                continue
            self.world.answered(asked)

    def _keep_lease(self) -> None:
        """Without the lease the running job is finished, and nothing new is created (row 22)."""
        if not self.chain.stopping and not self.world.lease_held():
            self.note(ev.Stopping(reason="the lease on the pool was lost to another runner", now=False))

    def _asked_to_add(self, values: Mapping[str, Any]) -> None:
        """`sweeper add` queues another trial; one that is there already, or cannot be made, is told and left."""
        try:
            trial = self.sweep.make(values, count(self.sweep.trials, self.chain))
            self.sweep.resolve(trial)
        except SweeperError as error:
            self.world.progress.say(f"the trial was not added: {error}")
            return
        if find(self.sweep, self.chain, trial.id, trial.index):
            self.world.progress.say(f"trial {trial.name} was not added: there is one with these values")
        else:
            self.note(ev.Added(trial.id, trial.index, trial.name, dict(trial.values)))

    def _asked_to_stop(self, *, now: bool) -> None:
        """`sweeper stop` ends the chain after the running job, `sweeper stop --now` stops that job as well."""
        before = self.chain.stopping
        if before is None or (now and not before.now):
            self.note(ev.Stopping(reason="asked to stop by `sweeper stop`", now=now))

    def _close_after(self, error: BaseException) -> None:
        """An exception ends the chain: close every job first, whatever the journal says to it."""
        self._closing = True
        debts = self.chain.debts_newest_first
        try:
            if isinstance(error, ForeignNameError):
                self.world.progress.say(f"{error}")
            self.note(ev.Stopping(reason=f"{type(error).__name__}: {error}", now=True))
            self._release(tuple(job.name for job in debts))
        except Exception as second:  # noqa: BLE001 - a second trouble must not hide what may still bill
            for job in debts:
                if job.in_debt:
                    self.unreleased[job.name] = Unreleased(
                        job.name, f"{type(second).__name__}: {second}", self._aws_region
                    )

    # -- submit: the intent is durable first, then create until proven (R1-R3) --------------------------------------

    def _submit(self, decision: Submit) -> None:
        queued = self.sweep.backend.through is not None
        name = job_name(self.owner, self.scope, self.sweep.name, decision.trial.id, decision.attempt, queued=queued)
        known = self.chain.jobs.get(name)
        known = None if known and known.never_was else known
        taken = known.intent.taken if known else self._handed_over()
        patches = known.intent.patches if known else decision.patches
        config = config_of(self.sweep, decision.trial, patches, taken)
        self.world.redact.learn(config["environment"])
        staged = self.world.stage(config)
        intent = known.intent if known else self._intend(name, decision, config, staged, taken)
        request = self._request(intent, config, staged)
        self.world.arm()
        if not known:
            self.note(intent)
            self._unanswered[name] = float("-inf")
        self._create(self.chain.jobs[name], request)

    def _handed_over(self) -> Mapping[str, Any]:
        """What the next trial takes over from those before it."""
        if not self.sweep.prev:
            return {}
        return handover.taken(self.sweep.prev, ended(self.sweep, self.chain), self.sweep.objective)

    def _intend(
        self,
        name: str,
        decision: Submit,
        config: Mapping[str, Any],
        staged: Staged,
        taken: Mapping[str, Any] | None = None,
    ) -> ev.Intent:
        trial = decision.trial
        keep_alive = keep_alive_s(self.sweep, self.chain, last=decision.last)
        most, longest = decision.most_s, int(config["job"]["max_runtime_s"])
        return ev.Intent(
            name=name,
            trial=trial.id,
            index=trial.index,
            label=trial.name,
            values=dict(trial.values),
            attempt=decision.attempt,
            fingerprint=fingerprint(self.owner, self.sweep.name, trial.id, decision.attempt),
            keep_alive_s=keep_alive if self.sweep.backend.keeps_pool else 0,
            max_runtime_s=longest if most is None else min(most, longest),
            source=staged.source,
            taken=taken or {},
            patches=decision.patches,
            remedy=decision.remedy,
            clamped=decision.clamped if most is not None and most < longest else "",
        )

    def _request(self, intent: ev.Intent, config: Mapping[str, Any], staged: Staged) -> Request:
        if digest(config["locked"]) != self.sweep.locked_digest:
            raise LockedChangedError(f"trial {intent.label}: its locked section differs from the frozen one")
        request = build(
            config,
            name=intent.name,
            mark=intent.fingerprint,
            sweep=self.sweep.name,
            max_runtime_s=intent.max_runtime_s,
            staged=staged,
            region=self.scope.region,
        )
        shaped = self.sweep.backend.shape(request, intent.keep_alive_s)
        if PoolKey.of(shaped) != self._key:
            raise LockedChangedError(f"trial {intent.label}: its request would leave the pool")
        return shaped

    def _create(self, job: Job, request: Request) -> None:
        """Send the same Create until Describe or the service proves that the job exists, or refuses it."""
        waited, begun = 1.0, self.world.clock.monotonic()
        while not job.acknowledged and not job.ended:
            try:
                self.note(ev.Created(job.name, self.world.api.create_training_job(request)))
                return
            except ApiError as error:
                if error.kind.outcome_unknown and job.name in self._unanswered:
                    self._unanswered[job.name] = self.world.clock.monotonic()
                pause = self._create_failed(job, error, waited, self.world.clock.monotonic() - begun)
            if job.acknowledged or job.ended:
                return
            pause = min(pause, BACKOFF_MOST_S) if pause < LIMIT_FIRST_S else pause
            self._pause(pause * _unevenness(job.name, waited))
            if self.chain.stopping or time_is_up(self.sweep, self.chain, self.world.clock.now()):
                return  # the release finds out whether the job exists, and closes it
            waited = min(waited * 2, LIMIT_MOST_S)

    def _pause(self, seconds: float) -> None:
        """Wait before the same Create is sent again; signals, requests and the lease do not wait for that long."""
        while seconds > 0 and not self.chain.stopping:
            self.world.clock.sleep(min(seconds, ATTENTION_S))
            seconds -= ATTENTION_S
            self._take_signal()
            self._take_requests()
            self._keep_lease()

    def _create_failed(self, job: Job, error: ApiError, waited: float, since: float) -> float:
        """What a failed Create means; returns how many seconds to wait before it is sent again."""
        match error.kind:
            case ApiErrorKind.IN_USE | ApiErrorKind.LOST | ApiErrorKind.UNAVAILABLE | ApiErrorKind.UNKNOWN:
                self._prove(job)
            case ApiErrorKind.THROTTLED:
                pass
            case ApiErrorKind.EXPIRED:
                self._say_once(job.name, f"credentials have expired; waiting for new ones ({error.message})")
            case ApiErrorKind.SKEWED:
                self._say_once(job.name, f"this machine's clock is wrong; waiting until it is set ({error.message})")
            case ApiErrorKind.PROPAGATION if since < PROPAGATION_S:
                self._say_once(job.name, f"not visible to SageMaker yet, trying again: {error.message}")
            case ApiErrorKind.LIMIT if will_fit(error.message):
                self._say_once(job.name, f"waiting for quota: {error.message}")
                self._release(tuple(j.name for j in self.chain.debts_newest_first if j.ended))
                return max(LIMIT_FIRST_S, waited)
            case ApiErrorKind.DENIED | ApiErrorKind.NOT_FOUND:
                self._refuse(job, Failure.PERMISSION, error)
                raise error
            case ApiErrorKind.LIMIT:
                self._refuse(job, Failure.QUOTA, error)
                raise error
            case _:
                self._refuse(job, Failure.REQUEST, error)
                if about_locked(error.message):
                    raise error
        return waited

    def _prove(self, job: Job) -> None:
        """Describe decides whether the job exists and is ours."""
        try:
            description = self.world.api.describe_training_job(job.name)
        except ApiError:
            return  # nothing is proved; the same Create is sent again
        if fingerprint_of(description) != job.intent.fingerprint:
            raise ForeignNameError(
                f"{job.name}: a training job of this name exists that is not this sweep's; "
                "nothing of it was touched. Set another `owner:` or `name:`"
            )
        self.note(ev.Adopted(job.name, str(description.get("TrainingJobArn", "")), *created_with(description)))

    def _refuse(self, job: Job, failure: Failure, error: ApiError) -> None:
        self.note(refused(job, failure, f"{error.code}: {error.message}"))
        self.note(ev.PoolClosed(job.name, Closed.NEVER_HAD_POOL.value))

    # -- wait: look, and take what is new ---------------------------------------------------------------------------

    def _wait(self, names: tuple[str, ...]) -> None:
        before = self._version()
        for name in names:
            self._look(self.chain.jobs[name])
        if self._version() == before:
            begun = self.world.clock.monotonic()
            if self.chain.unfinished:  # else a pool waits for the next job
                self._keep_logs(begun + self.settings.poll_s)
            self.world.clock.sleep(self.settings.poll_s - (self.world.clock.monotonic() - begun))

    def _keep_logs(self, until: float = math.inf) -> None:
        """Store the logs of ended jobs, step by step, until a moment (monotonic) or a new signal."""
        caught, begun = len(self.world.caught), self.world.clock.monotonic()
        while self.world.clock.monotonic() < until and len(self.world.caught) == caught:
            if next(self._keeping, _DONE) is _DONE:
                if not self._unkept:
                    return
                self._keeping = self.world.keep(self._unkept.popleft())
            elif until == math.inf and self.world.clock.monotonic() - begun > LONG_S:
                self._say_once("", "storing the rest of the logs; Ctrl-C ends that, and the next run goes on with it")

    def _find_unkept(self) -> None:
        """What a killed invocation did not come to store: its last logs."""
        ended = (job for job in reversed(self.chain.outcomes) if job.closed and job.acknowledged)
        last = islice(ended, UNKEPT_MOST)
        self._unkept.extendleft(takewhile(lambda job: not self.world.kept(job), last))

    def _version(self) -> tuple[int, int, int]:
        judged = sum(1 for j in self.chain.unfinished.values() if j.judged)
        return len(self.chain.outcomes), sum(1 for j in self.chain.debts.values() if not j.settled), judged

    def _look(self, job: Job) -> None:
        try:
            description = self.world.api.describe_training_job(job.name)
        except ApiError as error:
            self._unseen(job, error)
            return
        for what in ("unseen", "denied", "nagged"):
            self._since.pop((job.name, what), None)
        if fingerprint_of(description) != job.intent.fingerprint:
            raise ForeignNameError(f"{job.name}: the training job of this name is not this sweep's any more")
        self.world.redact.learn(environment_of(description))  # an earlier invocation may have had other secrets
        seen = observation(job.name, description)
        seen = replace(seen, message=self.world.redact.cut(seen.message))  # as it is known of the job
        known = (job.status.value, job.secondary, job.message, job.pool.value)
        if (seen.status, seen.secondary, seen.message, seen.pool) != known:
            self.note(seen)
        self.world.progress.watching(job.name, description)
        if JobStatus.of(seen.status).terminal:
            self._ended(job, description, seen)
        elif judged := self._watch.look(self.chain, job, description, self.world.clock.monotonic()):
            self.note(judged)

    def _unseen(self, job: Job, error: ApiError) -> None:
        """Describe failed: not an end, until it has lasted (rows 49, 50, 53, 54)."""
        lasted = self._lasting(job.name, "unseen")
        if error.kind is ApiErrorKind.NOT_FOUND:
            if lasted > self.settings.not_found_s and not job.ended:
                self.note(lost(job, "the training job is gone from SageMaker; its result cannot be read any more"))
            elif lasted > self.settings.not_found_s and not job.settled:
                self.note(ev.Settled(job.name, PoolStatus.ABSENT.value))  # nobody will ever see its pool
            return
        if error.kind.passing:
            self._since.pop((job.name, "denied"), None)  # two separate troubles are two
        elif self._lasting(job.name, "denied") > DENIED_S:
            raise error
        ending = self.chain.stopping or self.chain.decided
        if (self._impatient() and lasted > IMPATIENT_S) or (ending and lasted > longest_life_s(job)):
            # A second Ctrl-C, or nothing is to come and nothing can live any more: named instead of waited for.
            self._release(tuple(job.name for job in self.chain.debts_newest_first))
            self._gave_up = bool(self.unreleased)
        elif lasted > self.settings.poll_s * 3 and self._due(job.name, NAG_S if ending else RARE_NAG_S):
            line = f"cannot look at {job.name} for {lasted:.0f} s, still trying: {error.message}"
            self.world.progress.say(line)

    def _due(self, name: str, every_s: float) -> bool:
        """Is it time to tell again that this job cannot be seen?"""
        now = self.world.clock.monotonic()
        if now - self._since.get((name, "nagged"), float("-inf")) < every_s:
            return False
        self._since[name, "nagged"] = now
        return True

    def _ended(self, job: Job, description: Description, seen: ev.Observed) -> None:
        if not job.ended:
            made = self._harvest(job, description, patient=True)
            if made is None:
                return  # the service has not computed the metrics yet
            self.note(made)
        self._pool_seen(job, description, seen)
        if not job.settled and self._lasting(job.name, "unsettled") > self.settings.settle_s:
            self.note(ev.Settled(job.name, PoolStatus.ABSENT.value))
            self.world.progress.say(
                f"warning: {job.name} shows no warm pool; is the quota for warm pools of this instance type 0? "
                "Going on without waiting for one"
            )

    def _pool_seen(self, job: Job, description: Description, seen: ev.Observed) -> None:
        if job.closed:
            return
        pool, retained = PoolStatus.of(seen.pool), retained_seconds(description)
        if pool is PoolStatus.TERMINATED:
            self.note(ev.PoolClosed(job.name, Closed.TERMINATED.value, retained_s=retained))
        elif pool is PoolStatus.REUSED:
            own = self._is_own(seen.reused_by)
            how = Closed.REUSED_BY_OWN if own else Closed.REUSED_BY_FOREIGN
            if not own:
                self.world.progress.say(f"warning: the pool of {job.name} was taken by {seen.reused_by}")
            self.note(ev.PoolClosed(job.name, how.value, seen.reused_by, retained))
        elif not job.keep_alive_s and pool is not PoolStatus.AVAILABLE:
            self.note(ev.PoolClosed(job.name, Closed.NEVER_HAD_POOL.value))

    @property
    def _aws_region(self) -> str:
        return self.scope.region if self.scope.engine is EngineKind.AWS else ""

    def _is_own(self, name: str) -> bool:
        """True for a job of this sweep, also one that an earlier journal knew and this one does not."""
        if name in self.chain.jobs:
            return True
        try:
            mark = fingerprint_of(self.world.api.describe_training_job(name))
        except ApiError:
            return False
        return mark.startswith(fingerprint(self.owner, self.sweep.name, "", 0).removesuffix("/0"))

    def _harvest(self, job: Job, description: Mapping[str, Any], *, patient: bool) -> ev.Outcome | None:
        """The outcome of an ended job; None while `patient` and a metric that is needed may still arrive."""
        metrics, source, odd = final_metrics(description), "FinalMetricDataList", dict[str, str]()
        missing = [name for name in self._required if name not in metrics]
        status = JobStatus.of(description.get("TrainingJobStatus"))
        if judged := told_by(job, status):
            metrics, source = {**judged.metrics, **metrics}, source if set(judged.metrics) <= set(metrics) else "log"
        if missing and status is JobStatus.COMPLETED:
            if patient and self._lasting(job.name, "metrics") < self.settings.metrics_wait_s:
                return None
            found = self._from_log(job, patient=patient)
            if found is None:
                return None
            metrics, source, odd = {**found.last, **metrics}, "log", dict(found.odd)
        vague = status is JobStatus.FAILED and is_vague(str(description.get("FailureReason") or ""))
        tail = self._tail_of(job) if vague else ""
        return outcome(job, description, metrics, source, self._required, tail, odd)

    def _tail_of(self, job: Job) -> str:
        """The end of a job's log, empty when it cannot be had: it only makes a reason clearer."""
        try:
            return self.world.log_tail(job.name)
        except ApiError:
            return ""

    def _from_log(self, job: Job, *, patient: bool) -> Readings | None:
        """The metrics in a job's log, none when it cannot be read; None while `patient` and that may pass."""
        try:
            return self.world.log_metrics(job.name)
        except ApiError as error:
            self._say_once(job.name, f"the log of {job.name} cannot be read: {error.message}")
            return None if patient and error.kind.passing and self._lasting(job.name, "log") < LOG_S else Readings({})

    def _harvest_now(self, job: Job, description: Mapping[str, Any]) -> ev.Outcome:
        made = self._harvest(job, description, patient=False)
        assert made is not None
        return made

    def _lasting(self, name: str, what: str) -> float:
        """Seconds since this was first so."""
        now = self.world.clock.monotonic()
        return now - self._since.setdefault((name, what), now)

    def _say_once(self, name: str, line: str) -> None:
        if (name, line) not in self._since:
            self._since[name, line] = self.world.clock.monotonic()
            self.world.progress.say(line)

    # -- stop and release -------------------------------------------------------------------------------------------

    def _stop(self, decision: StopJob) -> None:
        """Ask for the stop until Describe shows it."""
        job = self.chain.jobs[decision.name]
        if not job.stop_reason:
            self.note(ev.StopSent(decision.name, decision.reason))
        try:
            self.world.api.stop_training_job(decision.name)
        except ApiError as error:
            self._say_once(job.name, f"stopping {decision.name}: {error.message}")
        self._look(job)
        if not job.ended and job.status is not JobStatus.STOPPING:
            self.world.clock.sleep(self.settings.poll_s)

    def _impatient(self) -> bool:
        if len(self.world.caught) < 2:
            return False
        waited = f"what cannot be seen for {IMPATIENT_S:.0f} s is named instead of waited for"
        self._say_once("", f"asked again to end: {waited}; the pool is released all the same")
        return True

    def _arriving_s(self, name: str) -> float:
        """For how many more seconds a Create may still arrive: one of an earlier invocation, or one unanswered."""
        sent = self._unanswered.get(name, self._begun)
        return max(0.0, sent + self.settings.request_life_s - self.world.clock.monotonic())

    def _extend(self, decision: Extend) -> None:
        """Keep a pool that is Available; when it cannot be, the next job starts cold."""
        self.note(ev.Extended(decision.name, decision.bound_s))
        try:
            self.world.api.update_training_job(decision.name, decision.keep_alive_s)
        except ApiError as error:
            self._say_once(decision.name, f"keeping the pool of {decision.name}: {error.message}")

    def _release(self, names: tuple[str, ...]) -> None:
        """Close these jobs; those that cannot be observed closed are kept in `unreleased`."""
        closing, self._closing = self._closing, True
        for name in names:
            self.unreleased.pop(name, None)  # tried again: what was so before does not count
        releaser = self.releaser(
            api=self.world.api,
            clock=self.world.clock,
            settings=self.settings,
            note=self.note,
            say=self.world.progress.say,
            harvest=self._harvest_now,
            is_own=self._is_own,
            region=self._aws_region,
            impatient=self._impatient,
            silent_since=lambda name: self._since.get((name, "unseen")),
            arriving_s=self._arriving_s,
            gone=lambda: self.world.service() != self._state,
        )
        for failed in releaser.close_all([self.chain.jobs[name] for name in names]):
            self.unreleased[failed.name] = failed
        self._closing = closing


def _unevenness(name: str, waited: float) -> float:
    """A factor from 1 to 1.25 that keeps two sweeps out of step; a function of the name, so that a replay is exact."""
    return 1.0 + int(digest([name, waited])[:8], 16) / 2**34


def _required_metrics(sweep: Sweep) -> tuple[str, ...]:
    """The metrics that something is decided by."""
    wanted = [rule.metric for rule in every(sweep.stop) if isinstance(rule, Until)]
    if sweep.objective:
        wanted.append(sweep.objective.metric)
    return tuple(dict.fromkeys(wanted))
