"""The loop: journal -> decide -> do -> note. A `match` over decisions with no policy of its own."""

from __future__ import annotations

from sweeper.core import events as ev
from sweeper.core.decide import (
    Decide,
    Decision,
    Extend,
    Finish,
    HandOver,
    Held,
    PassOver,
    Release,
    StopJob,
    Submit,
    Wait,
    decide,
)
from sweeper.core.model import Sweep
from sweeper.core.scope import Scope
from sweeper.core.search import search_for
from sweeper.errors import ApiError, assert_never
from sweeper.run.ending import Ending
from sweeper.run.parts import Assembly, Parts
from sweeper.run.world import World


class Runner:
    """One invocation of one sweep."""

    decide = staticmethod(decide)
    made_of = Parts()

    def __init__(self, sweep: Sweep, scope: Scope, owner: str, world: World) -> None:
        self.sweep, self.scope, self.world = sweep, scope, world
        self.parts = parts = Assembly(self.made_of, sweep, scope, owner, world)
        self.note, self.chain = parts.notes.note, parts.notes.chain
        self.search = search_for(sweep, self.chain)
        self._asked: dict[str, float] = {}  # to stop: when again, by the monotonic clock

    def run(self) -> Ending:
        """Run until there is nothing more to do and every pool is closed, or may not be closable."""
        opened = ev.Opened(
            digest=self.sweep.digest,
            source_digest=self.sweep.source_digest,
            locked_digest=self.sweep.locked_digest,
            scope=self.scope.folder(self.sweep.name),
            owner=self.parts.notes.owner,
            versions=self.world.versions,
            service=self.parts.releasing.state,
            only=self.sweep.only,
            at=self.world.clock.now(),
            in_flight=self.sweep.in_flight,
        )
        try:
            before = self.chain.opened
            self.parts.beginning.begin(opened)
            if before and before.service != opened.service:
                self.parts.engine_state.gone()
            why = self._loop()
        except BaseException as error:
            self.parts.releasing.close_after(error)
            error.unreleased = list(self.parts.releasing.unreleased.values())  # type: ignore[attr-defined]
            raise
        caught = self.chain.stopping.signal if self.chain.stopping else 0
        return Ending(why, self.chain, caught, list(self.parts.releasing.unreleased.values()))

    # -- the loop ---------------------------------------------------------------------------------------------------

    def _loop(self) -> str:
        while True:
            self.parts.attention.look_up()
            self.parts.engine_state.look()
            self.parts.handing.look()
            now = self.world.clock.now()
            decision = self.decide(self.sweep, self.search, self.chain, now, self._held(now))
            self._do(decision)
            if isinstance(decision, Finish):
                return decision.why
            if self.parts.releasing.gave_up:
                return self.parts.releasing.give_up()

    def _do(self, decision: Decision) -> None:
        match decision:
            case Submit():
                self.parts.submitting.submit(decision)
            case StopJob():
                self._stop(decision)
            case Wait():
                self._wait(decision)
            case Release():
                self.parts.releasing.release_or_give_up(decision.names)
            case HandOver():
                self.parts.handing.offer(decision)
            case PassOver():
                self.note(ev.Unclaimed(decision.to))
            case Extend():
                self._extend(decision)
            case Decide():
                self.note(ev.Decided(decision.rule, decision.why, decision.now))
            case Finish():
                self.parts.keeping.keep_rest()
                self.note(ev.Finished(decision.why))
            case _:
                assert_never(decision)

    def _held(self, now: float) -> Held:
        """What was tried just now, by the wall clock: it is measured by the one that does not jump."""
        passed, held_s = self.world.clock.monotonic(), self.parts.submitting.held_s
        stops = {name: now + at - passed for name, at in self._asked.items() if at > passed}
        return Held(now + held_s, stops) if held_s else Held(stops=stops)

    def _wait(self, decision: Wait) -> None:
        """Look at these; when nothing has come of it, store logs, and sleep until it is time to look again.

        What one look shows is decided on before the next: an end may be the end of all.
        """
        clock, watching = self.world.clock, self.parts.watching
        for name in watching.due(decision.names):
            before = self._version()
            watching.look(self.chain.job(name))
            changed = self._version() != before
            watching.looked(name, again=changed)
            if changed:
                return
        begun, pause_s = clock.monotonic(), watching.pause_s(decision.names)
        if decision.until is not None:
            pause_s = max(0.0, min(pause_s, decision.until - clock.now()))
        self.parts.ahead.stage()
        watching.follow(decision.names)
        if self.chain.unfinished:  # else a pool waits for the next job
            self.parts.keeping.keep(begun + pause_s)
        clock.sleep(pause_s - (clock.monotonic() - begun))

    def _version(self) -> tuple[int, int, int]:
        judged = sum(1 for j in self.chain.unfinished.values() if j.judged)
        return len(self.chain.outcomes), sum(1 for j in self.chain.debts.values() if not j.settled), judged

    def _stop(self, decision: StopJob) -> None:
        """Ask for the stop, again until Describe shows it."""
        job = self.chain.jobs[decision.name]
        if not job.stop_reason:
            self.note(ev.StopSent(decision.name, decision.reason))
        try:
            self.world.api.stop_training_job(decision.name)
        except ApiError as error:
            self.parts.notes.say_once(job.name, f"stopping {decision.name}: {error.message}")
        self.parts.watching.look(job)
        self._asked[job.name] = self.world.clock.monotonic() + self.parts.notes.settings.usual_s

    def _extend(self, decision: Extend) -> None:
        """Keep a pool that is Available; when it cannot be, the next job starts cold."""
        self.note(ev.Extended(decision.name, decision.bound_s))
        try:
            self.world.api.update_training_job(decision.name, decision.keep_alive_s)
        except ApiError as error:
            self.parts.notes.say_once(decision.name, f"keeping the pool of {decision.name}: {error.message}")
