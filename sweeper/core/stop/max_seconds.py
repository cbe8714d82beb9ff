"""A limit of time for one invocation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from sweeper.core.options import option
from sweeper.core.ports import StopRule
from sweeper.core.words import span

if TYPE_CHECKING:
    from random import Random

    from sweeper.core.chain import Chain
    from sweeper.core.model import Sweep


@dataclass(frozen=True)
class MaxSeconds(StopRule):
    """End so many seconds after this invocation began; the running job is stopped."""

    name: ClassVar[str] = "max_seconds"
    stops_running: ClassVar[bool] = True

    seconds: float = option("End so many seconds after the run began; the running job is stopped.", above=0)

    @property
    def meaning(self) -> str:
        """When it ends the chain, in words."""
        return f"{span(self.seconds)} are over"

    def why(self, sweep: Sweep, chain: Chain, now: float) -> str | None:
        """Says so when the time is up."""
        return None if chain.begun_at is None or now - chain.begun_at < self.seconds else f"{self.seconds:g} s are over"

    @classmethod
    def drawn(cls, rng: Random, now: float) -> Any:
        """Some jobs' worth."""
        return rng.choice((300, 3000))
