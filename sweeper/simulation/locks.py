"""What keeps two runners of one machine apart, and the watchdog that comes after a death."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path

from sweeper.core import events as ev
from sweeper.core.chain import fold
from sweeper.core.ports import Clock, TrainingApi
from sweeper.core.waits import Waits
from sweeper.errors import LockHeldError
from sweeper.record.locks import held, held_to_close
from sweeper.run.debts import Closer
from sweeper.run.registry import Owed
from sweeper.run.release import Running

UNREADABLE = 0.3
"""How often a watchdog finds the journal damaged and has the registry's names alone."""


@dataclass(frozen=True)
class Locks:
    """The locks of one folder; with no folder nobody else could want them."""

    folder: Path | None
    clock: Clock

    def take(self, stack: ExitStack) -> None:
        """As the command line does, before anything else (R13). Raises LockHeldError."""
        if self.folder:
            stack.enter_context(held(self.folder / ".lock", "the sweep", self.clock.now()))
            stack.enter_context(held(self.folder / "pool.lock", "the pool", self.clock.now()))

    def turn(self) -> AbstractContextManager[None]:
        """One round of the watchdog's."""
        if self.folder is None:
            return nullcontext()
        return held_to_close(self.folder / ".lock", "the sweep", self.clock.now(), "the watchdog")


def watch_over(
    events: Sequence[ev.Event],
    api: TrainingApi,
    waits: Waits,
    locks: Locks,
    say: Callable[[str], None],
    rng: random.Random,
) -> None:
    """Close what a dead runner owed, by its journal or by the registry's names alone (R14)."""
    closer = Closer(api, waits, locks.clock, say, turn=locks.turn)
    chain = fold(events)
    if rng.random() < UNREADABLE:
        debts = chain.debts.values()
        named = (Owed(j.name, j.intent.fingerprint, j.keep_alive_s, j.intent.max_runtime_s) for j in debts)
        chain = fold(owed.intent for owed in named)
    try:
        closer.close_all(chain, running=Running.AWAIT)
    except LockHeldError:
        return  # a runner has come back
