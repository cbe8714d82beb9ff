"""The nouns as values: Sweep, Trial and the settings they carry. Nothing here touches the world."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from sweeper.core.kinds import options_said, rule_words, words_of_section
from sweeper.core.machines import choices
from sweeper.core.options import option
from sweeper.core.ports import FailureAction, PruneRule
from sweeper.core.scope import EngineKind
from sweeper.core.waits import Waits
from sweeper.errors import UsageError

if TYPE_CHECKING:
    from sweeper.core.chain import Chain
    from sweeper.core.costs import Rate
    from sweeper.core.events import Taught
    from sweeper.core.ports import Backend, Search, StopRule
    from sweeper.core.tracked import Tracker


Item = TypeVar("Item")
MOST_KEEP_ALIVE_S = 3600
MOST_IN_FLIGHT = 1000


class Usage(str, Enum):
    """The quota that a job counts against, in the words of Service Quotas: INSTANCE for USAGE job usage."""

    TRAINING = "training"
    SPOT = "spot training"


class Goal(str, Enum):
    """Which way the objective is better."""

    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"

    @property
    def sign(self) -> float:
        """What a value is multiplied with so that more is better."""
        return 1.0 if self is Goal.MAXIMIZE else -1.0

    def better(self, value: float, than: float, by: float = 0.0) -> bool:
        """Whether it is better by more than `by`. NaN is not, and nothing is better than NaN."""
        return self.sign * value > self.sign * than + by

    def since_best(self, values: Iterable[float | None], by: float = 0.0) -> int:
        """How many values have come since one was better by more than `by` than the best before it.

        None and NaN are not better.
        """
        best, since = -self.sign * math.inf, 0
        for value in values:
            if value is not None and self.better(value, best, by):
                best, since = value, 0
            else:
                since += 1
        return since


class Over(str, Enum):
    """What trials that differ in the seed of `repeat` alone come to together."""

    MEAN = "mean"
    BEST = "best"
    MEDIAN = "median"


class Launch(str, Enum):
    """How the script starts in the container."""

    DRIVER = "driver"
    TOOLKIT = "toolkit"
    IMAGE = "image"


def machines(locked: Mapping[str, Any]) -> int:
    """How many machines a job with this `locked` section uses; the most where each of several types needs others."""
    return max(one.count for one in choices(locked))


def number_of(index: int) -> int:
    """The number of the trial at this index, as people see and type it: from 1. Journals and Hydra count from 0."""
    return index + 1


@dataclass(frozen=True)
class Trial:
    """One assignment of the free values. `id` is the identity by value: 16 hexadecimal characters."""

    index: int
    id: str
    name: str
    values: Mapping[str, Any]

    @property
    def number(self) -> int:
        """Its number for people: from 1."""
        return number_of(self.index)


class Trials(Protocol):
    """The declared trials in order, made when asked for: a grid of a million costs nothing until walked."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Trial: ...

    def __iter__(self) -> Iterator[Trial]: ...

    def find(self, id: str, index: int) -> Trial | None:  # noqa: A002
        """The declared trial with this id, None when there is none. `index` is where it once stood: a hint."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The free parameters (dotted keys) in order of first appearance."""


@dataclass(frozen=True)
class Objective:
    """The metric the sweep is after."""

    metric: str = option("A metric of job.metrics.")
    goal: Goal = option("Which way is better.")
    over: Over = option(
        "What trials that `repeat` makes of one are compared by, together: their mean, their median, or the best of "
        "them, which is the luckiest. Without `repeat` there is no difference.",
        default=Over.MEAN,
    )

    def best(self, items: Iterable[Item], value_of: Callable[[Item], float | None]) -> Item | None:
        """The item with the best value; one with none, or NaN, is never best; the first of equals wins."""
        best: tuple[float, Item] | None = None
        for item in items:
            value = value_of(item)
            if value is None or math.isnan(value):
                continue
            if best is None or self.goal.better(value, best[0]):
                best = value, item
        return best[1] if best else None


OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


@dataclass(frozen=True)
class Threshold:
    """What a metric is asked for: `op` is one of OPERATORS. NaN never satisfies it."""

    op: str
    value: float

    def holds(self, value: float | None) -> bool:
        """Whether this value satisfies it."""
        return value is not None and OPERATORS[self.op](value, self.value)

    @property
    def sign(self) -> float:
        """1 when a higher value satisfies it, else -1."""
        return 1.0 if self.op in (">", ">=") else -1.0


@dataclass(frozen=True)
class MetricDefinition:
    """A metric and how it is found in the log."""

    name: str = option("The metric's name.", sends="Name", low=1, high=255)
    regex: str = option("A regular expression; its first group is the value.", sends="Regex", low=1, high=500)


@dataclass(frozen=True)
class PoolSettings:
    """How the warm pool is kept."""

    keep_alive_s: int | Literal["auto"] = option(
        "Seconds the pool is kept after a job. Under 60 a successor may come too late.",
        default=300,
        low=0,
        high=MOST_KEEP_ALIVE_S,
        says=f"must be 0 to {MOST_KEEP_ALIVE_S} seconds, or auto",
    )
    last_job_releases: bool = option(
        "Send the last job without keep-alive, so that it releases the pool itself. Not where `on_failure` may run it "
        "again.",
        default=True,
    )
    on_no_quota: str = option(
        "Without a warm pool quota: go on cold, or refuse.", default="fail", choices=("cold", "fail")
    )
    watchdog_grace_s: float = option(
        "How long the watchdog waits for a restart before it releases.", default=30.0, low=0
    )
    lease: str | None = option(
        "An S3 prefix: one runner at a time on this pool, across the hosts of a team.", default=None, pattern="^s3://"
    )
    lease_owner: str | None = option(
        "The account that the lease's bucket must belong to. Default: the caller's.",
        default=None,
        pattern=r"^\d{12}$",
        says="must be an account's twelve digits, in quotes",
    )
    caches: bool = option(
        "Under launch: toolkit and image: pip, Hugging Face and PyTorch keep their downloads in the pool's cache "
        "(PIP_CACHE_DIR, HF_HOME and TORCH_HOME of the environment, unless they are said there).",
        default=True,
    )
    settle_debts: bool = option("Close what other sweeps of yours left open before this one begins.", default=True)


@dataclass(frozen=True)
class Pruning:
    """When a running job is hopeless and stopped: compared with the finished trials at the same step, or by itself."""

    metric: str | None = option("The metric to look at. Default: the objective's.", default=None)
    step: str | None = option("The metric that counts the steps. Default: the number of the value.", default=None)
    rules: tuple[PruneRule, ...] = ()

    @property
    def words(self) -> str:
        """What was declared, on one line."""
        settings = [f"{name} {said}" for name, said in (("metric", self.metric), ("step", self.step)) if said]
        return ", ".join([*settings, *map(rule_words, self.rules)])

    @property
    def compares(self) -> bool:
        """Does one of its rules look at the objective?"""
        return any(rule.compares for rule in self.rules)


@dataclass(frozen=True)
class OnFailure:
    """What to do when a job fails, by class of failure."""

    same_error_limit: int | None = option("End the chain after so many equal failures in a row.", default=None, low=1)
    actions: Mapping[str, FailureAction] = field(default_factory=dict)
    """By class of failure; `default` stands for every one that is not listed."""

    def after(self, failure: str) -> FailureAction | None:
        """What follows this failure; None: the next trial."""
        return self.actions.get(failure, self.actions.get("default"))

    @property
    def tries_again(self) -> list[str]:
        """The failures after which a trial may be attempted again: with one of them no job is known to be the last."""
        return [failure for failure, action in self.actions.items() if action.tries_again]

    @property
    def words(self) -> str:
        """What was declared, on one line."""
        limit = {"same_error_limit": self.same_error_limit} if self.same_error_limit else {}
        said = {failure: options_said(action) or action.name for failure, action in self.actions.items()}
        return words_of_section({**limit, **said})


def no_more_trials(values: Mapping[str, Any], index: int) -> Trial:
    """For sweeps that nothing can be added to."""
    raise UsageError("this sweep takes no more trials")


@dataclass(frozen=True)
class Sweep:
    """The composed, validated, frozen declaration.

    `resolve(trial)` gives the complete configuration of one trial with every interpolation resolved: a plain mapping
    with the keys `locked`, `job`, `hyperparameters` and `environment`.
    """

    name: str
    locked: Mapping[str, Any]
    locked_digest: str
    digest: str
    source_digest: str
    trials: Trials
    resolve: Callable[..., Mapping[str, Any]]
    """`resolve(trial, taken)`: `taken` holds what `${prev:...}` stands for, by key (sweeper.core.handover)."""
    backend: Backend
    """Where its machines come from."""
    engine: EngineKind = EngineKind.LOCAL
    engine_options: Mapping[str, Any] = field(default_factory=dict)
    waits: Waits = field(default_factory=Waits)
    owner: str | None = None
    metrics: tuple[MetricDefinition, ...] = ()
    objective: Objective | None = None
    seed: str = ""
    """The parameter that counts the repeats; empty when nothing is repeated."""
    stop: tuple[StopRule, ...] = ()
    on_until: str = "stop"
    """What becomes of the job that shows the metric of `until` while it trains: `stop`, or `finish`."""
    prune: Pruning = field(default_factory=Pruning)
    """When a running job is hopeless."""
    rate: Rate | None = None
    """What a second of a job costs; None when the price is unknown."""
    max_runtime_s: int | None = None
    """The longest that a job may run, as declared."""
    pool: PoolSettings = field(default_factory=PoolSettings)
    on_failure: OnFailure = field(default_factory=OnFailure)
    composed: Mapping[str, Any] = field(default_factory=dict)
    search: Callable[[Chain], Search] | None = None
    """Makes the search that proposes the trials, knowing the chain so far; None walks them in declared order."""
    teachers: Mapping[str, Callable[[], Taught]] = field(default_factory=dict)
    """By name what reads another sweep that the search learns from. They raise UsageError, JournalError."""
    make: Callable[[Mapping[str, Any], int], Trial] = no_more_trials
    """Makes a trial of values by dotted key, with this index: one that someone adds. Raises UsageError."""
    prev: tuple[str, ...] = ()
    """The keys of `${prev:...}` that the experiment names."""
    secrets: tuple[str, ...] = ()
    """Texts outside of `environment` that are secrets all the same: users and passwords in URLs."""
    warnings: tuple[str, ...] = ()
    """What is allowed but worth a word before anything is sent."""
    given_by: Mapping[str, str] = field(default_factory=dict)
    """The place of each key that neither the experiment nor our own defaults have said, by its dotted name."""
    only: str = ""
    """The one trial that is run again; empty: everything that is declared."""
    leaves_warm: bool = False
    """Is its pool left idle for whoever comes next, when it ends by itself? A watchdog closes it then."""
    trackers: tuple[Tracker, ...] = ()
    """Who is told of it."""
    siblings: dict[str, tuple[str, ...]] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What sweeper.core.rounds has found of trials that differ in their seed alone, by trial."""
    resolved: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What result files have asked `resolve` for so far, by trial."""
    project: str = "."
    """The folder that holds `experiments/`, `runs/` and `.sweeper/`."""

    @property
    def in_flight(self) -> int:
        """How many of its jobs may be unfinished at once. Where a trial takes over from the one before it, one is."""
        return 1 if self.prev else self.backend.capacity

    @property
    def caches(self) -> bool:
        """Are its jobs told to keep what they download where the next one on their pool finds it?"""
        return self.backend.keeps_pool and self.pool.keep_alive_s != 0 and self.pool.caches

    @property
    def most_trials(self) -> int | None:
        """How many trials finish at most by its rules; None: they do not say."""
        return min((rule.most_trials for rule in self.stop if rule.most_trials is not None), default=None)

    @property
    def most_usd(self) -> float | None:
        """What it may cost at most by its rules, in USD; None: they do not say."""
        return min((rule.most_usd for rule in self.stop if rule.most_usd is not None), default=None)

    @property
    def saves(self) -> bool:
        """May its jobs bill less than they trained?"""
        return self.backend.interrupts
