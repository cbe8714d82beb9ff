"""What a runner leaves when it has ended."""

from __future__ import annotations

from dataclasses import dataclass, field

from sweeper.core.chain import Chain
from sweeper.run.release import Unreleased


@dataclass
class Ending:
    """How an invocation ended."""

    why: str
    chain: Chain
    signal: int = 0
    unreleased: list[Unreleased] = field(default_factory=list)
    kept_until: float = 0.0
    """Until when its pool is left warm under the watchdog's eyes: UTC seconds since the epoch; 0 when it is not."""
