"""What one job of the questions has shown, look by look, and what that says of its pool. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sweeper.core.events import HAS_MACHINE, JobStatus, PoolStatus
from sweeper.core.outcome import retained_seconds


@dataclass(frozen=True)
class Sight:
    """One look at a job. Times are UTC seconds since the epoch; `pool` is ABSENT where no status was shown."""

    at: float
    status: JobStatus
    secondary: str
    pool: PoolStatus
    retained_s: float | None = None
    metrics: bool = False
    request_id: str = ""

    @property
    def told(self) -> dict[str, Any]:
        """As evidence."""
        found = {"at": round(self.at, 3), "status": f"{self.status.value} - {self.secondary}", "pool": self.pool.value}
        return {**found, "request_id": self.request_id} if self.request_id else found

    @property
    def trains(self) -> bool:
        """Has it a machine, and has not ended?"""
        return self.status is JobStatus.IN_PROGRESS and self.secondary in HAS_MACHINE


@dataclass
class Timeline:
    """A job by its name, and what was seen of it, oldest first: only what differed from the look before is kept."""

    name: str
    keep_alive_s: int = 0
    sights: list[Sight] = field(default_factory=list)
    description: Mapping[str, Any] = field(default_factory=dict)
    """The newest."""

    def add(self, description: Mapping[str, Any], at: float) -> Sight:
        """One more look."""
        pool = description.get("WarmPoolStatus") or {}
        seen = Sight(
            at,
            JobStatus.of(description.get("TrainingJobStatus")),
            str(description.get("SecondaryStatus", "")),
            PoolStatus.of(pool.get("Status")),
            retained_seconds(description),
            bool(description.get("FinalMetricDataList")),
            str((description.get("ResponseMetadata") or {}).get("RequestId") or ""),
        )
        self.description = description
        if not self.sights or _what(self.sights[-1]) != _what(seen):
            self.sights.append(seen)
        return seen

    @property
    def evidence(self) -> dict[str, Any]:
        """Its name, its times, and each look that was news, in UTC seconds since the epoch."""
        looks = [sight.told for sight in self.sights]
        return {"job": self.name, "created": self.created_at, "started": self.started_at, "looks": looks}

    @property
    def last(self) -> Sight | None:
        """The newest that was news."""
        return self.sights[-1] if self.sights else None

    @property
    def secondary(self) -> str:
        """Its newest secondary status."""
        return self.last.secondary if self.last else ""

    @property
    def ended(self) -> bool:
        """Is it over?"""
        return self.last is not None and self.last.status.terminal

    @property
    def trains(self) -> bool:
        """Has it a machine, and has not ended?"""
        return self.last is not None and self.last.trains

    @property
    def idles(self) -> bool:
        """Does its pool idle, by the newest look?"""
        return self.ended and self.last is not None and self.last.pool is PoolStatus.AVAILABLE

    @property
    def created_at(self) -> float:
        """CreationTime."""
        return _moment(self.description, "CreationTime") or 0.0

    @property
    def started_at(self) -> float | None:
        """TrainingStartTime: since when it is billed."""
        return _moment(self.description, "TrainingStartTime")

    @property
    def ended_at(self) -> float:
        """TrainingEndTime, or when it was first seen to have ended where the service tells none."""
        seen = next((sight.at for sight in self.sights if sight.status.terminal), 0.0)
        return _moment(self.description, "TrainingEndTime") or seen

    @property
    def first_settled(self) -> Sight | None:
        """The first look that showed what became of its pool."""
        return next(self._after(lambda sight: sight.pool.settled), None)

    @property
    def kept(self) -> bool | None:
        """Was its pool kept? None while that is not shown."""
        seen = self.first_settled
        return None if seen is None else seen.pool is not PoolStatus.TERMINATED

    @property
    def gap_s(self) -> float | None:
        """Seconds without a settled status after its end, 0 where the first look showed one; None while none is."""
        return self._late_s(lambda sight: sight.pool.settled)

    @property
    def gap_in_use(self) -> bool:
        """Did the ended job show InUse?"""
        return any(self._after(lambda sight: sight.pool is PoolStatus.IN_USE))

    @property
    def metrics_late_s(self) -> float | None:
        """Seconds from its end until its metrics were shown, 0 where the first look showed them; None while none is."""
        return self._late_s(lambda sight: sight.metrics)

    @property
    def in_use_while_training(self) -> bool | None:
        """Did it show InUse while it had a machine? None when it was not seen then."""
        seen = [sight.pool is PoolStatus.IN_USE for sight in self.sights if sight.trains]
        return any(seen) if seen else None

    @property
    def shows_bill_while_idle(self) -> bool | None:
        """Were billable seconds shown while the pool idled? None when it was not seen to idle."""
        seen = [s.retained_s is not None for s in self._after(lambda sight: sight.pool is PoolStatus.AVAILABLE)]
        return any(seen) if seen else None

    def first(self, pool: PoolStatus) -> Sight | None:
        """The first look that showed this status of its pool, once it had ended."""
        return next(self._after(lambda sight: sight.pool is pool), None)

    def _after(self, holds: Callable[[Sight], bool]) -> Iterator[Sight]:
        return (sight for sight in self.sights if sight.status.terminal and holds(sight))

    def _late_s(self, holds: Callable[[Sight], bool]) -> float | None:
        ended = [sight for sight in self.sights if sight.status.terminal]
        position = next((n for n, sight in enumerate(ended) if holds(sight)), None)
        if position is None:
            return None
        return 0.0 if position == 0 else max(0.0, ended[position].at - self.ended_at)


def entered(seen: Timeline, secondary: str) -> float | None:
    """When a job came to this secondary status first, as the service tells; None when it did not."""
    told = seen.description.get("SecondaryStatusTransitions") or ()
    return next((_moment(one, "StartTime") for one in told if one.get("Status") == secondary), None)


def _what(sight: Sight) -> tuple[Any, ...]:
    """All of a look but when it was, and how the bill grows."""
    return sight.status, sight.secondary, sight.pool, sight.retained_s is None, sight.metrics


def _moment(told: Mapping[str, Any], key: str) -> float | None:
    value = told.get(key)
    return value.timestamp() if isinstance(value, datetime) else None
