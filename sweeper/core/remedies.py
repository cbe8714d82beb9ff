"""What to do after a failure: `continue`, `stop`, `{retry: N}`, `{patch: ...}` or `{next: ...}`, by its kind. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from sweeper.core.chain import Chain, Job
from sweeper.core.declared import find
from sweeper.core.events import TrialStatus
from sweeper.core.failures import pause_s
from sweeper.core.identity import canonical, flatten
from sweeper.core.model import OnFailure, Trial
from sweeper.core.options import Bounds, declared, from_section, option
from sweeper.core.ports import FailureAction
from sweeper.core.space.rules import RuleError, formula

if TYPE_CHECKING:
    from sweeper.core.model import Sweep

MOST_ATTEMPTS = 99
"""A job's name has two digits for the attempt."""
MOST_TRIES = MOST_ATTEMPTS - 1
"""How often a trial can be tried again."""
VALUE = "value"
"""What an expression calls the value that it replaces."""


@dataclass(frozen=True)
class Remedy:
    """Another attempt at a trial: what is changed for it, why, and not before when (UTC seconds since the epoch)."""

    words: str
    patches: Mapping[str, Any] = field(default_factory=dict)
    not_before: float = 0.0


@dataclass(frozen=True)
class Failed:
    """A trial that has failed, as an action sees it. `same`: how often it came to this failure, this time included."""

    sweep: Sweep
    trial: Trial
    job: Job
    same: int

    @property
    def failure(self) -> str:
        """The class of its failure."""
        return self.job.outcome.failure if self.job.outcome else ""

    @cached_property
    def config(self) -> dict[str, Any]:
        """Every leaf of the configuration that this attempt ran with, by dotted key."""
        return resolved(self.sweep, self.trial, self.job)

    def with_changes(self, changes: Mapping[str, Any]) -> Remedy | None:
        """Another attempt with these values; None when nothing of them is new."""
        was = self.config
        differing = {key: value for key, value in changes.items() if canonical(value) != canonical(was.get(key))}
        if not differing:
            return None
        told = ", ".join(f"{key} {canonical(was.get(key))} -> {canonical(value)}" for key, value in differing.items())
        return Remedy(f"{told} after {self.failure}", {**self.job.intent.patches, **differing})


@dataclass(frozen=True)
class Continue(FailureAction):
    """Go on with the next trial."""

    name: ClassVar[str] = "continue"


@dataclass(frozen=True)
class Stop(FailureAction):
    """End the chain."""

    name: ClassVar[str] = "stop"
    ends: ClassVar[bool] = True


@dataclass(frozen=True)
class Retry(FailureAction):
    """Run the same trial again."""

    name: ClassVar[str] = "retry"
    tries_again: ClassVar[bool] = True

    retry: int = option("How often.", low=1, high=MOST_TRIES)

    def remedy(self, failed: Failed) -> Remedy | None:
        """As it was, after a pause where the failure is a matter of time."""
        if failed.same > self.retry:
            return None
        words = f"retry {failed.same} of {self.retry} after {failed.failure}"
        return Remedy(words, failed.job.intent.patches, _not_before(failed))


@dataclass(frozen=True)
class Patch(FailureAction):
    """Run the same trial again with other values."""

    name: ClassVar[str] = "patch"
    tries_again: ClassVar[bool] = True

    patch: Annotated[Mapping[str, str | float], Bounds(low=1)] = option(
        "Dotted keys and expressions; `value` is the present one: max(1, value // 2)."
    )
    attempts: int = option("How often; default 10.", default=10, low=1, high=MOST_TRIES)

    @property
    def changes(self) -> Mapping[str, Any]:
        """The expressions."""
        return self.patch

    def remedy(self, failed: Failed) -> Remedy | None:
        """With what the expressions come to; one that cannot be worked out changes nothing."""
        return failed.with_changes(_patched(self.patch, failed.config)) if failed.same <= self.attempts else None

    def unreadable(self, key: str, known: Mapping[str, Any]) -> str:
        """What is wrong with an expression."""
        try:
            formula(str(self.patch[key]), names_in(known, key))
        except RuleError as error:
            return str(error)
        return ""


@dataclass(frozen=True)
class Next(FailureAction):
    """Run the same trial again with the next value of a list."""

    name: ClassVar[str] = "next"
    tries_again: ClassVar[bool] = True

    next: Mapping[str, Annotated[Sequence[Any], Bounds(low=1, high=MOST_TRIES)]] = option(
        "Dotted keys and the values to try in order.", low=1
    )

    @property
    def changes(self) -> Mapping[str, Any]:
        """The lists."""
        return self.next

    def remedy(self, failed: Failed) -> Remedy | None:
        """With the value after the present one, as long as there is one."""
        return failed.with_changes(_next(self.next, failed.config))


KINDS: Mapping[str, type[FailureAction]] = {made.name: made for made in (Continue, Stop, Retry, Patch, Next)}
"""What may follow a failure: a word without options, else a mapping that begins with its name."""
SAME_ERROR_LIMIT = "same_error_limit"
"""The name under which equal failures in a row end a chain, with exit code 1."""
DEFAULT = "default"
"""What stands for every class of failure that is not listed."""


def action(value: Any) -> FailureAction:
    """What a checked value under a class of failure declares."""
    if isinstance(value, str):
        return KINDS[value]()
    kind = next(kind for name, kind in KINDS.items() if name in value)
    return from_section(kind, value)


def on_failure(section: Mapping[str, Any]) -> OnFailure:
    """What an experiment's `on_failure` section says (validated by its schema before)."""
    settings = from_section(OnFailure, section)
    said = {key: value for key, value in section.items() if key not in declared(OnFailure) and value is not None}
    return replace(settings, actions={key: action(value) for key, value in said.items()})


def remedies(sweep: Sweep, chain: Chain) -> list[tuple[Job, Remedy]]:
    """The trials that have failed and whose failure has a remedy that is not used up, the oldest failure first."""
    found = []
    for job in chain.failed.values():
        if job.name in chain.given_up:  # asked before, and the answer does not change
            continue
        if made := remedy(sweep, chain, job):
            found.append((job, made))
        else:
            chain.given_up.add(job.name)
    return found


def remedy(sweep: Sweep, chain: Chain, job: Job) -> Remedy | None:
    """What is left to try after this failure of a trial's last attempt."""
    history = chain.trials[job.intent.trial]
    if job.outcome is None or chain.failed.get(history.id) is not job:
        return None
    if history.skipped or job.intent.attempt >= MOST_ATTEMPTS or sweep.only not in ("", history.id):
        return None
    action = sweep.on_failure.after(job.outcome.failure)
    if action is None or not action.tries_again:
        return None
    same = sum(1 for j in history.jobs if j.outcome and j.outcome.failure == job.outcome.failure)
    trial = find(sweep, chain, job.intent.trial, job.intent.index)
    return action.remedy(Failed(sweep, trial, job, same)) if trial else None


def _not_before(failed: Failed) -> float:
    """The service's own end of the job, and a pause that doubles each time."""
    ended = failed.job.outcome.ended_at if failed.job.outcome else None
    pause = pause_s(failed.failure, failed.same)
    return ended + pause if ended is not None and pause else 0.0


def resolved(sweep: Sweep, trial: Trial, job: Job) -> dict[str, Any]:
    """Every leaf of the configuration that this attempt ran with, by dotted key."""
    config = config_of(sweep, trial, job.intent.patches, job.intent.taken)
    return {".".join(path): value for path, value in flatten(dict(config))}


def config_of(sweep: Sweep, trial: Trial, patches: Mapping[str, Any], taken: Mapping[str, Any]) -> Mapping[str, Any]:
    """The configuration of an attempt: the trial's, with what remedies changed; its identity stays."""
    values = replace(trial, values={**trial.values, **patches}) if patches else trial
    return sweep.resolve(values, taken) if taken else sweep.resolve(values)


def _patched(expressions: Mapping[str, str | float], config: Mapping[str, Any]) -> dict[str, Any]:
    """What the expressions come to; one that cannot be worked out changes nothing."""
    changes: dict[str, Any] = {}
    for key, text in expressions.items():
        try:
            expression = formula(str(text), names_in(config, key))
            changes[key] = expression.of(config)
        except RuleError:
            return {}
    return changes


def names_in(config: Mapping[str, Any], key: str) -> Any:
    """What a name in an expression stands for: `value` for the key itself, else a key or the clear end of one."""

    def name(word: str) -> str:
        if word == VALUE and key in config:
            return key
        near = [other for other in config if other == word or other.endswith(f".{word}")]
        if word in config or len(near) == 1:
            return word if word in config else near[0]
        raise RuleError(f"{word!r} is {'more than one parameter' if near else 'not a parameter'}")

    return name


def _next(lists: Mapping[str, Sequence[Any]], config: Mapping[str, Any]) -> dict[str, Any]:
    """The value after the present one in each list, the first when the present one is not in it; none past the end."""
    changes: dict[str, Any] = {}
    for key, pins in lists.items():
        texts = [canonical(pin) for pin in pins]
        now = canonical(config.get(key))
        at = texts.index(now) + 1 if now in texts else 0
        if at < len(pins):
            changes[key] = pins[at]
    return changes


def repeated(sweep: Sweep, chain: Chain) -> int:
    """How many declared trials in a row have come to the same failure, the last one included."""
    count, last = 0, None
    for job in reversed(chain.outcomes[chain.outcomes_before :]):
        if chain.trials[job.intent.trial].last is not job:
            continue  # a later attempt followed this one: it is not how its trial ended
        if job is not chain.last_ended and remedy(sweep, chain, job):
            continue  # or is to follow it
        outcome = job.outcome
        if outcome is None or find(sweep, chain, job.intent.trial, job.intent.index) is None:
            continue
        if outcome.trial_status != TrialStatus.FAILED.value:
            break
        if last is not None and (outcome.failure, outcome.message) != last:
            break
        count, last = count + 1, (outcome.failure, outcome.message)
    return count
