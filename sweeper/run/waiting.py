"""Waiting for a pool that another sweep holds, and taking it over when that one offers it (R21).

What is offered is made our debt, durably and with somebody who closes it if we die, before the other one lets it go.
Our turn comes when the lock on the pool is ours: until then nothing is sent.
"""

from __future__ import annotations

import signal as signals
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sweeper.core import events as ev
from sweeper.core.ports import Clock
from sweeper.errors import GaveUpWaitingError, LockHeldError
from sweeper.record.line import Member, Ticket

LOOK_S = 0.1
"""Seconds between two looks at the line: they cost little, and a pool that is handed over bills meanwhile."""


@dataclass
class Waiting:
    """One sweep that waits for its turn. `take` takes the lock on the pool. Raises LockHeldError while it is held.

    `inherit` makes a pool our debt. `stopped` is true when somebody asked this sweep to end.
    """

    member: Member
    clock: Clock
    take: Callable[[], None]
    inherit: Callable[[ev.Inherited], None]
    say: Callable[[str], None]
    caught: Sequence[int] = ()
    stopped: Callable[[], bool] = lambda: False
    look_s: float = LOOK_S
    _told: set[str] = field(default_factory=set)
    _inherited: str = ""

    def wait(self) -> None:
        """Return when the pool is ours. Raises GaveUpWaitingError when it is asked to end and nothing is owed."""
        while True:
            if offered := self.member.offered():  # also of one that died before it saw that we had taken it
                self._accept(offered)
            if self._turn():
                return
            self._heed()
            self.clock.sleep(self.look_s)

    def _turn(self) -> bool:
        """Is nobody before us, and the lock ours?"""
        if ahead := self.member.ahead():
            for other in ahead[:-1]:
                self._say(f"waiting for {other}")
            self._tell(ahead[-1])
            return False
        try:
            self.take()
        except LockHeldError as error:
            self._say(f"waiting: {error}")
            return False
        if self._told and not self._inherited:
            self.say("no pool was handed over: the first job here starts cold")
        return True

    def _tell(self, other: Ticket) -> None:
        """Whose turn comes just before ours, and what becomes of its pool."""
        own = self.member.ticket
        if other.pool == own.pool:
            self._say(f"waiting for {other}: its pool fits, and the first job here takes it over")
        else:
            why = differences(other, own)
            self._say(f"waiting for {other}: its pool does not fit ({why}), so it is closed first and this starts cold")

    def _say(self, line: str) -> None:
        if line not in self._told:
            self._told.add(line)
            self.say(line)

    def _accept(self, offered: ev.Inherited) -> None:
        if offered.name != self._inherited:
            self.inherit(offered)
            self._inherited = offered.name
            self.say(f"the pool of {offered.name} is taken over from {offered.sweep}")

    def _heed(self) -> None:
        """Whoever owes a pool goes on: its runner closes it, and ends by the same signal."""
        if self._inherited:
            return
        if self.caught:
            number = self.caught[0]
            by = signals.Signals(number).name
            raise GaveUpWaitingError(f"stopped waiting by {by}; nothing was sent", number)
        if self.stopped():
            raise GaveUpWaitingError("asked to stop while it waited; nothing was sent")


def differences(theirs: Ticket, ours: Ticket) -> str:
    """What keeps the pool of one sweep from the jobs of another, in words."""
    from sweeper.core.request import PoolKey

    found = PoolKey(theirs.pool).differences(PoolKey(ours.pool))
    return ", ".join(f"{name} is {was} there and {now} here" for name, (was, now) in found.items())
