"""What goes wrong between a client and the service, drawn from a seed; the same over HTTP and in the twin. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from sweeper.engine.errors import ServiceError


@dataclass(frozen=True)
class Faults:
    """Rates per call for the wire, rates per job for the world. All zero: nothing goes wrong."""

    throttled: float = 0.0
    unavailable: float = 0.0  # 5xx, nothing applied
    lost_before: float = 0.0  # the request never arrived
    lost_after: float = 0.0  # applied, the answer lost
    garbage: float = 0.0  # applied, the answer unreadable
    slow: float = 0.0
    slow_s: float = 30.0
    expired: float = 0.0  # begins a window in which every call says ExpiredToken
    expired_s: float = 120.0
    outage: float = 0.0  # begins a window in which every call says 503
    outage_s: float = 600.0
    denied_after_create_s: float = 0.0  # Describe says AccessDenied for so long after Create
    # of the world, which the twin alone has
    capacity: float = 0.0
    internal: float = 0.0
    foreign_takes: float = 0.0  # somebody else's matching job takes the idle pool
    human_stops: float = 0.0
    late: float = 0.0  # of the lost requests: so many arrive after all, when nobody waits for an answer any more
    latency_s: tuple[float, ...] = (0.05,)

    @classmethod
    def draw(cls, rng: random.Random, rate: float = 0.08) -> Faults:
        """A world in which about `rate` of the calls go wrong."""
        return cls(
            throttled=rate / 2,
            unavailable=rate / 16,
            lost_before=rate / 8,
            lost_after=rate / 4,
            garbage=rate / 32,
            slow=rate / 32,
            slow_s=rng.choice((5.0, 30.0, 59.0)),
            expired=rng.choice((0.0, rate / 100)),
            expired_s=rng.choice((30.0, 300.0)),
            outage=rng.choice((0.0, rate / 200)),
            outage_s=rng.choice((60.0, 600.0)),
            denied_after_create_s=rng.choice((0.0, 0.0, 5.0, 60.0)),
            capacity=0.03,
            internal=0.05,
            foreign_takes=rng.choice((0.0, 0.0, 0.1)),
            human_stops=rng.choice((0.0, 0.0, 0.05)),
            late=0.5,
            latency_s=(0.05, 0.2, 1.0),
        )


class Loss(Enum):
    """Ways to get no answer that can be read."""

    REQUEST = "ReadTimeoutError"  # it never arrived
    ANSWER = "ConnectionClosedError"  # applied
    READING = "UnreadableAnswer"  # applied; botocore gives an answer without its members


class WireError(Exception):
    """The call got no answer that can be read."""

    def __init__(self, loss: Loss) -> None:
        super().__init__(loss.value)
        self.loss = loss

    @property
    def applied(self) -> bool:
        """What the caller cannot know."""
        return self.loss is not Loss.REQUEST


class Wire:
    """Takes calls through the faults; `now` and `sleep` are the caller's."""

    def __init__(self, faults: Faults, rng: random.Random) -> None:
        self.faults = faults
        self._rng = rng
        self._expired_until = self._outage_until = float("-inf")

    def calm(self) -> None:
        """Nothing goes wrong from here on, and no window stays open."""
        self.faults = Faults()
        self._expired_until = self._outage_until = float("-inf")

    def latency(self) -> float:
        """How long this call takes on its way."""
        return self._rng.choice(self.faults.latency_s)

    def carry(
        self,
        operation: str,
        now: float,
        created: float | None,
        sleep: Callable[[float], None],
        apply: Callable[[], dict[str, Any]],
    ) -> dict[str, Any]:
        """One call; `created` is when its job was. Raises ServiceError or WireError."""
        faults = self.faults
        self._check_windows(operation, now, created)
        drawn = self._rng.random()
        if drawn < faults.throttled:
            raise ServiceError("ThrottlingException", "Rate exceeded")
        drawn -= faults.throttled
        if drawn < faults.unavailable:
            raise ServiceError("InternalFailure", "We encountered an internal error.", 500)
        drawn -= faults.unavailable
        if drawn < faults.lost_before:
            raise WireError(Loss.REQUEST)
        drawn -= faults.lost_before
        answer = apply()
        if drawn < faults.lost_after:
            raise WireError(Loss.ANSWER)
        drawn -= faults.lost_after
        if drawn < faults.garbage:
            raise WireError(Loss.READING)
        if drawn - faults.garbage < faults.slow:
            sleep(faults.slow_s)
        return answer

    def _check_windows(self, operation: str, now: float, created: float | None) -> None:
        faults, rng = self.faults, self._rng
        if faults.expired and rng.random() < faults.expired:
            self._expired_until = now + faults.expired_s
        if faults.outage and rng.random() < faults.outage:
            self._outage_until = now + faults.outage_s
        if now < self._expired_until:
            raise ServiceError("ExpiredTokenException", "The security token included in the request is expired")
        if now < self._outage_until:
            raise ServiceError("ServiceUnavailable", "Service Unavailable", 503)
        if created is None or operation != "DescribeTrainingJob":
            return
        if now < created + faults.denied_after_create_s:
            raise ServiceError("AccessDeniedException", "User is not authorized to perform this operation")
