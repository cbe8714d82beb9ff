"""Looking at a job: what is new is noted, an end is harvested, a pool that is seen closed is written down."""

from __future__ import annotations

from collections.abc import Sequence

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
from sweeper.run.harvesting import Harvesting
from sweeper.run.notes import Notes
from sweeper.run.release import NAG_S
from sweeper.run.releasing import Releasing

RARE_NAG_S = 600.0
"""Seconds between two lines about a job that cannot be looked at, while the sweep only waits to go on."""


class Watching:
    """Looks at jobs that run, or whose pool is not settled yet."""

    def __init__(self, notes: Notes, attention: Attention, harvesting: Harvesting, releasing: Releasing) -> None:
        self.notes, self._attention = notes, attention
        self._harvesting, self._releasing = harvesting, releasing
        self._coldness = Coldness(notes)
        self._watch = Watch(notes.sweep, notes.world.logs.news, notes.world.logs.curve)
        self._began: dict[str, float] = {}

    def pause_s(self, names: Sequence[str]) -> float:
        """Seconds until these are to be looked at again. The local engine is looked at so often anyway."""
        notes = self.notes
        if not notes.sweep.engine.on_aws:
            return notes.settings.poll_s
        past, now = looks.lengths(notes.chain), notes.world.clock.now()
        running = {name: now - self._began[name] if name in self._began else None for name in names}
        jobs = ((notes.chain.jobs[name], for_s) for name, for_s in running.items())
        return min((looks.pause_s(job, for_s, past, notes.settings.poll_s) for job, for_s in jobs), default=SOON_S)

    def look(self, job: Job) -> None:
        """Look once. Raises ForeignNameError, and ApiError for what has been denied for too long."""
        notes, world = self.notes, self.notes.world
        asked = world.clock.monotonic()
        try:
            description = world.api.describe_training_job(job.name)
        except ApiError as error:
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
        if description.get("TrainingStartTime"):
            self._began[job.name] = description["TrainingStartTime"].timestamp()
        world.progress.watching(job.name, description)
        if shown.status.terminal:
            self._ended(shown, world.clock.monotonic() - asked)
        else:
            self._running(shown)
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
        elif lasted > _quiet_s(error, notes.settings.poll_s) and notes.due(job.name, "nagged", nag_s):
            notes.say(f"cannot look at {job.name} for {lasted:.0f} s, still trying: {error.message}")

    def _gone(self, job: Job) -> None:
        if job.name in self._releasing.outlived and job.in_debt:
            self._releasing.engine_gone(job)
        elif not job.ended:
            self.notes.note(lost(job, "the training job is gone from SageMaker; its result cannot be read any more"))
        elif not job.settled:
            self.notes.note(ev.Settled(job.name, PoolStatus.ABSENT.value))  # nobody will ever see its pool


def _quiet_s(error: ApiError, poll_s: float) -> float:
    """Seconds before a job that cannot be looked at is a line of its own: what it waits for may be told already."""
    return NAG_S if error.kind.wants_credentials else poll_s * 3
