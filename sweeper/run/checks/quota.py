"""Is there room for a job, and for its pool?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sweeper.aws.quotas import Quotas
from sweeper.core.costs import keeps
from sweeper.core.events import JobStatus, PoolStatus
from sweeper.core.machines import Machines, choices
from sweeper.core.model import Sweep, Usage
from sweeper.core.ports import Description
from sweeper.core.request import PoolKey, locked_key
from sweeper.core.verdict import Check, Verdict
from sweeper.core.words import counted
from sweeper.errors import ApiError
from sweeper.run.checks.subject import Subject
from sweeper.run.quota import limits_of

_MORE = "ask for more under Service Quotas"
MOST_NAMES = 3


@dataclass(frozen=True)
class Use:
    """How many machines of the type are in use, and by which jobs, as far as the account was looked through."""

    machines: int = 0
    names: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """By whom."""
        more = f" and {len(self.names) - MOST_NAMES} more" if len(self.names) > MOST_NAMES else ""
        return f"{self.machines} in use by {', '.join(self.names[:MOST_NAMES])}{more}" if self.names else "none in use"


def quotas(subject: Subject) -> Iterator[Check]:
    """Those of the sweep's type, with what is in use of them."""
    if (sweep := subject.sweep) is None:
        return
    limits = [limits_of(one.instance_type, subject.clients()) for one in choices(sweep.locked)]
    try:
        live = subject.live
    except ApiError:
        live = []  # the check of pools says so
    yield from judged(sweep, limits, live)


def judged(sweep: Sweep, limits: Sequence[Quotas], live: list[Description]) -> Iterator[Check]:
    """What the quotas of each of the sweep's types and their present use mean for its first job."""
    for machines, found in zip(choices(sweep.locked), limits, strict=True):
        yield _training(sweep, machines, found, live)
        if keeps(sweep):
            yield _warm_pool(sweep, machines, found, live)


def _training(sweep: Sweep, machines: Machines, limits: Quotas, live: list[Description]) -> Check:
    usage = sweep.backend.usage
    granted, wanted = limits.granted(usage), machines.count
    name = f"the quota '{machines.instance_type} for {usage.value} job usage'"
    if granted is None:
        return Check("quota", Verdict.UNKNOWN, f"{name} is not told")
    if granted < wanted and sweep.locked.get("training_plan_arn"):
        what = f"{name} is {granted:.0f}, which is not known to count for the machines of a training plan"
        return Check("quota", Verdict.WARN, what)
    if granted < wanted:
        found = f"locked.instance_type: {name} is {granted:.0f} and {wanted} needed"
        return Check("quota", Verdict.FAIL, found, f"{_MORE}, or take another type")
    others = [job for job in live if _counts(job, usage) and not _taken_over(sweep, job)]
    used = _use(machines.instance_type, others)
    found = f"{name} is {granted:.0f}, {used.words}"
    if used.machines + wanted > granted:
        return Check("quota", Verdict.WARN, f"{found}: the first job waits for room", "wait, or end what is in use")
    at_once = sweep.in_flight
    if at_once * wanted > granted - used.machines and not sweep.backend.through:
        room = int(granted - used.machines) // wanted
        found = f"backend.max_in_flight is {at_once}; {found}, so that {counted(room, 'job')} will run at once"
        return Check("quota", Verdict.WARN, found, f"{_MORE}, or the others wait for room")
    return Check("quota", Verdict.PASS, found)


def _warm_pool(sweep: Sweep, machines: Machines, limits: Quotas, live: list[Description]) -> Check:
    granted = limits.warm_pool
    name = f"the quota '{machines.instance_type} for training warm pool usage'"
    if granted is None:
        return Check("quota.warm_pool", Verdict.UNKNOWN, f"{name} is not told")
    if granted < machines.count:
        found = f"{name} is {granted:.0f} and {machines.count} needed"
        if sweep.pool.on_no_quota == "fail":
            do = f"{_MORE}, or go on without a pool: pool.on_no_quota=cold"
            return Check("quota.warm_pool", Verdict.FAIL, f"pool.on_no_quota: {found}", do)
        return Check("quota.warm_pool", Verdict.WARN, f"{found}: every job will start cold", _MORE)
    idle = [job for job in live if _pool(job) is PoolStatus.AVAILABLE and not _taken_over(sweep, job)]
    used = _use(machines.instance_type, idle)
    found = f"{name} is {granted:.0f}, {used.words}"
    if used.machines + machines.count > granted:
        return Check("quota.warm_pool", Verdict.WARN, f"{found}: the pool may not be kept", "release what idles")
    return Check("quota.warm_pool", Verdict.PASS, found)


def _use(kind: str, live: list[Description]) -> Use:
    machines, names = 0, []
    for job in live:
        resources = job.get("ResourceConfig") or {}
        if kind in (resources.get("InstanceType"), resources.get("SelectedInstanceType")):
            machines += int(resources.get("SelectedInstanceCount") or resources.get("InstanceCount") or 1)
            names.append(str(job["TrainingJobName"]))
    return Use(machines, tuple(names))


def _counts(job: Description, usage: Usage) -> bool:
    """Does a job, or the pool that it has left, count against this quota?"""
    spot = bool(job.get("EnableManagedSpotTraining"))
    runs = not JobStatus.of(job.get("TrainingJobStatus")).terminal
    return spot is (usage is Usage.SPOT) and (runs or _pool(job) is PoolStatus.AVAILABLE)


def _pool(job: Description) -> PoolStatus | None:
    return PoolStatus.of((job.get("WarmPoolStatus") or {}).get("Status"))


def _taken_over(sweep: Sweep, job: Description) -> bool:
    """An idle pool that the first job finds is no other machine."""
    key = locked_key(sweep.locked, sweep.backend)
    return _pool(job) is PoolStatus.AVAILABLE and key.may_match(PoolKey.of(job))
