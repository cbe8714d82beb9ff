"""The end of a chain whose pool another sweep waits for: it is offered, and let go when the other one owes it (R21)."""

from __future__ import annotations

from sweeper.core import events as ev
from sweeper.core.decide import HandOver
from sweeper.core.events import Closed
from sweeper.run.notes import Notes


class Handing:
    """Knows who waits; lets go of nothing before it is somebody else's, durably."""

    def __init__(self, notes: Notes) -> None:
        self.notes, self.succession = notes, notes.world.succession

    def look(self) -> None:
        """Let go of what was taken, and learn who waits. A sweep that keeps no pool has nothing to hand over."""
        sweep = self.notes.sweep
        if sweep.backend.keeps_pool and sweep.pool.keep_alive_s:
            self._let_go()
            self._listen()

    def offer(self, decision: HandOver) -> None:
        """Offer the pool of an ended job to who waits."""
        notes, awaited = self.notes, self.notes.chain.awaited
        assert awaited is not None
        job = notes.chain.job(decision.name)
        notes.note(ev.Offered(job.name, awaited.by, awaited.sweep, decision.until, awaited.mark))
        assert job.outcome is not None
        pool = ev.Inherited(
            job.name,
            job.intent.fingerprint,
            job.keep_alive_s,
            job.intent.max_runtime_s,
            job.outcome.status,
            notes.sweep.name,
            notes.world.place.folder,
            job.outcome.ended_at,
        )
        self.succession.offer(awaited.by, pool)

    def _let_go(self) -> None:
        """The one thing that ends a debt without its pool being seen closed: that another sweep owes it."""
        chain = self.notes.chain
        offered = chain.offered
        if offered and offered.name in chain.debts and self.succession.taken(offered.name, offered.to):
            self.notes.note(ev.PoolClosed(offered.name, Closed.HANDED_OVER.value, offered.sweep, 0.0))

    def _listen(self) -> None:
        chain = self.notes.chain
        heir = self.succession.heir(chain.unclaimed)
        if heir != chain.awaited:
            self.notes.note(heir or ev.Awaited(""))
