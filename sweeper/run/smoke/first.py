"""What the first job tells: it starts cold, runs, ends well, and is looked at and searched for from its Create on."""

from __future__ import annotations

from dataclasses import dataclass, field

from sweeper.core.outcome import fingerprint_of
from sweeper.core.smoke.questions import Question
from sweeper.core.smoke.timeline import Timeline
from sweeper.errors import ApiError
from sweeper.run.smoke.asking import Asking
from sweeper.run.smoke.bench import Bench, said

BEFORE_S = 600.0
"""How much older than this machine's clock says a job may be for the service."""


def first(asking: Asking) -> None:
    """A job of which nothing is known before. Raises ApiError when it is refused: then so is every other."""
    bench, wanted = asking.bench, asking.wanted("a first, cold job")
    seen = bench.create(wanted)
    search, update = _Search(bench, seen), _Update(bench, seen)

    def look() -> None:
        search.look()
        update.look()
        if seen.ended and seen.kept is None:
            asking.late("update_absent", seen)

    try:
        settles_s = bench.pace.settles_s
        bench.watch(seen, lambda: search.done or seen.trains or seen.ended, settles_s, search.look, often=True)
        asking.with_machine(seen, look)
        asking.to_its_end(seen, wanted, look)
        bench.watch(seen, lambda: seen.metrics_late_s is not None and search.done, settles_s, look)
    finally:  # however it ends, what was seen is known
        _tell_status(asking, seen)
        _tell_gap(asking, seen)
        update.tell(asking)
        _tell_metrics(asking, seen)
        search.tell(asking)
    asking.kept_none += 0 if seen.kept else 1
    if not seen.kept:
        asking.pool()  # was it this one alone?


def _tell_status(asking: Asking, seen: Timeline) -> None:
    if (shown := seen.in_use_while_training) or (shown is False and seen.ended):
        words = "InUse" if shown else "none"
        asking.answer(Question.COLD_STATUS, words, {"cold_shows_in_use": shown}, seen)


def _tell_gap(asking: Asking, seen: Timeline) -> None:
    if seen.gap_s is not None:
        asking.gap_s = gap_s = round(seen.gap_s, 1)
        words = f"for {gap_s:g} s" + (", in which it shows InUse" if seen.gap_in_use else "")
        settings = {"settle_gap_s": gap_s, **({"gap_shows_in_use": seen.gap_in_use} if gap_s else {})}
        asking.answer(Question.GAP, words, settings, seen)


def _tell_metrics(asking: Asking, seen: Timeline) -> None:
    if seen.metrics_late_s is not None:
        late_s = round(seen.metrics_late_s, 1)
        asking.answer(Question.METRICS, f"after {late_s:g} s", {"metrics_lag_s": late_s}, seen)


@dataclass
class _Search:
    """Looks for the job as Search knows it."""

    bench: Bench
    seen: Timeline
    begun: float = field(init=False)
    found_at: float | None = None
    asked: int = 0
    denied: str = ""

    def __post_init__(self) -> None:
        self.begun = self.bench.clock.now()

    @property
    def done(self) -> bool:
        return self.found_at is not None or bool(self.denied)

    def look(self) -> None:
        if self.done:
            return
        mark = self.bench.chain.jobs[self.seen.name].intent.fingerprint
        self.asked += 1
        try:
            found = [fingerprint_of(job) for job in self.bench.api.search_training_jobs(mark, self.begun - BEFORE_S)]
        except ApiError as error:
            self.denied = "" if error.kind.passing else said(error)
            return
        self.found_at = self.bench.clock.now() if mark in found else None

    def tell(self, asking: Asking) -> None:
        if self.denied:
            asking.leave_open(Question.SEARCH, self.denied)
        if self.found_at is None:
            return
        late_s = 0.0 if self.asked == 1 else round(max(0.0, self.found_at - self.seen.created_at), 1)
        asking.answer(Question.SEARCH, f"after {late_s:g} s", {"search_lag_s": late_s}, self.seen)


@dataclass
class _Update:
    """Asks once for the keep-alive that the job has anyway, while it trains."""

    bench: Bench
    seen: Timeline
    text: str | None = None

    def look(self) -> None:
        if self.text is None and self.seen.trains:
            text = self.bench.update(self.seen.name, self.seen.keep_alive_s)
            self.bench.look(self.seen)
            self.text = text if not self.seen.ended else None

    def tell(self, asking: Asking) -> None:
        if self.text is None:
            return
        settings = {"refusals": {"update_running": self.text}}
        asking.answer(Question.UPDATE_RUNNING, self.text or "it is taken", settings, self.seen)
