"""What a runner is made of: the rules of the protocol live in its parts."""

from __future__ import annotations

from dataclasses import dataclass

from sweeper.core.model import Sweep
from sweeper.core.scope import Scope
from sweeper.run.ahead import Ahead
from sweeper.run.attention import Attention
from sweeper.run.beginning import Beginning
from sweeper.run.engine_state import EngineState
from sweeper.run.handing import Handing
from sweeper.run.harvesting import Harvesting
from sweeper.run.keeping import Keeping
from sweeper.run.notes import Notes
from sweeper.run.releasing import Releasing
from sweeper.run.submitting import Submitting
from sweeper.run.watching import Watching
from sweeper.run.world import World


@dataclass(frozen=True)
class Parts:
    """Which parts a runner is made of; tests leave out one rule of one of them."""

    notes: type[Notes] = Notes
    attention: type[Attention] = Attention
    releasing: type[Releasing] = Releasing
    submitting: type[Submitting] = Submitting
    handing: type[Handing] = Handing


class Assembly:
    """The parts of one invocation, put together."""

    def __init__(self, parts: Parts, sweep: Sweep, scope: Scope, owner: str, world: World) -> None:
        self.notes = parts.notes(sweep, scope, owner, world)
        self.attention = parts.attention(self.notes)
        harvesting = Harvesting(self.notes)
        self.releasing = parts.releasing(self.notes, self.attention, harvesting)
        self.submitting = parts.submitting(self.notes, self.releasing)
        self.watching = Watching(self.notes, self.attention, harvesting, self.releasing)
        self.ahead = Ahead(self.notes)
        self.keeping = Keeping(self.notes)
        self.beginning = Beginning(self.notes, self.attention, self.keeping)
        self.handing = parts.handing(self.notes)
        self.engine_state = EngineState(self.notes, self.releasing)
