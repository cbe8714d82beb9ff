"""The seams between the pure core and the world: protocols of a few methods, in the wire's own words."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from random import Random

    from sweeper.core.chain import Chain
    from sweeper.core.events import Event, Judged
    from sweeper.core.identity import Base
    from sweeper.core.model import Objective, Sweep, Threshold, Trials, Usage
    from sweeper.core.queued import QueueOptions
    from sweeper.core.remedies import Failed, Remedy
    from sweeper.core.search import Proposal
    from sweeper.core.shown import Look

Request = dict[str, Any]
"""A boto3 request: `CreateTrainingJob` in PascalCase."""

Description = dict[str, Any]
"""What `DescribeTrainingJob` answers, as boto3 gives it (timestamps are datetimes with a time zone)."""


Sections = Mapping[str, Any]
"""A composed, resolved configuration, by section."""

Finding = tuple[tuple["str | int", ...], str]
"""What is wrong in it: the key as a path, and words that go on from it."""


@dataclass(frozen=True)
class Page:
    """Some of the jobs of an account, newest first, as summaries."""

    jobs: Sequence[Description]
    token: str = ""
    """What asks for the next page; empty after the last one."""


Domains = Mapping[str, tuple[str, "Sequence[Any]"]]
"""What is drawn for each dotted key: a kind of domain and its arguments (sweeper.core.space.domains)."""

LeftOut = Callable[[Mapping[str, Any]], bool]
"""Whether a trial with these values is not to run."""

Begun = tuple["Trials", Callable[["Chain"], "Search"]]
"""What a search proposes from: its trials, and what makes it."""


class TrainingApi(Protocol):
    """SageMaker's training operations: one wire attempt for a mutation, `ApiError` for every failure."""

    def create_training_job(self, request: Request) -> str:
        """Send CreateTrainingJob once; returns the ARN."""

    def describe_training_job(self, name: str) -> Description:
        """DescribeTrainingJob; `ApiErrorKind.NOT_FOUND` when there is none."""

    def stop_training_job(self, name: str) -> None:
        """Send StopTrainingJob once."""

    def update_training_job(self, name: str, keep_alive_s: int) -> None:
        """Send UpdateTrainingJob once with this KeepAlivePeriodInSeconds (seconds); 0 releases the pool."""

    def list_training_jobs(self, token: str = "") -> Page:
        """One page of ListTrainingJobs, newest first; `token` is that of the page before."""

    def search_training_jobs(self, mark: str, since: float) -> Iterable[Description]:
        """Search, all pages: jobs created since then (UTC seconds) with this in their tag `sweeper:fingerprint`."""


class Clock(Protocol):
    """Time as an argument; the one place that sleeps."""

    def now(self) -> float:
        """Wall clock, UTC seconds since the epoch: for display and for the journal."""

    def monotonic(self) -> float:
        """Seconds that never jump: for durations."""

    def sleep(self, seconds: float) -> None:
        """Sleep at most so long; a signal ends it early."""


class Journal(Protocol):
    """The append-only record. What `append` returned from is durable."""

    def append(self, *events: Event) -> None:
        """Make these events durable, all or none, in order. Raises JournalError."""

    def events(self) -> Sequence[Event]:
        """Every event, oldest first, proved unaltered. Raises JournalError."""


class Search(Protocol):
    """Proposes the next trial."""

    def propose(self, chain: Chain) -> Proposal | None:
        """The next trial to run given what has happened and what is pending; None when there is nothing more."""


class Presence(Protocol):
    """Which parameters are there for which values of the others."""

    @property
    def keys(self) -> frozenset[str]:
        """Those that are not always there."""

    def there(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values without those of parameters that are not there for them."""

    def filled(self, values: Mapping[str, Any], draw: Callable[[str], Any]) -> dict[str, Any]:
        """The values of what is always there, and of each parameter that is there too one that `draw` gives."""


class Proposer(Protocol):
    """What an experiment says of a search that proposes one trial after another: the options under its name in `sweep`.

    One of them is `of`: what is proposed for each key.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """Its name as the experiment file spells it."""

    @property
    def learns_from(self) -> Sequence[str]:
        """Names of the sweeps whose trials it is to know from the beginning."""
        return ()

    @property
    def cannot_learn(self) -> str:
        """Why it can make nothing of them, in words; empty: it can."""
        return ""

    @classmethod
    def refused(cls, domain: str, arguments: Sequence[Any]) -> str:
        """Why it cannot propose from this domain, which can be drawn from, and what to write; empty: it can."""
        return ""

    @abstractmethod
    def missing(self, domains: Domains, objective: Objective) -> str:
        """What has to be installed before it can begin, as pip takes it; empty: nothing."""

    @abstractmethod
    def begun(self, domains: Domains, objective: Objective, base: Base, left_out: LeftOut, presence: Presence) -> Begun:
        """The trials that it has proposed, none yet, and what makes the search of what has happened so far.

        `base`: the identity of what does not vary; `left_out`: whether a rule leaves out a trial with these values;
        `presence`: which parameters are there for which values of the others.
        """


class StopRule(Protocol):
    """A reason to end the chain: a frozen dataclass whose fields are the options under its name in the `stop` section.

    Its name, `meaning` and `why` are its own; every other answer has one that fits most rules.
    """

    stops_running: ClassVar[bool] = False
    """Is it asked while jobs run too, and are they stopped when it has a reason? So are rules of time."""
    exit_code: ClassVar[int] = 0
    """What a run that it has ended exits with, were its trials all well."""
    is_goal: ClassVar[bool] = False
    """Is what it waits for what the sweep is after? Then jobs that run beside the one that got there are stopped."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Its name as the experiment file spells it."""

    @property
    @abstractmethod
    def meaning(self) -> str:
        """When it ends the chain, in words."""

    @abstractmethod
    def why(self, sweep: Sweep, chain: Chain, now: float) -> str | None:
        """The reason in words, or None to go on. `now`: UTC seconds since the epoch."""

    @property
    def asks(self) -> Mapping[str, Threshold]:
        """The metrics that it waits for and what it asks of them: they are declared, and read before it is asked."""
        return {}

    @property
    def most_trials(self) -> int | None:
        """So many trials finish at most; None: it does not say."""
        return None

    @property
    def most_usd(self) -> float | None:
        """What everything may cost at most, in USD; None: it does not say. Such a rule is asked before each job."""
        return None

    def judge(self, look: Look) -> Judged | None:
        """What a running job has come to by what it shows; None: it goes on."""
        return None

    def refused(self, values: Sections) -> Iterable[Finding]:
        """What it cannot be used with in a configuration; the keys are those under its own."""
        return ()

    @classmethod
    def drawn(cls, rng: Random, now: float) -> Any:
        """What a simulated experiment may say under its name; None: it is never drawn. `now`: when that begins."""
        return None


class PruneRule(Protocol):
    """When a running job is hopeless: a frozen dataclass whose fields are its options in the `prune` section."""

    compares: ClassVar[bool] = False
    """Does it look at the objective? Then there must be one."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Its name as the experiment file spells it."""

    @abstractmethod
    def judge(self, look: Look) -> Judged | None:
        """What the running job has come to by what it shows; None: it goes on."""

    @classmethod
    def drawn(cls, rng: Random) -> Any:
        """What a simulated experiment may say under its name; None: it is never drawn."""
        return None


class FailureAction(Protocol):
    """What follows a failure: a frozen dataclass whose fields are its options in the `on_failure` section.

    Without options it is a word there, else a mapping with its name, which is its first option.
    """

    ends: ClassVar[bool] = False
    """Does the chain end?"""
    tries_again: ClassVar[bool] = False
    """May the trial be attempted again? Then no job is known to be the last."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Its name as the experiment file spells it."""

    @property
    def changes(self) -> Mapping[str, Any]:
        """What it changes about a trial, by dotted key, as it was written."""
        return {}

    def remedy(self, failed: Failed) -> Remedy | None:
        """Another attempt; None when it has no more."""
        return None

    def unreadable(self, key: str, known: Mapping[str, Any]) -> str:
        """What is wrong with what it changes this key to, in a configuration with these values; empty: nothing."""
        return ""


class Backend(Protocol):
    """Where machines come from: a frozen dataclass whose fields are the options of the `backend` section.

    Its answers are class variables, the kind's whatever its options; only `capacity` and `through` may depend on them.
    """

    @property
    def kind(self) -> str:
        """Its name as an experiment says it."""

    @property
    def capacity(self) -> int:
        """How many jobs of one sweep may be unfinished at once: 1 or more."""

    @property
    def keeps_pool(self) -> bool:
        """Do its jobs leave machines that idle and bill? Then, and only then, `shape` sends the keep-alive."""

    @property
    def finds_pool(self) -> bool:
        """May a job be started on a pool that is there already? Then one sweep at a time may match it."""

    @property
    def interrupts(self) -> bool:
        """May its machines be taken away? Then a job may bill less than it trained, and its phases come again."""

    @property
    def usage(self) -> Usage:
        """The quota that its jobs count against."""

    @property
    def through(self) -> QueueOptions | None:
        """The AWS Batch queue that its jobs go through; None: they are created at once."""

    def shape(self, request: Request, keep_alive_s: int) -> Request:
        """The request as this backend sends it, with this keep-alive in seconds; pure."""

    def refused(self, values: Sections) -> Iterable[Finding]:
        """What cannot stand together with this backend in a configuration, and what is missing for it."""


class Progress(Protocol):
    """Tells a person what happens; never decides anything."""

    def event(self, event: Event, chain: Chain) -> None:
        """Something was journaled."""

    def watching(self, name: str, description: Mapping[str, Any]) -> None:
        """A job was looked at."""

    def say(self, line: str) -> None:
        """A line that is not an event: a warning, a nag."""
