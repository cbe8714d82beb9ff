"""A moment after which nothing is to run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, ClassVar

from sweeper.core.options import option
from sweeper.core.ports import Finding, Sections, StopRule

if TYPE_CHECKING:
    from random import Random

    from sweeper.core.chain import Chain
    from sweeper.core.model import Sweep


@dataclass(frozen=True)
class Deadline(StopRule):
    """End at a moment; the running job is stopped."""

    name: ClassVar[str] = "deadline"
    stops_running: ClassVar[bool] = True

    text: str = option("End at this time, for example 2030-01-31T18:00:00Z; the running job is stopped.")

    @property
    def meaning(self) -> str:
        """When it ends the chain, in words."""
        return f"it is {self.text}"

    def why(self, sweep: Sweep, chain: Chain, now: float) -> str | None:
        """Says so from then on."""
        return f"it is {self.text}" if now >= moment(self.text) else None

    def refused(self, values: Sections) -> Iterable[Finding]:
        """What is no moment."""
        try:
            moment(self.text)
        except ValueError as error:
            yield (), str(error)

    @classmethod
    def drawn(cls, rng: Random, now: float) -> Any:
        """Soon, or after some jobs."""
        return datetime.fromtimestamp(now + rng.choice((600.0, 4000.0)), timezone.utc).isoformat()


def moment(text: str) -> float:
    """UTC seconds since the epoch of an ISO 8601 time with a time zone. Raises ValueError in words for the user."""
    try:
        found = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        raise ValueError("is not a time such as 2030-01-31T18:00:00Z") from None
    if found.tzinfo is None:
        raise ValueError("has no time zone: end it with Z or +01:00")
    return found.timestamp()
