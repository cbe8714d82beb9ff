"""What a rerun finds: which trials are done, go on, run again, are new, or are not declared any more. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from sweeper.core.chain import Chain
from sweeper.core.declared import count, find
from sweeper.core.model import Sweep

NAMED = 3
"""How many of a kind are named before only their number is told."""


@dataclass(frozen=True)
class Resume:
    """Labels of trials by what becomes of them; `new` is a number, as there may be a million."""

    done: tuple[str, ...] = ()
    adopted: tuple[str, ...] = ()
    again: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    undeclared: tuple[str, ...] = ()
    new: int = 0

    @property
    def nothing_to_do(self) -> bool:
        """True when every declared trial is done and no other one was begun."""
        return not (self.adopted or self.again or self.undeclared or self.new)

    def lines(self) -> list[str]:
        """One line a kind, empty kinds left out."""
        told = {
            "done": self.done,
            "still running, adopted": self.adopted,
            "to run again": self.again,
            "left out by `sweeper skip`": self.skipped,
            "not declared any more, their rows stay": self.undeclared,
        }
        lines = [f"{len(labels):>6}  {what}{_named(labels)}" for what, labels in told.items() if labels]
        return [*lines, f"{self.new:>6}  new"] if self.new else lines


def _named(labels: tuple[str, ...]) -> str:
    more = ", ..." if len(labels) > NAMED else ""
    return f": {', '.join(labels[:NAMED])}{more}"


def resume(sweep: Sweep, chain: Chain) -> Resume:
    """What an invocation of this sweep finds in its journal."""
    done: list[str] = []
    adopted: list[str] = []
    again: list[str] = []
    skipped: list[str] = []
    undeclared: list[str] = []
    for history in chain.trials.values():
        declared = find(sweep, chain, history.id, history.jobs[-1].intent.index if history.jobs else 0)
        if declared is None:
            undeclared += [history.label] if history.jobs else []
        elif not history.jobs:
            skipped += [declared.name] if history.skipped else []
        elif not history.last.ended and history.last.in_debt:
            adopted.append(history.label)
        else:
            (done if history.finished else again).append(history.label)
    new = count(sweep.trials, chain) - len(done) - len(adopted) - len(again) - len(skipped)
    return Resume(tuple(done), tuple(adopted), tuple(again), tuple(skipped), tuple(undeclared), max(0, new))
