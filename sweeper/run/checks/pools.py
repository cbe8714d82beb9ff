"""Pools that idle: own ones that were left behind, and somebody's that the first job could take."""

from __future__ import annotations

from collections.abc import Iterator

from sweeper.core.events import PoolStatus
from sweeper.core.outcome import fingerprint_of
from sweeper.core.ports import Description
from sweeper.core.request import PoolKey, fingerprint, locked_key
from sweeper.core.verdict import Check, Verdict
from sweeper.run.checks.subject import Subject


def pools(subject: Subject) -> Iterator[Check]:
    """Every pool that idles and is of this owner, or matches the sweep."""
    concerns = [check for job in subject.live if _idles(job) and (check := _judged(subject, job))]
    if concerns:
        yield from concerns
        return
    far = f" among the newest {subject.newest.seen} jobs" if subject.newest.cut_off else ""
    yield Check("pools", Verdict.PASS, f"no pool of yours idles, and none that matches{far}")


def _idles(job: Description) -> bool:
    status = (job.get("WarmPoolStatus") or {}).get("Status")
    return PoolStatus.of(status) is PoolStatus.AVAILABLE


def _judged(subject: Subject, job: Description) -> Check | None:
    """What is to be told of an idle pool. That of this very sweep's own job is found by its name."""
    sweep, owner = subject.sweep, subject.owner
    name, mark = str(job["TrainingJobName"]), fingerprint_of(job)
    if sweep and mark.startswith(fingerprint(owner, sweep.name, "", 0).removesuffix("/0")):
        return None
    same = sweep is not None and locked_key(sweep.locked, sweep.backend).may_match(PoolKey.of(job))
    if mark.startswith(f"{owner}/"):
        do = "the first job takes it over" if same else f"release it with: sweeper pools release {name}"
        return Check("pools", Verdict.WARN, f"your own pool of {name} idles and bills", do)
    if same:
        found = f"the pool of {name}, which is not yours, matches this sweep"
        return Check("pools", Verdict.WARN, f"{found}: its machine may be taken over")
    return None
