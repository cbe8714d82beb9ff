"""What a trial takes over from those before it: the values of `${prev:...}`, worked out from the chain alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sweeper.core.chain import Chain, Job, metric_of
from sweeper.core.declared import best_job, ended
from sweeper.core.events import TrialStatus
from sweeper.core.model import Objective, Sweep

BEST = "best."
FIELDS = ("metrics.NAME", "values.KEY", "model", "job_name", "trial")
"""What `${prev:...}` may name of the last completed trial; of the best one with `best.` before it."""


def taken(keys: Iterable[str], ended: Sequence[Job], objective: Objective | None = None) -> dict[str, Any]:
    """The value of each key that these jobs have; a key without one is left out and its default counts."""
    done = [job for job in ended if job.outcome and job.outcome.trial_status == TrialStatus.COMPLETED.value]
    found: dict[str, Any] = {}
    for key in keys:
        job = best_job(done, objective) if key.startswith(BEST) else done[-1] if done else None
        value = _value(job, key.removeprefix(BEST)) if job else None
        if value is not None:
            found[key] = value
    return found


def next_takes(sweep: Sweep, chain: Chain) -> dict[str, Any]:
    """What the next trial of a sweep takes over."""
    return taken(sweep.prev, ended(sweep, chain), sweep.objective) if sweep.prev else {}


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
