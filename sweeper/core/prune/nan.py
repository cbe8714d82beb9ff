"""A metric that has become nan: nothing will come of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from sweeper.core.ports import PruneRule

if TYPE_CHECKING:
    from random import Random

    from sweeper.core.events import Judged
    from sweeper.core.shown import Look


@dataclass(frozen=True)
class Nan(PruneRule):
    """The metric is nan."""

    name: ClassVar[str] = "nan"

    def judge(self, look: Look) -> Judged | None:
        """The first value that is no number."""
        values = (value for name, value in look.seen.points if name == look.metric)
        bad = next(filter(math.isnan, values), None)
        return None if bad is None else look.pruned(self.name, f"{look.metric} is nan", bad)

    @classmethod
    def drawn(cls, rng: Random) -> Any:
        """Always asked for."""
        return True
