"""A metric that has become good enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from sweeper.core.chain import Chain
from sweeper.core.events import FINISH, Judged, TrialStatus
from sweeper.core.model import OPERATORS, Threshold
from sweeper.core.options import option
from sweeper.core.ports import StopRule
from sweeper.core.rounds import Round, named, rounds, says, together, value_of

if TYPE_CHECKING:
    from random import Random

    from sweeper.core.model import Sweep
    from sweeper.core.shown import Look


@dataclass(frozen=True)
class Until(StopRule):
    """End the chain when a trial's last value of the metric satisfies this. NaN never does.

    A trial that showed it while it trained counts too, whatever its last value is. Trials that `repeat` makes of one
    are judged together, once all of them have ended: by `objective.over`.
    """

    name: ClassVar[str] = "until"
    is_goal: ClassVar[bool] = True

    metric: str = option("A metric of job.metrics.")
    op: str = option("How to compare.", choices=tuple(OPERATORS))
    value: float = option("What to compare with.")
    for_: int | None = option(
        "So many trials in a row must satisfy it; those of `repeat` count as one.", default=None, low=1
    )

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
        for round_ in rounds(sweep, chain):
            row = row + 1 if self.met_by(sweep, round_) else 0 if says(round_) else row
            if row >= self.trials:
                return f"{self.words(self.shown_by(sweep, round_))} ({named(sweep, round_)})"
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

    def met_by(self, sweep: Sweep, round_: Round) -> bool:
        """Whether these trials, which have ended, satisfy it together."""
        return says(round_) and self.holds(self.shown_by(sweep, round_))

    def shown_by(self, sweep: Sweep, round_: Round) -> float | None:
        """The value that counts: the one that was seen to satisfy it while a job trained, else what it ended with."""
        judged = round_[-1].judged
        alone = len(round_) == 1 and judged and judged.rule == self.name and judged.metric == self.metric
        if alone and judged and self.holds(judged.value):
            return judged.value
        return value_of(sweep, round_, self.metric)

    def judge(self, look: Look) -> Judged | None:
        """A job that shows it while it trains has done what was asked for, when it is the one that is missing."""
        if together(look.sweep) or not self.one_short(look.sweep, look.chain):
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
        done = [round_ for round_ in rounds(sweep, chain) if says(round_)]
        before = done[len(done) - self.trials + 1 :]
        return len(before) == self.trials - 1 and all(self.met_by(sweep, round_) for round_ in before)

    @classmethod
    def drawn(cls, rng: Random, now: float) -> Any:
        """Once, or twice in a row, of a metric that lies between 0 and 1."""
        below = {"metric": "m", "op": "<", "value": 0.2}
        twice = {"metric": "m", "op": ">=", "value": 0.3, "for": 2}
        return rng.choice((below, twice, {"metric": "m", "op": ">=", "value": 0.8}))
