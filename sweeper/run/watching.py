"""Looking at a job: what is new is noted, an end is harvested, a pool that is seen closed is written down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sweeper.core import events as ev
from sweeper.core import looks
from sweeper.core.chain import Job
from sweeper.core.events import PoolStatus
from sweeper.core.fate import DENIED_S, Look, Unseen, look, warning
from sweeper.core.looks import SOON_S
from sweeper.core.outcome import environment_of, lost
from sweeper.core.watch import Watch
from sweeper.errors import ApiError, ForeignNameError
from sweeper.run.attention import Attention
from sweeper.run.coldness import Coldness
from sweeper.run.expecting import Expecting
from sweeper.run.harvesting import Harvesting
from sweeper.run.notes import Notes
from sweeper.run.release import NAG_S
from sweeper.run.releasing import Releasing

MANY = 4
"""Jobs on this machine beyond which each is looked at more rarely: the looks take time from them."""
RARE_NAG_S = 600.0
"""Seconds between two lines about a job that cannot be looked at, while the sweep only waits to go on."""


class Watching:
    """Looks at jobs that run, or whose pool is not settled yet."""

    def __init__(self, notes: Notes, attention: Attention, harvesting: Harvesting, releasing: Releasing) -> None:
        self.notes, self._attention = notes, attention
        self._harvesting, self._releasing = harvesting, releasing
        self._coldness = Coldness(notes)
        self._watch = Watch(notes.sweep, notes.world.logs.news, notes.world.logs.curve)
        self._expecting = Expecting(notes)
        self._described: dict[str, Mapping[str, Any]] = {}  # what was seen last of the jobs that run
        self._next: dict[str, float] = {}  # when to look at a job again, by the monotonic clock
        self._free_at = 0.0
        self._monotonic = notes.world.clock.monotonic

    def due(self, names: Sequence[str]) -> list[str]:
        """Those of these jobs that it is time to look at, the longest overdue first.

        Of several on an account one at a time: no more of them are looked at in a second than an account bears.
        """
        now = self._monotonic()
        times = {name: self._next.get(name, now) for name in names}
        found = sorted((name for name in names if times[name] <= now), key=lambda name: times[name])
        return found[: 1 if now >= self._free_at else 0] if self._spreads else found

    def looked(self, name: str, *, again: bool) -> None:
        """It was looked at, and is to be looked at when it may have changed; `again`: at once, since it just has."""
        now = self._monotonic()
        self._next[name] = now if again and not self._learns else now + self._pause_s(name)
        self._free_at = now + looks.GAP_S

    def pause_s(self, names: Sequence[str]) -> float:
        """Seconds until one of these is to be looked at; for none of them, until somebody may have asked something."""
        now = self._monotonic()
        nothing = max(self.notes.settings.usual_s, SOON_S)
        at = min((self._next.get(name, now) for name in names), default=now + nothing)
        if self._learns:
            at = min(at, now + nothing)  # people, times and logs are not waited with until a job may end
        return max(0.0, (max(at, self._free_at) if self._spreads else at) - now)

    def follow(self, names: Sequence[str]) -> None:
        """Read on in the logs of those that run, though they need not be looked at now."""
        for name in names:
            if (described := self._described.get(name)) and self._next.get(name, 0.0) - self._monotonic() > SOON_S:
                self.notes.world.logs.follow(self.notes.chain.job(name), described)

    @property
    def _spreads(self) -> bool:
        return self.notes.sweep.engine.on_aws and self.notes.sweep.in_flight > 1

    @property
    def _learns(self) -> bool:
        return self.notes.settings.poll_s is None

    def _pause_s(self, name: str) -> float:
        """Seconds between two looks at a job."""
        notes, every_s = self.notes, self.notes.settings.poll_s
        if (unseen := notes.since(name, "unseen")) is not None and self._learns:
            return min(notes.settings.usual_s, max(SOON_S, self._monotonic() - unseen))
        if every_s is None:
            return self._expecting.pause_s(notes.chain.job(name))
        if notes.sweep.engine.on_aws:
            return every_s
        return every_s * max(1.0, len(notes.chain.unfinished) / MANY)

    def look(self, job: Job) -> None:
        """Look once. Raises ForeignNameError, and ApiError for what has been denied for too long."""
        notes, world = self.notes, self.notes.world
        asked = world.clock.monotonic()
        try:
            description = world.api.describe_training_job(job.name)
        except ApiError as error:
            self._expecting.looked(job, None)
            self._unseen(job, error)
            return
        notes.over(job.name, "unseen", "denied", "nagged")
        shown = look(job, description)
        if not shown.ours:
            raise ForeignNameError(f"{job.name}: the training job of this name is not this sweep's any more")
        world.redact.learn(environment_of(description))  # an earlier invocation may have had other secrets
        shown = shown.masked(world.redact.cut)  # as it is known of the job
        if shown.is_news:
            notes.note(shown.seen)
        world.progress.watching(job.name, description)
        if shown.status.terminal:
            self._described.pop(job.name, None)
            self._ended(shown, world.clock.monotonic() - asked)
        else:
            self._described[job.name] = description
            self._running(shown)
        self._expecting.looked(job, description)
        self._coldness.look(job, description)

    def _running(self, shown: Look) -> None:
        notes, world = self.notes, self.notes.world
        if judged := self._watch.look(notes.chain, shown.job, shown.description, world.clock.monotonic()):
            notes.note(judged)
        world.logs.follow(shown.job, shown.description)

    def _ended(self, shown: Look, age_s: float) -> None:
        """`age_s`: for how long the answer was on its way. What it does not show yet may have come since."""
        notes, job = self.notes, shown.job
        if not job.ended:
            made = self._harvesting.harvest(job, shown.description, patient=True, age_s=age_s)
            if made is None:
                return  # the service has not computed the metrics yet
            notes.note(made)
        if not job.closed and (closed := shown.closed(self._releasing.is_own)):
            if text := warning(closed):
                notes.say(text)
            notes.note(closed)
        if not job.settled and notes.lasting(job.name, "unsettled") - age_s > notes.settings.settle_s:
            notes.note(ev.Settled(job.name, PoolStatus.ABSENT.value))
            notes.say(
                f"warning: {job.name} shows no warm pool; is the quota for warm pools of this instance type 0? "
                "Going on without waiting for one"
            )

    def _unseen(self, job: Job, error: ApiError) -> None:
        """Describe failed: not an end, until it has lasted (rows 49, 50, 53, 54)."""
        notes = self.notes
        lasted = notes.lasting(job.name, "unseen")
        unseen = Unseen(job, error.kind, missing_s=lasted, silent_s=lasted)
        if unseen.missing:
            if lasted > notes.settings.not_found_s:
                self._gone(job)
            return
        if error.kind.wants_credentials:
            notes.say_unsigned(job.name, error)
        if error.kind.passing:
            notes.over(job.name, "denied")  # two separate troubles are two
        elif notes.lasting(job.name, "denied") > DENIED_S:
            raise error
        ending = bool(notes.chain.stopping or notes.chain.decided)
        impatient, nag_s = self._attention.impatient(), NAG_S if ending else RARE_NAG_S
        if (impatient or ending) and unseen.hopeless(hurried=impatient):
            # A second Ctrl-C, or nothing is to come and nothing can live any more: named instead of waited for.
            self._releasing.release_or_give_up(tuple(job.name for job in notes.chain.debts_newest_first))
        elif lasted > _quiet_s(error, notes.settings.usual_s) and notes.due(job.name, "nagged", nag_s):
            notes.say(f"cannot look at {job.name} for {lasted:.0f} s, still trying: {error.message}")

    def _gone(self, job: Job) -> None:
        if job.name in self._releasing.outlived and job.in_debt:
            self._releasing.engine_gone(job)
        elif not job.ended:
            self.notes.note(lost(job, "the training job is gone from SageMaker; its result cannot be read any more"))
        elif not job.settled:
            self.notes.note(ev.Settled(job.name, PoolStatus.ABSENT.value))  # nobody will ever see its pool


def _quiet_s(error: ApiError, usual_s: float) -> float:
    """Seconds before a job that cannot be looked at is a line of its own: what it waits for may be told already."""
    return NAG_S if error.kind.wants_credentials else usual_s * 3
