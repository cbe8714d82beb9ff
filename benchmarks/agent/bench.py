"""Putting an agent to the tasks, and judging it by what is there afterwards."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from benchmarks.agent.place import Call, Place
from benchmarks.agent.tasks import Task

Agent = Callable[[Task, Place], str]
"""Does the task in this place, and answers it."""


@dataclass(frozen=True)
class Score:
    """How an agent has done one task."""

    task: Task
    answer: str
    solved: bool
    calls: Sequence[Call]
    open_pools: Sequence[str]

    @property
    def tokens(self) -> int:
        """What it has read, estimated."""
        return sum(call.tokens for call in self.calls)

    @property
    def line(self) -> str:
        """It for people."""
        verdict = "solved" if self.solved else f"FAILED: {self.answer!r}"
        pools = f", open: {', '.join(self.open_pools)}" if self.open_pools else ""
        read = f"{len(self.calls)} calls {self.tokens:5} tokens"
        return f"{self.task.tier.value:9} {self.task.name:10} {read}  {verdict}{pools}"


def judged(task: Task, agent: Agent, place: Place) -> Score:
    """Have an agent do a task. A checker that does not find what it looks for says no."""
    place.calls.clear()
    answer = agent(task, place)
    calls = list(place.calls)
    try:
        solved = task.check(place, answer)
    except (OSError, LookupError, ValueError):
        solved = False
    return Score(task, answer, solved, calls, place.open_pools())


def summary(scores: Iterable[Score]) -> str:
    """All of it in one line."""
    done = list(scores)
    calls = statistics.median(len(score.calls) for score in done)
    tokens = [score.tokens for score in done]
    left = sum(len(score.open_pools) for score in done)
    return (
        f"{sum(score.solved for score in done)} of {len(done)} solved, median {calls:g} calls, "
        f"median {statistics.median(tokens):g} and at most {max(tokens)} tokens of output, {left} pools left open"
    )
