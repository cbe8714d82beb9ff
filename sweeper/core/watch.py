"""What the running jobs have shown so far, kept between two looks: the metrics that a decision may come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sweeper.core.declared import ended
from sweeper.core.events import Judged, TrialStatus
from sweeper.core.outcome import final_metrics
from sweeper.core.shown import Curve, Points, Seen, curve, judge, looks, reads_log

if TYPE_CHECKING:
    from sweeper.core.chain import Chain, Job
    from sweeper.core.model import Sweep

LOOK_AGAIN_S = 1.0
"""A log is not read more often than this, unless Describe shows that there is something new in it."""


@dataclass(frozen=True)
class News:
    """What has come in a log since it was last read: how many lines, and the metrics in them."""

    lines: int
    points: Sequence[tuple[str, float]] = ()


ReadLog = Callable[["Job"], "News | None"]
"""Reads a running job's log on from where it was left; None when it cannot be read now."""


@dataclass
class _Watched:
    seen: Seen = field(default_factory=Seen)
    grew_at: float | None = None
    metric_at: float | None = None
    read_at: float | None = None

    def pause(self) -> None:
        """It does not train, for example while its spot machine is replaced: that is no silence."""
        self.grew_at = self.metric_at = None


class Watch:
    """Looks at running jobs when the sweep has a rule for them. `now` is monotonic, in seconds."""

    def __init__(self, sweep: Sweep, read: ReadLog, curve_of: Callable[[Job], Points]) -> None:
        self._sweep, self._read, self._curve = sweep, read, curve_of
        self._jobs: dict[str, _Watched] = {}
        self._curves: dict[str, Points] = {}
        self._needed, self._every_point = looks(sweep), reads_log(sweep)

    def look(self, chain: Chain, job: Job, description: Mapping[str, Any], now: float) -> Judged | None:
        """What this look at a running job decides about it; None: it goes on."""
        if not self._needed or job.judged:
            return None
        if job.secondary != "Training":
            if job.name in self._jobs:
                self._jobs[job.name].pause()
            return None
        watched = self._jobs.setdefault(job.name, _Watched())
        shown = final_metrics(description)
        changed = {k: repr(v) for k, v in shown.items()} != {k: repr(v) for k, v in watched.seen.shown.items()}
        watched.seen.shown = shown
        if changed and not self._every_point and (found := self._judge(chain, job, watched, now)):
            return found
        waited = watched.read_at is None or now - watched.read_at >= LOOK_AGAIN_S
        if changed or (waited and (self._every_point or not shown)):
            self._take_news(job, watched, now)
        return self._judge(chain, job, watched, now)

    def _take_news(self, job: Job, watched: _Watched, now: float) -> None:
        watched.read_at = now
        news = self._read(job)
        if news is None or news.lines or watched.grew_at is None:
            watched.grew_at = now  # a log that cannot be read is no sign of silence
        if news is None or news.points or watched.metric_at is None:
            watched.metric_at = now
        watched.seen.points += news.points if news else ()

    def _judge(self, chain: Chain, job: Job, watched: _Watched, now: float) -> Judged | None:
        seen = watched.seen
        seen.quiet_s = now - watched.grew_at if watched.grew_at is not None else 0.0
        seen.blind_s = now - watched.metric_at if watched.metric_at is not None else 0.0
        return judge(self._sweep, chain, job, seen, lambda: self._rivals(chain))

    def _rivals(self, chain: Chain) -> list[Curve]:
        """The curves of the declared trials that have finished; those of a pruned one as far as it came."""
        settings, objective = self._sweep.prune, self._sweep.objective
        metric = settings.metric or (objective.metric if objective else "")
        done = (TrialStatus.COMPLETED.value, TrialStatus.PRUNED.value)
        rivals = [job for job in ended(self._sweep, chain) if job.outcome and job.outcome.trial_status in done]
        for job in rivals:
            if job.name not in self._curves:
                own = self._jobs.get(job.name)
                self._curves[job.name] = own.seen.points if own and own.seen.points else self._curve(job)
        curves = (curve(self._curves[job.name], metric, settings.step) for job in rivals)
        return [points for points in curves if points]
