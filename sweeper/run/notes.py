"""The chain of one invocation and how it becomes durable; and what is remembered of a job beside it."""

from __future__ import annotations

from collections import deque

from sweeper.core import events as ev
from sweeper.core.chain import Job, apply, fold
from sweeper.core.keepalive import idles_until
from sweeper.core.model import Sweep
from sweeper.core.scope import Scope
from sweeper.core.waits import Waits
from sweeper.errors import ApiError, JournalError
from sweeper.run.world import World


class Notes:
    """What every part of the runner shares: the sweep, the outside, and the chain, which only `note` changes."""

    def __init__(self, sweep: Sweep, scope: Scope, owner: str, world: World) -> None:
        self.sweep, self.scope, self.owner, self.world = sweep, scope, owner, world
        self.chain = fold(world.journal.events())
        self.closing = False
        """Pools are being closed: nothing may keep us from it, nor may the journal."""
        self.unkept: deque[Job] = deque()
        """Ended jobs whose logs are to be stored, oldest first."""
        self._buffer: list[ev.Event] = []
        self._since: dict[tuple[str, str], float] = {}

    @property
    def settings(self) -> Waits:
        """How long the service is waited for."""
        return self.sweep.waits

    def note(self, event: ev.Event) -> None:
        """Make an event durable, then true. A mere observation waits for the next event that matters.

        Its secrets are masked before either, so that a resumed chain is the one that was live.
        A phase that may last for hours matters, and every phase of a spot job: `sweeper status` tells it from the
        journal.
        """
        event = ev.without_secrets(event, self.world.redact.cut)
        self._buffer.append(event)
        if not isinstance(event, ev.Observed) or self._may_last(event):
            self.flush()
        apply(self.chain, event)
        if isinstance(event, ev.PoolClosed) and (own := self.chain.jobs.get(event.name)) and own.ended:
            self.unkept.append(own)
        self.world.progress.event(event, self.chain)

    def _may_last(self, seen: ev.Observed) -> bool:
        """Whether a job has come into a phase that may last, or out of one."""
        phases = {self.chain.job(seen.name).secondary, seen.secondary}
        return self.sweep.backend.interrupts or not phases.isdisjoint(ev.WAITS_LONG)

    def flush(self) -> None:
        """Make durable what waits. Raises JournalError, but not while pools are being closed."""
        buffered, self._buffer = self._buffer, []
        if not buffered:
            return
        try:
            self.world.journal.append(*buffered)
        except JournalError as error:
            if not self.closing:
                raise
            # The pool comes first: a full disk must not keep it alive.
            self.say(f"warning: {error}")

    def say(self, line: str) -> None:
        """Tell a person."""
        self.world.progress.say(line)

    def say_unsigned(self, name: str, error: ApiError) -> None:
        """Tell once that this job waits for new credentials, what to do, and for how long a pool waits too."""
        pool = idles_until(self.chain)
        told = "waiting for new credentials" + (f", while {pool}" if pool else "")
        self.say_once(name, f"{told}: {error.message}")

    def say_once(self, name: str, line: str) -> None:
        """Tell a person once of this job."""
        if (name, line) not in self._since:
            self._since[name, line] = self.world.clock.monotonic()
            self.say(line)

    def lasting(self, name: str, what: str) -> float:
        """Seconds since this was first so of this job."""
        now = self.world.clock.monotonic()
        return now - self._since.setdefault((name, what), now)

    def since(self, name: str, what: str) -> float | None:
        """Since when this is so of this job, by the monotonic clock; None when it is not."""
        return self._since.get((name, what))

    def over(self, name: str, *what: str) -> None:
        """These are not so any more."""
        for one in what:
            self._since.pop((name, one), None)

    def due(self, name: str, what: str, every_s: float) -> bool:
        """Is it time again? Then it was done now."""
        now = self.world.clock.monotonic()
        if now - self._since.get((name, what), float("-inf")) < every_s:
            return False
        self._since[name, what] = now
        return True
