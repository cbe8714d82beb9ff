"""A limit of money."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from sweeper.core import costs
from sweeper.core.options import option
from sweeper.core.ports import StopRule

if TYPE_CHECKING:
    from random import Random

    from sweeper.core.chain import Chain
    from sweeper.core.model import Sweep


@dataclass(frozen=True)
class Budget(StopRule):
    """End when the worst case of one more job could cost more than what is left.

    What is spent is spent, also for trials that are not declared any more.
    """

    name: ClassVar[str] = "budget_usd"
    exit_code: ClassVar[int] = 5

    usd: float = option("Send no job whose worst case, its pool included, could cost more than what is left.", above=0)

    @property
    def meaning(self) -> str:
        """When it ends the chain, in words."""
        return f"one more job could cost more than is left of {self.usd:g} USD"

    @property
    def most_usd(self) -> float | None:
        """All of it."""
        return self.usd

    def why(self, sweep: Sweep, chain: Chain, now: float) -> str | None:
        """Says so when not even a short job fits, or when one was cut short by what was left."""
        if sweep.rate is None:
            return None
        if costs.allowed_s(sweep, chain, self.usd, costs.keeps(sweep)) >= costs.shortest(sweep):
            return None
        spent = costs.spent(chain, sweep.rate)
        return f"at worst {spent:.2f} of {self.usd:g} USD are spent, and one more job may not fit"

    @classmethod
    def drawn(cls, rng: Random, now: float) -> Any:
        """What some jobs cost at worst, at 3.6 USD an hour."""
        return rng.choice((0.75, 0.8, 0.9, 1.2, 1.7, 4.0))
