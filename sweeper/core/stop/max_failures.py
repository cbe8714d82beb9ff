"""Too many failures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from sweeper.core.declared import ended
from sweeper.core.events import TrialStatus
from sweeper.core.options import option
from sweeper.core.ports import StopRule
from sweeper.core.words import counted

if TYPE_CHECKING:
    from random import Random

    from sweeper.core.chain import Chain
    from sweeper.core.model import Sweep


@dataclass(frozen=True)
class MaxFailures(StopRule):
    """End when so many trials have failed: a number, or below 1 a share of the declared trials."""

    name: ClassVar[str] = "max_failures"
    exit_code: ClassVar[int] = 1

    n: float = option("End after so many failed trials; below 1: a share of the declared ones.", above=0)

    @property
    def meaning(self) -> str:
        """When it ends the chain, in words."""
        return f"{counted(int(self.n), 'trial')} failed" if self.n >= 1 else f"{self.n:.0%} of the trials failed"

    def why(self, sweep: Sweep, chain: Chain, now: float) -> str | None:
        """Says so when the number is reached."""
        most = self.n if self.n >= 1 else max(1, math.ceil(self.n * len(sweep.trials) - 1e-9))
        ends = (job.outcome.trial_status for job in ended(sweep, chain) if job.outcome)
        failed = sum(1 for status in ends if status == TrialStatus.FAILED.value)
        return f"{counted(failed, 'trial')} failed" if failed >= most else None

    @classmethod
    def drawn(cls, rng: Random, now: float) -> Any:
        """A number, or a share."""
        return rng.choice((1, 2, 0.5))
