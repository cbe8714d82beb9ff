"""What a trial takes over from those before it: the values of `${prev:...}`, worked out from the chain alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from sweeper.core.chain import Chain, Job, metric_of
from sweeper.core.events import TrialStatus
from sweeper.core.model import Goal, Objective

BEST = "best."
FIELDS = ("metrics.NAME", "values.KEY", "model", "job_name", "trial")
"""What `${prev:...}` may name of the last completed trial; of the best one with `best.` before it."""


def taken(keys: Iterable[str], chain: Chain, objective: Objective | None = None) -> dict[str, Any]:
    """The value of each key that there is; a key without one is left out and its default counts."""
    keys = tuple(keys)
    if not keys:
        return {}
    done = [job for job in chain.outcomes if job.outcome and job.outcome.trial_status == TrialStatus.COMPLETED.value]
    found: dict[str, Any] = {}
    for key in keys:
        job = _best(done, objective) if key.startswith(BEST) else done[-1] if done else None
        value = _value(job, key.removeprefix(BEST)) if job else None
        if value is not None:
            found[key] = value
    return found


def _best(done: Iterable[Job], objective: Objective | None) -> Job | None:
    """The completed job with the best last value; NaN is never best, the first of equals wins."""
    if objective is None:
        return None
    sign = 1 if objective.goal is Goal.MAXIMIZE else -1
    valued = [(metric_of(job, objective.metric), job) for job in done]
    known = [(sign * value, job) for value, job in valued if value is not None and not math.isnan(value)]
    return max(known, key=lambda pair: pair[0])[1] if known else None


def _value(job: Job, key: str) -> Any:
    kind, _, name = key.partition(".")
    if kind == "metrics":
        return metric_of(job, name)
    if kind == "values":
        return {**job.intent.values, **job.intent.patches}.get(name)
    simple: Mapping[str, Any] = {
        "job_name": job.name,
        "trial": job.intent.trial,
        "model": job.outcome.model if job.outcome else "",
    }
    return simple.get(key) or None


def why_not(key: str, metrics: Iterable[str], objective: Objective | None) -> str:
    """What is wrong with a key of `${prev:...}`, empty when nothing is."""
    if key.startswith(BEST) and objective is None:
        return f"{key!r} needs an objective, which says what is best"
    kind, _, name = key.removeprefix(BEST).partition(".")
    if kind == "metrics" and name:
        return "" if name in metrics else f"{name!r} is not one of job.metrics"
    if (kind == "values" and name) or (kind in ("model", "job_name", "trial") and not name):
        return ""
    return f"{key!r} is nothing that a trial hands on: there is {', '.join(FIELDS)}, each also after best."
