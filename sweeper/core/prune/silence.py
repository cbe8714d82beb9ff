"""A running job that says nothing any more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from sweeper.core.events import Judged, TrialStatus
from sweeper.core.options import option
from sweeper.core.ports import PruneRule

if TYPE_CHECKING:
    from random import Random

    from sweeper.core.shown import Look


@dataclass(frozen=True)
class NoMetric(PruneRule):
    """No metric for a while: it is pruned."""

    name: ClassVar[str] = "no_metric_s"

    seconds: float = option("No metric for so many seconds.", low=0)

    def judge(self, look: Look) -> Judged | None:
        """Its last metric is too old."""
        blind_s = look.seen.blind_s
        if not look.trains or blind_s < self.seconds:
            return None
        return look.pruned(self.name, f"no metric for {blind_s:.0f} s")

    @classmethod
    def drawn(cls, rng: Random) -> Any:
        """A minute."""
        return 60


@dataclass(frozen=True)
class StalledLog(PruneRule):
    """Nothing in the log for a while: it has failed."""

    name: ClassVar[str] = "stalled_log_s"

    seconds: float = option("Nothing in the log for so many seconds: failed as no_output.", low=0)

    def judge(self, look: Look) -> Judged | None:
        """Its log has not grown for too long."""
        quiet_s = look.seen.quiet_s
        if not look.trains or quiet_s < self.seconds:
            return None
        why = f"nothing in its log for {quiet_s:.0f} s"
        return Judged(look.job.name, f"prune.{self.name}", TrialStatus.FAILED.value, why, metrics=look.seen.last)

    @classmethod
    def drawn(cls, rng: Random) -> Any:
        """Some minutes."""
        return 300
