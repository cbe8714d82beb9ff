"""What the questions have in common: a job from its start to what became of its pool, and a pool that idles."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sweeper.core.costs import LATE_S, OVERRUN_S
from sweeper.core.events import PoolStatus
from sweeper.core.smoke.jobs import Wanted
from sweeper.core.smoke.questions import Answer, Question
from sweeper.core.smoke.timeline import Timeline
from sweeper.run.smoke.bench import Bench, NotAnswered

TRIES = 3
"""How often a pool is made that does not last: any may be ended by a patch."""
LASTS = 0.4
"""A pool is used for another question while so much of its keep-alive is left."""


NO_POOLS = "no warm pool is kept here: is its quota 0?"


class Gone(NotAnswered):
    """The pool went while it was looked at, as any may; asking once more may help."""


@dataclass
class Asking:
    """The answers so far, and the pool that idles for the next question."""

    bench: Bench
    answers: dict[Question, Answer] = field(default_factory=dict)
    refusals: dict[str, str] = field(default_factory=dict)
    """What was said to updates that came too late, by the engine's names."""
    stopping: dict[str, Any] = field(default_factory=dict)
    """What is known so far of jobs that are stopped, by the engine's settings."""
    were_stopped: list[Timeline] = field(default_factory=list)
    holder: Timeline | None = None
    """The job whose pool idles."""
    gap_s: float | None = None
    kept_none: int = 0
    """Jobs that were well and whose pool was not kept, one after another."""

    def answer(self, question: Question, words: str, settings: Mapping[str, Any], *jobs: Timeline, **more: Any) -> None:
        """This is the answer. Its evidence: what was seen of jobs, when and to which request a refusal was said."""
        texts = settings.get("refusals") or {}
        heard = {name: self.bench.heard[text] for name, text in texts.items() if text in self.bench.heard}
        told = {"jobs": [seen.evidence for seen in jobs], "refused": heard, **more}
        evidence = {name: value for name, value in told.items() if value not in ({}, [], None)}
        self.answers[question] = Answer(question, words, self.bench.clock.now(), settings, evidence)
        self.bench.say(f"{question.id} {question.value}? {words}")

    def leave_open(self, question: Question, why: str) -> None:
        """It is not answered, unless it was before."""
        if question not in self.answers or self.answers[question].open:
            self.answers[question] = Answer(question, "", self.bench.clock.now(), open=why)
            self.bench.say(f"{question.id} {question.value}? not answered: {why}")

    # -- one job ----------------------------------------------------------------------------------------------------

    def run(self, wanted: Wanted, each: Callable[[], None] = lambda: None) -> Timeline:
        """Make a job and stay with it until it shows what became of its pool, or that takes too long."""
        seen = self.bench.create(wanted)
        if self.holder:
            self.taken(self.holder, seen)
        self.with_machine(seen, each)
        self.to_its_end(seen, wanted, each)
        return seen

    def with_machine(self, seen: Timeline, each: Callable[[], None] = lambda: None, *, often: bool = False) -> None:
        """Wait until it has a machine. Raises NotAnswered when it gets none for too long."""
        most_s = self.bench.pace.machine_s
        if not self.bench.watch(seen, lambda: seen.trains or seen.ended, most_s, each, often=often):
            raise NotAnswered(f"there was no machine for {seen.name} within {most_s:.0f} s")

    def to_its_end(self, seen: Timeline, wanted: Wanted, each: Callable[[], None] = lambda: None) -> None:
        """Wait until it has ended, then until it shows what became of its pool. Raises NotAnswered."""
        longest_s = wanted.max_runtime_s + OVERRUN_S + LATE_S
        if not self.bench.watch(seen, lambda: seen.ended, longest_s, each):
            raise NotAnswered(f"{seen.name} has not ended within {longest_s:.0f} s")
        if wanted.owed_s:
            self.bench.watch(seen, lambda: seen.kept is not None, self.bench.pace.settles_s, each)
        if seen.idles:
            self.holder, self.kept_none = seen, 0

    def taken(self, before: Timeline, seen: Timeline) -> bool | None:
        """Is the pool of one job handed over to another? None when it went otherwise."""
        status = {PoolStatus.REUSED, PoolStatus.TERMINATED}
        self.bench.watch(before, lambda: self._pool(before) in status, self.bench.pace.matches_s, often=True)
        now = self._pool(before)
        if now is PoolStatus.AVAILABLE:
            return False
        self.holder = None if self.holder is before else self.holder
        if now is PoolStatus.REUSED:
            self.late("update_reused", before)
        self.bench.known_closed(before)
        by = (before.description.get("WarmPoolStatus") or {}).get("ReusedByJob")
        return True if now is PoolStatus.REUSED and by in (None, seen.name) else None

    def _pool(self, seen: Timeline) -> PoolStatus:
        return seen.last.pool if seen.last else PoolStatus.ABSENT

    # -- a pool -----------------------------------------------------------------------------------------------------

    def wanted(self, label: str, **other: Any) -> Wanted:
        """A job that is well and whose pool is kept, but for what is said."""
        pace = self.bench.pace
        usual = {"seconds": pace.job_s, "keep_alive_s": pace.keep_alive_s, "max_runtime_s": pace.max_runtime_s}
        return Wanted(label, **{**usual, **other})

    def pool(self) -> Timeline:
        """A job whose pool idles, and does so for a while. Raises NotAnswered when there is none to be had."""
        for _ in range(TRIES):
            if self.holder and self.bench.look(self.holder) and self.holder.idles and self._lasts(self.holder):
                return self.holder
            self.need_pools()
            seen = self.run(self.wanted("a pool for the next question"))
            self.kept_none += 0 if seen.kept else 1
        raise NotAnswered(NO_POOLS)

    def need_pools(self) -> None:
        """Raises NotAnswered where none is ever kept: no job is spent on it."""
        if self.kept_none >= TRIES - 1:
            raise NotAnswered(NO_POOLS)

    def _lasts(self, seen: Timeline) -> bool:
        left_s = seen.ended_at + seen.keep_alive_s - self.bench.clock.now()
        return left_s > LASTS * self.bench.pace.keep_alive_s

    # -- what is said -----------------------------------------------------------------------------------------------

    def late(self, name: str, seen: Timeline) -> None:
        """Note what is said to an update of this job's keep-alive, once for each name, if it shows the same after."""
        if name in self.refusals:
            return
        shown = self._pool(seen)
        text = self.bench.update(seen.name, self.bench.pace.keep_alive_s)
        if self.bench.look(seen) and self._pool(seen) is shown:
            self.refusals[name] = text
