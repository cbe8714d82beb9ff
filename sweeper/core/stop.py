"""Reasons to end a chain: each rule looks at the chain and answers with words, or None."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sweeper.core.chain import Chain, metric_of

if TYPE_CHECKING:
    from sweeper.core.model import Sweep
    from sweeper.ports import StopRule

OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


@dataclass(frozen=True)
class Until:
    """End when a finished trial's last value of `metric` satisfies `op value`. NaN never does."""

    metric: str
    op: str
    value: float

    def why(self, sweep: Sweep, chain: Chain, now: float) -> str | None:
        """The first declared trial that satisfies it, in words."""
        for job in chain.outcomes:
            got = metric_of(job, self.metric)
            if got is not None and OPERATORS[self.op](got, self.value):
                return f"{self.metric} = {got:g} {self.op} {self.value:g} ({job.intent.label})"
        return None


@dataclass(frozen=True)
class MaxTrials:
    """End when so many trials have finished, over the whole chain, reruns included. At most means at most."""

    n: int

    def why(self, sweep: Sweep, chain: Chain, now: float) -> str | None:
        """Says so when the number is reached."""
        return f"max_trials = {self.n}" if chain.finished_count >= self.n else None


def rules(declared: Mapping[str, Any] | None) -> tuple[StopRule, ...]:
    """The stop rules of an experiment's `stop` section (validated by its schema before)."""
    declared = declared or {}
    found: list[StopRule] = []
    if until := declared.get("until"):
        found.append(Until(until["metric"], until["op"], float(until["value"])))
    if (most := declared.get("max_trials")) is not None:
        found.append(MaxTrials(int(most)))
    return tuple(found)


def name_of(rule: StopRule) -> str:
    """The rule's name as the experiment file spells it."""
    return {"Until": "until", "MaxTrials": "max_trials"}.get(type(rule).__name__, type(rule).__name__)
