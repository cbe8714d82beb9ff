"""What a trial takes over from those before it: the values of `${prev:...}`, worked out from the chain alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sweeper.core.chain import Chain, Job, metric_of
from sweeper.core.declared import ended
from sweeper.core.model import Objective, Sweep
from sweeper.core.rounds import best_job

BEST = "best."
FIELDS = ("metrics.NAME", "values.KEY", "model", "job_name", "trial")
"""What `${prev:...}` may name of the last completed trial; of the best one with `best.` before it."""


def taken(keys: Iterable[str], last: Job | None, best: Job | None) -> dict[str, Any]:
    """The value of each key that these jobs have; a key without one is left out and its default counts."""
    found: dict[str, Any] = {}
    for key in keys:
        job = best if key.startswith(BEST) else last
        value = _value(job, key.removeprefix(BEST)) if job else None
        if value is not None:
            found[key] = value
    return found


def next_takes(sweep: Sweep, chain: Chain) -> dict[str, Any]:
    """What the next trial of a sweep takes over."""
    if not sweep.prev:
        return {}
    best = best_job(sweep, chain)
    done = [job for job in ended(sweep, chain) if job.completed]
    return taken(sweep.prev, done[-1] if done else None, best[0] if best else None)


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
