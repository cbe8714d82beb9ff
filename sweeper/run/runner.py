"""The loop: journal -> decide -> do -> note. A `match` over decisions with no policy of its own."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace

from sweeper.core import events as ev
from sweeper.core.chain import Chain, Job
from sweeper.core.decide import Decide, Decision, Extend, Finish, Release, StopJob, Submit, Wait, decide
from sweeper.core.declared import find, withdrawn
from sweeper.core.events import JobStatus
from sweeper.core.identity import canonical
from sweeper.core.model import Scope, Sweep
from sweeper.core.outcome import fingerprint_of
from sweeper.core.remedies import config_of
from sweeper.core.resume import resume
from sweeper.core.search import search_for
from sweeper.core.secrets import MASK
from sweeper.errors import ApiError, SweeperError, assert_never
from sweeper.run.attention import Attention
from sweeper.run.harvesting import Harvesting
from sweeper.run.keeping import Keeping
from sweeper.run.notes import Notes
from sweeper.run.release import Unreleased
from sweeper.run.releasing import Releasing
from sweeper.run.submitting import Submitting
from sweeper.run.watching import Watching
from sweeper.run.world import World


@dataclass
class Ending:
    """How an invocation ended."""

    why: str
    chain: Chain
    signal: int = 0
    unreleased: list[Unreleased] = field(default_factory=list)


@dataclass(frozen=True)
class Parts:
    """What a runner is made of: the rules of the protocol live in these."""

    notes: type[Notes] = Notes
    attention: type[Attention] = Attention
    releasing: type[Releasing] = Releasing
    submitting: type[Submitting] = Submitting


class Runner:
    """One invocation of one sweep."""

    decide = staticmethod(decide)
    parts = Parts()

    def __init__(self, sweep: Sweep, scope: Scope, owner: str, world: World) -> None:
        self.sweep, self.scope, self.world = sweep, scope, world
        self.notes = notes = self.parts.notes(sweep, scope, owner, world)
        self.note, self.chain = notes.note, notes.chain
        self.search = search_for(sweep, self.chain)
        self.attention = self.parts.attention(notes)
        harvesting = Harvesting(notes)
        self.releasing = self.parts.releasing(notes, self.attention, harvesting)
        self.submitting = self.parts.submitting(notes, self.attention, self.releasing)
        self.watching = Watching(notes, self.attention, harvesting, self.releasing)
        self.keeping = Keeping(notes)

    def run(self) -> Ending:
        """Run until there is nothing more to do and every pool is closed, or may not be closable."""
        opened = ev.Opened(
            digest=self.sweep.digest,
            source_digest=self.sweep.source_digest,
            locked_digest=self.sweep.locked_digest,
            scope=self.scope.folder(self.sweep.name),
            owner=self.notes.owner,
            versions=self.world.versions,
            service=self.releasing.state,
            only=self.sweep.only,
            at=self.world.clock.now(),
        )
        try:
            self._begin(opened)
            why = self._loop()
        except BaseException as error:
            self.releasing.close_after(error)
            error.unreleased = list(self.releasing.unreleased.values())  # type: ignore[attr-defined]
            raise
        caught = self.chain.stopping.signal if self.chain.stopping else 0
        return Ending(why, self.chain, caught, list(self.releasing.unreleased.values()))

    # -- the beginning ----------------------------------------------------------------------------------------------

    def _begin(self, opened: ev.Opened) -> None:
        before = self.chain.opened
        for job in self.chain.debts.values():
            self._learn_secrets(job)
        self.note(opened)
        self._pass_over_masked()
        for queued in () if self.sweep.only else withdrawn(self.sweep, self.chain):
            self.note(ev.Withdrawn(queued.trial, queued.label))
        self.attention.take_requests()
        if self.sweep.only and self.chain.is_finished(self.sweep.only):
            self.note(ev.Reopened(self.sweep.only))
        self.keeping.find_unkept()
        self._tell_resume()
        if not len(self.sweep.trials):
            self.notes.say("nothing to do: every trial is excluded")
        if before and before.service != opened.service:
            self._service_gone()

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
                self.notes.say(f"trial {added.label}: a value was masked by an earlier version; add it again")
                self.note(ev.Skipped(added.trial))

    def _tell_resume(self) -> None:
        if self.sweep.only:  # nothing becomes of the others
            return
        found = resume(self.sweep, self.chain)
        if self.chain.jobs and not found.nothing_to_do:
            self.notes.say(f"continuing {self.sweep.name}:")
            for line in found.lines():
                self.notes.say(line)

    # -- the loop ---------------------------------------------------------------------------------------------------

    def _loop(self) -> str:
        while True:
            self.attention.look_up()
            self._keep_state()
            decision = self.decide(
                self.sweep, self.search, self.chain, self.world.clock.now(), self.sweep.backend.capacity
            )
            self._do(decision)
            if isinstance(decision, Finish):
                return decision.why
            if self.releasing.gave_up:
                return self.releasing.give_up()

    def _do(self, decision: Decision) -> None:
        match decision:
            case Submit():
                self.submitting.submit(decision)
            case StopJob():
                self._stop(decision)
            case Wait():
                self._wait(decision.names)
            case Release():
                self.releasing.release_or_give_up(decision.names)
            case Extend():
                self._extend(decision)
            case Decide():
                self.note(ev.Decided(decision.rule, decision.why, decision.now))
            case Finish():
                self.keeping.keep()
                self.note(ev.Finished(decision.why))
            case _:
                assert_never(decision)

    def _wait(self, names: tuple[str, ...]) -> None:
        """Look at these; when nothing has come of it, store logs, and sleep until it is time to look again."""
        clock, poll_s = self.world.clock, self.notes.settings.poll_s
        before = self._version()
        for name in names:
            self.watching.look(self.chain.jobs[name])
        if self._version() == before:
            begun = clock.monotonic()
            if self.chain.unfinished:  # else a pool waits for the next job
                self.keeping.keep(begun + poll_s)
            clock.sleep(poll_s - (clock.monotonic() - begun))

    def _version(self) -> tuple[int, int, int]:
        judged = sum(1 for j in self.chain.unfinished.values() if j.judged)
        return len(self.chain.outcomes), sum(1 for j in self.chain.debts.values() if not j.settled), judged

    def _stop(self, decision: StopJob) -> None:
        """Ask for the stop until Describe shows it."""
        job = self.chain.jobs[decision.name]
        if not job.stop_reason:
            self.note(ev.StopSent(decision.name, decision.reason))
        try:
            self.world.api.stop_training_job(decision.name)
        except ApiError as error:
            self.notes.say_once(job.name, f"stopping {decision.name}: {error.message}")
        self.watching.look(job)
        if not job.ended and job.status is not JobStatus.STOPPING:
            self.world.clock.sleep(self.notes.settings.poll_s)

    def _extend(self, decision: Extend) -> None:
        """Keep a pool that is Available; when it cannot be, the next job starts cold."""
        self.note(ev.Extended(decision.name, decision.bound_s))
        try:
            self.world.api.update_training_job(decision.name, decision.keep_alive_s)
        except ApiError as error:
            self.notes.say_once(decision.name, f"keeping the pool of {decision.name}: {error.message}")

    # -- the local engine's state may be removed --------------------------------------------------------------------

    def _keep_state(self) -> None:
        """Somebody may remove the local engine's state under a running sweep: the chain goes on with another one."""
        if (state := self.world.place.state()) == self.releasing.state:
            return
        self.releasing.state = state
        self._service_gone()
        assert self.chain.opened is not None
        if not self.chain.stopping:  # which another beginning would forget
            self.note(replace(self.chain.opened, service=state))
            self.world.place.renew()

    def _service_gone(self) -> None:
        """The local engine's state was removed, and with it every job and pool it had."""
        for job in self.chain.debts_newest_first:
            if self._is_there(job):
                self.releasing.outlived.add(job.name)
            else:
                self.releasing.engine_gone(job)

    def _is_there(self, job: Job) -> bool:
        """Whether the new state has it: it may have been created there before the old one was missed."""
        try:
            return fingerprint_of(self.world.api.describe_training_job(job.name)) == job.intent.fingerprint
        except ApiError:
            return False
