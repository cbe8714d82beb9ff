"""A running job that gets no better."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from sweeper.core.model import Goal
from sweeper.core.options import option
from sweeper.core.ports import PruneRule
from sweeper.core.shown import Curve

if TYPE_CHECKING:
    from random import Random

    from sweeper.core.events import Judged
    from sweeper.core.shown import Look


@dataclass(frozen=True)
class Patience(PruneRule):
    """No better for so many steps."""

    name: ClassVar[str] = "patience"
    compares: ClassVar[bool] = True

    steps: int = option("Steps without a better value.", low=1)
    min_delta: float = option("By how much it must be better.", default=0.0, low=0)

    def judge(self, look: Look) -> Judged | None:
        """Its best value is too old."""
        why = self.lost(look.own)
        return look.pruned(self.name, f"{look.metric} {why}", look.latest) if why else None

    def lost(self, own: Curve) -> str:
        """Its best is so many points old."""
        since = Goal.MAXIMIZE.since_best((value for _, value in own), self.min_delta)
        return f"has not improved for {since} steps" if since >= self.steps else ""

    @classmethod
    def drawn(cls, rng: Random) -> Any:
        """A few steps."""
        return {"steps": rng.choice((2, 3))}
