"""Reasons to end a chain: each rule looks at the chain and answers with words, or None. At most means at most."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from sweeper.core import costs
from sweeper.core.chain import Chain, Job, metric_of
from sweeper.core.declared import ended, finished
from sweeper.core.events import TrialStatus
from sweeper.core.words import counted, span

if TYPE_CHECKING:
    from sweeper.core.model import Sweep
    from sweeper.core.ports import StopRule

OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


@dataclass(frozen=True)
class Fired:
    """A rule that has a reason: its name as the experiment file spells it, and why. `now`: also stop what runs."""

    rule: str
    why: str
    now: bool = False


@dataclass(frozen=True)
class Until:
    """End when `metric op value` holds for `trials` finished trials in a row, by their last values. NaN never does.

    A trial that showed it while it trained counts too, whatever its last value is.
    """

    name: ClassVar[str] = "until"
    metric: str
    op: str
    value: float
    trials: int = 1

    @property
    def meaning(self) -> str:
        """When it ends the chain, in words."""
        return self.words(None)

    def why(self, sweep: Sweep, chain: Chain, now: float) -> str | None:
        """The trial that made the row complete, in words."""
        row = 0
        for job in ended(sweep, chain):
            row = row + 1 if self.met_by(job) else 0 if _finished(job) else row
            if row >= self.trials:
                return f"{self.words(self.shown_by(job))} ({job.intent.label})"
        return None

    def words(self, got: float | None) -> str:
        """What was reached."""
        value = "" if got is None else f" = {got:g}"
        return f"{self.metric}{value} {self.op} {self.value:g}" + (
            f" for {self.trials} trials" if self.trials > 1 else ""
        )

    def holds(self, value: float | None) -> bool:
        """Whether this value satisfies it."""
        return value is not None and OPERATORS[self.op](value, self.value)

    def met_by(self, job: Job) -> bool:
        """Whether this ended job satisfies it."""
        return _finished(job) and self.holds(self.shown_by(job))

    def shown_by(self, job: Job) -> float | None:
        """The value that counts for a job: the one that was seen to satisfy it while it trained, else its last."""
        judged = job.judged
        if judged and judged.rule == self.name and judged.metric == self.metric and self.holds(judged.value):
            return judged.value
        return metric_of(job, self.metric)

    def one_short(self, sweep: Sweep, chain: Chain) -> bool:
        """Whether the next trial that satisfies it ends the chain: only then may it end before it is done."""
        done = [job for job in ended(sweep, chain) if _finished(job)]
        before = done[len(done) - self.trials + 1 :]
        return len(before) == self.trials - 1 and all(self.met_by(job) for job in before)


@dataclass(frozen=True)
class MaxTrials:
    """End when so many declared trials have finished, over the whole chain, reruns included."""

    name: ClassVar[str] = "max_trials"
    n: int

    @property
    def meaning(self) -> str:
        """When it ends the chain, in words."""
        return f"{counted(self.n, 'trial')} finished"

    def why(self, sweep: Sweep, chain: Chain, now: float) -> str | None:
        """Says so when the number is reached."""
        done = len(finished(sweep, chain))
        return f"{counted(done, 'trial')} finished" if done >= self.n else None


@dataclass(frozen=True)
class MaxSeconds:
    """End so many seconds after this invocation began; the running job is stopped."""

    name: ClassVar[str] = "max_seconds"
    seconds: float

    @property
    def meaning(self) -> str:
        """When it ends the chain, in words."""
        return f"{span(self.seconds)} are over"

    def why(self, sweep: Sweep, chain: Chain, now: float) -> str | None:
        """Says so when the time is up."""
        return None if chain.begun_at is None or now - chain.begun_at < self.seconds else f"{self.seconds:g} s are over"


@dataclass(frozen=True)
class Deadline:
    """End at a moment; the running job is stopped. `at`: UTC seconds since the epoch."""

    name: ClassVar[str] = "deadline"
    at: float
    text: str

    @property
    def meaning(self) -> str:
        """When it ends the chain, in words."""
        return f"it is {self.text}"

    def why(self, sweep: Sweep, chain: Chain, now: float) -> str | None:
        """Says so from then on."""
        return f"it is {self.text}" if now >= self.at else None


@dataclass(frozen=True)
class MaxFailures:
    """End when so many trials have failed: a number, or below 1 a share of the declared trials."""

    name: ClassVar[str] = "max_failures"
    n: float

    @property
    def meaning(self) -> str:
        """When it ends the chain, in words."""
        return f"{counted(int(self.n), 'trial')} failed" if self.n >= 1 else f"{self.n:.0%} of the trials failed"

    def why(self, sweep: Sweep, chain: Chain, now: float) -> str | None:
        """Says so when the number is reached."""
        most = self.n if self.n >= 1 else max(1, math.ceil(self.n * len(sweep.trials) - 1e-9))
        ends = (job.outcome.trial_status for job in ended(sweep, chain) if job.outcome)
        failed = sum(1 for status in ends if status == TrialStatus.FAILED.value)
        return f"{counted(failed, 'trial')} failed" if failed >= most else None


@dataclass(frozen=True)
class NoImprovement:
    """End when so many trials in a row were not better than the best before them by more than `min_delta`."""

    name: ClassVar[str] = "no_improvement"
    trials: int
    min_delta: float = 0.0

    @property
    def meaning(self) -> str:
        """When it ends the chain, in words."""
        return f"{counted(self.trials, 'trial')} brought nothing better"

    def why(self, sweep: Sweep, chain: Chain, now: float) -> str | None:
        """Says so when the last ones brought nothing."""
        if sweep.objective is None:
            return None
        metric, done = sweep.objective.metric, filter(_finished, ended(sweep, chain))
        since = sweep.objective.goal.since_best((metric_of(job, metric) for job in done), self.min_delta)
        return f"{counted(since, 'trial')} without a better {metric}" if since >= self.trials else None


@dataclass(frozen=True)
class Budget:
    """End when the worst case of one more job could cost more than what is left.

    What is spent is spent, also for trials that are not declared any more.
    """

    name: ClassVar[str] = "budget_usd"
    usd: float

    @property
    def meaning(self) -> str:
        """When it ends the chain, in words."""
        return f"one more job could cost more than is left of {self.usd:g} USD"

    def why(self, sweep: Sweep, chain: Chain, now: float) -> str | None:
        """Says so when not even a short job fits, or when one was cut short by what was left."""
        if sweep.rate is None:
            return None
        fits = self.runtime(sweep, chain, costs.keeps(sweep)) >= costs.shortest(sweep)
        return None if fits and not self.cut_short(chain) else self.words(sweep, chain)

    def runtime(self, sweep: Sweep, chain: Chain, keep_alive_s: float) -> float:
        """Seconds that one more job with this keep-alive may run at most."""
        assert sweep.rate is not None
        return costs.affordable(sweep.rate, self.usd, chain, keep_alive_s)

    def cut_short(self, chain: Chain) -> bool:
        """True when a job of this invocation ran out of what was left: the next one would too."""
        return any(job.cut_short for job in chain.outcomes[chain.outcomes_before :])

    def words(self, sweep: Sweep, chain: Chain) -> str:
        """What is gone, at its worst."""
        assert sweep.rate is not None
        spent = costs.spent(chain, sweep.rate)
        return f"at worst {spent:.2f} of {self.usd:g} USD are spent, and one more job may not fit"


@dataclass(frozen=True)
class All:
    """End when every one of these rules has a reason."""

    rules: tuple[StopRule, ...]

    @property
    def name(self) -> str:
        """Their names."""
        return "+".join(rule.name for rule in self.rules)

    @property
    def meaning(self) -> str:
        """When it ends the chain, in words."""
        return " and ".join(rule.meaning for rule in self.rules)

    def why(self, sweep: Sweep, chain: Chain, now: float) -> str | None:
        """Their reasons, one after another."""
        reasons = [rule.why(sweep, chain, now) for rule in self.rules]
        return " and ".join(map(str, reasons)) if all(reasons) and reasons else None


TIMED = (MaxSeconds, Deadline)
"""The rules that also stop a running job."""


def fired(rules_: tuple[StopRule, ...], sweep: Sweep, chain: Chain, now: float) -> Fired | None:
    """The first rule that has a reason, in the order in which they are declared."""
    for rule in rules_:
        if why := rule.why(sweep, chain, now):
            return Fired(rule.name, why, isinstance(rule, TIMED))
    return None


def every(found: tuple[StopRule, ...]) -> Iterator[StopRule]:
    """Every rule, those inside of `all` too."""
    for rule in found:
        yield from every(rule.rules) if isinstance(rule, All) else (rule,)


def _finished(job: Job) -> bool:
    """A job that says something about its trial: a failure or an interruption does not."""
    return job.outcome is not None and job.outcome.trial_status in (
        TrialStatus.COMPLETED.value,
        TrialStatus.PRUNED.value,
        TrialStatus.METRIC_MISSING.value,
    )


# -- reading the `stop` section ----------------------------------------------------------------------------------


def moment(text: str) -> float:
    """UTC seconds since the epoch of an ISO 8601 time with a time zone. Raises ValueError in words for the user."""
    try:
        found = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        raise ValueError("is not a time such as 2030-01-31T18:00:00Z") from None
    if found.tzinfo is None:
        raise ValueError("has no time zone: end it with Z or +01:00")
    return found.timestamp()


_KINDS: Mapping[str, Callable[[Any], StopRule]] = {
    "until": lambda v: Until(v["metric"], v["op"], float(v["value"]), int(v.get("for") or 1)),
    "max_trials": lambda v: MaxTrials(int(v)),
    "max_failures": lambda v: MaxFailures(float(v)),
    "no_improvement": lambda v: NoImprovement(int(v["trials"]), float(v.get("min_delta") or 0.0)),
    "budget_usd": lambda v: Budget(float(v)),
    "max_seconds": lambda v: MaxSeconds(float(v)),
    "deadline": lambda v: Deadline(moment(str(v)), str(v)),
}
"""Each rule by its key; also the order in which they are asked: what was reached before what ran out."""


def rules(declared: Mapping[str, Any] | None) -> tuple[StopRule, ...]:
    """The stop rules of an experiment's `stop` section (validated by its schema before)."""
    declared = declared or {}
    found = [make(declared[key]) for key, make in _KINDS.items() if declared.get(key) is not None]
    for group in declared.get("any") or ():
        found += rules(group)
    if together := tuple(rule for group in declared.get("all") or () for rule in rules(group)):
        found.append(All(together))
    return tuple(found)
