"""Quota shares: which of their waiting jobs may go now, and which running ones make room for others. Pure.

A share has so many instances of a type for itself. What it does not use others may borrow, if it lends and they borrow.
It gets that back by preemption when it has jobs for it. Who is preempted is Batch's own heuristic, which is not told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sweeper.engine.batch.records import ServiceJob

CROSS_SHARE = "Cross-share preemption triggered to reclaim borrowed capacity"
IN_SHARE = "In-share preemption triggered by a job of higher priority"


@dataclass(frozen=True)
class Share:
    """A quota share as the scheduler sees it."""

    told: Mapping[str, Any]

    def limit(self, unit: str) -> int:
        """The instances of this type that are its own."""
        limits = self.told["capacityLimits"]
        return next((int(one["maxCapacity"]) for one in limits if one["capacityUnit"] == unit), 0)

    def most(self, unit: str) -> float:
        """How many it may use at most, what it borrows included."""
        sharing, own = self.told["resourceSharingConfiguration"], self.limit(unit)
        if sharing["strategy"] != "LEND_AND_BORROW":
            return own
        percent = int(sharing.get("borrowLimit", -1))
        return float("inf") if percent < 0 else own + own * percent // 100

    @property
    def lends(self) -> bool:
        """May others use what is idle of it?"""
        return bool(self.told["resourceSharingConfiguration"]["strategy"] != "RESERVE")

    @property
    def preempts_its_own(self) -> bool:
        """Does a job of higher priority take the place of a lower one in it?"""
        return bool(self.told["preemptionConfiguration"]["inSharePreemption"] == "ENABLED")


@dataclass(frozen=True)
class Board:
    """One moment of a queue with quota shares.

    `capacity`: what its environment has for it, by instance type; `working` and `waiting`: its jobs that take of that,
    and those that may; `youngest`: is the job that was sent last preempted first, or the one that was sent first?
    """

    shares: Mapping[str, Share]
    capacity: Mapping[str, int]
    working: Sequence[ServiceJob]
    waiting: Sequence[ServiceJob]
    youngest: bool = True

    def head(self, share: str) -> ServiceJob | None:
        """The first waiting job of a share; it holds up those behind it."""
        return next(iter(self._line(share)), None)

    def next_job(self) -> ServiceJob | None:
        """Who goes next: first what fits into a share's own capacity, then what borrows, each as it was submitted."""
        heads = sorted((job for name in self.shares if (job := self.head(name))), key=lambda job: job.number)
        ready = [job for job in heads if not job.not_before]
        for fits in (self._fits_own, self._fits_borrowing):
            for job in ready:
                if fits(job):
                    return job
        return None

    def to_preempt(self) -> Iterator[tuple[ServiceJob, str]]:
        """The jobs that are to make room, each with the reason; those that do so already are counted on."""
        chosen: list[ServiceJob] = []
        for name in self.shares:
            for wanted, reason, candidates in (*self._reclaiming(name), *self._replacing(name)):
                victims = self._enough(wanted, [job for job in candidates if job not in chosen])
                chosen += victims
                yield from ((job, reason) for job in victims)

    def never_fits(self, job: ServiceJob) -> bool:
        """Is it larger than whatever its share or the environment can ever have?"""
        share = self.shares[job.share or ""]
        return job.instances > min(self.capacity.get(job.unit, 0), share.most(job.unit))

    # ------------------------------------------------------------------ what fits

    def _line(self, share: str) -> list[ServiceJob]:
        waiting = (job for job in self.waiting if job.share == share)
        return sorted(waiting, key=lambda job: (-job.priority, job.number))

    def _used(self, share: str, unit: str) -> int:
        return sum(job.instances for job in self.working if job.share == share and job.unit == unit)

    def _idle(self, unit: str) -> int:
        return self.capacity.get(unit, 0) - sum(job.instances for job in self.working if job.unit == unit)

    def _fits_own(self, job: ServiceJob) -> bool:
        share = job.share or ""
        own = self._used(share, job.unit) + job.instances <= self.shares[share].limit(job.unit)
        return own and job.instances <= self._idle(job.unit)

    def _fits_borrowing(self, job: ServiceJob) -> bool:
        share = job.share or ""
        most = self.shares[share].most(job.unit)
        left = self._idle(job.unit) - sum(self._kept(name, job.unit) for name in self.shares if name != share)
        return self._used(share, job.unit) + job.instances <= most and job.instances <= left

    def _kept(self, share: str, unit: str) -> int:
        """Idle instances of a share that nobody may borrow: all that it reserves, else what it has jobs for."""
        idle = max(0, self.shares[share].limit(unit) - self._used(share, unit))
        if not self.shares[share].lends:
            return idle
        return min(idle, sum(job.instances for job in self._own_line(share, unit)))

    def _own_line(self, share: str, unit: str) -> list[ServiceJob]:
        """The waiting jobs of this type that a share has capacity of its own for, up to the first it has none for."""
        room, found = self.shares[share].limit(unit) - self._used(share, unit), []
        for job in self._line(share):
            room -= job.instances
            if job.unit != unit or room < 0:
                break
            found.append(job)
        return found

    # ------------------------------------------------------------------ who makes room

    def _reclaiming(self, share: str) -> Iterator[tuple[int, str, list[ServiceJob]]]:
        """Capacity of its own that a share has jobs for and others have borrowed."""
        for unit in {job.unit for job in self._line(share)}:
            wanted = sum(job.instances for job in self._own_line(share, unit))
            lacking = wanted - self._idle(unit) - sum(self._leaving(name, unit) for name in self.shares)
            yield lacking, CROSS_SHARE, self._borrowed(unit, but=share)

    def _replacing(self, share: str) -> Iterator[tuple[int, str, list[ServiceJob]]]:
        """The place of jobs of lower priority in the same share, for its first waiting job."""
        job = self.head(share)
        if job is None or not self.shares[share].preempts_its_own or job in self._own_line(share, job.unit):
            return
        below = [one for one in self._of(share, job.unit) if one.priority < job.priority]
        lacking = job.instances - self._leaving(share, job.unit)
        if lacking <= sum(one.instances for one in below):
            yield lacking, IN_SHARE, below

    def _borrowed(self, unit: str, but: str) -> list[ServiceJob]:
        """The jobs with which other shares use more than their own, no more of them than it takes to end that."""
        found = []
        for name in self.shares:
            over = self._used(name, unit) - self._leaving(name, unit) - self.shares[name].limit(unit)
            for job in self._in_order(self._of(name, unit)) if name != but else ():
                if over <= 0:
                    break
                over -= job.instances
                found.append(job)
        return found

    def _of(self, share: str, unit: str) -> list[ServiceJob]:
        """The working jobs of a share that are left alone so far."""
        return [job for job in self.working if job.share == share and job.unit == unit and not _leaves(job)]

    def _leaving(self, share: str, unit: str) -> int:
        """The instances of a share that become idle soon."""
        leaving = (job for job in self.working if job.share == share and job.unit == unit and _leaves(job))
        return sum(job.instances for job in leaving)

    def _enough(self, wanted: int, candidates: Sequence[ServiceJob]) -> list[ServiceJob]:
        """As many of them as it takes."""
        chosen = []
        for job in self._in_order(candidates):
            if wanted <= 0:
                break
            wanted -= job.instances
            chosen.append(job)
        return chosen

    def _in_order(self, jobs: Sequence[ServiceJob]) -> list[ServiceJob]:
        """Lowest priority first, then by how long they have run."""
        sign = -1 if self.youngest else 1
        return sorted(jobs, key=lambda job: (job.priority, sign * (job.scheduled or 0.0), sign * job.number))


def _leaves(job: ServiceJob) -> bool:
    """Is its training job being stopped?"""
    return job.preempting is not None or job.given_up
