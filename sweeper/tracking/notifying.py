"""What the webhook and the command tell: a failure when it happens, and the end. Text for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite
from typing import Any

from sweeper.core.tracked import BAD, SweepEnded, Tracked, TrialEnded
from sweeper.core.words import utc

Message = Mapping[str, Any]
"""`text`, `event`, `sweep` and what the event is about."""


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
