"""Which job of a queue is next, and whether it is tried again. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from sweeper.engine.batch.records import Queue, ServiceJob

_DECAY_S = 600.0  # what shareDecaySeconds of 0 means


def next_job(
    queue: Queue,
    policy: Mapping[str, Any] | None,
    waiting: Iterable[ServiceJob],
    running: Mapping[str, int],
    now: float,
) -> ServiceJob | None:
    """The next job of a queue: first in, first out without a fair-share policy."""
    if policy is None:
        return min(waiting, key=lambda job: job.number, default=None)
    return fair_head(queue, policy, waiting, running, now)


def fair_head(
    queue: Queue, policy: Mapping[str, Any], waiting: Iterable[ServiceJob], running: Mapping[str, int], now: float
) -> ServiceJob | None:
    """The next job of a fair-share queue: of the share that has least for its weight; there by priority, then age.

    What a share has is what it runs now (instances, by share in `running`) and what it ran of late.
    """
    first: dict[str, ServiceJob] = {}
    for job in sorted(waiting, key=lambda job: (-job.priority, job.number)):
        first.setdefault(job.share or "", job)

    def load(job: ServiceJob) -> tuple[float, int]:
        share = job.share or ""
        lately = used(queue, policy, share, running.get(share, 0), now) / decay_s(policy)
        return (lately + running.get(share, 0)) * weight(policy, share), job.number

    return min(first.values(), key=load, default=None)


def used(queue: Queue, policy: Mapping[str, Any], share: str, running: int, now: float) -> float:
    """Instance-seconds of a share until now, of which older ones count less and less."""
    amount, at = queue.used.get(share, (0.0, now))
    faded = math.exp(-max(0.0, now - at) / decay_s(policy))
    return amount * faded + running * decay_s(policy) * (1 - faded)


def decay_s(policy: Mapping[str, Any]) -> float:
    """Seconds over which use is forgotten."""
    return float(policy.get("shareDecaySeconds", 0)) or _DECAY_S


def weight(policy: Mapping[str, Any], share: str) -> float:
    """A lower one gets more."""
    for entry in policy.get("shareDistribution", []):
        name = str(entry["shareIdentifier"])
        if share == name or (name.endswith("*") and share.startswith(name[:-1])):
            return float(entry.get("weightFactor", 1.0))
    return 1.0


def usable(policy: Mapping[str, Any], capacity: int, active_shares: int) -> int:
    """The capacity that is left when some of it is reserved for shares that are not active yet."""
    reserved = (float(policy.get("computeReservation", 0)) / 100) ** max(1, active_shares)
    return math.ceil(capacity * (1 - reserved))


def retried(strategy: Mapping[str, Any], attempts: int, reason: str) -> bool:
    """After so many attempts, of which the last failed for this reason: is there another one?

    The first rule that matches decides; a failure that no rule matches is retried.
    """
    if attempts >= int(strategy.get("attempts", 1)):
        return False
    for rule in strategy.get("evaluateOnExit", []):
        if _matches(str(rule["onStatusReason"]), reason):
            return bool(rule["action"] == "RETRY")
    return True


def _matches(pattern: str, reason: str) -> bool:
    """A pattern may end with an asterisk; otherwise it must be the whole reason."""
    return reason.startswith(pattern[:-1]) if pattern.endswith("*") else reason == pattern
