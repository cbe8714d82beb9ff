"""What the webhook and the command tell: a failure when it happens, and the end. Text for people, JSON for programs."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from math import isfinite
from typing import Any, ClassVar

from sweeper.core.tracked import BAD, SweepEnded, Tracked, TrialEnded
from sweeper.core.words import utc

Message = Mapping[str, Any]
"""`text`, `event`, `sweep` and what the event is about."""


class Notifier(ABC):
    """A tracker that tells people of failures and of the end, and nothing else; a dataclass with its options."""

    repeats: ClassVar[bool] = False
    timeout_s: float

    @classmethod
    def unasked(cls, config: Mapping[str, Any]) -> bool:
        """No."""
        return False

    @property
    def patience_s(self) -> float:
        """One message, and what it takes to begin it."""
        return self.timeout_s + 1

    def started(self, sweep: Tracked) -> None:  # noqa: B027 - nothing is what there is to do
        """Nobody is told."""

    def trial(self, sweep: Tracked, ended: TrialEnded) -> None:
        """Tell of a failure. Raises OSError when nobody took it."""
        if message := failure(sweep, ended):
            self.send(sweep, message)

    def ended(self, sweep: Tracked, ended: SweepEnded) -> None:
        """Tell of the end. Raises OSError when nobody took it."""
        self.send(sweep, end(sweep, ended))

    @abstractmethod
    def send(self, sweep: Tracked, message: Message) -> None:
        """Tell it. Raises OSError when nobody took it."""


def to_json(message: Message) -> str:
    """A message as strict JSON: NaN and the infinities are null."""
    return json.dumps(_strict(message), ensure_ascii=False, allow_nan=False, default=str)


def _strict(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _strict(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_strict(item) for item in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def failure(sweep: Tracked, ended: TrialEnded) -> Message | None:
    """What there is to tell of an attempt; None when it did not fail, or failed before anybody was there to tell it."""
    if ended.status not in BAD or ended.late:
        return None
    why = ended.failure or ended.status.value
    told = f"{sweep.name}: {ended.name} failed: {why}{f': {ended.message}' if ended.message else ''}"
    trial = {
        "trial": ended.trial,
        "name": ended.name,
        "attempt": ended.attempt,
        "job": ended.job,
        "status": ended.status.value,
        "values": ended.values,
        "metrics": ended.metrics,
        "failure": ended.failure or None,
        "message": ended.message or None,
        "ended_at": utc(ended.ended_at),
        "cost_usd": ended.cost_usd,
    }
    return {"text": told, "event": "trial_failed", "sweep": sweep.name, "trial": trial}


def end(sweep: Tracked, ended: SweepEnded) -> Message:
    """What there is to tell of an end."""
    counts = ", ".join(f"{number} {status}" for status, number in ended.counts.items())
    told = f"{sweep.name} has ended{f' ({ended.why})' if ended.why else ''}: {counts or 'no trial'}"
    if ended.best and sweep.objective:
        name = sweep.objective.metric
        told += f"; best {ended.best['name']} with {name} = {ended.best[f'metric.{name}']}"
    if ended.unreleased:
        told += f"; THE POOL OF {', '.join(ended.unreleased)} MAY STILL BILL"
    what = {
        "why": ended.why,
        "rule": ended.rule or None,
        "counts": ended.counts,
        "best": ended.best,
        "unreleased": ended.unreleased,
    }
    return {"text": told, "event": "ended", "sweep": sweep.name, **what}
