"""Successive halving: a rung is a step at which only the best go on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from sweeper.core.options import option
from sweeper.core.ports import PruneRule
from sweeper.core.shown import Curve, at_step

if TYPE_CHECKING:
    from random import Random

    from sweeper.core.events import Judged
    from sweeper.core.shown import Look


@dataclass(frozen=True)
class Halving(PruneRule):
    """Successive halving: only the best 1/factor go on past each rung."""

    name: ClassVar[str] = "halving"
    compares: ClassVar[bool] = True

    first: int = option("The step of the first rung.", default=1, low=1)
    factor: int = option("Each rung is so many times the one before.", default=3, low=2)

    def judge(self, look: Look) -> Judged | None:
        """Too far behind at a rung."""
        why = self.behind(look.own, look.others) if look.own else ""
        return look.pruned(self.name, f"{look.metric} {why}", look.latest) if why else None

    def behind(self, own: Curve, others: Sequence[Curve]) -> str:
        """At each rung that it has reached it must be among the best 1/factor of those that reached it too."""
        rung = float(self.first)
        while rung <= own[-1][0]:
            rivals = at_step(others, rung)
            mine = max(value for step, value in own if step <= rung) if own[0][0] <= rung else -math.inf
            stays = max(1, math.floor((len(rivals) + 1) / self.factor))
            better = sum(1 for value in rivals if value > mine)
            if len(rivals) + 1 >= self.factor and better >= stays:
                return f"is number {better + 1} of {len(rivals) + 1} at rung {rung:g}, {stays} go on"
            rung *= self.factor
        return ""

    @classmethod
    def drawn(cls, rng: Random) -> Any:
        """Rungs that a short curve reaches."""
        return {"first": rng.choice((1, 2)), "factor": 2}
