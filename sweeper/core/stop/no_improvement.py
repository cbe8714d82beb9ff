"""An objective that gets no better."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from sweeper.core.chain import Chain
from sweeper.core.options import option
from sweeper.core.ports import Finding, Sections, StopRule
from sweeper.core.rounds import rounds, says, value_of
from sweeper.core.words import counted

if TYPE_CHECKING:
    from random import Random

    from sweeper.core.model import Sweep


@dataclass(frozen=True)
class NoImprovement(StopRule):
    """End when the objective does not get better any more."""

    name: ClassVar[str] = "no_improvement"

    trials: int = option("After so many trials in a row; those of `repeat` count as one.", low=1)
    min_delta: float = option("By how much it must be better.", default=0.0, low=0)

    @property
    def meaning(self) -> str:
        """When it ends the chain, in words."""
        return f"{counted(self.trials, 'trial')} brought nothing better"

    def why(self, sweep: Sweep, chain: Chain, now: float) -> str | None:
        """Says so when the last ones were not better than the best before them by more than `min_delta`."""
        if sweep.objective is None:
            return None
        metric, done = sweep.objective.metric, filter(says, rounds(sweep, chain))
        since = sweep.objective.goal.since_best((value_of(sweep, one, metric) for one in done), self.min_delta)
        return f"{counted(since, 'trial')} without a better {metric}" if since >= self.trials else None

    def refused(self, values: Sections) -> Iterable[Finding]:
        """A sweep without an objective."""
        if not values["objective"]:
            yield (), "needs an objective, which says what is better"

    @classmethod
    def drawn(cls, rng: Random, now: float) -> Any:
        """One trial."""
        return {"trials": 1}
