"""Enough trials."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from sweeper.core.declared import finished
from sweeper.core.options import option
from sweeper.core.ports import StopRule
from sweeper.core.words import counted

if TYPE_CHECKING:
    from random import Random

    from sweeper.core.chain import Chain
    from sweeper.core.model import Sweep


@dataclass(frozen=True)
class MaxTrials(StopRule):
    """End when so many declared trials have finished, over the whole chain, reruns included."""

    name: ClassVar[str] = "max_trials"

    n: int = option("End after so many finished trials, reruns included.", low=1)

    @property
    def meaning(self) -> str:
        """When it ends the chain, in words."""
        return f"{counted(self.n, 'trial')} finished"

    @property
    def most_trials(self) -> int | None:
        """So many."""
        return self.n

    def why(self, sweep: Sweep, chain: Chain, now: float) -> str | None:
        """Says so when the number is reached."""
        done = len(finished(sweep, chain))
        return f"{counted(done, 'trial')} finished" if done >= self.n else None

    @classmethod
    def drawn(cls, rng: Random, now: float) -> Any:
        """A few."""
        return rng.choice((1, 2, 3))
