"""A metric that has become good enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from sweeper.core.chain import Chain, Job, metric_of
from sweeper.core.declared import ended, says_something
from sweeper.core.events import FINISH, Judged, TrialStatus
from sweeper.core.model import OPERATORS, Threshold
from sweeper.core.options import option
from sweeper.core.ports import StopRule

if TYPE_CHECKING:
    from random import Random

    from sweeper.core.model import Sweep
    from sweeper.core.shown import Look


@dataclass(frozen=True)
class Until(StopRule):
    """End the chain when a trial's last value of the metric satisfies this. NaN never does.

    A trial that showed it while it trained counts too, whatever its last value is.
    """

    name: ClassVar[str] = "until"
    is_goal: ClassVar[bool] = True

    metric: str = option("A metric of job.metrics.")
    op: str = option("How to compare.", choices=tuple(OPERATORS))
    value: float = option("What to compare with.")
    for_: int | None = option("So many trials in a row must satisfy it.", default=None, low=1)

    @property
    def trials(self) -> int:
        """How many trials in a row must satisfy it."""
        return self.for_ or 1

    @property
    def meaning(self) -> str:
        """When it ends the chain, in words."""
        return self.words(None)

    @property
    def asks(self) -> Mapping[str, Threshold]:
        """Its metric."""
        return {self.metric: Threshold(self.op, self.value)}

    def why(self, sweep: Sweep, chain: Chain, now: float) -> str | None:
        """The trial that made the row complete, in words."""
        row = 0
        for job in ended(sweep, chain):
            row = row + 1 if self.met_by(job) else 0 if says_something(job) else row
            if row >= self.trials:
                return f"{self.words(self.shown_by(job))} ({job.intent.label})"
        return None

    def words(self, got: float | None) -> str:
        """What was reached."""
        value = "" if got is None else f" = {got:g}"
        return f"{self.metric}{value} {self.op} {self.value:g}" + (
            f" for {self.trials} trials" if self.trials > 1 else ""
        )

    def holds(self, value: float | None) -> bool:
        """Whether this value satisfies it."""
        return Threshold(self.op, self.value).holds(value)

    def met_by(self, job: Job) -> bool:
        """Whether this ended job satisfies it."""
        return says_something(job) and self.holds(self.shown_by(job))

    def shown_by(self, job: Job) -> float | None:
        """The value that counts for a job: the one that was seen to satisfy it while it trained, else its last."""
        judged = job.judged
        if judged and judged.rule == self.name and judged.metric == self.metric and self.holds(judged.value):
            return judged.value
        return metric_of(job, self.metric)

    def judge(self, look: Look) -> Judged | None:
        """A job that shows it while it trains has done what was asked for, when it is the one that is missing."""
        if not self.one_short(look.sweep, look.chain):
            return None
        seen = look.seen
        values = (v for name, v in (*seen.points, *seen.shown.items()) if name == self.metric)
        value = next(filter(self.holds, values), None)
        if value is None:
            return None
        verdict = FINISH if look.sweep.on_until == FINISH else TrialStatus.COMPLETED.value
        why = f"{self.words(value)} while it trained"
        return Judged(look.job.name, self.name, verdict, why, self.metric, value, seen.last)

    def one_short(self, sweep: Sweep, chain: Chain) -> bool:
        """Whether the next trial that satisfies it ends the chain: only then may it end before it is done."""
        done = [job for job in ended(sweep, chain) if says_something(job)]
        before = done[len(done) - self.trials + 1 :]
        return len(before) == self.trials - 1 and all(self.met_by(job) for job in before)

    @classmethod
    def drawn(cls, rng: Random, now: float) -> Any:
        """Once, or twice in a row, of a metric that lies between 0 and 1."""
        below = {"metric": "m", "op": "<", "value": 0.2}
        twice = {"metric": "m", "op": ">=", "value": 0.3, "for": 2}
        return rng.choice((below, twice, {"metric": "m", "op": ">=", "value": 0.8}))
