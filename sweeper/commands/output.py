"""What a command prints on stdout for programs: one object, or a line for each thing that happens."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sweeper.commands.say import forget_stdout, tell

if TYPE_CHECKING:
    from sweeper.errors import Fault
    from sweeper.run.release import Unreleased


def tell_json(told: Mapping[str, Any]) -> None:
    """Print one object on one line, with the version of its schema."""
    from sweeper.core.as_json import line  # who tells people needs none of it

    tell(line(told), flush=True)


@dataclass(frozen=True)
class Output:
    """What stdout is for. Neither: people."""

    json: bool = False
    """One object, at the end."""
    events: bool = False
    """A line for each thing, as it happens."""
    detach: bool = False
    """Return as soon as the run is accepted."""

    @classmethod
    def meant(cls, arguments: Sequence[str]) -> Output:
        """What these words ask for, also where something else is wrong with them."""
        return cls("--json" in arguments, any(word.partition("=")[0] == "--events" for word in arguments))

    @property
    def for_programs(self) -> bool:
        """Is nothing printed there for people?"""
        return self.json or self.events

    def emit(self, told: Mapping[str, Any]) -> None:
        """Print a line. A reader that has gone changes nothing: the run goes on, and nobody is told."""
        try:
            tell_json(told)
        except (OSError, ValueError):
            with suppress(OSError):
                forget_stdout()

    def failed(self, exit_code: int, faults: Sequence[Fault], unreleased: Sequence[Unreleased]) -> None:
        """Tell of the error that has ended the command."""
        if not self.for_programs:
            return
        from sweeper.core.as_json import moment
        from sweeper.show.summary import failed

        told = failed(exit_code, faults, unreleased)
        if self.events:
            self.emit({"event": "failed", "at": moment(time.time()), **told})
        if self.json:
            self.emit(told)


PEOPLE = Output()
